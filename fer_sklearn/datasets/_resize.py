"""Resizing of faces: once, before the training, instead of in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from PIL import Image

from .._forms import faces_of, is_count, is_table
from .._images import as_numbers, refuse_colour, to_gray


def resize_faces(X: Any, image_size: int | tuple[int, int] = 48) -> np.ndarray:
    """Resize faces, gray or RGB, to gray ones of one size.

    As in `load_image_folder`, they are converted to gray (ITU-R 601 luma) and then resized,
    antialiased (Lanczos). Images with other proportions are stretched.

    Parameters
    ----------
    X : array-like of shape (n, h, w), (n, h, w, 1) or (n, h, w, 3), or sequence of such images
        uint8, or numbers in any range. A sequence may hold images of different sizes, and Pillow
        images.
    image_size : int or tuple of (int, int), default=48
        Side, or height and width, of the result in pixels.

    Returns
    -------
    faces : ndarray of shape (n, height, width)
        uint8 if X is uint8, otherwise float32. The values of each face stay within its former
        range.

    Raises
    ------
    ValueError
        If an image is neither gray nor RGB, some have whole numbers and others floats up to 1, X
        is one image (pass ``[image]``) or a table, or a side is not a whole number.

    Examples
    --------
    >>> from fer_sklearn.datasets import make_faces, resize_faces
    >>> X = make_faces(3, image_size=96, random_state=0).data
    >>> resize_faces(X).shape
    (3, 48, 48)
    """
    X = list(X) if isinstance(X, Iterator) else X
    refuse_colour(X)
    if is_table(X):
        raise ValueError(
            f"Expected images, got a {type(X).__name__}. As images: X.to_numpy().reshape(-1, h, w)."
        )
    size = _size(image_size)
    images = [_to_gray(as_numbers(face), row) for row, face in enumerate(faces_of(X))]
    faces = [_resize(image, size) for image in images]
    return np.stack(faces) if faces else np.empty((0, *size), dtype=np.uint8)


def _size(image_size: Any) -> tuple[int, int]:
    sides = (image_size,) * 2 if isinstance(image_size, Integral) else image_size
    if (
        not isinstance(sides, tuple | list | np.ndarray)
        or len(sides) != 2
        or not all(map(is_count, sides))
    ):
        raise ValueError(
            "Expected image_size as a whole number above 0, or two, (height, width), got "
            f"{image_size!r}."
        )
    return sides[0], sides[1]


def _to_gray(face: np.ndarray, row: int) -> Image.Image:
    if face.ndim != 2 and not (face.ndim == 3 and face.shape[2] in (1, 3)):
        rgba = face.ndim == 3 and face.shape[2] == 4
        way_out = "RGBA: X[..., :3]" if rgba else "Flat rows: X.reshape(-1, h, w)"
        raise ValueError(
            f"Expected images of shape (h, w), (h, w, 1) or (h, w, 3), got {face.shape} in row "
            f"{row}. {way_out}. One image alone: [image]."
        )
    gray = to_gray(face[None])[0]
    return Image.fromarray(gray if gray.dtype == np.uint8 else gray.astype(np.float32))


def _resize(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    face = np.asarray(image.resize(size[::-1], Image.Resampling.LANCZOS))
    if face.dtype == np.uint8:
        return face
    return face.clip(*image.getextrema())  # Lanczos overshoots at edges
