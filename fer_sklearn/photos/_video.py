"""Videos: frames by time, one after the other; their faces, and which follow each other."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params
from tqdm.auto import tqdm

from .._extras import import_cv2
from ..datasets._paths import as_path, check_file
from ._analyze import as_classifier, finder_for, label
from ._detector import model_file, overlaps
from ._find import checked, joined, rows_of
from ._finder import FaceFinder, in_pixels
from ._reading import Photo
from ._table import SQUARE, make_frame

#: Squares of one track overlap by more than this, and are at most so many seconds apart.
_SAME, _GAP = 0.3, 0.6
#: Mean difference of two small gray pictures, in levels, from which on the scene has changed.
_CUT, _SMALL = 30, (32, 18)
#: A reader that returns less of the frames that the file promises has met a damaged part.
_WHOLE = 0.95
#: Faces that are labelled at once.
_BATCH = 64

_TIMES = {
    "fps": [Interval(Real, 0, None, closed="neither"), None],
    "start": [Interval(Real, 0, None, closed="left"), None],
    "stop": [Interval(Real, 0, None, closed="neither"), None],
}


@validate_params(_TIMES, prefer_skip_nested_validation=True)
def find_faces_in_video(path, *, fps=5, start=None, stop=None, finder=None, verbose=0):
    """Find all faces in some frames of a video, and cut them out as those of FER-2013 were.

    The video is read once, frame by frame, so that memory does not grow with its length, but for
    the faces: 2.3 kB each.

    Parameters
    ----------
    path : str or path-like
        A video that OpenCV reads.
    fps : float or None, default=5
        Frames a second that are looked at, by the time at which they are shown; None looks at
        all.
    start, stop : float or None, default=None
        Seconds between which frames are looked at; None is the start and the end of the video.
    finder : FaceFinder or None, default=None
        None is ``FaceFinder()``.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n_faces, image_size, image_size)
            Gray faces.
        frame : DataFrame
            A row a face, and a row for each frame without one, with the columns of `find_faces`
            and, before `detail`:

            frame
                Number of the frame in the video, from 0.
            time
                When it is shown, in seconds.
            track
                Faces in the same place from frame to frame have the same number. It is not an
                identity: somebody who leaves and comes back gets another number, and so does
                everybody after a cut.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If OpenCV cannot read it as a video, or a parameter is out of its range.
    ImportError
        If the extra "photos" is not installed.

    Warns
    -----
    UserWarning
        If the video ends before the end that its file promises: it may be damaged.

    See Also
    --------
    analyze_video : Find the faces, and label them.
    """
    finder = checked(finder)
    batches = list(_in_video(path, finder, fps, start, stop, verbose))
    return Bunch(data=joined(finder, batches), frame=make_frame(rows_of(batches), video=True))


@validate_params(_TIMES, prefer_skip_nested_validation=True)
def analyze_video(
    path, classifier="fer2013", *, fps=5, start=None, stop=None, finder=None, verbose=0
):
    """Find all faces in some frames of a video, and label each.

    A label says what expression people would name who see the face, at best; not what somebody
    feels. Read the page on ethics and limits before you use it.

    Parameters
    ----------
    path : str or path-like
        A video that OpenCV reads.
    classifier : str, path-like or fitted classifier, default="fer2013"
        As in `analyze`.
    fps, start, stop, finder, verbose
        As in `find_faces_in_video`.

    Returns
    -------
    frame : DataFrame
        The table of `find_faces_in_video`, and behind `status` the columns `label`, `confidence`
        and one a class, as in `analyze`.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError, ImportError
        As `analyze` and `find_faces_in_video`.

    See Also
    --------
    analyze : The same for photos.
    """
    classifier = as_classifier(classifier)
    finder = finder_for(classifier, finder)
    rows, waiting, n_faces = [], [], 0
    for faces, frames in _in_video(path, finder, fps, start, stop, verbose):
        rows += frames[0]
        waiting.append((faces, frames))
        n_faces += len(faces)
        if n_faces >= _BATCH:
            label(classifier, joined(finder, waiting), rows_of(waiting))
            waiting, n_faces = [], 0
    label(classifier, joined(finder, waiting), rows_of(waiting))
    return make_frame(rows, classifier.classes_.tolist(), video=True)


class _Frame(NamedTuple):
    number: int
    time: float  # in seconds
    pixels: np.ndarray  # RGB, (h, w, 3)


def _in_video(
    path: Any,
    finder: FaceFinder,
    fps: float | None,
    start: float | None,
    stop: float | None,
    verbose: int,
) -> Iterator[tuple[np.ndarray, list[list[dict]]]]:
    """Yield the faces of one frame after the other, and its rows, in the form of a batch."""
    path, model, tracks = as_path(path), model_file(finder.model), Tracks()
    for frame in _frames(path, fps, start or 0.0, np.inf if stop is None else stop, verbose):
        height, width = frame.pixels.shape[:2]
        photo = Photo(frame.pixels, 1, width, height)
        faces, rows = in_pixels(finder, photo, str(path), model, partial(_as_it_is, photo))
        found = [row for row in rows if "face" in row]
        for row, track in zip(found, tracks.follow(frame, found), strict=True):
            row["track"] = track
        for row in rows:
            row |= {"frame": frame.number, "time": round(frame.time, 4)}
        yield faces, [rows]


def _as_it_is(photo: Photo) -> Photo:
    return photo


def _frames(
    path: Path, fps: float | None, start: float, stop: float, verbose: int
) -> Iterator[_Frame]:
    """Yield the frames that are to be looked at."""
    cv2 = import_cv2("find_faces_in_video")
    check_file(path)
    reader = cv2.VideoCapture(os.fspath(path))
    try:
        if not reader.isOpened():
            raise ValueError(f"{path} is not a video, or is of a kind that OpenCV does not read.")
        rate = reader.get(cv2.CAP_PROP_FPS) or 25.0
        promised = max(0, int(reader.get(cv2.CAP_PROP_FRAME_COUNT)))
        bar = tqdm(total=promised or None, unit="frame", disable=not verbose)
        with bar:
            number, due = -1, start
            while reader.grab():
                number += 1
                bar.update()
                # Some files have no times; then frames are evenly spaced.
                time = reader.get(cv2.CAP_PROP_POS_MSEC) / 1000 or number / rate
                if time >= stop:
                    return
                if time < due - 0.5 / rate or time < start:
                    continue
                while fps is not None and due <= time + 0.5 / rate:
                    due += 1 / fps
                readable, pixels = reader.retrieve()
                if readable:
                    yield _Frame(number, time, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
        _check_whole(path, number + 1, promised)
    finally:
        reader.release()


def _check_whole(path: os.PathLike, n_frames: int, promised: int) -> None:
    if n_frames == 0:
        raise ValueError(f"{path} has no frame that OpenCV can read.")
    if n_frames < _WHOLE * promised:
        warnings.warn(
            f"{path} ends after {n_frames} of {promised} frames: the file may be damaged.",
            UserWarning,
            stacklevel=2,
        )


@dataclass
class Tracks:
    """Which faces of a frame are in the places of those before.

    Attributes
    ----------
    alive : dict of {int: (float, list)}
        When each track was seen last, and its square.
    """

    alive: dict[int, tuple[float, list[float]]] = field(default_factory=dict)
    n_tracks: int = 0
    picture: np.ndarray | None = None

    def follow(self, frame: _Frame, rows: list[dict]) -> list[int]:
        """Return the track of each face."""
        if self._is_other_scene(frame.pixels):
            self.alive = {}
        self.alive = {
            track: (time, square)
            for track, (time, square) in self.alive.items()
            if frame.time - time <= _GAP
        }
        squares = [[row[name] for name in SQUARE] for row in rows]
        tracks = self._matched(squares)
        self.alive |= {
            track: (frame.time, square) for track, square in zip(tracks, squares, strict=True)
        }
        return tracks

    def _matched(self, squares: list[list[float]]) -> list[int]:
        """Give each square the track that it overlaps most, or a new one."""
        before = [square for _, square in self.alive.values()]
        common = overlaps(*(np.reshape(some, (-1, 4)) for some in (squares, before)))
        pairs = [
            (common[face, at], face, track)
            for face in range(len(squares))
            for at, track in enumerate(self.alive)
        ]
        tracks: dict[int, int] = {}
        for shared, face, track in sorted(pairs, reverse=True):
            if shared > _SAME and face not in tracks and track not in tracks.values():
                tracks[face] = track
        for face in range(len(squares)):
            if face not in tracks:
                tracks[face] = self.n_tracks
                self.n_tracks += 1
        return [tracks[face] for face in range(len(squares))]

    def _is_other_scene(self, pixels: np.ndarray) -> bool:
        cv2 = import_cv2("find_faces_in_video")
        small = cv2.resize(pixels, _SMALL, interpolation=cv2.INTER_AREA).mean(axis=2)
        before, self.picture = self.picture, small
        return before is not None and np.abs(small - before).mean() > _CUT
