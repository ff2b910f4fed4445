"""Photos in one sub-folder a class -> faces to train on."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._files import as_path
from ..datasets._folder import files_of_classes
from ..datasets._paths import as_text
from ._find import checked, find_in, joined, rows_of
from ._finder import FaceFinder
from ._reading import Source, UnreadableError, may_be_photo
from ._table import OK, make_frame


def load_photo_folder(
    path: str | PathLike[str],
    *,
    finder: FaceFinder | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Load the faces of photos that lie in one sub-folder a class.

    Every face gets the label of its photo. For photos that show one person each,
    ``FaceFinder(max_faces=1)`` takes the largest face alone.

    Parameters
    ----------
    path : str or path-like
        Folder whose sub-folders are the classes. Below them, files are chosen as in `find_faces`.
    finder : FaceFinder or None, default=None
        None is ``FaceFinder()``.
    n_jobs : int or None, default=None
        Processes that look, as in `find_faces`.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n_faces, image_size, image_size)
            Gray faces.
        target : ndarray of str of shape (n_faces,)
            Name of the sub-folder, as in `load_image_folder`.
        target_names : list of str
            Names of the sub-folders that have faces, sorted.
        groups : ndarray of str of shape (n_faces,)
            Path of the photo. With it ``GroupKFold`` and ``StratifiedGroupKFold`` keep all faces
            of one photo on one side of a split.
        frame : DataFrame
            Of all photos, as that of `find_faces`.
        doubtful : DataFrame with columns photo, target, reason, row
            What to look at before training: photos without a face or that cannot be read,
            and faces that are small, that are cut off, or that are not alone in their photo,
            since the label may be of another one. `row` is the place in `data`, missing where
            there is no face.

    Raises
    ------
    FileNotFoundError
        If `path` is not a folder.
    ValueError
        If it has no sub-folders, or these are splits (train, test, ...) instead of classes; or if
        there is not a single face.
    ImportError
        If the extra "photos" is not installed.

    See Also
    --------
    fer_sklearn.datasets.load_image_folder : The same for images that are faces already.
    """
    root = as_path(path)
    finder = checked(finder)
    sources, labels = _photos_of(root)
    batches = list(find_in(sources, finder, n_jobs, verbose))
    rows = rows_of(batches)
    if not any("face" in row for row in rows):
        raise ValueError(
            f"{root} has no photo with a face in its sub-folders ({len(sources)} were looked at). "
            f"Expected {root}/<class>/<photos>; load_image_folder reads images that are faces."
        )
    frame = make_frame(rows)
    faces = frame[frame.face.notna()]
    target = np.array([labels[photo] for photo in faces.photo], dtype=str)
    return Bunch(
        data=joined(finder, batches),
        target=target,
        target_names=np.unique(target).tolist(),
        groups=faces.photo.to_numpy(dtype=str),
        frame=frame,
        doubtful=_doubtful(frame, labels),
    )


def _photos_of(root: Path) -> tuple[list[Source], dict[str, str]]:
    """Return the photos of all classes, what cannot be read among them, and {name: class}."""
    files, classes, problems = files_of_classes(root, "load_photo_folder")
    photos = [Source(str(file), file) for file in files if may_be_photo(file)]
    photos += [Source(str(file), UnreadableError(reason)) for file, reason in problems]
    labels = {str(file): label for file, label in zip(files, classes, strict=True)}
    labels |= {str(file): as_text(file.relative_to(root).parts[0]) for file, _ in problems}
    return photos, labels


def _doubtful(frame: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """Return what may be labelled wrongly, and what has no face."""
    is_face = frame.face.notna()
    n_faces = is_face.groupby(frame.photo).transform("sum")
    listed = frame[(frame.status != OK) | (n_faces > 1)]
    reasons = [
        _reason(status, detail, n_faces[row])
        for row, status, detail in zip(listed.index, listed.status, listed.detail, strict=True)
    ]
    place = is_face.cumsum() - 1
    return pd.DataFrame(
        {
            "photo": listed.photo,
            "target": [labels[photo] for photo in listed.photo],
            "reason": pd.Series(reasons, index=listed.index, dtype=object),
            "row": place[listed.index].where(is_face).astype("Int64"),
        }
    ).reset_index(drop=True)


def _reason(status: str, detail: str, n_faces: int) -> str:
    parts = [] if status == OK else [status]
    parts += [detail] if detail else []
    parts += [f"one of {n_faces} faces"] if n_faces > 1 else []
    return ", ".join(parts)
