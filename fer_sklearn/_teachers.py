"""Teachers: trained classifiers passed to `fit`, checked against its faces."""

from __future__ import annotations

from typing import Any

from ._codes import meaning_of, warn_of_labels
from ._intake import TrainingFaces
from .model import FacePredictor


def take_teachers(stated: Any, predictor_of: Any, data: TrainingFaces) -> list[FacePredictor]:
    """Return the trained networks of the classifiers that were passed to `fit`.

    Parameters
    ----------
    stated : FERClassifier, list of them or None
    predictor_of : callable
        Returns the trained network of a classifier.
    data : TrainingFaces

    Raises
    ------
    NotFittedError
        If one is not fitted.
    TypeError
        If one is something else.
    ValueError
        If there is none, or one has other labels or faces of another size.
    """
    if stated is None:
        return []
    teachers = list(stated) if isinstance(stated, (list, tuple)) else [stated]
    if not teachers:
        raise ValueError("teacher=[] names no teacher. Pass fitted FERClassifiers, or None.")
    predictors = [predictor_of(teacher) for teacher in teachers]
    for teacher in teachers:
        _check(teacher, data)
    return predictors


def _check(teacher: Any, data: TrainingFaces) -> None:
    """Raise if a fitted teacher cannot predict these faces with these labels."""
    if teacher.image_shape_ != data.image_shape:
        raise ValueError(
            f"The teacher was trained on faces of {teacher.image_shape_} pixels (height, width), "
            f"X has {data.image_shape}. Resize them: "
            f"fer_sklearn.datasets.resize_faces(X, {teacher.image_shape_})."
        )
    labels, known = data.classes.tolist(), teacher.classes_.tolist()
    if meaning_of(labels, known) != known:
        raise ValueError(
            f"The teacher has the labels {known}, y has {labels}. They must be the same: "
            "translate y, or train a teacher on these labels first."
        )
    warn_of_labels(labels, known, "the teacher")
