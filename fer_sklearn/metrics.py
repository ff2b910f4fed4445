"""How good a classifier is: a report, calibration, and a comparison of two classifiers."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest
from sklearn.metrics import (
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from sklearn.utils import Bunch, check_random_state, column_or_1d, resample

from ._extras import import_pyplot
from ._forms import (
    check_comparable,
    check_count,
    check_labels,
    column_names,
    is_count,
    is_table,
    shorten,
)
from ._report_page import report_page
from .datasets._duplicates import groups_and_copies

if TYPE_CHECKING:
    from sklearn.metrics import ConfusionMatrixDisplay

__all__ = [
    "EvaluationReport",
    "calibration_bins",
    "compare_classifiers",
    "evaluation_report",
    "expected_calibration_error",
]

#: Letters of a name beside the confusion matrix.
_LONGEST_NAME = 24
_TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "top2_accuracy": "top-2 accuracy",
    "log_loss": "log-loss",
    "brier_score": "Brier score",
    "calibration_error": "calibration error",
}


def expected_calibration_error(
    y_true: ArrayLike, y_proba: ArrayLike, *, labels: ArrayLike | None = None, n_bins: int = 15
) -> float:
    """Compute the expected calibration error: how far confidence and accuracy differ.

    Predictions are binned by their confidence, which is the largest probability. The error is the
    mean, over all faces, of the distance between accuracy and mean confidence in their bin (Guo et
    al., "On calibration of modern neural networks", 2017).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_proba : array-like of shape (n_samples, n_classes)
        Probabilities, a column for each label. Columns of a table that are called as the labels are
        found by their names.
    labels : array-like of shape (n_classes,) or None, default=None
        Labels of the columns; None: the names of a table's columns, or those in `y_true`, sorted.
    n_bins : int, default=15
        Bins of equal width over [0, 1].

    Returns
    -------
    error : float
        In [0, 1]; 0 is perfect.

    Raises
    ------
    ValueError
        If the shapes do not fit together, there are no faces, a label is missing or has no column
        or two, or `n_bins` is not a whole number of at least 1.

    Examples
    --------
    >>> from fer_sklearn.metrics import expected_calibration_error
    >>> round(expected_calibration_error([0, 1, 1, 1], [[0.25, 0.75]] * 4), 3)
    0.0
    """
    bins = calibration_bins(y_true, y_proba, labels=labels, n_bins=n_bins)
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return float((bins["faces"] * gaps).sum() / bins["faces"].sum())


def calibration_bins(
    y_true: ArrayLike, y_proba: ArrayLike, *, labels: ArrayLike | None = None, n_bins: int = 15
) -> pd.DataFrame:
    """Compare confidence and accuracy in bins of confidence.

    Parameters
    ----------
    y_true, y_proba, labels, n_bins
        As in `expected_calibration_error`, which summarises these bins.

    Returns
    -------
    bins : DataFrame with columns accuracy, confidence, faces
        A row for each bin, the least confident first: the share of correct predictions, the mean
        confidence and the number of faces. The first two are NaN for a bin without faces.

    Raises
    ------
    ValueError
        As in `expected_calibration_error`.

    Examples
    --------
    >>> from fer_sklearn.metrics import calibration_bins
    >>> calibration_bins([0, 1, 1, 1], [[0.25, 0.75]] * 4, n_bins=2)
       accuracy  confidence  faces
    0       NaN         NaN      0
    1      0.75        0.75      4
    """
    check_count("n_bins", n_bins)
    y_true, y_proba, labels = _check(y_true, y_proba, labels)
    hits = labels[y_proba.argmax(axis=1)] == y_true
    confidence = y_proba.max(axis=1)
    codes = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    by_bin = pd.DataFrame({"accuracy": hits, "confidence": confidence}).groupby(codes)
    bins = by_bin.mean().reindex(range(n_bins))
    return bins.assign(faces=np.bincount(codes, minlength=n_bins))


@dataclass(frozen=True)
class EvaluationReport:
    """The scores of `evaluation_report`; ``print(report)`` shows them.

    Attributes
    ----------
    n_samples : int
    accuracy : float
    accuracy_interval : tuple of (float, float)
        95 % of the bootstrap samples lie within.
    balanced_accuracy, macro_f1, top2_accuracy : float
        Mean recall and mean F1 of the classes that occur among the labels; share of faces whose
        label is among the two most probable ones.
    log_loss, brier_score, calibration_error : float
        Of the probabilities. Brier's score is the sum over all classes, from 0 to 2, also of two
        classes; the last one is `expected_calibration_error`.
    by_class : DataFrame
        Precision, recall, F1 and number of faces of each class.
    confusion : DataFrame
        Faces by label (rows) and prediction (columns).
    leak_free : EvaluationReport or None
        The same for the faces without an exact copy in the training data. None if that was not
        given, or if all faces have a copy there.
    n_leak_free : int or None
        Faces without an exact copy in the training data; None if that was not given.
    """

    n_samples: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    top2_accuracy: float
    log_loss: float
    brier_score: float
    calibration_error: float
    by_class: pd.DataFrame = field(repr=False)
    confusion: pd.DataFrame = field(repr=False)
    leak_free: EvaluationReport | None = field(default=None, repr=False)
    n_leak_free: int | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return the scores, with a column for all faces and, if known, one for the leak-free ones.

        If no face is leak-free, these scores are NaN.
        """
        scores = {"all": self._scores()}
        if self.n_leak_free is not None:
            none = dict.fromkeys(scores["all"], np.nan) | {"faces": 0.0}
            scores["leak-free"] = self.leak_free._scores() if self.leak_free else none
        return pd.DataFrame(scores)

    def _scores(self) -> dict[str, float]:
        scores = {title: getattr(self, key) for key, title in _TITLES.items()}
        return {"faces": float(self.n_samples), **scores}

    def _notes(self) -> list[str]:
        low, high = self.accuracy_interval
        notes = [f"accuracy of all within {low:.4f} and {high:.4f} (95 %)"]
        if self.n_leak_free == 0:
            notes.append("no face is leak-free: each has an exact copy in the training data")
        return notes

    def __str__(self) -> str:
        scores = self.to_frame()
        lines = scores.drop(index="faces").to_string(float_format="{:.4f}".format).splitlines()
        counts = ", ".join(f"{int(n)} {name}" for name, n in scores.loc["faces"].items())
        by_class = self.by_class.to_string(float_format="{:.3f}".format)
        return "\n".join(["; ".join([f"faces: {counts}", *self._notes()]), *lines, "", by_class])

    def _repr_html_(self) -> str:
        notes = html.escape("; ".join(self._notes()))
        scores = self.to_frame().astype(object)
        scores.loc["faces"] = scores.loc["faces"].astype(int)
        shown = scores.to_html(float_format="{:.4f}".format)
        by_class = self.by_class.to_html(float_format="{:.3f}".format)
        return f"{shown}<p>{notes}</p>{by_class}"

    def to_html(self, *, title: str = "How good the classifier is") -> str:
        """Return the report as a page of HTML, with the scores of each class and the confusions.

        It contains no faces, runs no script and loads nothing from elsewhere.

        Parameters
        ----------
        title : str, default="How good the classifier is"
            Heading of the page.

        Returns
        -------
        page : str
        """
        return report_page(self, title)

    def plot(
        self, *, ax: Any = None, normalize: bool = True, cmap: str = "Blues"
    ) -> ConfusionMatrixDisplay:
        """Draw the confusion matrix; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None makes a figure.
        normalize : bool, default=True
            Whether to show shares of each label, or numbers of faces.
        cmap : str, default="Blues"

        Returns
        -------
        display : sklearn.metrics.ConfusionMatrixDisplay
        """
        plt = import_pyplot("EvaluationReport.plot")
        from sklearn.metrics import ConfusionMatrixDisplay

        counts = self.confusion.to_numpy()
        if ax is None:
            side = max(4.8, 0.5 * len(counts))
            ax = plt.subplots(figsize=(side + 1.6, side), layout="constrained")[1]
        shown = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) if normalize else counts
        display = ConfusionMatrixDisplay(shown, display_labels=self.confusion.index)
        form = ".2f" if normalize else "d"
        display.plot(ax=ax, cmap=cmap, values_format=form, colorbar=False, xticks_rotation=45)
        names = [shorten(name, _LONGEST_NAME) for name in self.confusion.index]
        # Between two "$" in a name matplotlib would look for a formula.
        ax.set_yticklabels(names, parse_math=False)
        ax.set_xticklabels(names, parse_math=False, ha="right", rotation_mode="anchor")
        display.ax_.set_title(f"accuracy {self.accuracy:.3f}, {self.n_samples} faces")
        return display


