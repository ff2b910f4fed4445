"""FER-2013 from the forms it is handed round in."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from ._emotions import FER2013_NAMES, convert_emotions
from ._fer2013_csv import SIDE, read_csv
from ._folder import load_image_folder
from ._paths import as_path, is_visible
from ._splits import SPLIT_ORDER, split_of

_TESTS = {"PublicTest", "PrivateTest", "Test"}
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
        - a folder form: ``train/angry/*.jpg``, ``test/angry/*.jpg``, ... The splits may be
          called train or Training, val, valid or validation, PublicTest, PrivateTest and test;
          the classes by any usual name, or by FER-2013's codes 0 to 6.
    usage : str or iterable of str, default="Training"
        The splits wanted: "Training", "PublicTest", "PrivateTest", "Test" (both test
        splits, and a folder called test, which may hold either), "Validation" (a folder called
        val or validation, likewise), or "all".
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
            The seven names in the order of FER-2013's codes; "contempt" too, if there is such
            a folder.
        usage : ndarray of str of shape (n,)
            Split of each image, one of the names of `usage` but "all".
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
        code, or has no image of one of the splits wanted.

    Warns
    -----
    UserWarning
        If `usage` is "all" and a folder is left out because its name is that of no split.
    """
    names = _split_names(usage)
    wanted = set().union(*map(_meant_by, names))
    path = _find_file(as_path(path))
    bunch = _from_folders(path, wanted, names) if path.is_dir() else _from_csv(path, wanted)
    missing = [name for name in names if not _meant_by(name) & set(bunch.usage)]
    if missing:
        raise ValueError(f"{path} has no images of usage={', '.join(map(repr, missing))}.")
    bunch.DESCR = _DESCR
    if as_frame:
        _make_frame(bunch)
    return (bunch.data, bunch.target) if return_X_y else bunch


def _split_names(usage) -> list[str]:
    known = (*SPLIT_ORDER, "all")
    names = [usage] if isinstance(usage, str) else list(usage)
    if set(names) - set(known) or not names:
        raise ValueError(
            f"usage must be one of {', '.join(known)}, or several of them, got {usage!r}."
        )
    return names


def _meant_by(name: str) -> set[str]:
    """Return the splits that one of `usage` asks for."""
    return {"all": set(SPLIT_ORDER), "Test": _TESTS}.get(name, {name})


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
    if _split_folders(path)[0]:
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


def _split_folders(path: Path) -> tuple[dict[Path, str], list[str]]:
    """Return the split of each sub-folder, in the order of the splits, and the other names."""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and is_visible(entry))
    known = {
        folder: name for name in SPLIT_ORDER for folder in folders if split_of(folder.name) == name
    }
    return known, [folder.name for folder in folders if folder not in known]


def _from_folders(path: Path, wanted: set[str], names: list[str]) -> Bunch:
    splits, others = _split_folders(path)
    _check_folders(path, splits, names)
    if others and "all" in names:
        warnings.warn(
            f"{path} has folders whose names are those of no split; they are left out: {others}.",
            UserWarning,
            stacklevel=3,
        )
    chosen = {folder: split for folder, split in splits.items() if split in wanted}
    parts = [load_image_folder(folder, image_size=SIDE) for folder in chosen]
    target = np.concatenate([_read_names(part.target) for part in parts])
    return Bunch(
        data=np.concatenate([part.data for part in parts]),
        target=target,
        target_names=_names_of(target),
        usage=np.repeat(list(chosen.values()), [len(part.data) for part in parts]),
        errors=pd.concat([part.errors for part in parts], ignore_index=True),
    )


def _check_folders(path: Path, splits: dict[Path, str], names: list[str]) -> None:
    """Raise, before anything is decoded, if a split that is wanted has no folder."""
    missing = [name for name in names if not _meant_by(name) & set(splits.values())]
    if missing:
        there = ", ".join(f"{folder.name}/ ({split!r})" for folder, split in splits.items())
        raise ValueError(
            f"{path} has no images of usage={', '.join(map(repr, missing))}: its folders are "
            f"{there}."
        )


def _read_names(folders: np.ndarray) -> np.ndarray:
    """Return the emotions that folders are called by: by names, or by FER-2013's codes."""
    by_code = all(name.isdigit() for name in folders)
    return convert_emotions(folders, source="fer2013" if by_code else "folder")


def _names_of(target: np.ndarray) -> list[str]:
    """Return FER-2013's names in its order, and then what else there is."""
    return [*FER2013_NAMES, *sorted(set(target.tolist()) - set(FER2013_NAMES))]


def _make_frame(bunch: Bunch) -> None:
    """Turn data and target into pandas objects that share the images' memory."""
    rows = bunch.data.reshape(len(bunch.data), -1)
    names: Iterable[str] = (f"pixel_{number}" for number in range(rows.shape[1]))
    bunch.data = pd.DataFrame(rows, columns=list(names), copy=False)
    bunch.target = pd.Series(bunch.target, name="emotion")
    bunch.frame = pd.concat([bunch.data, bunch.target], axis=1)
