"""Videos: frames by time, one after the other; their faces, and which follow each other."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from tqdm.auto import tqdm

from .._extras import cv2_path, import_cv2
from .._files import as_path
from .._forms import Interval, validate_params
from ..datasets._paths import check_file
from ._annotate import annotated_copy
from ._classify import as_classifier, finder_for, label
from ._detector import model_file, overlaps
from ._find import checked, joined, rows_of
from ._finder import FaceFinder, in_pixels
from ._reading import Photo, UnreadableError
from ._table import SQUARE, make_frame

#: Squares of one track overlap by more than this, and are at most so many seconds apart.
_SAME, _GAP = 0.3, 0.6
#: If two small gray pictures differ by more levels on average, the scene has changed.
_CUT, _SMALL = 30, (32, 18)
#: If a smaller share of the frames that the file promises can be read, the file is damaged.
_WHOLE = 0.95
#: Faces that are labelled at once.
_BATCH = 64

TIMES = {
    "fps": [Interval(Real, 0, None, closed="neither"), None],
    "start": [Interval(Real, 0, None, closed="left"), None],
    "stop": [Interval(Real, 0, None, closed="neither"), None],
}


@validate_params(TIMES)
def find_faces_in_video(
    path: str | PathLike[str],
    *,
    fps: float | None = 5,
    start: float | None = None,
    stop: float | None = None,
    finder: FaceFinder | None = None,
    annotated: str | PathLike[str] | None = None,
    verbose: int = 0,
) -> Bunch:
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
    annotated : str, path-like or None, default=None
        File to write a copy of the video to, from `start` to `stop`, in which each face has its
        square, its track and, with `analyze_video`, its label. It ends in ``.mp4`` (MPEG-4 part
        2, which players show and most browsers do not), ``.webm`` (VP8, which browsers show too)
        or ``.avi`` (Motion JPEG: large files). It has all frames and no sound. Between two looks
        a square stays where it was, for 0.6 seconds at most: ``fps=None`` looks at all frames. A
        file that is there is replaced when the copy is finished.
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
    OSError
        If `annotated` cannot be written, or OpenCV has no encoder for its ending.
    ValueError
        If OpenCV cannot read it as a video, a parameter is out of its range, `stop` is not after
        `start`, there is no frame between both, or `annotated` has another ending or is the video
        itself.
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
    finder, path, times = checked(finder), as_path(path), _times(fps, start, stop)
    with annotated_copy(annotated, path) as copy:
        when = When(*times, every=copy is not None)
        batches = []
        for frame, faces, rows in _looks(path, finder, when, verbose):
            if rows is not None:
                batches.append((faces, [rows]))
            if copy:
                copy.write(frame, rows)
    return Bunch(data=joined(finder, batches), frame=make_frame(rows_of(batches), video=True))


@validate_params(TIMES)
def analyze_video(
    path: str | PathLike[str],
    classifier: Any = "fer2013",
    *,
    fps: float | None = 5,
    start: float | None = None,
    stop: float | None = None,
    finder: FaceFinder | None = None,
    annotated: str | PathLike[str] | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Find all faces in some frames of a video, and label each.

    A label says what expression people would name who see the face, at best; not what somebody
    feels. Read the page on ethics and limits before you use it.

    Parameters
    ----------
    path : str or path-like
        A video that OpenCV reads.
    classifier : str, path-like or fitted classifier, default="fer2013"
        As in `analyze`.
    fps, start, stop, finder, annotated, verbose
        As in `find_faces_in_video`.

    Returns
    -------
    frame : DataFrame
        The table of `find_faces_in_video`, and behind `status` the columns `label`, `confidence`
        and one a class, as in `analyze`.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError, OSError, ImportError
        As `analyze` and `find_faces_in_video`.

    See Also
    --------
    analyze : Many videos, and photos with them; it can be stopped and continued.
    contact_sheet : The table as a page with a timeline for each track.
    """
    times = _times(fps, start, stop)
    classifier = as_classifier(classifier)
    finder = finder_for(classifier, finder)
    rows = label_video(as_path(path), classifier, finder, times, annotated, verbose)
    return make_frame(rows, classifier.classes_.tolist(), video=True)


def _times(
    fps: float | None, start: float | None, stop: float | None
) -> tuple[float | None, float, float]:
    """Return looks a second, and the first and the last second."""
    start, stop = start or 0.0, np.inf if stop is None else stop
    if stop <= start:
        raise ValueError(f"Expected stop to be after start, got start={start} and stop={stop}.")
    return fps, start, stop


def label_video(
    path: Path,
    classifier: Any,
    finder: FaceFinder,
    times: tuple[float | None, float, float],
    annotated: Any,
    verbose: int,
) -> list[dict]:
    """Return the rows of a video, with the labels of its faces.

    Parameters
    ----------
    path : Path
    classifier, finder : as `as_classifier` and `finder_for` return them
    times : tuple
        Frames a second that are looked at, None for all; first and last second.
    annotated, verbose : as in `find_faces_in_video`

    Raises
    ------
    UnreadableError, OSError, ValueError
        If it cannot be read, or its copy cannot be written.
    """
    rows: list[dict] = []
    waiting: list = []
    n_faces = 0
    with annotated_copy(annotated, path) as copy:
        when = When(*times, every=copy is not None)
        for frame, faces, found in _looks(path, finder, when, verbose):
            if found is not None:
                rows += found
                waiting.append((faces, [found]))
                n_faces += len(faces)
            if n_faces >= _BATCH or copy:  # a copy shows each frame with its labels
                label(classifier, joined(finder, waiting), rows_of(waiting))
                waiting, n_faces = [], 0
            if copy:
                copy.write(frame, found)
    label(classifier, joined(finder, waiting), rows_of(waiting))
    return rows


