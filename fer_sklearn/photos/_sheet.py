"""`contact_sheet`: a table of labelled faces as one page to look at."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from .._files import as_path, check_writable, replace_file
from ._crop import Square
from ._pictures import picture_of_face, small_picture
from ._reading import Photo, list_photos, read_photo, refuse_source
from ._table import STATUSES, checksums_of, classes_of
from ._timeline import is_of_video, shown_video


def contact_sheet(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    *,
    photos: Any = None,
    title: str = "Faces and their labels",
    verbose: int = 0,
) -> None:
    """Write a table of `analyze` as one HTML file, with all pictures inside.

    It shows each photo with its boxes, and each face with its label and all probabilities; of a
    video, each track as a timeline of its probabilities, with some of its faces. It can be
    filtered by label and status, sorted by confidence, and used by keyboard. It fetches nothing:
    it can be kept, sent and opened offline. It holds faces: treat it as you treat the photos.

    Parameters
    ----------
    frame : DataFrame
        What `analyze` or `analyze_video` has returned, or some of its rows; or its CSV file, read
        by pandas. Several tables of videos can be put together by `pandas.concat`.
    path : str or path-like
        The file to write.
    photos : photos or None, default=None
        What `analyze` was given, all of it and in the same order, if these were no files. None
        reads the files that the column "photo" names. What is not there any more is listed without
        its picture, and so is a file whose photo has another size now. Videos are read from their
        files once more.
    title : str, default="Faces and their labels"
        Heading of the page.
    verbose : int, default=0
        1 shows a progress bar.

    Raises
    ------
    TypeError, ValueError
        If `frame` is not a table with the columns of `analyze`, `path` is one of the photos, or
        `photos` has others than the table or another order. (Of a table that was read from a file,
        their sizes alone are known.)
    OSError
        If the file cannot be written.

    See Also
    --------
    analyze : Makes the table.

    Notes
    -----
    A track has the label whose mean probability is highest, and this mean as its confidence. Of
    each video the 30 longest tracks are shown.
    """
    classes = classes_of(frame)
    path = as_path(path)
    check_writable(path)
    contents = {} if photos is None else {s.name: s.content for s in list_photos(photos)}
    checksums = checksums_of(frame)
    # Names need not be text that pandas can keep, and may be missing: "NA" in a CSV file.
    numbers, names = pd.factorize(frame["photo"].to_numpy(object), use_na_sentinel=False)
    refuse_source(path, map(str, names))
    shown = []
    hidden = not verbose or not len(names)
    for at, rows in tqdm(frame.groupby(numbers), total=len(names), unit="photo", disable=hidden):
        name = str(names[at])
        if is_of_video(rows):
            shown.append(shown_video(name, rows, classes, verbose))
        else:
            content = contents.get(name, Path(name))
            shown.append(_photo(name, rows, classes, content, checksums.get(name)))
    data = {
        "classes": [str(name) for name in classes],
        "statuses": [status for status in STATUSES if (frame.status == status).any()],
        "photos": shown,
    }
    replace_file(path, _page(title, data).encode("utf-8", "backslashreplace"))


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


def _photo(
    name: str, rows: pd.DataFrame, classes: list, content: Any, checksum: int | None
) -> dict:
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
    is_file = isinstance(content, Path)
    try:
        photo = read_photo(content)
        is_other = (photo.width, photo.height) != (shown["width"], shown["height"])
        if not is_file:
            is_other |= checksum not in (None, photo.checksum())
        elif is_other:
            raise ValueError(f"it has {photo.width} x {photo.height} pixels now")
        pictures = {} if is_other else _pictures(photo, shown["faces"])
    except Exception as error:  # it was readable when the table was made
        return shown | {"detail": f"the photo cannot be shown any more ({error})"}
    if is_other:
        raise ValueError(
            f"{name} is not the photo that the table calls so. Pass the photos that analyze was "
            "given, all of them and in the same order."
        )
    return shown | pictures


def _pictures(photo: Photo, faces: list[dict]) -> dict:
    """Return the photo, and write into the faces their own pictures."""
    for face in faces:
        face["crop"] = picture_of_face(photo.pixels, _square(face).times(1 / photo.scale))
    return small_picture(photo.pixels)


def _face(row: pd.Series, classes: list) -> dict:
    shares = [float(row[name]) for name in classes]
    face = {
        "face": int(row.face),
        "status": row.status,
        "label": str(classes[int(np.argmax(shares))]),  # a CSV file may have changed its type
        "confidence": float(row.confidence),
        "shares": shares,
        "x": float(row.x),
        "y": float(row.y),
        "side": float(row.width),
        "angle": float(row.angle),
    }
    return face | {"corners": np.round(_square(face).corners(), 1).tolist()}


def _square(face: dict) -> Square:
    return Square.at(face["x"], face["y"], face["side"], face["angle"])
