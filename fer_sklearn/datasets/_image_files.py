"""Image files -> gray faces of one size, in memory or in a file that may be larger than it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from PIL import ExifTags, Image
from tqdm.auto import tqdm

from .._files import naming, replace_file, sync
from .._forms import UNCLEAR

#: Files per task, and the most that are decoded twice after a run was stopped.
_BATCH = 256
#: The transposition that turns an image upright, by its EXIF orientation.
_TURNS: dict[Any, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Share of the range by which floats may exceed it: resampling and scaling round like this.
ROUNDING = 1e-3
#: Number of pixels that are converted to gray at a time.
_STRIP = 2**20
#: Room for the header of an .npy file, which is known only at the end.
_HEADER = 128


class Crop(NamedTuple):
    """A part of an image that is decoded instead of the whole, such as a face in a photo."""

    path: Path
    box: tuple[int, int, int, int]  # left, top, right, bottom in pixels of the upright image

    def __str__(self) -> str:
        return f"{self.path}[{','.join(map(str, self.box))}]"

    def stat(self) -> os.stat_result:
        """Return the status of the file, like a path."""
        return self.path.stat()


class _Task(NamedTuple):
    """The files to decode, and how."""

    files: Sequence[Path | Crop]
    size: int
    max_pixels: int | None

    @property
    def header(self) -> list[str]:
        """Head of the list of files; if it differs, the files were decoded in a different way."""
        how = f"image_size={self.size}, max_pixels={self.max_pixels}"
        return ["filename", "reason", "bytes", "modified", how]


def load_images(
    files: Sequence[Path | Crop], size: int, out: Path | None, **options: Any
) -> tuple[np.ndarray, list]:
    """Decode files into memory or, with `out`, into that file; see `read_images`."""
    if out is None:
        return read_images(files, size, **options)
    return store_images(files, size, out, **options)


def read_images(
    files: Sequence[Path | Crop],
    size: int,
    *,
    max_pixels: int | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> tuple[np.ndarray, list]:
    """Decode files, or the parts of files that `Crop` names, into memory.

    Returns
    -------
    images : ndarray of uint8 of shape (n_readable, size, size)
    reasons : list of str, one a file
        Empty for files that are readable images.
    """
    images, reasons = [], []
    task = _Task(files, size, _pixel_limit(max_pixels))
    for part, why in _decoded(task, n_jobs, verbose):
        images.append(part)
        reasons += why
    return np.concatenate(images) if images else np.empty((0, size, size), np.uint8), reasons


def _pixel_limit(max_pixels: int | None) -> int | None:
    """Return the smaller of both limits, for processes in which Pillow's limit may differ."""
    limits = [limit for limit in (max_pixels, Image.MAX_IMAGE_PIXELS) if limit is not None]
    return min(limits, default=None)


