"""FER-2013 from the forms it is handed round in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ._emotions import FER2013_NAMES, convert_emotions
from ._fer2013_csv import SIDE, SPLITS, read_csv
from ._folder import load_image_folder

_FOLDERS = {"train": "Training", "test": "Test"}
_FILES = ("fer2013.csv", "icml_face_data.csv")

_DESCR = """FER-2013: 48 x 48 gray faces in seven expressions.

Collected by Pierre-Luc Carrier and Aaron Courville with Google image search, for the
challenge of the ICML 2013 workshop on representation learning (Goodfellow et al.,
"Challenges in representation learning", 2013). 28,709 Training, 3,589 PublicTest and
3,589 PrivateTest images; human accuracy is about 65 %.
"""


def load_fer2013(path, *, usage="Training", return_X_y=False, as_frame=False):
    """Load FER-2013.

    Parameters
    ----------
    path : str or path-like
        - ``fer2013.csv`` of the challenge or Kaggle's ``icml_face_data.csv``, plain or
          compressed (.gz, .xz, .bz2, .zip);
        - a folder that holds one of them;
        - Kaggle's folder form: ``train/angry/*.jpg``, ``test/angry/*.jpg``, ...
    usage : str or iterable of str, default="Training"
        The splits wanted: "Training", "PublicTest", "PrivateTest", "Test" (both test
        splits; the folder form does not tell them apart), or "all".
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return data as a DataFrame of one column a pixel, target as a Series.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, 48, 48), or DataFrame (n, 2304)
            In the order of the file.
        target : ndarray of str of shape (n,), or Series
            Names of the emotions.
        target_names : list of str
            The seven names in the order of FER-2013's codes.
        usage : ndarray of str of shape (n,)
            Split of each image.
        frame : DataFrame
            Data and target; only if `as_frame`.
        errors : DataFrame
            Files that could not be read; only in the folder form.
        DESCR : str
            Where the images come from.
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`, or no FER-2013 in the folder.
    ValueError
        If the file is damaged (names its row and column), has an unknown emotion
        code, or has no image of the splits wanted.
    """
    wanted = _wanted_splits(usage)
    path = _find_file(Path(path))
    bunch = _from_folders(path, wanted) if path.is_dir() else _from_csv(path, wanted)
    if not len(bunch.data):
        raise ValueError(f"{path} has no images of usage={usage!r}.")
    bunch.DESCR = _DESCR
    if as_frame:
        _make_frame(bunch)
    return (bunch.data, bunch.target) if return_X_y else bunch


def _wanted_splits(usage) -> set[str]:
    known = (*SPLITS, "Test", "all")
    names = {usage} if isinstance(usage, str) else set(usage)
    unknown = names - set(known)
    if unknown or not names:
        raise ValueError(
            f"usage must be one of {', '.join(known)}, or several of them, got {usage!r}."
        )
    if "all" in names:
        names |= {*SPLITS, "Test"}
    if "Test" in names:
        names |= {"PublicTest", "PrivateTest"}
    return names


def _find_file(path: Path) -> Path:
    """Return the CSV, or the folder that holds train/ and test/."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist. Expected fer2013.csv, icml_face_data.csv, or a folder with "
            "one of them or with train/ and test/."
        )
    if not path.is_dir():
        return path
    for name in _FILES:
        for found in sorted(path.glob(f"{name}*")):
            return found
    if any((path / folder).is_dir() for folder in _FOLDERS):
        return path
    raise FileNotFoundError(
        f"{path} holds neither {' nor '.join(_FILES)}, nor folders train/ and test/. For folders "
        "of another kind use load_image_folder."
    )


def _from_csv(path: Path, wanted: set[str]) -> Bunch:
    data, codes, usage = read_csv(path, wanted)
    return Bunch(
        data=data,
        target=convert_emotions(codes, source="fer2013"),
        target_names=list(FER2013_NAMES),
        usage=usage,
    )


def _from_folders(path: Path, wanted: set[str]) -> Bunch:
    parts = {
        usage: load_image_folder(path / folder, image_size=SIDE)
        for folder, usage in _FOLDERS.items()
        if usage in wanted and (path / folder).is_dir()
    }
    if not parts:
        raise ValueError(
            f"{path} has no images of the splits {sorted(wanted)}: the folder form knows "
            f"'Training' ({path / 'train'}) and 'Test' ({path / 'test'})."
        )
    targets = [convert_emotions(part.target, source="folder") for part in parts.values()]
    return Bunch(
        data=np.concatenate([part.data for part in parts.values()]),
        target=np.concatenate(targets),
        target_names=list(FER2013_NAMES),
        usage=np.repeat(list(parts), [len(part.data) for part in parts.values()]),
        errors=pd.concat([part.errors for part in parts.values()], ignore_index=True),
    )


def _make_frame(bunch: Bunch) -> None:
    """Turn data and target into pandas objects that share the images' memory."""
    rows = bunch.data.reshape(len(bunch.data), -1)
    names: Iterable[str] = (f"pixel_{number}" for number in range(rows.shape[1]))
    bunch.data = pd.DataFrame(rows, columns=list(names), copy=False)
    bunch.target = pd.Series(bunch.target, name="emotion")
    bunch.frame = pd.concat([bunch.data, bunch.target], axis=1)
