"""Labels <-> column numbers, and the weights of the loss."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import compute_class_weight, compute_sample_weight
from sklearn.utils.validation import _check_sample_weight, check_array

from ._forms import column_names, is_table


def find_classes(y: np.ndarray, name: str = "y") -> np.ndarray:
    """Return the sorted labels; `name` is their name in an error.

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"{name} has only {('no', 'one')[len(classes)]} class, {classes.tolist()}; a "
            "classifier needs at least 2 classes."
        )
    return classes


def encode_labels(y: np.ndarray, classes: np.ndarray, way_out: str) -> np.ndarray:
    """Return the column number in `classes` of each label, int64.

    Parameters
    ----------
    y : ndarray
        Labels.
    classes : ndarray
        Sorted.
    way_out : str
        The end of the error message, which tells the user what to do.

    Raises
    ------
    ValueError
        If a label is not among `classes`.
    """
    known = set(classes.tolist())  # which compares labels of any types
    unknown = [label for label in np.unique(y).tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"The labels {unknown} are not among the classes that the classifier knows: "
            f"{classes.tolist()}. {way_out}"
        )
    return np.searchsorted(classes, y).astype(np.int64)


def make_loss_weights(
    y: np.ndarray, sample_weight: ArrayLike | None, class_weight: dict | str | None
) -> np.ndarray | None:
    """Return the product of both weights, scaled to mean 1; None if all are equal.

    Raises
    ------
    ValueError
        If a `sample_weight` is negative, or no face has a weight above 0.
    """
    if sample_weight is None and class_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
    if class_weight is not None:
        weights = weights * compute_sample_weight(class_weight, y)
    if not weights.any():
        raise ValueError("sample_weight and class_weight leave no face a weight above 0.")
    if np.ptp(weights) == 0:
        return None
    return (weights / weights[weights > 0].mean()).astype(np.float32)


def make_batch_weights(
    codes: np.ndarray,
    classes: np.ndarray,
    sample_weight: ArrayLike | None,
    class_weight: dict | str | None,
) -> np.ndarray | None:
    """Return the product of both weights, for one batch of many; None if all are 1.

    They are not scaled: a batch of heavy faces counts more than one of light faces.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
        Column numbers of the labels.
    classes : ndarray of shape (n_classes,)
        All labels; the batch need not contain all of them.
    sample_weight : array-like of shape (n_samples,) or None
    class_weight : dict or None

    Raises
    ------
    ValueError
        If a `sample_weight` is negative, or `class_weight` is "balanced".
    """
    if isinstance(class_weight, str):
        raise ValueError(
            "class_weight='balanced' needs all labels at once; pass a dict to "
            "partial_fit, e.g. from sklearn.utils.class_weight.compute_class_weight."
        )
    weights = _check_sample_weight(sample_weight, codes, ensure_non_negative=True)
    by_class = compute_class_weight(class_weight, classes=classes, y=classes)
    weights = weights * by_class[codes]
    return None if (weights == 1).all() else weights.astype(np.float32)


def check_shares(
    distribution: ArrayLike | None, n_faces: int, classes: list, meaning: Callable[[list], list]
) -> np.ndarray | None:
    """Return a label distribution as float32 rows that sum to 1; None if there is none.

    Parameters
    ----------
    distribution : array-like of shape (n_faces, n_classes) or None
        The columns of a table are found by their names.
    n_faces : int
    classes : list
        The labels of y, sorted.
    meaning : callable
        Returns what they stand for.

    Raises
    ------
    ValueError
        If its shape is wrong, a row has a negative value or only zeros, or the columns of a table
        have other names than the labels.
    """
    if distribution is None:
        return None
    n_classes = len(classes)
    if is_table(distribution) and np.shape(distribution) == (n_faces, n_classes):
        order = _order_of_columns(column_names(distribution), classes, meaning)
        distribution = np.asarray(distribution)[:, order]
    shares = check_array(distribution, input_name="label_distribution", dtype=np.float64)
    if shares.shape != (n_faces, n_classes):
        raise ValueError(
            f"Expected label_distribution of shape {(n_faces, n_classes)}, a column for each of "
            f"the sorted labels, got {shares.shape}."
        )
    totals = shares.sum(axis=1, keepdims=True)
    if (shares < 0).any() or not (totals > 0).all():
        raise ValueError(
            "label_distribution needs rows of values of at least 0 that are not all 0; row "
            f"{int(np.argmax((shares < 0).any(axis=1) | (totals[:, 0] <= 0)))} is not. Leave such "
            "faces out."
        )
    return (shares / totals).astype(np.float32)


def _order_of_columns(names: list, classes: list, meaning: Callable[[list], list]) -> list[int]:
    """Return where a table has the column of each label; names that are numbered say nothing."""
    said = [str(name) for name in names]
    for labels in (classes, meaning(classes)):
        wanted = [str(label) for label in labels]
        if sorted(said) == sorted(wanted):
            return [said.index(label) for label in wanted]
    places = [re.fullmatch(r"\D*(\d+)", name) for name in said]
    numbers = [int(place[1]) for place in places if place]
    if numbers == list(range(numbers[0] if numbers else 0, len(names))):
        return list(range(len(names)))
    raise ValueError(
        f"label_distribution has the columns {names}, but the labels are {classes}. Call the "
        "columns as the labels, or pass an array with a column for each of the sorted labels."
    )


def drop_weightless(index: np.ndarray, weights: np.ndarray | None, codes: np.ndarray) -> np.ndarray:
    """Return `index` without the faces of weight 0, which would only cost time.

    Raises
    ------
    ValueError
        If only faces of a single class are left.
    """
    if weights is None:
        return index
    index = index[weights[index] > 0]
    if len(np.unique(codes[index])) < 2:
        raise ValueError(
            "Only one class has faces of weight above 0; a classifier needs at least 2 classes."
        )
    return index


@dataclass(frozen=True)
class ClassTotals:
    """The amount of training data of each class.

    Attributes
    ----------
    counts : ndarray of int of shape (n_classes,)
        Faces.
    amounts : ndarray of shape (n_classes,)
        The same, times their weights and repetitions, and by shares if there are any.
    """

    counts: np.ndarray
    amounts: np.ndarray

    @classmethod
    def of(
        cls,
        codes: np.ndarray,
        n_classes: int,
        weights: np.ndarray | None = None,
        shares: np.ndarray | None = None,
        *,
        oversample: bool = False,
    ) -> ClassTotals:
        """Count the faces of one training.

        Parameters
        ----------
        codes : ndarray of int of shape (n,)
        n_classes : int
        weights : ndarray of shape (n,) or None
        shares : ndarray of shape (n, n_classes) or None
        oversample : bool
            Whether each class is repeated until it is as large as the largest.
        """
        counts = np.bincount(codes, minlength=n_classes)
        amounts = np.ones(len(codes)) if weights is None else weights.astype(np.float64)
        if oversample:
            amounts *= counts.max() / counts[codes]
        if shares is None:
            return cls(counts, np.bincount(codes, amounts, minlength=n_classes))
        return cls(counts, amounts @ shares)

    def __add__(self, other: ClassTotals) -> ClassTotals:
        return ClassTotals(self.counts + other.counts, self.amounts + other.amounts)

    def log_shares(self) -> np.ndarray:
        """Return the logarithm of each class's share, at least that of one face, (n_classes,)."""
        one_face = self.amounts.sum() / self.counts.sum()
        return np.log(np.maximum(self.amounts, one_face) / self.amounts.sum())
