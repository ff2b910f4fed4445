"""Images in one sub-folder a class."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from ._image_files import read_images, store_images
from ._paths import as_path, is_visible
from ._splits import SPLIT_ORDER, split_of


@validate_params(
    {"image_size": [Interval(Integral, 1, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def load_image_folder(path, *, image_size=48, out=None, n_jobs=None, verbose=0):
    """Load images that lie in one sub-folder a class.

    Every file below a sub-folder is tried, but for hidden ones (``.name``). Images of any size
    and mode become gray and are resized once, antialiased (Lanczos), to a square; sides of other
    proportions are stretched. Photographs are turned upright as their EXIF data say. Transparent
    parts become black; of an animation the first frame is taken.

    Of 16 bits the upper eight are taken. Integers of 32 bits count as 8 bits if they are up to
    255, else as 16; floats lie in [0, 1] if they are up to 1, else in [0, 255]. An image with
    values outside stands in `errors`.

    Parameters
    ----------
    path : str or path-like
        Folder whose sub-folders are the classes. Of a set with train/ and test/ inside, one of
        these; `load_fer2013` reads all of FER-2013's.
    image_size : int, default=48
        Height and width of the result in pixels.
    out : str, path-like or None, default=None
        Where to store the faces, an ``.npy`` file, for sets that are larger than the memory or
        that are loaded again. A run that was stopped goes on, and a finished one is opened at
        once. None keeps them in memory.
    n_jobs : int or None, default=None
        Processes that decode, through joblib; None is 1.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, image_size, image_size)
            With `out`, a read-only memory map: `FERClassifier.fit` takes it as it is.
        target : ndarray of str of shape (n,)
            Name of the sub-folder. `convert_emotions` with ``source="folder"`` turns
            names such as Happiness into FER-2013's.
        target_names : list of str
            Names of the sub-folders that hold images, sorted.
        filenames : ndarray of str of shape (n,)
            Path of each image.
        errors : DataFrame with columns filename, reason
            Files that are no readable image; they are left out.

    Raises
    ------
    FileNotFoundError
        If `path` is not a folder.
    ValueError
        If it has no sub-folders, or not a single readable image; if its sub-folders are splits
        (train, test, ...) instead of classes; or if `out`, or the ``.csv`` beside it, holds
        something else, which is left as it is.
    """
    root = as_path(path)
    files, labels = _find_files(root)
    options = {"n_jobs": n_jobs, "verbose": verbose}
    if out is None:
        data, reasons = read_images(files, image_size, **options)
    else:
        data, reasons = store_images(files, image_size, out, **options)
    table = pd.DataFrame(
        {"filename": list(map(str, files)), "reason": np.array(reasons, dtype=object)}
    )
    return _make_bunch(root, data, np.array(labels, dtype=str), table)


def _find_files(root: Path) -> tuple[list[Path], list[str]]:
    """Return all files of the classes, and the name of the class of each."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Expected {root}/<class>/<image files>.")
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and is_visible(entry))
    if not folders:
        raise ValueError(f"{root} has no sub-folders. Expected {root}/<class>/<image files>.")
    _refuse_splits(root, folders)
    found = [
        (file, folder.name)
        for folder in folders
        for file in sorted(f for f in folder.rglob("*") if f.is_file() and is_visible(f))
    ]
    return [file for file, _ in found], [label for _, label in found]


def _refuse_splits(root: Path, folders: list[Path]) -> None:
    """Raise if the sub-folders are splits, whose names would be taken for the classes.

    A class may be called train: only where all names are splits, or one of them has folders
    inside, are they taken for splits.
    """
    splits = [folder for name in SPLIT_ORDER for folder in folders if split_of(folder.name) == name]
    if splits and (len(splits) == len(folders) or any(map(_has_folders, splits))):
        names = ", ".join(folder.name for folder in splits)
        raise ValueError(
            f"{root} holds splits ({names}), which are no classes. Load one of them, "
            f"load_image_folder({str(splits[0])!r}), or, if it is FER-2013, all at once with "
            "load_fer2013. If they are classes, give the folders other names."
        )


def _has_folders(folder: Path) -> bool:
    return any(entry.is_dir() and is_visible(entry) for entry in folder.iterdir())


def _make_bunch(root: Path, data: np.ndarray, labels: np.ndarray, table: pd.DataFrame) -> Bunch:
    """Return the images that were read, and what became of the other files."""
    good = (table["reason"] == "").to_numpy()
    errors = table[~good].reset_index(drop=True)
    if not good.any():
        first = errors.iloc[0].tolist() if len(errors) else None
        raise ValueError(
            f"{root} has no readable image in its sub-folders ({len(errors)} other files, the "
            f"first: {first}). Expected {root}/<class>/<image files>."
        )
    return Bunch(
        data=data,
        target=labels[good],
        target_names=np.unique(labels[good]).tolist(),
        filenames=table.loc[good, "filename"].to_numpy(dtype=str),
        errors=errors,
    )
