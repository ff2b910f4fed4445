"""`contact_sheet`: a table of labelled faces as one page to look at."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from .._files import check_writable, replace_file
from ..datasets._paths import as_path
from ._crop import Square, cut
from ._reading import Photo, list_photos, read_photo
from ._table import STATUSES, classes_of

#: Longest side of a photo, and side of a face, on the page; in pixels.
_PICTURE, _FACE = 480, 96
_QUALITY = 75


def contact_sheet(frame, path, *, photos=None, title="Faces and their labels", verbose=0):
    """Write a table of `analyze` as one HTML file, with all pictures inside.

    It shows each photo with its boxes, and each face with its label and all probabilities; can be
    filtered by label and status, sorted by confidence, and used by keyboard. It fetches nothing:
    it can be kept, sent and opened offline. It holds faces: treat it as you treat the photos.

    Parameters
    ----------
    frame : DataFrame
        What `analyze` has returned, or some of its rows; or its CSV file, read by pandas.
    path : str or path-like
        The file to write.
    photos : photos or None, default=None
        What `analyze` was given, if these were no files. None reads the files that the column
        "photo" names. What is not there any more is listed without its picture.
    title : str, default="Faces and their labels"
        Heading of the page.
    verbose : int, default=0
        1 shows a progress bar.

    Raises
    ------
    ValueError
        If `frame` has not the columns of `analyze`; tables of videos are refused.
    OSError
        If the file cannot be written.

    See Also
    --------
    analyze : Makes the table.
    """
    classes = classes_of(frame)
    if "track" in frame.columns:
        raise ValueError("Expected a table of photos, got one of a video, which has no page yet.")
    path = as_path(path)
    check_writable(path)
    contents = {} if photos is None else {s.name: s.content for s in list_photos(photos)}
    groups = frame.groupby("photo", sort=False)
    bar = tqdm(groups, total=groups.ngroups, unit="photo", disable=not verbose)
    shown = [_photo(name, rows, classes, contents.get(name, Path(name))) for name, rows in bar]
    data = {
        "classes": [str(name) for name in classes],
        "statuses": [status for status in STATUSES if (frame.status == status).any()],
        "photos": shown,
    }
    replace_file(path, _page(title, data).encode())


def _page(title: str, data: dict) -> str:
    """Fill in the page; nothing in the data can become a tag, or a script that runs."""
    text = (files("fer_sklearn") / "photos" / "sheet.html").read_text("utf-8")
    style, script = (
        re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[0] for tag in ("style", "script")
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_sha256(style)}'; "
        f"script-src 'sha256-{_sha256(script)}'"
    )
    parts = {
        "policy": policy,
        "title": html.escape(title),
        "data": json.dumps(data, allow_nan=False).replace("<", r"\u003c"),
    }
    return re.sub("@(policy|title|data)@", lambda found: parts[found[1]], text)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _photo(name: str, rows: pd.DataFrame, classes: list, content: Any) -> dict:
    """Return what the page shows of a photo."""
    first = rows.iloc[0]
    shown = {
        "name": str(name),
        "status": first.status,
        "detail": str(first.detail) if pd.notna(first.detail) else "",
        "faces": [_face(row, classes) for _, row in rows[rows.face.notna()].iterrows()],
    }
    if pd.isna(first.photo_width):
        return shown
    shown |= {"width": int(first.photo_width), "height": int(first.photo_height)}
    try:
        return shown | _pictures(read_photo(content), shown["faces"])
    except Exception as error:  # it was readable when the table was made
        return shown | {"detail": f"the photo cannot be read any more ({error})"}


def _pictures(photo: Photo, faces: list[dict]) -> dict:
    """Return the photo, and write into the faces their own pictures."""
    small = Image.fromarray(photo.pixels)
    small.thumbnail((_PICTURE, _PICTURE), reducing_gap=2)
    for face in faces:
        square = _square(face).times(1 / photo.scale)
        face["crop"] = _as_uri(Image.fromarray(cut(photo.pixels, square, _FACE)))
    return {"picture": _as_uri(small), "shown": small.width}


def _as_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _face(row: pd.Series, classes: list) -> dict:
    face = {
        "face": int(row.face),
        "status": row.status,
        "label": str(row.label),
        "confidence": float(row.confidence),
        "shares": [float(row[name]) for name in classes],
        "x": float(row.x),
        "y": float(row.y),
        "side": float(row.width),
        "angle": float(row.angle),
    }
    return face | {"corners": _corners(_square(face))}


def _square(face: dict) -> Square:
    half = face["side"] / 2
    return Square(face["x"] + half, face["y"] + half, face["side"], face["angle"])


def _corners(square: Square) -> list[list[float]]:
    """Return the corners in pixels of the photo, clockwise."""
    turn = np.deg2rad(square.angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    away = square.side / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return np.round(away @ matrix.T + [square.x, square.y], 1).tolist()
