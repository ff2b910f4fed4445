"""Rows <-> images: the shapes of arrays of faces, and the meaning of their numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from ._forms import (
    EXPECTED,
    UNCLEAR,
    as_array,
    check_table,
    faces_of,
    head_of,
    is_count,
    is_table,
    refuse_no_faces,
    refuse_other_size,
    to_numpy,
)

#: Fewer pixels than 8 x 8 cannot show a face: rows of so few numbers are plain
#: features, whose range is their own and which are not augmented.
MIN_FACE_PIXELS = 64

#: Range of normalised faces from black to white (-2 to 2), about the same for all methods: faces
#: then have unit variance. Augmentation strengths are fractions of it.
GRAY_RANGE = 4.0

#: ITU-R 601 luma in 16-bit fixed point, as Pillow's ``convert("L")`` computes it.
_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)
#: The two usual ranges of faces.
UNIT, BYTES = (0.0, 1.0), (0.0, 255.0)
#: Share of the range, and largest amount, by which floats may exceed it: resampling, scaling and
#: half precision round like this. Standardised faces exceed [0, 255] by more.
_ROUNDING, _MOST_ROUNDING = 1e-3, 1e-2
_CHUNK = 1024


def as_rows(X: Any) -> tuple[Any, tuple[int, int] | None]:
    """Return X as rows and, if X came as images, their (height, width).

    Parameters
    ----------
    X : array-like
        Rows (n, h * w), images (n, h, w), gray (n, h, w, 1) or RGB (n, h, w, 3), or a list of
        images, which may be Pillow images.

    Returns
    -------
    rows : array-like
        Two-dimensional input is returned unchanged, so that tables keep their column names; images
        become (n, h * w), gray.
    image_shape : tuple of (int, int) or None

    Raises
    ------
    ValueError
        If X is anything else, or its images differ in shape or are neither gray nor RGB.
    """
    if issparse(X):
        return X, None
    if is_table(X):
        check_table(X)
        refuse_colour(X)
        return X, None
    X = as_array(X)
    refuse_colour(X)
    if X.ndim < 3:
        return X, None
    images = to_gray(X)
    height, width = images.shape[1:]
    return images.reshape(len(images), height * width), (height, width)


def refuse_colour(X: Any) -> None:
    """Raise if X is a single colour image, or RGBA in flat rows, which would be read as gray.

    The rows of an image of shape (h, w, 3) look like h narrow faces. A flat row of s x s pixels in
    RGBA looks like a gray face of 2s x 2s.

    Raises
    ------
    ValueError
        The message says how to pass one image, or how to drop the alpha channel. Also if X holds no
        faces at all.
    """
    refuse_no_faces(X)
    if is_table(X):
        X = head_of(X)
    if hasattr(X, "__array_interface__"):  # arrays and Pillow images
        X = np.asarray(X)
    if not isinstance(X, list | tuple | np.ndarray) or not len(X):
        return
    shapes = {np.shape(face) for face in X[:16]}
    shape = shapes.pop()
    if len(shape) == 2 and shape[1] in (3, 4):
        kind, alpha = ("RGB", "") if shape[1] == 3 else ("RGBA", "[..., :3]")
        raise ValueError(
            f"{EXPECTED}, got one {kind} image of shape {(len(X), *shape)}. As one face: "
            f"pass [image{alpha}]."
        )
    if len(shape) == 1 and not shapes and _are_rgba(np.asarray(X[:16])):
        raise ValueError(
            f"{EXPECTED}, got flat rows of {shape[0]} values of which every fourth is an alpha "
            "channel: RGBA. Pass the images as RGB: X.reshape(-1, h, w, 4)[..., :3]."
        )


def _are_rgba(rows: np.ndarray) -> bool:
    """Tell whether every fourth value is opaque while the three before it vary."""
    if rows.shape[1] % 4 or rows.shape[1] < 4 * MIN_FACE_PIXELS or rows.dtype.kind not in "uif":
        return False
    pixels, white = rows.reshape(-1, 4), rows.max()
    varies = (pixels < white).any(axis=0).tolist()
    return white in (1, 255) and varies == [True, True, True, False]


def to_gray(images: np.ndarray) -> np.ndarray:
    """(n, h, w[, 1 | 3]) -> (n, h, w), RGB by ITU-R 601 luma."""
    if images.ndim == 3:
        return images
    if images.ndim == 4 and images.shape[-1] == 1:
        return images[..., 0]
    if images.ndim == 4 and images.shape[-1] == 3:
        return _rgb_to_gray(images)
    hint = ""
    if images.ndim == 4 and images.shape[1] in (1, 3):
        hint = " The channels seem to come first: pass np.asarray(X).transpose(0, 2, 3, 1)."
    elif images.ndim == 4 and images.shape[-1] == 4:
        hint = " Leave the alpha channel out: pass X[..., :3]."
    elif images.ndim == 4 and images.shape[-1] == 2:
        hint = " If the second channel is alpha, leave it out: pass X[..., :1]."
    raise ValueError(f"{EXPECTED}, got an array of shape {images.shape}.{hint}")


def _rgb_to_gray(images: np.ndarray) -> np.ndarray:
    if images.dtype.kind == "b":  # as numbers the grays between would be floats, of some range
        images = np.where(images, np.uint8(255), np.uint8(0))
    if images.dtype != np.uint8:
        return images @ (_LUMA / 65536).astype(np.result_type(images.dtype, np.float32))
    gray = np.empty(images.shape[:3], dtype=np.uint8)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.uint32)
        gray[start : start + _CHUNK] = (chunk @ _LUMA + 0x8000) >> 16
    return gray


def infer_image_shape(n_features: int, image_shape: Sequence[int] | None = None) -> tuple[int, int]:
    """Return the (height, width) of rows of `n_features` pixels.

    Raises
    ------
    ValueError
        If `image_shape` is not a pair of whole numbers or has another number of pixels, or if rows
        long enough to be faces are not square.
    """
    if image_shape is not None:
        if len(image_shape) != 2 or not all(map(is_count, image_shape)):
            raise ValueError(
                "image_shape must be (height, width), whole numbers of pixels above 0, got "
                f"{image_shape!r}."
            )
        height, width = image_shape
        if height * width != n_features:
            raise ValueError(
                f"image_shape={tuple(image_shape)} has {height * width} pixels, but X has "
                f"{n_features} values a face. Pass X as (n, h, w) or correct image_shape."
                f"{_colour_hint(n_features, height * width)}"
            )
        return int(height), int(width)
    side = math.isqrt(n_features)
    if side * side == n_features:
        return side, side
    if n_features >= MIN_FACE_PIXELS:
        raise ValueError(
            f"Rows of {n_features} values are not square images (48 x 48 gray faces have "
            "2304). Pass X as images, (n, h, w) or RGB (n, h, w, 3), or state "
            f"image_shape=(h, w).{_colour_hint(n_features)}"
        )
    warnings.warn(
        f"Rows of {n_features} values are too short for faces and not square: they are "
        "taken as plain features, an image one pixel high. Pass image_shape=(h, w) if "
        "they are images.",
        UserWarning,
        stacklevel=4,
    )
    return 1, n_features


def _colour_hint(n_features: int, n_pixels: int | None = None) -> str:
    """Say how to pass flat rows of RGB, if these seem to be such rows."""
    third, rest = divmod(n_features, 3)
    if rest or (third != n_pixels if n_pixels else math.isqrt(third) ** 2 != third):
        return ""
    return " If they are RGB: X.reshape(-1, h, w, 3)."


def rows_to_predict(
    estimator: Any, X: Any, image_shape: tuple[int, int] | None = None
) -> np.ndarray:
    """Check the input of a fitted estimator, and return it as rows.

    Parameters
    ----------
    estimator : estimator
        Has the fitted attributes `n_features_in_` and, if no shape is given, `image_shape_`.
    X : array-like, shaped as in `as_rows`
    image_shape : tuple of (int, int) or None
        Height and width of the faces in `fit`.

    Raises
    ------
    ValueError
        If X is not an array of faces, or the faces have another size.
    """
    rows, own_shape = as_rows(X)
    refuse_other_faces(estimator, rows, own_shape, image_shape or estimator.image_shape_)
    return validate_data(estimator, rows, reset=False)


def refuse_other_faces(
    estimator: Any,
    rows: Any,
    own_shape: tuple[int, int] | None,
    known: tuple[int, int],
) -> None:
    """Raise if X is one face instead of several, or the faces have another size than in `fit`.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    rows, own_shape : as `as_rows` returns them
    known : tuple of (int, int)
        Height and width in `fit`.

    Raises
    ------
    ValueError
        The message says what to do.
    """
    shape = rows.shape if own_shape is None else (len(rows), *own_shape)
    single = [(*known, *channels) for channels in ((), (1,))]
    if shape in single and rows.shape[1] != estimator.n_features_in_:
        raise ValueError(f"Expected several faces, got one of shape {shape}. Pass [X].")
    refuse_other_size(estimator, rows, own_shape, known)


def gray_images(X: Any, image_shape: Sequence[int] | None = None) -> np.ndarray:
    """Return faces, in any form that a classifier accepts, as (n, height, width).

    Raises
    ------
    ValueError
        If X is not an array of faces.
    """
    rows, own_shape = as_rows(X)
    rows = as_numbers(rows)
    if rows.ndim != 2:
        raise ValueError(f"{EXPECTED}, got an array of shape {rows.shape}.")
    return rows.reshape(-1, *infer_image_shape(rows.shape[1], own_shape or image_shape))


def as_numbers(X: Any) -> np.ndarray:
    """Return an array-like as an array of numbers: cells that are objects become floats.

    Tables with nullable columns hold such cells, and arrays that were made of them. Images of
    Pillow in a list become gray levels, as in `as_rows`: NumPy would read positions in a palette.

    Raises
    ------
    ValueError
        If they are not numbers.
    """
    array = to_numpy(faces_of(X) if isinstance(X, list | tuple) else X)
    if array.dtype.kind == "c":
        raise ValueError(f"{EXPECTED}, got values of dtype {array.dtype}. Pass X.real or abs(X).")
    if array.dtype.kind != "O":
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        as_array(array)  # of arrays in an array it says more
        raise ValueError(f"{EXPECTED}, got objects that are not numbers: {error}.") from error


class PixelValues:
    """The type of the pixel values of some faces, and their extremes, which are measured once.

    Parameters
    ----------
    rows : ndarray of shape (n, n_pixels)
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.dtype = rows.dtype
        self.are_faces = rows.shape[1] >= MIN_FACE_PIXELS
        self._rows = rows

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return float(self._rows.min()), float(self._rows.max())

    def look_black(self) -> bool:
        """Tell whether no value exceeds 1; usually a few faces are enough to see that."""
        return self._rows[:_CHUNK].max() <= 1 and self._rows.max() <= 1

    def lie_in(self, pixel_range: tuple[float, float]) -> bool:
        """Tell whether all values lie in a range, apart from rounding errors of floats."""
        black, white = pixel_range
        if self.dtype == np.uint8 and black <= 0 and white >= 255:
            return True  # they need not be read
        low, high = self.extremes
        slack = min(_ROUNDING * (white - black), _MOST_ROUNDING) if self.dtype.kind == "f" else 0.0
        return black - slack <= low and high <= white + slack


