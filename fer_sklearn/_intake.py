"""Convert the caller's faces, labels and weights to `TrainingFaces`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import validate_data

from ._codes import hint_at_codes
from ._forms import check_class_weight, check_labels, refuse_objects
from ._images import PixelValues, as_rows, infer_image_shape, refuse_other_faces
from ._labels import (
    ClassTotals,
    check_shares,
    drop_weightless,
    encode_labels,
    find_classes,
    make_batch_weights,
    make_loss_weights,
)
from .augment import FaceAugmenter, augmenter_for
from .model import FacePredictor, Faces
from .training import needs_validation


@dataclass(frozen=True, eq=False)
class TrainingFaces:
    """Faces with their targets, and which of them to train on.

    Attributes
    ----------
    rows : ndarray of shape (n, n_pixels)
        Validated; the pixel values are unchanged.
    values : PixelValues
        What is known about their values.
    image_shape : tuple of (int, int)
        Height and width.
    y : ndarray of shape (n,)
        Labels.
    classes : ndarray of shape (n_classes,)
        All labels, sorted.
    codes : ndarray of int64 of shape (n,)
        Positions of the labels in `classes`.
    index : ndarray of int
        The rows to train on.
    augmenter : FaceAugmenter
        The augmenter of these faces.
    weights : ndarray of float32 of shape (n,) or None
        Factors of the loss.
    shares : ndarray of float32 of shape (n, n_classes) or None
        Share of each class that a face shows.
    """

    rows: np.ndarray
    values: PixelValues
    image_shape: tuple[int, int]
    y: np.ndarray
    classes: np.ndarray
    codes: np.ndarray
    index: np.ndarray
    augmenter: FaceAugmenter
    weights: np.ndarray | None = None
    shares: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.index)

    def for_network(self, predictor: FacePredictor) -> Faces:
        """Return the faces in the form that the network of `predictor` takes."""
        return predictor.faces(
            self.rows,
            self.values,
            codes=self.codes,
            weights=self.weights,
            index=self.index,
            shares=self.shares,
        )

    def totals(self, *, oversample: bool) -> ClassTotals:
        """Count the training data of each class."""
        parts = (None if part is None else part[self.index] for part in (self.weights, self.shares))
        return ClassTotals.of(
            self.codes[self.index], len(self.classes), *parts, oversample=oversample
        )

    def set_aside(self, fraction: float, seed: int) -> tuple[TrainingFaces, TrainingFaces]:
        """Return these faces without a stratified share of them, and that share."""
        try:
            kept, held_out = train_test_split(
                self.index,
                stratify=self.codes[self.index],
                test_size=fraction,
                random_state=seed,
            )
        except ValueError as error:
            raise ValueError(
                f"Of {len(self)} faces {fraction:.0%} cannot be set aside for "
                "validation so that each class is on both sides. Raise validation_fraction, "
                "bring more faces of the rarest class, or pass X_val and y_val to fit."
            ) from error
        return replace(self, index=kept), replace(self, index=held_out, weights=None, shares=None)


def take_in(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    label_distribution: ArrayLike | None,
    start: Any,
) -> TrainingFaces:
    """Check the arguments of `fit`, and convert them.

    Parameters
    ----------
    estimator : FERClassifier
        It learns the number of pixels and the names of columns, or compares them.
    X, y, sample_weight, label_distribution : as in `FERClassifier.fit`
    start : ColdStart, FileStart or WarmStart
        A training that is continued already has an image shape and classes.

    Raises
    ------
    ValueError
        If one of them cannot be used.
    """
    rows, labels, image_shape = _read(estimator, X, y, start.image_shape, start.shape_of_rows)
    check_classification_targets(labels)
    classes = find_classes(labels) if start.classes is None else start.classes
    codes = _encode(labels, classes)
    class_weight = start.class_weight(classes)
    check_class_weight(class_weight, classes)
    weights = make_loss_weights(labels, sample_weight, class_weight)
    shares = check_shares(label_distribution, len(rows), classes.tolist(), start.meaning)
    return TrainingFaces(
        rows=rows,
        values=PixelValues(rows),
        image_shape=image_shape,
        y=labels,
        classes=classes,
        codes=codes,
        index=drop_weightless(np.arange(len(rows)), weights, codes),
        augmenter=augmenter_for(estimator.augment, X, rows.shape[1]),
        weights=weights,
        shares=shares,
    )


def take_in_batch(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    classes: ArrayLike | None,
    sample_weight: ArrayLike | None,
    start: Any,
) -> TrainingFaces:
    """Check the arguments of `partial_fit`, and convert them; there may be no faces to train on.

    Parameters
    ----------
    estimator, X, y, start : as in `take_in`
    classes, sample_weight : as in `FERClassifier.partial_fit`

    Raises
    ------
    ValueError
        If one of them cannot be used.
    """
    check_labels(classes, "classes")
    if classes is not None and start.classes is not None:
        _encode(np.asarray(classes), start.classes)
    if _check_partial_fit_first_call(estimator, classes):
        find_classes(estimator.classes_, "classes")
    rows, labels, image_shape = _read(estimator, X, y, start.image_shape, start.shape_of_rows)
    check_classification_targets(labels)
    codes = _encode(labels, estimator.classes_)
    class_weight = start.class_weight(estimator.classes_)
    check_class_weight(class_weight, estimator.classes_)
    weights = make_batch_weights(codes, estimator.classes_, sample_weight, class_weight)
    index = np.arange(len(rows)) if weights is None else np.flatnonzero(weights > 0)
    if not len(index) and start.is_new:
        raise ValueError("The first batch needs a face of a weight above 0.")
    return TrainingFaces(
        rows=rows,
        values=PixelValues(rows),
        image_shape=image_shape,
        y=labels,
        classes=estimator.classes_,
        codes=codes,
        index=index,
        augmenter=augmenter_for(estimator.augment, X, rows.shape[1]),
        weights=weights,
    )


def split(
    estimator: BaseEstimator,
    data: TrainingFaces,
    X_val: ArrayLike | None,
    y_val: ArrayLike | None,
    seed: int,
) -> tuple[TrainingFaces, TrainingFaces | None]:
    """Return the faces to train on and those to validate on: passed, set aside, or None.

    Parameters
    ----------
    estimator : FERClassifier
    data : TrainingFaces
    X_val, y_val : as in `FERClassifier.fit`
    seed : int
        Chooses the faces that are set aside, if none are passed and the training needs some.

    Raises
    ------
    ValueError
        If the passed faces cannot be used, or there are too few to set some aside.
    """
    if (X_val is None) != (y_val is None):
        came, lacks = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
        raise ValueError(f"{came} came without {lacks}: pass both or neither.")
    if X_val is not None and y_val is not None:
        return data, _given(estimator, data, X_val, y_val)
    if needs_validation(estimator.schedule, early_stopping=estimator.early_stopping):
        return data.set_aside(estimator.validation_fraction, seed)
    return data, None


def _given(
    estimator: BaseEstimator, data: TrainingFaces, X_val: ArrayLike, y_val: ArrayLike
) -> TrainingFaces:
    try:
        rows, y, image_shape = _read(estimator, X_val, y_val, data.image_shape)
    except ValueError as error:  # which speaks of X and y
        raise ValueError(f"X_val and y_val cannot be used. {error}") from error
    way_out = "Leave their faces out of X_val and y_val, or fit on such faces too."
    way_out += _hint(
        y, data.classes, "y_val = classes[y_val], where classes is an array of those above"
    )
    codes = encode_labels(y, data.classes, way_out)
    values = PixelValues(rows)
    if estimator.normalize == "upstream":
        _refuse_other_units(data.values, values)
    return TrainingFaces(
        rows=rows,
        values=values,
        image_shape=image_shape,
        y=y,
        classes=data.classes,
        codes=codes,
        index=np.arange(len(rows)),
        augmenter=data.augmenter,
    )


def _refuse_other_units(values: PixelValues, of_validation: PixelValues) -> None:
    """Raise if X is normalised and X_val is not: without a value below 0, all of it is bright."""
    if of_validation.are_faces and values.extremes[0] < 0 <= of_validation.extremes[0]:
        low, high = of_validation.extremes
        raise ValueError(
            f"X is normalised, but X_val has values from {low:.9g} to {high:.9g}, as pixels have: "
            "a Pipeline transforms X alone. Fit a FERClassifier without a Pipeline, which "
            "normalises both, or pass X_val=FaceNormalizer().fit(X).transform(X_val), with the "
            "FaceNormalizer of the Pipeline."
        )


def _encode(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    way_out = "Name all of them in the first partial_fit, or fit with warm_start=False."
    return encode_labels(y, classes, way_out + _hint(y, classes, "y = clf.classes_[y]"))


def _hint(y: np.ndarray, classes: np.ndarray, decode: str) -> str:
    return hint_at_codes(np.unique(y).tolist(), classes.tolist(), decode)


def _read(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: Any,
    known: tuple[int, int] | None,
    shape_of_rows: tuple[int, int] | None = None,
) -> tuple[np.ndarray, Any, tuple[int, int]]:
    """Return rows, labels and image shape.

    If the known shape is None it is learned, otherwise it is compared. Images become rows, because
    scikit-learn validates rows; their shape is returned separately. `shape_of_rows` is that of flat
    rows of as many pixels, unless another one is stated.
    """
    rows, own_shape = as_rows(X)
    check_labels(y)
    if known is not None:
        refuse_other_faces(estimator, rows, own_shape, known)
    rows, y = validate_data(estimator, rows, y, reset=known is None)
    refuse_objects(y)
    if known is None:
        stated = own_shape or estimator.image_shape
        if own_shape and own_shape != tuple(estimator.image_shape or own_shape):
            raise ValueError(
                f"image_shape={estimator.image_shape} is the shape of flat rows, but X has images "
                f"of {own_shape} pixels (height, width), which are not resized. Leave image_shape "
                "at None, or resize them: fer_sklearn.datasets.resize_faces(X, "
                f"{tuple(estimator.image_shape)})."
            )
        if stated is None and shape_of_rows and math.prod(shape_of_rows) == rows.shape[1]:
            stated = shape_of_rows
        return rows, y, infer_image_shape(rows.shape[1], stated)
    return rows, y, known
