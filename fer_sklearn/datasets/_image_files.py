"""Image files -> gray faces of one size: in memory, or into a file that may be larger."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from PIL import ExifTags, Image
from tqdm.auto import tqdm

from .._files import replace_file, sync

#: Files a task; also what is decoded twice, at most, when a run was stopped.
_BATCH = 256
#: What sets an image upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Room for the header of an .npy file, which is known at the end only.
_HEADER = 128


def read_images(files, size: int, *, n_jobs=None, verbose: int = 0) -> tuple[np.ndarray, list]:
    """Decode files into memory.

    Returns
    -------
    images : ndarray of uint8 of shape (n_readable, size, size)
    reasons : list of str, one a file
        Empty for files that are readable images.
    """
    images, reasons = [], []
    for part, why in _decoded(files, size, n_jobs, verbose):
        images.append(part)
        reasons += why
    return np.concatenate(images) if images else np.empty((0, size, size), np.uint8), reasons


def store_images(files, size: int, out, *, n_jobs=None, verbose: int = 0):
    """Decode files into ``out``, an .npy file; go on where a run was stopped.

    Beside it lies a CSV of the files and the reasons why some are left out. Until the end both
    have ``.part`` behind their names.

    Returns
    -------
    images : memmap of uint8 of shape (n_readable, size, size)
    reasons : list of str, one a file

    Raises
    ------
    ValueError
        If what is there was decoded from other files, or to another size, or is none of ours.
    """
    out = Path(out)
    if out.suffix != ".npy":
        raise ValueError(f"out={str(out)!r}: expected a file name that ends in .npy.")
    index = out.with_suffix(".csv")
    part, part_index = (path.with_name(path.name + ".part") for path in (out, index))
    if index.exists() and part.exists() and not out.exists():  # killed between the last two lines
        _known(index, files, size, complete=True)
        os.replace(part, out)
    if out.exists() or index.exists():
        return _stored(out, index, files, size)
    out.parent.mkdir(parents=True, exist_ok=True)
    reasons = _known(part_index, files, size) if part.exists() and part_index.exists() else []
    _write_index(part_index, files, size, reasons)
    with (
        part.open("r+b" if reasons else "wb") as raw,
        part_index.open("a", newline="", **_TEXT) as text,
    ):
        raw.truncate(_HEADER + reasons.count("") * size * size)
        raw.seek(0, os.SEEK_END)
        rest, done = files[len(reasons) :], len(reasons)
        for images, why in _decoded(rest, size, n_jobs, verbose, done=done, total=len(files)):
            raw.write(images.tobytes())
            raw.flush()
            names = files[len(reasons) : len(reasons) + len(why)]
            csv.writer(text).writerows(zip(map(str, names), why, strict=True))
            text.flush()
            reasons += why
        _write_header(raw, (reasons.count(""), size, size))
    os.replace(part_index, index)
    os.replace(part, out)
    return np.load(out, mmap_mode="r"), reasons


def _stored(out: Path, index: Path, files, size: int) -> tuple[np.ndarray, list]:
    """Open what an earlier run has left, if both files are there and fit together."""
    for here, lacking in ((out, index), (index, out)):
        if not lacking.exists():
            raise ValueError(
                f"{here} is there, but {lacking} is not: it is no result of load_image_folder, or "
                "half of one. It is left as it is: move it away, or choose another out."
            )
    reasons = _known(index, files, size, complete=True)
    images = np.load(out, mmap_mode="r")
    expected = (reasons.count(""), size, size)
    if images.dtype != np.uint8 or images.shape != expected:
        raise ValueError(
            f"{out} holds {images.dtype} of shape {images.shape}, but {index} lists images for "
            f"uint8 of shape {expected}. Delete both to decode anew, or choose another out."
        )
    return images, reasons


#: File names need not be text: what is none comes back as it was.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}


def _known(index: Path, files, size: int, complete: bool = False) -> list[str]:
    """Return the reasons of the files that were decoded before."""
    with index.open(newline="", **_TEXT) as file:
        text = file.read()
    text = text[: text.rfind("\n") + 1]  # the last line may be cut off
    header, *rows = csv.reader(io.StringIO(text, newline="")) if text else [[]]
    rows = [row for row in rows if len(row) == 2]
    names = [name for name, _ in rows]
    expected = list(map(str, files))
    same = names == (expected if complete else expected[: len(names)])
    if not same or header != ["filename", "reason", str(size)]:
        raise ValueError(
            f"{index} lists other images, or another image_size, than are asked for now. Delete "
            "it and the .npy file beside it to decode anew, or choose another out."
        )
    return [reason for _, reason in rows]


def _write_index(index: Path, files, size: int, reasons: list[str]) -> None:
    """Write the files decoded so far, without a line that was cut off."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(["filename", "reason", size])
    names = map(str, files[: len(reasons)])
    csv.writer(text).writerows(zip(names, reasons, strict=True))
    replace_file(index, text.getvalue().encode(**_TEXT))