def infer_pixel_range(values: PixelValues, pixel_range: Any = "auto") -> tuple[float, float]:
    """Return the values of (black, white).

    "auto": unsigned bytes and values above 2 lie in [0, 255], floats up to 1 and bools in [0, 1];
    floats may exceed either end by rounding errors. For faces, anything else is an error. For rows
    that are too short to be faces, the range is from the smallest to the largest value.
    """
    if pixel_range != "auto":
        check_range(pixel_range)
        if values.dtype == np.uint8 and tuple(pixel_range) == (0, 1):
            raise ValueError(
                "pixel_range=(0, 1) is for floats: bytes are measured from 0 to 255. Leave "
                "pixel_range at 'auto', or, if 1 is white in X, pass X.astype(float)."
            )
        check_pixel_range(values, pixel_range)
        black, white = pixel_range
        return float(black), float(white)
    if values.are_faces and values.dtype.kind in "iu" and values.look_black():
        warnings.warn(
            "The faces are whole numbers of at most 1, where 255 is white: all of them are black. "
            "If they were scaled to [0, 1], keep them as floats, or multiply by 255 before "
            "rounding. If 1 is white, pass X.astype(float).",
            UserWarning,
            stacklevel=4,
        )
    if values.dtype == np.uint8:
        return BYTES
    low, high = values.extremes
    if not values.are_faces:
        return low, high if high > low else low + 1.0
    if values.dtype.kind in "fb" and values.lie_in(UNIT):
        return UNIT
    if values.dtype.kind == "f" and values.lie_in((0.0, UNCLEAR)):
        raise ValueError(
            f"Values from {low:.9g} to {high:.9g} may be faces in [0, 1] of which some pixels are "
            "too bright, or nearly black faces in [0, 255]. Pass X.clip(0, 1) in the first case; "
            "in the second state it: normalize=FaceNormalizer(pixel_range=(0, 255))."
        )
    if values.lie_in(BYTES):
        return BYTES
    raise ValueError(
        "Expected faces as uint8, or as numbers in [0, 1] or [0, 255], got values "
        f"from {low:.9g} to {high:.9g}. Pass the pixels as they were, state "
        "pixel_range=(black, white), or, behind a FaceNormalizer in a Pipeline, "
        "normalize='upstream'."
    )