def store_images(
    files: Sequence[Path | Crop],
    size: int,
    out: Path,
    *,
    max_pixels: int | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> tuple[np.ndarray, list]:
    """Decode files into ``out``, an .npy file; continue where a run was stopped.

    A CSV beside it lists the files, each with its size and time, and the reasons why some are left
    out. Until both are complete, their names end in ``.part``.

    Returns
    -------
    images : memmap of uint8 of shape (n_readable, size, size)
    reasons : list of str, one a file

    Raises
    ------
    ValueError
        If the existing files were decoded from other images, from older ones with the same names,
        or in a different way, or are not from this function.
    OSError
        If they cannot be written.
    """
    if out.suffix != ".npy":
        raise ValueError(f"out={str(out)!r}: expected a file name that ends in .npy.")
    index = out.with_suffix(".csv")
    task = _Task(files, size, _pixel_limit(max_pixels))
    # Before anything is decoded: a file that changes later must not count as the decoded one.
    stamps = [_stamp(file) for file in files]
    if not out.exists() and not index.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(_part(out), _part(index))
    with _alone(out, index):
        _finish_killed(out, index, task, stamps)
        if out.exists() or index.exists():
            return _stored(out, index, task, stamps)
        reasons = _known_in_part(_part(out), _part(index), task, stamps)
        with naming(out):
            _write_index(_part(index), task, stamps, reasons)
            reasons = _continue(_part(out), _part(index), task, stamps, reasons, n_jobs, verbose)
            os.replace(_part(index), index)
            os.replace(_part(out), out)
    return np.load(out, mmap_mode="r"), reasons


@contextmanager
def _alone(out: Path, index: Path) -> Iterator[None]:
    """Wait while another process decodes into the same file; what it has decoded is there then.

    The lock is on the unfinished file and ends with its process. Windows and some network disks
    have no such locks.
    """
    # Beside a finished list an empty file of this name would pass for the images.
    flags = os.O_RDWR | (0 if out.exists() or index.exists() else os.O_CREAT)
    number = None
    try:
        with naming(out):
            number = os.open(_part(out), flags, 0o666)
    except FileNotFoundError:
        if flags & os.O_CREAT:
            raise
    if number is None:  # all is finished
        yield
        return
    try:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        # Nothing was decoded into it, perhaps as another process has finished meanwhile.
        if not os.fstat(number).st_size:
            _part(out).unlink(missing_ok=True)
        os.close(number)


def _refuse_foreign(*parts: Path) -> None:
    """Raise if something else has the name of an unfinished file.

    Writing to a link would change the file that it points to.
    """
    for part in parts:
        if part.is_symlink() or (part.exists() and not part.is_file()):
            raise ValueError(
                f"{part} is a link, or no file, where the images are written until all of them "
                "are decoded. Move it away, or choose another out."
            )


def _stamp(file: Path | Crop) -> tuple[str, str]:
    """Return size and time of a file, which show that it was replaced."""
    try:
        status = file.stat()
    except OSError:  # deleted since the folder was listed: decoding reports it
        return "", ""
    return str(status.st_size), str(status.st_mtime_ns)


def _part(path: Path) -> Path:
    """Return the path of a file until it is complete."""
    return path.with_name(path.name + ".part")


def _finish_killed(out: Path, index: Path, task: _Task, stamps: list[tuple[str, str]]) -> None:
    """Do the last step of a run that was killed just before it."""
    if index.exists() and _part(out).exists() and not out.exists():
        _known(index, task, stamps)
        os.replace(_part(out), out)


def _continue(
    part: Path,
    part_index: Path,
    task: _Task,
    stamps: list[tuple[str, str]],
    reasons: list[str],
    n_jobs: int | None,
    verbose: int,
) -> list[str]:
    """Append what is not decoded yet, and return the reasons of all files."""
    mode, done, reasons = "r+b" if reasons else "wb", len(reasons), [*reasons]
    rest = task._replace(files=task.files[done:])
    with part.open(mode) as raw, part_index.open("a", newline="", **_TEXT) as text:
        # A kill may have left half a face, or faces that are not in the list.
        raw.truncate(_end(reasons, task))
        raw.seek(0, os.SEEK_END)
        batches = _decoded(rest, n_jobs, verbose, done=done, total=len(task.files))
        for images, why in batches:
            # The faces first: a list with more entries than the file has faces could not be
            # continued.
            raw.write(images.tobytes())
            raw.flush()
            csv.writer(text).writerows(_lines(task, stamps, why, start=len(reasons)))
            text.flush()
            reasons += why
        _write_header(raw, (reasons.count(""), task.size, task.size))
    return reasons


def _stored(
    out: Path, index: Path, task: _Task, stamps: list[tuple[str, str]]
) -> tuple[np.ndarray, list]:
    """Open what an earlier run has left, if both files exist and fit together."""
    for here, lacking in ((out, index), (index, out)):
        if not lacking.exists():
            raise ValueError(
                f"{here} is there, but {lacking} is not: it is not what load_image_folder or "
                "load_expressions has stored, or half of it. It was not changed: move it away, or "
                "choose another out."
            )
    reasons = _known(index, task, stamps)
    images = _map(out)
    expected = (reasons.count(""), task.size, task.size)
    if images.dtype != np.uint8 or images.shape != expected:
        raise ValueError(
            f"{out} holds {images.dtype} of shape {images.shape}, but {index} lists images for "
            f"uint8 of shape {expected}. {_AGAIN}"
        )
    return images, reasons


def _map(out: Path) -> np.ndarray:
    try:
        return np.load(out, mmap_mode="r")
    except Exception as error:  # NumPy raises several kinds of errors
        raise ValueError(f"{out} is damaged or cut off: {error}. {_AGAIN}") from error


#: File names need not be valid text: other bytes are kept.
_TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
_AGAIN = "Delete the .csv and the .npy file to decode the images again, or choose another out."


def _lines(
    task: _Task, stamps: list[tuple[str, str]], reasons: list[str], start: int = 0
) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the list for the files from `start` on that have reasons."""
    for at, reason in enumerate(reasons, start):
        yield (str(task.files[at]), reason, *stamps[at])


def _known(index: Path, task: _Task, stamps: list[tuple[str, str]]) -> list[str]:
    """Return the reasons of all files from a complete list that still fits the files."""
    rows = _read_index(index, task)
    if len(rows) != len(task.files):
        raise ValueError(f"{index} lists {len(rows)} images, there are {len(task.files)}. {_AGAIN}")
    changed = _first_changed(rows, stamps)
    if changed is not None:
        raise ValueError(
            f"{rows[changed][0]} is another file than the one that was decoded: its size or its "
            f"time has changed since {index} was written. {_AGAIN}"
        )
    return [reason for _, reason, *_ in rows]


def _known_in_part(
    part: Path, index: Path, task: _Task, stamps: list[tuple[str, str]]
) -> list[str]:
    """Return the reasons of the files decoded before, up to the first that has changed.

    None of them if the faces are not all there, as after a crash of the machine.
    """
    rows = _read_index(index, task) if index.exists() else []
    reasons = [reason for _, reason, *_ in rows[: _first_changed(rows, stamps)]]
    return reasons if part.stat().st_size >= _end(reasons, task) else []


def _end(reasons: list[str], task: _Task) -> int:
    """Return where the faces end in the file."""
    return _HEADER + reasons.count("") * task.size**2


def _first_changed(rows: list[list[str]], stamps: list[tuple[str, str]]) -> int | None:
    changed = (at for at, row in enumerate(rows) if tuple(row[2:]) != stamps[at])
    return next(changed, None)


def _read_index(index: Path, task: _Task) -> list[list[str]]:
    """Return the lines of a list, if it lists these files, decoded in this way."""
    with index.open(newline="", **_TEXT) as file:
        text = file.read()
    text = text[: text.rfind("\n") + 1]  # the last line may be cut off
    try:
        header, *rows = csv.reader(io.StringIO(text, newline="")) if text else [[]]
    except csv.Error as error:
        raise ValueError(f"{index} is damaged: {error}. {_AGAIN}") from error
    if header == ["filename", "reason", str(task.size)]:
        raise ValueError(
            f"{index} was written by an older version, which did not keep the size and the time of "
            f"each file: they may have changed. {_AGAIN}"
        )
    rows = [row for row in rows if len(row) == 4]
    names = [row[0] for row in rows]
    if names != list(map(str, task.files[: len(names)])) or header != task.header:
        raise ValueError(
            f"{index} lists other images, or another image_size or max_pixels, than are asked for "
            f"now. {_AGAIN}"
        )
    return rows


def _write_index(
    index: Path, task: _Task, stamps: list[tuple[str, str]], reasons: list[str]
) -> None:
    """Write the list of the files decoded so far, without a line that was cut off."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(task.header)
    csv.writer(text).writerows(_lines(task, stamps, reasons))
    replace_file(index, text.getvalue().encode(**_TEXT))


def _write_header(raw: IO[bytes], shape: tuple[int, ...]) -> None:
    """Write the header of an .npy file into the room at its start, and flush it to the disk."""
    raw.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(raw, header)
    if raw.tell() != _HEADER:
        raise RuntimeError(f"An .npy header of {raw.tell()} bytes instead of {_HEADER}.")
    sync(raw)


def _decoded(
    task: _Task, n_jobs: int | None, verbose: int, done: int = 0, total: int | None = None
) -> Iterator[tuple[np.ndarray, list]]:
    """Yield the readable images and the reasons of each batch of files."""
    files, how = task.files, (task.size, task.max_pixels)
    batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    bar = tqdm(initial=done, total=total or len(files), unit="image", disable=not verbose)
    with bar:
        for images, reasons in parallel(delayed(_read_batch)(batch, *how) for batch in batches):
            bar.update(len(reasons))
            yield images, reasons


def _read_batch(
    files: Sequence[Path | Crop], size: int, max_pixels: int | None
) -> tuple[np.ndarray, list[str]]:
    images, reasons = [], []
    for file in files:
        try:
            images.append(_read_gray(file, size, max_pixels))
            reasons.append("")
        except Exception as error:  # Pillow raises many kinds of errors; all mean: no image
            reasons.append(f"{type(error).__name__}: {error}")
    return np.array(images, dtype=np.uint8).reshape(-1, size, size), reasons


def _read_gray(file: Path | Crop, size: int, max_pixels: int | None) -> np.ndarray:
    """Read an image of any mode as 8-bit gray, resized to (size, size)."""
    path, box = file if isinstance(file, Crop) else (file, None)
    with Image.open(path) as image:
        if max_pixels is not None and image.width * image.height > max_pixels:
            raise Image.DecompressionBombError(  # Pillow itself warns up to twice its limit
                f"{image.width} x {image.height} pixels are more than max_pixels={max_pixels}"
            )
        image.load()
        turn = turn_of(image)
        gray = _in_strips(image, gray_converter(image))
    del image  # it may be large: free it before the next copy
    if turn is not None:
        gray = gray.transpose(turn)
    if box is not None:
        gray = _cut(gray, box)
    if gray.size != (size, size):
        gray = gray.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(gray)


def _cut(gray: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return the part of a box that lies in the image; boxes of detectors may reach beyond it."""
    (left, top, right, bottom), (width, height) = box, gray.size
    inside = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ValueError(f"the box {box} has no pixel of this image of {width} x {height} pixels")
    return gray.crop(inside)


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that turns an image upright. Damaged EXIF data are ignored."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # Pillow raises many kinds
        return None


def _in_strips(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert a large image strip by strip, so that temporary memory stays small."""
    width, height = image.size
    if width * height <= _STRIP:
        return convert(image)
    gray, n_rows = Image.new("L", image.size), max(1, _STRIP // width)
    for top in range(0, height, n_rows):
        strip = image.crop((0, top, width, min(top + n_rows, height)))
        gray.paste(convert(strip), (0, top))
    return gray


def gray_converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return the function that converts an image of this mode, or its strips, to 8-bit gray."""
    if image.mode.startswith("I"):  # Pillow's own conversion clips at 255
        deep = image.mode != "I" or _highest(image) > 255
        return partial(_from_levels, mode="I", white=65535 if deep else 255)
    if image.mode == "F":
        return partial(_from_levels, mode="F", white=_white_of_floats(_highest(image)))
    return _from_colours


def _highest(image: Image.Image) -> float:
    extrema: Any = image.getextrema()  # of one band: (lowest, highest)
    return extrema[1]


def _white_of_floats(highest: float) -> int:
    if 1 + ROUNDING < highest <= UNCLEAR:
        raise ValueError(
            f"floats up to {highest:.4g} are neither in [0, 1] nor in [0, 255]. Clip them to 1, or "
            "save the image with 8 or 16 bits"
        )
    return 1 if highest <= 1 + ROUNDING else 255


def _from_levels(image: Image.Image, mode: str, white: int) -> Image.Image:
    return Image.fromarray(scaled(np.asarray(image.convert(mode)), white))


def _from_colours(image: Image.Image) -> Image.Image:
    return without_alpha(image).convert("L")


def without_alpha(image: Image.Image) -> Image.Image:
    """Return an image without a palette or an alpha channel that makes parts transparent."""
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "La", "RGBa"):  # transparent parts become black, not noise
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image


def scaled(levels: np.ndarray, white: int) -> np.ndarray:
    """Map [0, white] to bytes; 16 bits keep their upper eight, floats may exceed it by rounding."""
    low, high, are_floats = levels.min(), levels.max(), levels.dtype.kind == "f"
    slack = ROUNDING * white if are_floats else 0
    if not -slack <= low <= high <= white + slack:
        kind = "[0, 1] or [0, 255]" if are_floats else "[0, 255] or [0, 65535]"
        raise ValueError(
            f"expected gray levels in {kind}, got {low:.6g} to {high:.6g}. Save the image with 8 "
            "or 16 bits"
        )
    if white == 65535:
        return (levels >> 8).astype(np.uint8)
    return np.rint(levels.clip(0, white) * (255 / white)).astype(np.uint8)