def _write_header(raw, shape: tuple[int, ...]) -> None:
    """Write the header of an .npy file into the room at the start, and all of it to the disk."""
    raw.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(raw, header)
    if raw.tell() != _HEADER:
        raise RuntimeError(f"An .npy header of {raw.tell()} bytes instead of {_HEADER}.")
    sync(raw)


def _decoded(files, size, n_jobs, verbose, done=0, total=None) -> Iterator[tuple[np.ndarray, list]]:
    """Yield the readable images and the reasons of one batch of files after the other."""
    batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    bar = tqdm(initial=done, total=total or len(files), unit="image", disable=not verbose)
    with bar:
        for images, reasons in parallel(delayed(_read_batch)(batch, size) for batch in batches):
            bar.update(len(reasons))
            yield images, reasons


def _read_batch(files, size: int) -> tuple[np.ndarray, list[str]]:
    images, reasons = [], []
    for file in files:
        try:
            images.append(_read_gray(file, size))
            reasons.append("")
        except Exception as error:  # Pillow raises many kinds, all mean: no image
            reasons.append(f"{type(error).__name__}: {error}")
    return np.array(images, dtype=np.uint8).reshape(-1, size, size), reasons


def _read_gray(file: Path, size: int) -> np.ndarray:
    """Read an image of any mode as 8-bit gray, resized to (size, size)."""
    with Image.open(file) as image:
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
            raise Image.DecompressionBombError(  # Pillow itself warns up to twice as many
                f"{image.width} x {image.height} pixels are more than {Image.MAX_IMAGE_PIXELS}"
            )
        gray = _to_gray(_upright(image))
    if gray.size != (size, size):
        gray = gray.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(gray)


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF data say. Damaged ones say nothing: the image may be whole."""
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # Pillow raises many kinds
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_gray(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # Pillow's own conversion clips at 255
        levels = np.asarray(image.convert("I"))
        deep = image.mode != "I" or levels.max() > 255
        return Image.fromarray(_scaled(levels, 65535 if deep else 255))
    if image.mode == "F":
        levels = np.asarray(image)
        return Image.fromarray(_scaled(levels, 1 if levels.max() <= 1 else 255))
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "La", "RGBa"):  # see-through parts become black, not noise
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("L")


def _scaled(levels: np.ndarray, white: int) -> np.ndarray:
    """Map [0, white] to bytes; of 16 bits the upper eight stay."""
    low, high = levels.min(), levels.max()
    if not 0 <= low <= high <= white:
        kind = "[0, 1] or [0, 255]" if levels.dtype.kind == "f" else "[0, 255] or [0, 65535]"
        raise ValueError(
            f"expected gray levels in {kind}, got {low:.6g} to {high:.6g}. Save the image with 8 "
            "or 16 bits"
        )
    if white == 65535:
        return (levels >> 8).astype(np.uint8)
    return np.rint(levels * (255 / white)).astype(np.uint8)
