"""Reliability diagrams, which show whether probabilities are calibrated."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import calibration_bins, expected_calibration_error
from ._axes import BLUE, GRAY, PALE_BLUE, PALE_VERMILLION, new_grid

#: Number of digits, in the size of the counts, that fit into the width of the figure.
_DIGITS_IN_A_ROW = 50


class ReliabilityDisplay:
    """Accuracy against confidence (Guo et al., "On calibration of modern neural networks", 2017).

    Faces are binned by the largest of their probabilities. If a classifier is calibrated, its
    accuracy in each bin equals its confidence. The gap between the two is marked. Below the dashed
    line the classifier is too confident, above it not confident enough. The lower axes show the
    number of faces in each bin: a bin of a few faces says little.
    Create one with `from_estimator` or `from_predictions`.

    .. versionchanged:: 0.2
       The number of faces is written above each bin.

    Parameters
    ----------
    accuracy, confidence : array-like of shape (n_bins,)
        Share of correct predictions and mean confidence in each bin of [0, 1]; NaN for a bin
        without faces.
    faces : array-like of shape (n_bins,)
        Number of faces in each bin.
    calibration_error : float or None, default=None
        Expected calibration error, for the title.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        Accuracy, and the number of faces.
    figure_ : matplotlib Figure

    See Also
    --------
    fer_sklearn.metrics.calibration_bins : Computes the bins.
    sklearn.calibration.CalibrationDisplay : For two classes.

    Examples
    --------
    >>> from fer_sklearn.plots import ReliabilityDisplay
    >>> y_proba = [[0.25, 0.75], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    >>> display = ReliabilityDisplay.from_predictions([0, 0, 1, 0], y_proba, n_bins=5)
    >>> display.axes_[0].get_title()
    'expected calibration error 0.162, 4 faces'
    """

    def __init__(
        self,
        accuracy: ArrayLike,
        confidence: ArrayLike,
        faces: ArrayLike,
        *,
        calibration_error: float | None = None,
    ) -> None:
        self.accuracy = np.asarray(accuracy)
        self.confidence = np.asarray(confidence)
        self.faces = np.asarray(faces)
        self.calibration_error = calibration_error

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: ArrayLike, *, n_bins: int = 15, ax: Any = None
    ) -> Self:
        """Draw the diagram of a fitted classifier on labelled faces.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba`.
        X : array-like of shape (n_samples, ...)
            Faces that it was not trained on.
        y : array-like of shape (n_samples,)
            Their labels.
        n_bins : int, default=15
            Bins of equal width over [0, 1].
        ax : matplotlib Axes or None, default=None
            Two axes replace it; None makes a figure.

        Returns
        -------
        display : ReliabilityDisplay
        """
        y_proba = estimator.predict_proba(X)
        return cls.from_predictions(y, y_proba, labels=estimator.classes_, n_bins=n_bins, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        n_bins: int = 15,
        ax: Any = None,
    ) -> Self:
        """Draw the diagram of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels.
        y_proba : array-like of shape (n_samples, n_classes)
            Probabilities, a column for each label.
        labels : array-like of shape (n_classes,) or None, default=None
            Labels of the columns; None: those in `y_true`, sorted.
        n_bins : int, default=15
            Bins of equal width over [0, 1].
        ax : matplotlib Axes or None, default=None
            Two axes replace it; None makes a figure.

        Returns
        -------
        display : ReliabilityDisplay
        """
        options: dict[str, Any] = {"labels": labels, "n_bins": n_bins}
        bins = calibration_bins(y_true, y_proba, **options)
        error = expected_calibration_error(y_true, y_proba, **options)
        return cls(**bins, calibration_error=error).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Two axes replace it; None makes a figure.

        Returns
        -------
        self : ReliabilityDisplay
        """
        grid = new_grid(self, ax, (2, 1), (5, 5.5), sharex=True, height_ratios=(3, 1))
        self.axes_ = grid[:, 0]
        self.figure_ = self.axes_[0].figure
        self._draw_accuracy(self.axes_[0])
        self._draw_faces(self.axes_[1])
        return self

    def _draw_accuracy(self, ax: Any) -> None:
        filled = np.flatnonzero(self.faces)
        left, accuracy = filled / len(self.faces), self.accuracy[filled]
        bar: dict[str, Any] = {"width": 1 / len(self.faces), "align": "edge"}
        ax.bar(left, accuracy, label="accuracy", color=PALE_BLUE, edgecolor="white", **bar)
        gap = {"label": "gap", "color": PALE_VERMILLION, "linewidth": 0}
        ax.bar(left, self.confidence[filled] - accuracy, bottom=accuracy, **gap, **bar)
        ax.hlines(accuracy, left, left + bar["width"], color=BLUE, linewidth=2)
        ax.plot([0, 1], [0, 1], color="black", linestyle="--", label="perfect calibration")
        ax.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
        title = f"{self.faces.sum()} faces"
        if self.calibration_error is not None:
            title = f"expected calibration error {self.calibration_error:.3f}, {title}"
        ax.set_title(title, pad=26)

    def _draw_faces(self, ax: Any) -> None:
        left = np.arange(len(self.faces)) / len(self.faces)
        bars = ax.bar(
            left, self.faces, 1 / len(self.faces), align="edge", color=GRAY, edgecolor="white"
        )
        counts = [str(n) if n else "" for n in self.faces]
        # Bins are narrow: a number that is wider than its bin is written vertically.
        upright = max(map(len, counts)) * len(counts) > _DIGITS_IN_A_ROW
        ax.bar_label(bars, counts, size=8, padding=1, rotation=90 if upright else 0)
        ax.margins(y=0.6 if upright else 0.3)
        ax.set(xlabel="confidence (largest probability)", ylabel="faces")
