"""The table of faces: its columns, their types, and what a photo's status means."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

OK, NO_FACE, UNREADABLE, SMALL, CUT_OFF = "ok", "no face", "unreadable", "small", "cut off"
STATUSES = (OK, NO_FACE, UNREADABLE, SMALL, CUT_OFF)
POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
SQUARE = ("x", "y", "width", "height")

_FIRST = ("photo", "face", "status")
_WHERE = (*SQUARE, "score", "angle", *(f"{point}_{axis}" for point in POINTS for axis in "xy"))
_LAST = ("outside", "photo_width", "photo_height")
_OF_VIDEO = ("frame", "time", "track")
_DETAIL = ("detail",)
#: Whole numbers that may be missing.
_WHOLE = ("face", "photo_width", "photo_height", "frame", "track")
_TEXTS = ("photo", "status", "detail")
#: Of a photo that is no file, in its first row; all of them are among the attributes of the table.
CHECKSUM = "_checksum"


def columns(classes: Iterable[Any] | None = None, *, video: bool = False) -> list:
    """Return the names of the columns in order."""
    answers = [] if classes is None else ["label", "confidence", *classes]
    return [*_FIRST, *answers, *_WHERE, *_LAST, *(_OF_VIDEO if video else ()), *_DETAIL]


def check_classes(classes: Iterable[Any]) -> None:
    """Raise if a class has the name of another column.

    Raises
    ------
    ValueError
        Names it.
    """
    taken = {*columns([], video=True), CHECKSUM} & {*classes}
    if taken:
        raise ValueError(
            f"The classes {sorted(taken)} have the names of other columns of the table. Train the "
            "classifier on labels of other names."
        )


def classes_of(frame: pd.DataFrame) -> list:
    """Return the classes of a table of `analyze`: its columns from "confidence" to "x".

    Raises
    ------
    TypeError, ValueError
        If it is not such a table.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"Expected a table of analyze, got {type(frame).__name__}. Of a CSV file: "
            "pandas.read_csv(path)."
        )
    names = [*frame.columns]
    try:
        classes = names[names.index("confidence") + 1 : names.index("x")]
        expected = columns(classes, video="track" in names)
    except ValueError:
        expected = None
    if names != expected:
        raise ValueError(
            "Expected a table of analyze, with the columns photo, face, status, label, "
            f"confidence, one a class, x, y, ..., got {', '.join(map(str, names[:8]))}, ..."
        )
    return classes


def make_frame(
    rows: Iterable[dict], classes: Iterable[Any] | None = None, *, video: bool = False
) -> pd.DataFrame:
    """Return rows as a table, in which what a row lacks is missing."""
    names = columns(classes, video=video)
    rows = list(rows)
    table = {name: [row.get(name) for row in rows] for name in names}
    frame = pd.DataFrame({name: _typed(name, cells) for name, cells in table.items()})
    checksums = {row["photo"]: row[CHECKSUM] for row in rows if CHECKSUM in row}
    if checksums:  # as a text, since pandas copies attributes deeply whenever it takes a part
        frame.attrs[CHECKSUM] = json.dumps(checksums)
    return frame


def checksums_of(frame: pd.DataFrame) -> dict[str, int]:
    """Return what `Photo.checksum` was for photos that were no files, as far as it is known."""
    checksums: dict[str, int] = json.loads(frame.attrs.get(CHECKSUM, "{}"))
    return checksums


def _typed(name: Any, cells: list) -> pd.Series:
    if name in _WHOLE:
        return pd.Series(cells, dtype="Int64")
    if name in _TEXTS:
        return pd.Series(["" if cell is None else cell for cell in cells], dtype=object)
    if name == "label":
        return pd.Series([np.nan if cell is None else cell for cell in cells], dtype=object)
    return pd.Series(cells, dtype="float64")
