"""Label noise: labels that are probably wrong, by a classifier that has not seen them."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import Bunch, _safe_indexing, indexable
from sklearn.utils.parallel import Parallel, delayed

from .._extras import import_extra
from .._forms import check_labels
from .._images import refuse_colour
from ._duplicates import duplicate_groups


def find_label_noise(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Find faces whose label is probably wrong.

    It needs cleanlab (``pip install "fer-sklearn[clean]"``).

    Every face is judged by a classifier that was trained on other folds. Confident learning
    (Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels",
    2021) estimates from these probabilities how often each label is given instead of another, and
    lists that many faces: those with the least probable labels.

    Parameters
    ----------
    estimator : classifier
        With `predict_proba`; a clone is trained for each fold.
    X : array-like of shape (n_samples, ...)
        Faces.
    y : array-like of shape (n_samples,)
        Their labels.
    cv : int, splitter or iterable, default=5
        An int is the number of stratified folds, which keep `groups` together; they are shuffled,
        the same way each time.
    groups : array-like of shape (n_samples,) or None, default=None
        Faces of the same group stay in one fold. None groups exact copies, which would give their
        label away; your own splitter then gets no groups.
    n_jobs : int or None, default=None
        Number of folds that are trained at the same time.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        issues : DataFrame
            A row for each face in doubt, the worst first: "row" in X, "label",
            "probability" of that label, "suggested" label and its "suggested_probability".
        y_proba : ndarray of shape (n_samples, n_classes)
            Out-of-fold probabilities of all faces, a column for each of the sorted labels.

    Raises
    ------
    ImportError
        If cleanlab is not installed.
    ValueError
        If `cv` does not put each face into one test fold.

    Notes
    -----
    A doubt is not a proof. Look at the faces before dropping them, and leave the test set alone: a
    score on labels that agree with a classifier says nothing.

    Examples
    --------
    Any images and any classifier will do; here scikit-learn's digits, every twentieth mislabelled:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fer_sklearn.datasets import find_label_noise
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> y[::20] = (y[::20] + 3) % 10
    >>> found = find_label_noise(LogisticRegression(max_iter=300), X, y)
    >>> found.issues["row"].head(6).to_numpy() % 20 == 0
    array([ True,  True,  True,  True,  True,  True])
    """
    refuse_colour(X)
    cleanlab = import_extra("cleanlab.filter", "clean", "find_label_noise")
    check_labels(y)
    X, y, groups = indexable(X, np.asarray(y), groups)
    if isinstance(cv, Integral):
        groups = duplicate_groups(X) if groups is None else groups
        cv = StratifiedGroupKFold(int(cv), shuffle=True, random_state=0)
    labels, codes = np.unique(y, return_inverse=True)
    folds = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    y_proba = _judge_all(estimator, X, y, labels, folds, n_jobs)
    how = {"return_indices_ranked_by": "self_confidence", "n_jobs": 1}
    rows = cleanlab.find_label_issues(codes, y_proba, **how)
    suggested = y_proba[rows].argmax(axis=1)
    issues = pd.DataFrame(
        {
            "row": rows,
            "label": y[rows],
            "probability": y_proba[rows, codes[rows]],
            "suggested": labels[suggested],
            "suggested_probability": y_proba[rows, suggested],
        }
    )
    return Bunch(issues=issues, y_proba=y_proba)


def _judge_all(
    estimator: Any, X: Any, y: np.ndarray, labels: np.ndarray, folds: Any, n_jobs: int | None
) -> np.ndarray:
    """Return the out-of-fold probabilities of all faces.

    `cross_val_predict` would pass numbers instead of the labels to the estimator, but
    `class_weight` and pretrained weights need the labels.
    """
    judged = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(judged), np.arange(len(y))):
        raise ValueError("Expected cv to put each face into one test fold: use one that does.")
    answers = Parallel(n_jobs=n_jobs)(
        delayed(_judge)(clone(estimator), X, y, labels, *fold) for fold in folds
    )
    y_proba = np.empty((len(y), len(labels)))
    y_proba[judged] = np.concatenate(answers)
    return y_proba


def _judge(
    estimator: Any, X: Any, y: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    estimator.fit(_safe_indexing(X, train), y[train])
    y_proba = np.zeros((len(test), len(labels)))  # a label that is not in this fold stays at 0
    columns = np.searchsorted(labels, estimator.classes_)
    y_proba[:, columns] = estimator.predict_proba(_safe_indexing(X, test))
    return y_proba
