"""What the page shows of a video: its tracks, and how the probabilities of each change."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ._crop import Square
from ._pictures import picture_of_face, small_picture
from ._table import NO_FACE, OK
from ._video import frames_numbered

#: Tracks of a video that are shown, the longest ones; and pictures of each.
_TRACKS, _PICTURES = 30, 8


def is_of_video(rows: pd.DataFrame) -> bool:
    """Tell whether rows of the table are frames."""
    return "frame" in rows.columns and bool(rows["frame"].notna().any())


def shown_video(name: str, rows: pd.DataFrame, classes: list, verbose: int) -> dict:
    """Return what the page shows of a video.

    Parameters
    ----------
    name : str
        Its path.
    rows : DataFrame
        Its rows of the table.
    classes : list
    verbose : int
        1 shows a progress bar while its pictures are read.
    """
    seen = rows[rows.track.notna()]
    sizes = seen.groupby("track").size()
    longest = sorted(sizes.sort_values(ascending=False, kind="stable").index[:_TRACKS])
    of_track = {track: seen[seen.track == track].sort_values("time") for track in longest}
    times = np.unique(rows["time"])
    shown = {
        "name": str(name),
        "status": OK if len(seen) else NO_FACE,
        "detail": "",
        "start": float(times[0]),
        "stop": float(times[-1]),
        "step": float(np.median(np.diff(times))) if len(times) > 1 else 1.0,
        "looks": len(times),
        "left_out": len(sizes) - len(longest),
        "width": int(rows.photo_width.iloc[0]),
        "height": int(rows.photo_height.iloc[0]),
        "faces": [_track(track, part, classes) for track, part in of_track.items()],
    }
    try:
        _add_pictures(shown, Path(name), rows, list(of_track.values()), verbose)
    except Exception as error:  # it was readable when the table was made
        shown["detail"] = f"the video cannot be read any more ({error})"
    return shown


def _track(track: Any, rows: pd.DataFrame, classes: list) -> dict:
    """Return what is shown of a track: as of a face, with its course in time."""
    shares = rows[classes].to_numpy(float)
    mean = shares.mean(axis=0)
    best = int(mean.argmax())
    statuses = rows.status.value_counts()
    return {
        "track": int(track),
        "status": OK if OK in statuses.index else str(statuses.index[0]),
        "label": str(classes[best]),
        "confidence": float(mean[best]),
        "shares": mean.tolist(),
        "times": np.round(rows["time"].to_numpy(float), 3).tolist(),
        "course": np.round(shares, 3).tolist(),
        "pictures": [],
    }


def _add_pictures(
    shown: dict, path: Path, rows: pd.DataFrame, tracks: list[pd.DataFrame], verbose: int
) -> None:
    """Read the video again, and add some faces of each track, and the frame with most faces."""
    wanted = defaultdict(list)
    for face, part in zip(shown["faces"], tracks, strict=True):
        n = min(_PICTURES, len(part))
        for at in np.rint(np.linspace(0, len(part) - 1, n)).astype(int).tolist():
            row = part.iloc[at]
            wanted[int(row["frame"])].append((face, at, _square(row)))
    fullest = int(rows.groupby("frame")["track"].count().idxmax())
    for number, pixels in frames_numbered(path, {*wanted, fullest}, verbose):
        for face, at, square in wanted[number]:
            face["pictures"].append({"at": at, "crop": picture_of_face(pixels, square)})
        if number == fullest:
            shown |= small_picture(pixels)
    for face, part in zip(shown["faces"], tracks, strict=True):
        there = part[part["frame"] == fullest]
        if len(there):
            face["corners"] = np.round(_square(there.iloc[0]).corners(), 1).tolist()


def _square(row: pd.Series) -> Square:
    return Square.at(float(row.x), float(row.y), float(row.width), float(row.angle))