def evaluation_report(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    train: Any = None,
    sample: int | float | None = None,
    n_bootstrap: int = 1000,
    random_state: int | np.random.RandomState | None = 0,
) -> EvaluationReport:
    """Compute all scores of a fitted classifier in one call.

    Parameters
    ----------
    estimator : classifier
        Fitted, with `predict_proba`.
    X : array-like of shape (n_samples, ...)
        Faces to evaluate on.
    y : array-like of shape (n_samples,)
        Their labels.
    train : array-like or None, default=None
        Training faces, as rows or images of X's size. The report then also has the scores of the
        faces without an exact copy among them. Memory maps are read in parts.
    sample : int, float or None, default=None
        Evaluate on that many faces of X, or that share of them, drawn at random with the classes in
        proportion. None: all.
    n_bootstrap : int, default=1000
        Samples for the interval of the accuracy.
    random_state : int, RandomState instance or None, default=0
        Draws `sample` and the samples for the interval.

    Returns
    -------
    report : EvaluationReport

    Raises
    ------
    ValueError
        If X and `train` are faces of different sizes, labels or probabilities do not fit, or
        `sample` is out of range.

    Examples
    --------
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.metrics import evaluation_report
    >>> faces = make_faces(140, image_size=24, random_state=0)
    >>> clf = FERClassifier(widths=(8,), max_epochs=2, random_state=0)
    >>> clf = clf.fit(faces.data, faces.target)
    >>> report = evaluation_report(clf, faces.data, faces.target)
    >>> report.accuracy == clf.score(faces.data, faces.target)
    True
    """
    if sample is not None:
        X, y = _draw(X, y, sample, random_state)
    y_true, y_proba, labels = _check(y, estimator.predict_proba(X), estimator.classes_)
    options: dict[str, Any] = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    clean: dict[str, Any] = {}
    if train is not None:
        free = ~groups_and_copies(X, train)[1]
        clean["n_leak_free"] = int(free.sum())
        if free.any():
            clean["leak_free"] = _evaluate(y_true[free], y_proba[free], labels, **options)
    return _evaluate(y_true, y_proba, labels, **options, **clean)


