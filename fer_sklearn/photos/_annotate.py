"""A copy of a video with boxes and labels drawn into it, written frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .._extras import cv2_path, import_cv2
from .._files import as_path, check_writable, replacing
from ._crop import Square

#: The codecs that OpenCV's wheels can write, by file ending: Motion JPEG, MPEG-4 part 2 and VP8.
#: The wheels have no H.264 encoder.
_CODECS = {".avi": "MJPG", ".mp4": "mp4v", ".webm": "VP80"}
#: How many seconds a box is shown if no newer look replaces it.
_HELD = 0.6
#: Frame rates that players accept. Files without a fixed rate state others, such as 1000.
_RATES, _USUAL_RATE = (1, 120), 30
#: If times jump by more seconds, the file is wrong: it is not a pause.
_JUMP = 10
#: A copy that reports a smaller share of the written frames is incomplete.
#: (Formats count differently.)
_WHOLE = 0.9


@contextmanager
def annotated_copy(path: Any, video: Path) -> Iterator[Copy | None]:
    """Yield what writes the copy; it takes the place of `path` at the end of the block.

    Parameters
    ----------
    path : str, path-like or None
        None yields None.
    video : Path
        What is copied.

    Raises
    ------
    ValueError
        If the ending is not one of those known, or `path` is the video itself.
    OSError
        If the copy cannot be written.
    """
    if path is None:
        yield None
        return
    path = as_path(path)
    check_copy(path, video)
    with replacing(path) as part:
        copy = Copy(part, path)
        try:
            yield copy
        finally:
            copy.release()
        copy.check_whole()


def check_copy(path: Path, video: Path) -> None:
    """Raise what `annotated_copy` would, before the work."""
    if path.suffix.lower() not in _CODECS:
        raise ValueError(
            f"Expected annotated to end in {', '.join(_CODECS)}, which OpenCV can write, got "
            f"{str(path)!r}."
        )
    if path.exists() and video.exists() and path.samefile(video):
        raise ValueError(f"{path} is the video itself. Choose another name for the copy.")
    check_writable(path)


class Copy:
    """Writes frames, evenly spaced in time, with the boxes that were found last.

    Parameters
    ----------
    part : Path
        The file to write.
    path : Path
        What it is to become, for errors.
    """

    def __init__(self, part: Path, path: Path) -> None:
        self._part = part
        self._path = path
        self._writer: Any = None
        self._size = (0, 0)
        self._rate = 0.0
        self._start = 0.0
        self._n_frames = 0
        self._rows: list[dict] = []
        self._looked_at = -np.inf

    def write(self, frame: Any, rows: list[dict] | None) -> None:
        """Draw into the pixels of a frame, and write them.

        Parameters
        ----------
        frame : Frame
            Its pixels are changed.
        rows : list of dict or None
            Of its faces; None if it was not looked at.
        """
        cv2 = import_cv2("annotated")
        if rows is not None:
            self._rows = [row for row in rows if "face" in row]
            self._looked_at = frame.time
        if frame.time - self._looked_at <= _HELD:
            for row in self._rows:
                draw_face(frame.pixels, row)
        if self._writer is None:
            self._open(frame)
        pixels = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
        if pixels.shape[1::-1] != self._size:  # the writer would leave it out without a word
            pixels = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA)
        for _ in range(self._n_due(frame.time)):
            self._writer.write(pixels)
            self._n_frames += 1

    def _n_due(self, time: float) -> int:
        """Return how often a frame is written: not once only where frames have no fixed rate."""
        due = round((time - self._start) * self._rate) + 1 - self._n_frames
        if abs(due) > _JUMP * self._rate:
            self._start, due = time - self._n_frames / self._rate, 1
        return due

    def _open(self, frame: Any) -> None:
        cv2 = import_cv2("annotated")
        codec = _CODECS[self._path.suffix.lower()]
        self._rate = frame.rate if _RATES[0] <= frame.rate <= _RATES[1] else _USUAL_RATE
        height, width = frame.pixels.shape[:2]
        self._size = (width, height)
        self._start = frame.time
        self._writer = cv2.VideoWriter(
            cv2_path(self._part), cv2.VideoWriter_fourcc(*codec), self._rate, self._size
        )
        if not self._writer.isOpened():
            raise OSError(
                f"{self._path} cannot be written: this OpenCV ({cv2.__version__}) has no encoder "
                f"{codec!r}, or the folder refuses. Other endings: {', '.join(_CODECS)}."
            )

    def release(self) -> None:
        """Write what belongs at the end of the file."""
        if self._writer is not None:
            self._writer.release()

    def check_whole(self) -> None:
        """Raise if the file is not what was written: the writer reports no full disk."""
        cv2 = import_cv2("annotated")
        reader = cv2.VideoCapture(cv2_path(self._part))
        n_frames = reader.get(cv2.CAP_PROP_FRAME_COUNT) if reader.grab() else 0
        reader.release()
        if n_frames < _WHOLE * self._n_frames:
            raise OSError(
                f"{self._path} was not written: the copy has {n_frames:.0f} of {self._n_frames} "
                "frames. Is the disk full?"
            )


def draw_face(pixels: np.ndarray, row: dict) -> None:
    """Draw the square of a face, and what it is called, into a picture.

    Parameters
    ----------
    pixels : ndarray of uint8 of shape (h, w, 3)
        RGB, changed.
    row : dict
        Of the table of faces.
    """
    cv2 = import_cv2("annotated")
    height, width = pixels.shape[:2]
    corners = Square.at(row["x"], row["y"], row["width"], row["angle"]).corners()
    line = max(1, round(min(height, width) / 300))
    for colour, thickness in (((0, 0, 0), 3 * line), ((255, 255, 255), line)):
        outline = [np.rint(corners).astype(np.int32)]
        cv2.polylines(pixels, outline, True, colour, thickness, cv2.LINE_AA)
    tag = _tag(_words(row), max(13, round(min(height, width) / 28)))[:height, :width]
    left = int(np.clip(corners[:, 0].min(), 0, width - tag.shape[1]))
    top = int(np.clip(corners[:, 1].min() - tag.shape[0] - line, 0, height - tag.shape[0]))
    pixels[top : top + tag.shape[0], left : left + tag.shape[1]] = tag


def _words(row: dict) -> str:
    """Return the track of a face, as the table has it, and its label."""
    if "label" not in row:
        return f"{row['track']}"
    return f"{row['track']}  {row['label']} {row['confidence']:.0%}"


@lru_cache(maxsize=512)
def _tag(text: str, size: int) -> np.ndarray:
    """Return a text, white on black, (h, w, 3). OpenCV itself has letters of ASCII only."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    around = max(2, size // 4)
    image = Image.new("RGB", (right - left + 2 * around, bottom - top + 2 * around))
    ImageDraw.Draw(image).text((around - left, around - top), text, "white", font)
    return np.asarray(image)