class When(NamedTuple):
    """Which frames are wanted.

    Attributes
    ----------
    fps : float or None
        Looks a second; None is every frame.
    start, stop : float
        In seconds.
    every : bool
        Whether the frames in between are wanted too.
    """

    fps: float | None
    start: float
    stop: float
    every: bool = False


class Frame(NamedTuple):
    """A frame that was read.

    Attributes
    ----------
    number : int
        From 0.
    time : float
        In seconds.
    pixels : ndarray of uint8 of shape (h, w, 3)
        RGB.
    is_due : bool
        Whether it is to be looked at.
    rate : float
        Frames a second of the video.
    """

    number: int
    time: float
    pixels: np.ndarray
    is_due: bool
    rate: float


def _looks(
    path: Path, finder: FaceFinder, when: When, verbose: int
) -> Iterator[tuple[Frame, np.ndarray, list[dict] | None]]:
    """Yield one frame after the other, its faces and its rows; None if it was not looked at."""
    model, tracks = model_file(finder.model), Tracks()
    nothing = np.empty((0, finder.image_size, finder.image_size), np.uint8)
    for frame in frames_of(path, when, verbose):
        if not frame.is_due:
            yield frame, nothing, None
            continue
        height, width = frame.pixels.shape[:2]
        photo = Photo(frame.pixels, 1, width, height)
        faces, rows = in_pixels(finder, photo, str(path), model, partial(_as_it_is, photo))
        found = [row for row in rows if "face" in row]
        for row, track in zip(found, tracks.follow(frame, found), strict=True):
            row["track"] = track
        for row in rows:
            row |= {"frame": frame.number, "time": round(frame.time, 4)}
        yield frame, faces, rows


def _as_it_is(photo: Photo, side: float) -> Photo:
    return photo


def check_video(path: Path) -> None:
    """Raise if there is no file that may be read.

    Raises
    ------
    OSError, ValueError
        Says why.
    """
    check_file(path)
    path.open("rb").close()


def frames_of(path: Path, when: When, verbose: int) -> Iterator[Frame]:
    """Yield the frames that are wanted.

    Raises
    ------
    UnreadableError
        If OpenCV reads no video there, or no frame that is wanted.
    OSError, ValueError
        If there is no file that may be read.
    """
    due, end, is_any = when.start, 0.0, False
    for number, time, rate, read in _grabbed(path, verbose):
        end = time + 1 / rate
        if time >= when.stop:
            break
        is_due = time >= max(due - 0.5 / rate, when.start)
        if is_due and when.fps is not None:
            n_looks = math.floor((time + 0.5 / rate - when.start) * when.fps) + 1
            due = when.start + n_looks / when.fps
        if is_due or (when.every and time >= when.start):
            pixels = read()
            if pixels is not None:
                is_any = True
                yield Frame(number, time, pixels, is_due, rate)
    if end <= when.start:
        raise UnreadableError(f"{path} ends after {end:.2f} seconds, got start={when.start}.")
    if not is_any:
        raise UnreadableError(f"{path} has no frame between start and stop that OpenCV can read.")


def frames_numbered(path: Path, numbers: set[int], verbose: int) -> Iterator[tuple[int, Any]]:
    """Yield the frames of these numbers, and their pixels; it raises what `frames_of` does."""
    last = max(numbers, default=-1)
    for number, _, _, read in _grabbed(path, verbose):
        pixels = read() if number in numbers else None
        if pixels is not None:
            yield number, pixels
        if number >= last:
            return


def _grabbed(
    path: Path, verbose: int
) -> Iterator[tuple[int, float, float, Callable[[], np.ndarray | None]]]:
    """Yield number and time of each frame, the rate of the video, and what decodes the frame."""
    cv2 = import_cv2("find_faces_in_video")
    check_video(path)
    # A str that is not UTF-8 crashes OpenCV, and http:a.mp4 in the current folder is an address.
    reader = cv2.VideoCapture(cv2_path(path.absolute()))

    def read() -> np.ndarray | None:
        readable, pixels = reader.retrieve()
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if readable else None

    try:
        if not reader.isOpened():
            raise UnreadableError(
                f"{path} is not a video, or is of a kind that OpenCV does not read."
            )
        rate = reader.get(cv2.CAP_PROP_FPS) or 25.0
        promised = max(0, int(reader.get(cv2.CAP_PROP_FRAME_COUNT)))
        bar = tqdm(total=promised or None, desc=path.name, unit="frame", disable=not verbose)
        with bar:
            number = -1
            while reader.grab():
                number += 1
                bar.update()
                # Some files have no times; then frames are evenly spaced.
                time = reader.get(cv2.CAP_PROP_POS_MSEC) / 1000 or number / rate
                yield number, time, rate, read
        _check_whole(path, number + 1, promised)
    finally:
        reader.release()


def _check_whole(path: os.PathLike, n_frames: int, promised: int) -> None:
    if n_frames == 0:
        raise UnreadableError(f"{path} has no frame that OpenCV can read.")
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

    def follow(self, frame: Frame, rows: list[dict]) -> list[int]:
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