def check_range(pixel_range: Any) -> None:
    """Raise if a stated range is not one.

    Raises
    ------
    ValueError
        Says what it has to be.
    """
    pair = isinstance(pixel_range, tuple | list) and len(pixel_range) == 2
    numbers = pair and all(isinstance(end, Real) and math.isfinite(end) for end in pixel_range)
    if not numbers or pixel_range[0] >= pixel_range[1]:
        raise ValueError(
            "pixel_range must be 'auto' or (black, white), finite numbers with black < white, "
            f"got {pixel_range!r}."
        )


def check_pixel_range(values: PixelValues, pixel_range: Any) -> None:
    """Raise if a value lies outside the stated range by more than a rounding error.

    Raises
    ------
    ValueError
        The message names the expected range and the actual one.
    """
    black, white = pixel_range
    if values.lie_in((black, white)):
        return
    low, high = values.extremes
    raise ValueError(
        f"Expected pixel values in [{black:.9g}, {white:.9g}], got values from {low:.9g} "
        f"to {high:.9g}. Scale X as in fit, or fit with the pixel_range that it has."
    )


def match_pixel_range(values: PixelValues, pixel_range: Any) -> tuple[float, float] | None:
    """Return the range of faces that come after `fit`, which measured `pixel_range`.

    Bytes and bools always mean the same. So a classifier fitted on floats in [0, 1] accepts uint8
    faces, and one fitted on uint8 accepts bools, or floats in [0, 255]. Floats are always read as
    in `fit`, because the meaning of a face must not depend on the faces beside it. None means faces
    that are normalised already, which whole numbers are not.
    """
    if not values.are_faces:
        return pixel_range
    if pixel_range is None:
        _refuse_pixels(values)
        return None
    if pixel_range in (UNIT, BYTES):
        if values.dtype == np.uint8:
            return BYTES
        if values.dtype.kind == "b":
            return UNIT
    check_pixel_range(values, pixel_range)
    if pixel_range == BYTES and values.dtype.kind == "f" and 0 < values.extremes[1] <= UNCLEAR:
        warnings.warn(
            f"No value exceeds {values.extremes[1]:.9g}, but the fit saw [0, 255]: such faces are "
            "all but black. Multiply X by 255 if it was scaled.",
            UserWarning,
            stacklevel=4,
        )
    return pixel_range