def _draw(
    X: Any, y: Any, sample: int | float, random_state: int | np.random.RandomState | None
) -> Any:
    """Draw `sample` faces, a number or a share, with the classes in proportion."""
    y = column_or_1d(y)
    is_share = isinstance(sample, Real) and not isinstance(sample, Integral) and 0 < sample <= 1
    n = round(sample * len(y)) if is_share else sample
    if not is_count(n) or n > len(y):
        raise ValueError(
            f"sample must be a number of faces, from 1 to the {len(y)} of X, or a share of them "
            f"in (0, 1], got {sample!r}."
        )
    return resample(X, y, replace=False, n_samples=n, stratify=y, random_state=random_state)


def compare_classifiers(
    y_true: ArrayLike,
    y_pred_a: ArrayLike,
    y_pred_b: ArrayLike,
    *,
    n_bootstrap: int = 1000,
    random_state: int | np.random.RandomState | None = 0,
) -> Bunch:
    """Compare two classifiers on the same faces.

    Parameters
    ----------
    y_true, y_pred_a, y_pred_b : array-like of shape (n_samples,)
        Labels, and the predictions of the two classifiers.
    n_bootstrap : int, default=1000
        Number of samples of the faces for the interval.
    random_state : int, RandomState instance or None, default=0
        Draws them.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        difference : float
            Accuracy of b minus that of a.
        interval : tuple of (float, float)
            95 % of the differences in bootstrap samples lie within.
        only_a, only_b : int
            Number of faces that only this classifier predicts correctly.
        p_value : float
            Exact McNemar test: the probability that `only_a` and `only_b` differ at least this
            much if both classifiers are equally good.

    Raises
    ------
    ValueError
        If the three differ in length, are of different types or empty, or a label is missing.

    Examples
    --------
    >>> from fer_sklearn.metrics import compare_classifiers
    >>> result = compare_classifiers([0, 1, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0])
    >>> result.difference, result.only_b, result.p_value
    (0.5, 2, 0.5)
    """
    named = {"y_true": y_true, "y_pred_a": y_pred_a, "y_pred_b": y_pred_b}
    y_true, a, b = (_check_labels(part, name) for name, part in named.items())
    check_comparable(y_true, a, b)
    if not len(y_true) == len(a) == len(b):
        raise ValueError(
            f"Expected predictions for the same faces, got {len(y_true)} labels and {len(a)} and "
            f"{len(b)} predictions."
        )
    gains = (b == y_true).astype(int) - (a == y_true).astype(int)
    only_a, only_b = int((gains < 0).sum()), int((gains > 0).sum())
    p_value = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return Bunch(
        difference=float(gains.mean()),
        interval=_interval(gains, n_bootstrap, random_state),
        only_a=only_a,
        only_b=only_b,
        p_value=float(p_value),
    )


