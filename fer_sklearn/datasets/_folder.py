"""Images in one sub-folder per class."""

from __future__ import annotations

from numbers import Integral
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._files import as_path
from .._forms import Interval, validate_params
from ._emotions import labels_of
from ._image_files import load_images
from ._paths import as_text
from ._splits import SPLIT_ORDER, split_of
from ._walk import Found, list_folder, walk


@validate_params(
    {
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
    },
)
def load_image_folder(
    path: str | PathLike[str],
    *,
    image_size: int = 48,
    out: str | PathLike[str] | None = None,
    max_pixels: int | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Load images from one sub-folder per class.

    Every file below a sub-folder is read, except hidden ones (``.name``). Images of any size and
    mode are converted to gray and resized once, antialiased (Lanczos), to a square; other
    proportions are stretched. Photographs are rotated as their EXIF data say. Transparent parts
    become black; of an animation the first frame is used.

    Of 16-bit images the upper eight bits are used. 32-bit integers count as 8 bits if the largest
    is at most 255, otherwise as 16 bits. Floats count as [0, 1] if the largest is at most 1, as
    [0, 255] if it exceeds 2; rounding errors are cut off. An image with other values is listed in
    `errors`.

    Parameters
    ----------
    path : str or path-like
        Folder whose sub-folders are the classes. If train/ and test/ are inside, pass one of them;
        `load_fer2013` reads all of FER-2013's. Folders of two emotions or more inside one of the
        classes are an error: then the classes are there.
    image_size : int, default=48
        Height and width of the result in pixels.
    out : str, path-like or None, default=None
        An ``.npy`` file to store the faces in, for datasets that are larger than the memory or that
        are loaded again. A run that was stopped is continued, and a finished file is opened at
        once, if the images still have the same size and time of change. None keeps the faces in
        memory.
    max_pixels : int or None, default=None
        Images with more pixels are not decoded: a small file may hold a huge image. The default,
        and the maximum, is Pillow's limit ``PIL.Image.MAX_IMAGE_PIXELS``, some 89 million. A
        process takes up to 6 bytes per pixel.
    n_jobs : int or None, default=None
        Processes that decode, through joblib; None is 1.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, image_size, image_size)
            With `out`, a read-only memory map: `FERClassifier.fit` accepts it directly.
        target : ndarray of str of shape (n,)
            Name of the image's sub-folder; what is not UTF-8 in it is written in ASCII.
            `convert_emotions` with ``source="folder"`` turns names such as Happiness into
            FER-2013's.
        target_names : list of str
            Names of the sub-folders that hold images, sorted.
        filenames : ndarray of str of shape (n,)
            Path of each image.
        errors : DataFrame with columns filename, reason
            Everything that was left out: files that are not readable images, folders that cannot be
            read, links to folders below the classes, which are not followed, broken links, and
            anything that is neither a file nor a folder.

    Raises
    ------
    FileNotFoundError
        If `path` is not a folder.
    ValueError
        If it has no sub-folders, or not a single readable image; if its sub-folders are splits
        (train, test, ...), or hold the classes, instead of being classes; if a file has changed
        since it was decoded into `out`; if `out` lies in one of the classes; or if it, or the
        ``.csv`` beside it, holds something else, which is not changed.
    """
    root = as_path(path)
    files, labels, problems = files_of_classes(root)
    options = {"max_pixels": max_pixels, "n_jobs": n_jobs, "verbose": verbose}
    out = None if out is None else as_path(out)
    if out is not None:
        _refuse_inside(out, root)
    data, reasons = load_images(files, image_size, out, **options)
    return _make_bunch(root, data, files, labels, reasons, problems)


def _refuse_inside(out: Path, root: Path) -> None:
    """Raise if `out` lies in a class, where the next run would take it for an image."""
    for folder in list_folder(root, follow=True).folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f"out={str(out)!r} lies among the images of {folder}, and would be read as one of "
                "them. Choose a place outside the classes."
            )


def files_of_classes(
    root: Path, loader: str = "load_image_folder"
) -> tuple[list[Path], list[str], list[tuple[Path, str]]]:
    """Return all files of the classes, the class of each, and what cannot be read.

    Parameters
    ----------
    root : Path
        Folder whose sub-folders are the classes.
    loader : str
        Name of the calling loader, for the errors.

    Raises
    ------
    FileNotFoundError
        If `root` is not a folder.
    ValueError
        If it has no sub-folders, or these are not the classes.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Expected {root}/<class>/<image files>.")
    _, folders, problems = list_folder(root, follow=True)
    if not folders:
        first = f" (but {problems[0][0]}: {problems[0][1]})" if problems else ""
        raise ValueError(
            f"{root} has no sub-folders{first}. Expected {root}/<class>/<image files>."
        )
    found = {folder: walk(folder) for folder in folders}
    _refuse_splits(root, found, loader)
    _refuse_outer(root, found, loader)
    files = [file for inside in found.values() for file in inside.files]
    labels = [as_text(folder.name) for folder, inside in found.items() for _ in inside.files]
    for inside in found.values():
        problems += inside.problems
    return files, labels, problems


def _refuse_splits(root: Path, found: dict[Path, Found], loader: str) -> None:
    """Raise if the sub-folders are splits, whose names would be mistaken for classes.

    A class may be called train. So the names count as splits only if all of them are names of
    splits, or if one of them has folders inside.
    """
    splits = [folder for name in SPLIT_ORDER for folder in found if split_of(folder.name) == name]
    all_are = len(splits) == len(found)
    if splits and (all_are or any(len(found[folder].folders) > 1 for folder in splits)):
        names = ", ".join(folder.name for folder in splits)
        raise ValueError(
            f"{root} holds splits ({names}), which are not classes. Load one of them, "
            f"{loader}({str(splits[0])!r}), or, if it is FER-2013, all at once with "
            "load_fer2013. If they are classes, give the folders other names."
        )


def _refuse_outer(root: Path, found: dict[Path, Found], loader: str) -> None:
    """Raise if a sub-folder holds folders of emotions, as splits of other names and persons do."""
    emotions = labels_of("folder")
    for folder, inside in found.items():
        classes = [sub for sub in inside.folders if sub != folder and sub.name.lower() in emotions]
        if len({emotions[sub.name.lower()] for sub in classes}) > 1:
            names = ", ".join(sorted({sub.name for sub in classes}))
            raise ValueError(
                f"{folder} holds folders of emotions ({names}), so it is not a class of {root}. "
                f"Pass the folder of the classes, {loader}({str(classes[0].parent)!r}); if there "
                "are several, load each, and join them with join_faces."
            )


def _make_bunch(
    root: Path,
    data: np.ndarray,
    files: list[Path],
    labels: list[str],
    reasons: list[str],
    problems: list[tuple[Path, str]],
) -> Bunch:
    """Return the Bunch of the images that were read and of the errors."""
    failed = [(file, reason) for file, reason in zip(files, reasons, strict=True) if reason]
    lost = [(str(path), reason) for path, reason in failed + problems]
    good = [at for at, reason in enumerate(reasons) if not reason]
    if not good:
        raise ValueError(
            f"{root} has no readable image in its sub-folders ({len(lost)} others, the first: "
            f"{lost[0] if lost else None}). Expected {root}/<class>/<image files>."
        )
    target = np.array([labels[at] for at in good], dtype=str)
    return Bunch(
        data=data,
        target=target,
        target_names=np.unique(target).tolist(),
        filenames=np.array([str(files[at]) for at in good], dtype=str),
        errors=pd.DataFrame(lost, columns=["filename", "reason"], dtype=object),
    )
