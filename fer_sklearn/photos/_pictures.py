"""Pictures as text, for a page that holds them itself."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from ._crop import Square, cut

#: Longest side of a photo, and side of a face, on the page; in pixels.
_PICTURE, _FACE = 480, 96
_QUALITY = 75


def small_picture(pixels: np.ndarray) -> dict:
    """Return a photo as an address of its own, and its width there."""
    small = Image.fromarray(pixels)
    small.thumbnail((_PICTURE, _PICTURE), reducing_gap=2)
    return {"picture": _as_uri(small), "shown": small.width}


def picture_of_face(pixels: np.ndarray, square: Square) -> str:
    """Return a face, gray as the network sees it, as an address of its own."""
    return _as_uri(Image.fromarray(cut(pixels, square, _FACE)))


def _as_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