def _evaluate(
    y_true: np.ndarray,
    y_proba: np.ndarray,
    labels: np.ndarray,
    *,
    n_bootstrap: int,
    random_state: int | np.random.RandomState | None,
    **clean: Any,
) -> EvaluationReport:
    y_pred = labels[y_proba.argmax(axis=1)]
    hits = y_pred == y_true
    columns = precision_recall_fscore_support(y_true, y_pred, labels=labels, zero_division=0)
    by_class = pd.DataFrame(
        dict(zip(("precision", "recall", "f1", "faces"), columns, strict=True)), index=labels
    )
    present = by_class["faces"] > 0
    codes = np.searchsorted(labels, y_true)
    return EvaluationReport(
        n_samples=len(y_true),
        accuracy=float(hits.mean()),
        accuracy_interval=_interval(hits, n_bootstrap, random_state),
        balanced_accuracy=float(by_class.loc[present, "recall"].mean()),
        macro_f1=float(by_class.loc[present, "f1"].mean()),
        top2_accuracy=_top2(y_true, y_proba, labels),
        log_loss=float(log_loss(y_true, y_proba, labels=labels)),
        brier_score=float(((y_proba - np.eye(len(labels))[codes]) ** 2).sum(axis=1).mean()),
        calibration_error=expected_calibration_error(y_true, y_proba, labels=labels),
        by_class=by_class,
        confusion=pd.DataFrame(
            confusion_matrix(y_true, y_pred, labels=labels), index=labels, columns=labels
        ),
        **clean,
    )


def _top2(y_true: np.ndarray, y_proba: np.ndarray, labels: np.ndarray) -> float:
    if len(labels) == 2:
        return 1.0
    return float(top_k_accuracy_score(y_true, y_proba, k=2, labels=labels))


def _interval(
    values: np.ndarray, n_bootstrap: int, random_state: int | np.random.RandomState | None
) -> tuple[float, float]:
    """Return the limits of 95 % of the means of bootstrap samples."""
    check_count("n_bootstrap", n_bootstrap)
    rng = check_random_state(random_state)
    kinds, counts = np.unique(values, return_counts=True)
    draws = rng.multinomial(len(values), counts / len(values), size=n_bootstrap)
    low, high = np.percentile(draws @ kinds.astype(float) / len(values), [2.5, 97.5])
    return float(low), float(high)


def _check(y_true: Any, y_proba: Any, labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and probabilities as arrays, and the labels of the columns, sorted."""
    y_true = _check_labels(y_true, "y_true")
    way_out = " Pass labels=classifier.classes_." if labels is None else ""
    labels = np.unique(y_true) if labels is None else np.asarray(labels)
    names = column_names(y_proba) if is_table(y_proba) else []
    if all(isinstance(name, str) for name in names) and set(labels.tolist()) <= set(names):
        labels = np.asarray(names)
    y_proba = np.asarray(y_proba, dtype=np.float64)
    if y_proba.shape != (len(y_true), len(labels)):
        raise ValueError(
            f"Expected probabilities of shape {(len(y_true), len(labels))}, a row for each face "
            f"and a column for each of {labels.tolist()}, got {y_proba.shape}.{way_out}"
        )
    # scikit-learn's classifiers have their classes sorted, others may not; its scores need it.
    labels, columns = np.unique(labels, return_index=True)
    if len(labels) < y_proba.shape[1]:
        raise ValueError(f"Expected each label once, for one column, got {labels.tolist()} only.")
    y_proba = y_proba[:, columns]
    unknown = set(np.unique(y_true).tolist()) - set(labels.tolist())
    if unknown:
        raise ValueError(f"y has the labels {sorted(unknown)}, the classifier {labels.tolist()}.")
    return y_true, _sum_to_one(y_proba), labels


def _check_labels(y: Any, name: str) -> np.ndarray:
    check_labels(y, name)
    y = column_or_1d(y)
    if not len(y):
        raise ValueError(f"{name} has no labels: there is nothing to evaluate.")
    return y


def _sum_to_one(y_proba: np.ndarray) -> np.ndarray:
    """Return probabilities whose rows sum to 1 exactly; in float32 they do so only roughly."""
    sums = y_proba.sum(axis=1, keepdims=True)
    if not ((y_proba >= 0).all() and (abs(sums - 1) <= 1e-3).all()):  # NaN is neither
        raise ValueError(
            "Expected probabilities: no row with a number below 0, and each with the sum 1. Got "
            f"numbers from {y_proba.min():.3g} to {y_proba.max():.3g}, and sums from "
            f"{sums.min():.3g} to {sums.max():.3g}. Pass what predict_proba returns, not logits "
            "or votes."
        )
    return y_proba / sums
