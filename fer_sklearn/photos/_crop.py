"""From a box round a face to the square that FER-2013 would have cut, and to its gray pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .._extras import import_cv2

#: A line through the eyes that is steeper, in degrees, is of a face that was not seen well.
_STEEPEST = 60
#: Larger squares are sampled less than once a pixel: with a large margin there is no end to them.
_MOST_SAMPLES = 4096


@dataclass
class Square:
    """A part of a picture.

    Attributes
    ----------
    x, y : float
        Its centre in pixels; the outer corner of the first pixel is (0, 0).
    side : float
        In pixels.
    angle : float
        By how many degrees it is turned about its centre, clockwise.
    """

    x: float
    y: float
    side: float
    angle: float

    @classmethod
    def at(cls, x: float, y: float, side: float, angle: float) -> Square:
        """Return the square that has this corner, top left, before it is turned."""
        return cls(x + side / 2, y + side / 2, side, angle)

    def corners(self) -> np.ndarray:
        """Return x and y of the corners, clockwise from the top left one, (4, 2)."""
        turn = np.deg2rad(self.angle)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        away = self.side / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return away @ matrix.T + [self.x, self.y]

    def times(self, factor: float) -> Square:
        """Return the same part of a picture that is larger by `factor`."""
        return Square(self.x * factor, self.y * factor, self.side * factor, self.angle)

    def to_picture(self, n: int) -> np.ndarray:
        """Return what maps pixel numbers of n x n samples to those of the picture, (2, 3)."""
        step, turn = self.side / n, np.deg2rad(self.angle)
        matrix = step * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = (n - 1) / 2  # pixel numbers are at the centres of pixels
        offset = np.array([self.x, self.y]) - 0.5 - matrix @ [middle, middle]
        return np.column_stack([matrix, offset])


def square_of(face: np.ndarray, margin: float, level: float) -> Square:
    """Return the square for a face of `find_boxes`.

    Parameters
    ----------
    face : ndarray of shape (15,)
    margin : float
        Side of the square over the width of the box.
    level : float
        Degrees by which the eyes may be tilted before the square is turned with them.
    """
    x, y, width, height = face[:4]
    tilt = float(np.rad2deg(np.arctan2(face[7] - face[5], face[6] - face[4])))
    angle = tilt if level < abs(tilt) <= _STEEPEST else 0.0
    return Square(float(x + width / 2), float(y + height / 2), float(margin * width), angle)


def outside_of(square: Square, shape: tuple[int, ...]) -> float:
    """Return which share of the square lies outside a picture of this shape (h, w, ...)."""
    n = 48
    at = np.stack([*np.meshgrid(np.arange(n), np.arange(n)), np.ones((n, n))])
    x, y = np.tensordot(square.to_picture(n), at, axes=1) + 0.5
    inside = (x >= 0) & (x <= shape[1]) & (y >= 0) & (y <= shape[0])
    return float(1 - inside.mean())


def cut(pixels: np.ndarray, square: Square, size: int) -> np.ndarray:
    """Return a square of a picture as gray levels; outside, the nearest pixel of the edge.

    First gray (ITU-R 601 luma), then sampled about once a pixel by cubic interpolation, then
    reduced by a Lanczos filter. FER-2013's faces are sharp: a softer filter costs a point of
    accuracy (`docs/benchmarks/photos.md`).

    Parameters
    ----------
    pixels : ndarray of uint8 of shape (h, w, 3) or (h, w)
        RGB, or gray.
    square : Square
    size : int
        Height and width of the result in pixels.

    Returns
    -------
    face : ndarray of uint8 of shape (size, size)
    """
    cv2 = import_cv2("FaceFinder")
    part, left, top = _around(pixels, square)
    gray = np.ascontiguousarray(part)
    gray = gray if gray.ndim == 2 else cv2.cvtColor(gray, cv2.COLOR_RGB2GRAY)
    n = size * max(1, math.ceil(min(square.side, _MOST_SAMPLES) / size))
    matrix = square.to_picture(n) - [[0, 0, left], [0, 0, top]]
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    samples = cv2.warpAffine(gray, matrix, (n, n), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(Image.fromarray(samples).resize((size, size), Image.Resampling.LANCZOS))


def _around(pixels: np.ndarray, square: Square) -> tuple[np.ndarray, int, int]:
    """Return the part of a picture that has all of a square, and where it begins."""
    reach = square.side * 0.75 + 2  # half a diagonal, and room to interpolate
    height, width = pixels.shape[:2]
    left, right = (int(np.clip(square.x + by, 0, width)) for by in (-reach, reach))
    top, bottom = (int(np.clip(square.y + by, 0, height)) for by in (-reach, reach))
    return pixels[top : bottom + 1, left : right + 1], left, top