def _refuse_pixels(values: PixelValues) -> None:
    """Raise if faces that should be normalised already are whole numbers, as pixels are."""
    if values.dtype.kind == "f":
        return
    raise ValueError(
        "normalize='upstream' expects faces that a step before has normalised, got pixels of dtype "
        f"{values.dtype}. Pass them to the whole Pipeline, or through its normaliser first. If "
        "these values are meant as they are: X.astype(float)."
    )


def to_unit(faces: np.ndarray, pixel_range: Any) -> np.ndarray:
    """Map [black, white] to [0, 1] as float32; bytes stay bytes, because the device scales them.

    Rounding errors outside the range are clipped. Rows that are too short to be faces are not
    clipped, because `fit` has not seen the extremes of their values.
    """
    if pixel_range is None:  # normalised upstream
        return faces.astype(np.float32)
    if faces.dtype.kind in "iu" and tuple(pixel_range) == BYTES:
        return faces.astype(np.uint8, copy=False)
    black, white = pixel_range
    unit = ((faces.astype(np.float64) - black) / (white - black)).astype(np.float32)
    if math.prod(faces.shape[1:]) >= MIN_FACE_PIXELS:
        np.clip(unit, 0, 1, out=unit)
    return unit


def mosaic(
    tiles: np.ndarray | Sequence[np.ndarray], *, gap: int = 4, fill: float = 255
) -> np.ndarray:
    """Arrange tiles of one size in a rectangle that is about twice as wide as high."""
    height, width = tiles[0].shape
    columns = max(1, round((2 * len(tiles) * height / width) ** 0.5))
    n_rows = -(-len(tiles) // columns)
    shape = (n_rows * (height + gap), columns * (width + gap))
    sheet = np.full(shape, fill, dtype=tiles[0].dtype)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet
