"""Who labels the faces: the classifier, a finder of faces that it takes, and its answers."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._stored import read_classifier
from ._find import checked
from ._finder import FaceFinder
from ._table import check_classes


def as_classifier(classifier: Any) -> Any:
    """Return a fitted classifier, read from its file if need be.

    Raises
    ------
    TypeError, ValueError
        If it is not a classifier.
    """
    if isinstance(classifier, str | PathLike):
        classifier = read_classifier(classifier)
    if isinstance(classifier, type) or not hasattr(classifier, "predict_proba"):
        raise TypeError(
            'Expected classifier to be "fer2013", a file of save_pretrained or to_onnx, or a '
            f"fitted classifier with predict_proba, got {classifier!r}."
        )
    check_is_fitted(classifier)
    check_classes(classifier.classes_.tolist())
    return classifier


def finder_for(classifier: Any, finder: FaceFinder | None) -> FaceFinder:
    """Return a finder whose faces the classifier takes.

    Raises
    ------
    ValueError
        If it takes others: before any photo is read.
    """
    height, width = getattr(classifier, "image_shape_", (48, 48))
    finder = checked(finder, image_size=height if height == width else 48)
    side = finder.image_size
    face = (np.arange(side * side) % 256).astype(np.uint8).reshape(1, side, side)
    classifier.predict_proba(face)
    return finder


def label(classifier: Any, faces: np.ndarray, rows: list[dict]) -> None:
    """Write the classifier's answers into the rows of these faces."""
    if not len(faces):
        return
    classes = classifier.classes_.tolist()
    probabilities = np.asarray(classifier.predict_proba(faces), dtype=float)
    of_faces = [row for row in rows if "face" in row]
    for row, shares in zip(of_faces, probabilities.tolist(), strict=True):
        best = int(np.argmax(shares))
        row |= {"label": classes[best], "confidence": shares[best]}
        row |= dict(zip(classes, shares, strict=True))
