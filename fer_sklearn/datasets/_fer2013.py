"""FER-2013 from all the forms in which it is distributed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._files import as_path
from ._columns import SIDE, split_of_file
from ._emotions import FER2013_NAMES, EmotionCodes
from ._fer2013_csv import CSV_NAMES, read_csv
from ._fer2013_parquet import read_parquet
from ._folder import load_image_folder
from ._paths import is_visible
from ._splits import SPLIT_ORDER, meant_by, split_names, split_of

_PACKED = ("", ".gz", ".xz", ".bz2", ".zip")
#: Names of the file, in the order of preference.
_FILES = (
    *(name + packed for name in CSV_NAMES for packed in _PACKED),
    *("fer2013" + ending for ending in (".tar.gz", ".tgz", ".tar", ".zip", ".parquet")),
)
#: Files of one split each: train.csv, test.csv.gz, ...
_ENDINGS = (*(".csv" + packed for packed in _PACKED), ".parquet")
#: Folders that may contain the file; unpacking creates some with the name of the file.
_PARENTS = (*CSV_NAMES, "fer2013")
#: Endings that browsers give to unfinished downloads.
_UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".opdownload")

_DESCR = """FER-2013: 48 x 48 gray faces in seven expressions.

Collected by Pierre-Luc Carrier and Aaron Courville with Google image search, for the
challenge of the ICML 2013 workshop on representation learning (Goodfellow et al.,
"Challenges in representation learning", 2013). 28,709 Training, 3,589 PublicTest and
3,589 PrivateTest images; human accuracy is about 65 %.
"""


def load_fer2013(
    path: str | PathLike[str],
    *,
    usage: str | Iterable[str] = "Training",
    return_X_y: bool = False,
    as_frame: bool = False,
    emotions: Sequence[str] = FER2013_NAMES,
) -> Any:
    """Load FER-2013.

    Parameters
    ----------
    path : str or path-like
        - ``fer2013.csv`` of the challenge or Kaggle's ``icml_face_data.csv``, plain or
          compressed (.gz, .xz, .bz2, .zip), or the challenge's ``fer2013.tar.gz``; its columns
          are separated by commas, semicolons, tabs or ``|``;
        - the challenge's ``train.csv`` and ``test.csv``, which have no column Usage: the
          file's name gives the split;
        - tables with the same columns: .parquet (extra "parquet"), names of emotions instead of
          codes, names of folders (below) in the column Usage, gray levels as ``70.0``, or a column
          for each pixel;
        - a folder that contains one of them;
        - a folder form: ``train/angry/*.jpg``, ``test/angry/*.jpg``, ... The splits may be
          called train or Training, val, valid or validation, PublicTest, PrivateTest and test;
          the classes by any usual name, or by FER-2013's codes 0 to 6.
    usage : str or iterable of str, default="Training"
        The splits to load: "Training", "PublicTest", "PrivateTest", "Test" (both test
        splits, and a folder called test, which may hold either), "Validation" (a folder called val
        or validation), or "all".
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return data as a DataFrame with a column per pixel, and target as a Series.
    emotions : sequence of str, default=FER2013_NAMES
        Names of the codes 0, 1, ..., for files with other codes than FER-2013's seven:
        ``[*FER2013_NAMES, "contempt"]`` if 7 means contempt.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, 48, 48), or DataFrame (n, 2304)
            In the order of the file.
        target : ndarray of str of shape (n,), or Series
            Names of the emotions; None if the file has none, like ``test.csv``.
        target_names : list of str
            `emotions`, sorted as in ``classes_`` of a classifier; also "contempt" if a file or a
            folder has that name.
        usage : ndarray of str of shape (n,)
            Split of each image: one of the names for `usage`, except "all"; "" if neither the file
            nor its name gives it.
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
        If `path` does not exist, or the folder does not contain FER-2013.
    ImportError
        If the file is .parquet and pyarrow is not installed.
    TypeError
        If `path` is a DataFrame.
    ValueError
        If the file is damaged (names its row and column), has an unknown emotion
        code, has no image of a split in `usage`, is an unfinished download, or unpacks to
        more than a hundred times its size.

    Warns
    -----
    UserWarning
        If `usage` is "all" and a folder is left out because its name is not the name of a split.

    See Also
    --------
    parse_pixels : Reads the column ``pixels`` of a table in memory.
    load_image_folder : Reads images of any classes.
    """
    if hasattr(path, "columns"):
        raise TypeError(
            f"Expected a path, got a {type(path).__name__}. For a table in memory: "
            "X = parse_pixels(df['pixels']), y = convert_emotions(df['emotion'], source='fer2013')."
        )
    names = split_names(usage)
    wanted = set().union(*map(meant_by, names))
    codes = EmotionCodes(emotions)
    path = as_path(path)
    files = _find_files(path, wanted)
    bunch = (
        _from_files(files, wanted, codes) if files else _from_folders(path, names, wanted, codes)
    )
    missing = [name for name in names if not meant_by(name) & set(bunch.usage)]
    if missing:
        way_out = "" if "all" in missing else " usage='all' loads all that it has."
        raise ValueError(f"{path} has no images of usage={', '.join(map(repr, missing))}.{way_out}")
    bunch.DESCR = _DESCR
    if as_frame:
        _make_frame(bunch)
    return (bunch.data, bunch.target) if return_X_y else bunch


def _find_files(path: Path, wanted: set[str]) -> list[Path]:
    """Return the table, or one per requested split; none for a folder of train/ and test/."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist. Expected fer2013.csv, icml_face_data.csv, or a folder with "
            "one of them or with train/ and test/."
        )
    if path.suffix.lower() in _UNFINISHED:
        raise ValueError(f"{path} is an unfinished download. Get the file again.")
    if not path.is_dir():
        return [path]
    found = _find_whole(path)
    if found:
        return [found]
    if _split_folders(path)[0]:
        return []
    by_split = _find_split_files(path)
    if not by_split:
        raise FileNotFoundError(
            f"{path} holds neither {' nor '.join(CSV_NAMES)}, packed or not, nor train.csv, nor "
            "folders train/ and test/. For folders of another kind use load_image_folder."
        )
    return [file for file, split in by_split.items() if split in wanted] or list(by_split)


def _find_whole(folder: Path, parents: tuple[str, ...] = _PARENTS) -> Path | None:
    """Return the file of all splits in a folder, or in a folder that unpacking made inside it."""
    entries = {entry.name.lower(): entry for entry in sorted(folder.iterdir())}
    found = (entries[name] for name in _FILES if name in entries and not entries[name].is_dir())
    file = next(found, None)
    if file is None:
        inside = (entries[name] for name in parents if name in entries and entries[name].is_dir())
        file = next(filter(None, (_find_whole(entry, ()) for entry in inside)), None)
    return file


def _find_split_files(folder: Path) -> dict[Path, str]:
    """Return the tables that hold one split each, with the split, in the order of the splits."""
    splits = {
        file: split_of(file.name.lower().removesuffix(ending))
        for file in sorted(folder.iterdir())
        for ending in _ENDINGS
        if file.name.lower().endswith(ending) and is_visible(file.name) and not file.is_dir()
    }
    return {file: name for name in SPLIT_ORDER for file, split in splits.items() if split == name}


def _from_files(paths: list[Path], wanted: set[str], emotions: EmotionCodes) -> Bunch:
    parts = [_read_table(path, wanted, emotions) for path in paths]
    unlabelled = [
        path.name for path, (_, codes, _) in zip(paths, parts, strict=True) if codes is None
    ]
    if unlabelled and len(unlabelled) < len(paths):
        raise ValueError(
            f"{paths[0].parent} has files with emotions and without ({', '.join(unlabelled)}). "
            "Load them one by one."
        )
    codes = None if unlabelled else [code for _, part, _ in parts for code in part]
    pixels = [part for part, _, _ in parts]
    return Bunch(
        data=(np.concatenate(pixels) if len(pixels) > 1 else pixels[0]).reshape(-1, SIDE, SIDE),
        **_targets(codes, emotions),
        usage=np.concatenate([part for _, _, part in parts]),
    )


def _read_table(path: Path, wanted: set[str], emotions: EmotionCodes) -> Any:
    read = read_parquet if path.suffix.lower() == ".parquet" else read_csv
    return read(path, wanted, emotions, split_of_file(path.name))


def _targets(codes: list[int] | None, emotions: EmotionCodes) -> dict:
    """Return the emotions in the form of the Bunch."""
    if codes is None:
        return {"target": None, "target_names": sorted(emotions.emotions)}
    target = np.array(emotions.names, dtype=str)[np.array(codes, dtype=int)]
    return {"target": target, "target_names": sorted(emotions.present(codes))}


def _split_folders(path: Path) -> tuple[dict[Path, str], list[str]]:
    """Return the split of each sub-folder, in the order of the splits, and the other names."""
    entries = sorted(entry for entry in path.iterdir() if is_visible(entry.name))
    # A broken link is a missing folder: if it were left out, nobody would notice.
    folders = [entry for entry in entries if entry.is_dir() or not entry.exists()]
    known = {
        folder: name for name in SPLIT_ORDER for folder in folders if split_of(folder.name) == name
    }
    return known, [folder.name for folder in folders if folder not in known]


def _from_folders(path: Path, names: list[str], wanted: set[str], emotions: EmotionCodes) -> Bunch:
    splits, others = _split_folders(path)
    _check_folders(path, splits, names)
    if others and "all" in names:
        warnings.warn(
            f"{path} has folders that are not named as a split; they are left out: {others}.",
            UserWarning,
            stacklevel=3,
        )
    chosen = {folder: split for folder, split in splits.items() if split in wanted}
    parts = [load_image_folder(folder, image_size=SIDE) for folder in chosen]
    labels = np.concatenate([part.target for part in parts])
    return Bunch(
        data=np.concatenate([part.data for part in parts]),
        **_targets(_read_labels(path, labels, emotions), emotions),
        usage=np.repeat(list(chosen.values()), [len(part.data) for part in parts]),
        errors=pd.concat([part.errors for part in parts], ignore_index=True),
    )


def _check_folders(path: Path, splits: dict[Path, str], names: list[str]) -> None:
    """Raise, before anything is decoded, if a requested split has no folder."""
    missing = [name for name in names if not meant_by(name) & set(splits.values())]
    if missing:
        there = ", ".join(f"{folder.name}/ ({split!r})" for folder, split in splits.items())
        raise ValueError(
            f"{path} has no images of usage={', '.join(map(repr, missing))}: its folders are "
            f"{there}."
        )


def _read_labels(path: Path, labels: np.ndarray, emotions: EmotionCodes) -> list[int]:
    """Return the codes of the emotions in the names of folders."""
    found = {name: emotions.find(name) for name in np.unique(labels).tolist()}
    codes = {name: code for name, code in found.items() if code is not None}
    unknown = [name for name in found if name not in codes]
    if unknown:
        raise ValueError(
            f"{path} has folders whose names are not emotions, {unknown}; known are {emotions}, "
            "and their usual names. Say what codes mean, emotions=[*FER2013_NAMES, 'contempt'], "
            "or, for other classes, use load_image_folder."
        )
    return [codes[name] for name in labels.tolist()]


def _make_frame(bunch: Bunch) -> None:
    """Turn data and target into pandas objects that share the images' memory."""
    rows = bunch.data.reshape(len(bunch.data), -1)
    names: Iterable[str] = (f"pixel_{number}" for number in range(rows.shape[1]))
    bunch.data = pd.DataFrame(rows, columns=list(names), copy=False)
    bunch.frame = bunch.data
    if bunch.target is not None:
        bunch.target = pd.Series(bunch.target, name="emotion")
        bunch.frame = pd.concat([bunch.data, bunch.target], axis=1)
