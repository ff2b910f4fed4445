"""Images in one sub-folder a class."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.utils import Bunch


def load_image_folder(path, *, image_size=48):
    """Load images that lie in one sub-folder a class.

    Every file below a sub-folder is tried. Images of any size and mode become gray and
    are resized, antialiased, to a square; sides of other proportions are stretched.

    Parameters
    ----------
    path : str or path-like
        Folder whose sub-folders are the classes.
    image_size : int, default=48
        Height and width of the result in pixels.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, image_size, image_size)
        target : ndarray of str of shape (n,)
            Name of the sub-folder. `convert_emotions` with ``source="folder"`` turns
            names such as Happiness into FER-2013's.
        target_names : list of str
            Names of the sub-folders that hold images, sorted.
        filenames : ndarray of str of shape (n,)
        errors : DataFrame with columns filename, reason
            Files that are no readable image; they are left out.

    Raises
    ------
    FileNotFoundError
        If `path` is not a folder.
    ValueError
        If it has no sub-folders, or not a single readable image.
    """
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Expected {root}/<class>/<image files>.")
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and _is_visible(entry))
    if not folders:
        raise ValueError(f"{root} has no sub-folders. Expected {root}/<class>/<image files>.")
    images, target, filenames, errors = [], [], [], []
    for folder in folders:
        for file in sorted(f for f in folder.rglob("*") if f.is_file() and _is_visible(f)):
            try:
                images.append(_read_gray(file, image_size))
            except Exception as error:  # Pillow raises many kinds, all mean: no image
                errors.append((str(file), f"{type(error).__name__}: {error}"))
            else:
                target.append(folder.name)
                filenames.append(str(file))
    if not images:
        raise ValueError(
            f"{root} has no readable image in {len(folders)} sub-folders ({len(errors)} other "
            f"files, the first: {errors[0] if errors else None})."
        )
    return Bunch(
        data=np.stack(images),
        target=np.array(target),
        target_names=sorted(set(target)),
        filenames=np.array(filenames),
        errors=pd.DataFrame(errors, columns=["filename", "reason"]),
    )


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _read_gray(file: Path, size: int) -> np.ndarray:
    """Read an image of any mode as 8-bit gray, resized to (size, size)."""
    with warnings.catch_warnings():
        # A decompression bomb is an error here: it is reported like any other bad file.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file) as image:
            gray = _to_gray(image)
    if gray.size != (size, size):
        gray = gray.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(gray)


def _to_gray(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion clips at 255
        deep = np.asarray(image.convert("I"))
        return Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "La", "RGBa"):  # see-through parts become black, not noise
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("L")
