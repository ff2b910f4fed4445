"""Photos in any form -> upright pixels, and the forms that they come in."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from .._forms import is_table
from ..datasets._image_files import gray_converter, scaled, turn_of, without_alpha
from ..datasets._paths import as_path, check_file
from ..datasets._walk import walk

#: A JPEG is decoded at a half, a quarter or an eighth of its size, as long as it stays this wide.
_DRAFT_SIDE = 1280
#: Modes of Pillow that are levels of gray with more than eight bits.
_LEVELS = ("I", "F")
#: What makes the width of an image its height.
_SWAPS = (
    *(Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270),
    *(Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE),
)
#: Endings of files that lie beside photos and are none. All others are tried.
_NOT_PHOTOS = frozenset(
    [
        *(".aae", ".css", ".csv", ".db", ".doc", ".docx", ".htm", ".html", ".ini", ".ipynb"),
        *(".joblib", ".js", ".json", ".log", ".md", ".npy", ".npz", ".part", ".pdf", ".pickle"),
        *(".pkl", ".py", ".toml", ".tsv", ".txt", ".xls", ".xlsx", ".xml", ".xmp", ".yaml"),
        *(".yml", ".zip"),
    ]
)
VIDEOS = frozenset(
    [
        *(".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
        *(".webm", ".wmv"),
    ]
)
EXPECTED = (
    "Expected photos as a folder, a path, bytes, an open file, an array (h, w) or (h, w, 3), an "
    "image of Pillow, or a list of these"
)


class Source(NamedTuple):
    """A photo that is not read yet."""

    name: str
    content: Any  # a Path, bytes, an array, an image of Pillow, or an open file


@dataclass
class Photo:
    """Upright pixels.

    Attributes
    ----------
    pixels : ndarray of uint8 of shape (h, w, 3)
        RGB.
    scale : int
        How many pixels of the photo one of these is wide: 1, 2, 4 or 8.
    width, height : int
        Of the photo, upright.
    """

    pixels: np.ndarray
    scale: int
    width: int
    height: int


def list_photos(photos: Any) -> list[Source]:
    """Return the photos in whatever they came, each with a name.

    Raises
    ------
    FileNotFoundError
        If `photos` is a path, and nothing is there.
    ValueError, TypeError
        If `photos` is nothing that photos come in.
    """
    if isinstance(photos, str | os.PathLike):
        path = as_path(photos)
        if not os.path.lexists(path):
            raise FileNotFoundError(f"{path} is not there. {EXPECTED}.")
        return _named([path])
    return _named([photos] if _is_one(photos) else _items(photos))


def list_rows(photos: Any) -> list[Source]:
    """Return one photo for each item of a list, none of which is a folder.

    Raises
    ------
    ValueError, TypeError
        If `photos` is not a list.
    """
    if isinstance(photos, str | os.PathLike) or _is_one(photos):
        raise ValueError("Expected a list of photos, got one photo or a folder. Pass [photo].")
    return [_row(at, item) for at, item in enumerate(_items(photos))]


def _row(at: int, item: Any) -> Source:
    if isinstance(item, str | os.PathLike):
        return Source(str(item), as_path(item))
    return Source(_own_name(item) or f"photo {at}", item)


def _is_one(photos: Any) -> bool:
    if isinstance(photos, np.ndarray):
        return photos.ndim == 2 or (photos.ndim == 3 and photos.shape[2] in (1, 3, 4))
    return isinstance(photos, bytes | bytearray | Image.Image) or hasattr(photos, "read")


def _items(photos: Any) -> list:
    if is_table(photos):
        raise TypeError(f"{EXPECTED}, got a table. Pass the column of paths: df['path'].")
    if isinstance(photos, Mapping):
        raise TypeError(f"{EXPECTED}, got {type(photos).__name__}. Pass list(photos.values()).")
    if isinstance(photos, np.ndarray) and photos.ndim not in (1, 3, 4):
        raise ValueError(f"{EXPECTED}, got an array of shape {photos.shape}.")
    if not isinstance(photos, Iterable):
        raise TypeError(f"{EXPECTED}, got {type(photos).__name__}.")
    return list(photos)


def _named(items: list) -> list[Source]:
    """Name each photo: by its path, else by the name it has if no other has it, or its place."""
    names = [_own_name(item) for item in items]
    counts = Counter(names)
    sources: list[Source] = []
    seen: set[str] = set()
    for at, (item, name) in enumerate(zip(items, names, strict=True)):
        if isinstance(item, str | os.PathLike):
            found = [source for source in _in_path(as_path(item)) if source.name not in seen]
            seen.update(source.name for source in found)  # a file that is named twice is one photo
            sources += found
        else:
            alone = name if counts[name] == 1 else None
            sources.append(Source(f"photo {at}" if alone is None else alone, item))
    return sources


def _own_name(item: Any) -> str | None:
    name = getattr(item, "filename", None) or getattr(item, "name", None)
    return name if isinstance(name, str) and name else None


def _in_path(path: Path) -> Iterator[Source]:
    """Yield the photos of a folder, or the one file, whether it is there or not."""
    if not path.is_dir():
        yield Source(str(path), path)
        return
    found = walk(path)
    contents: dict[Path, Any] = {file: file for file in found.files if may_be_photo(file)}
    contents |= {file: UnreadableError(reason) for file, reason in found.problems}
    for file, content in sorted(contents.items(), key=lambda pair: pair[0]):
        yield Source(str(file), content)


def may_be_photo(file: Path) -> bool:
    """Tell whether the ending of a file does not say that it is something else."""
    return file.suffix.lower() not in _NOT_PHOTOS


class UnreadableError(ValueError):
    """Says why there is no photo."""


def read_photo(content: Any, *, whole: bool = False) -> Photo:
    """Decode a photo and set it upright.

    Parameters
    ----------
    content : Path, bytes, file object, ndarray or image of Pillow
    whole : bool
        Whether a large JPEG is decoded in full, instead of at a half, a quarter or an eighth.

    Raises
    ------
    Exception
        Of many kinds, all of which mean that there is no photo.
    """
    if isinstance(content, Exception):
        raise content
    if isinstance(content, Image.Image):
        return _upright(content, content.size)
    if not isinstance(content, Path | bytes | bytearray):
        return _from_array(content)
    if isinstance(content, Path):
        _check(content)
    with _open(content) as image:
        size = image.size
        if not whole and image.format == "JPEG":
            share = _DRAFT_SIDE / max(size)
            width, height = (max(1, round(side * share)) for side in size)
            image.draft("RGB", (width, height))
        return _upright(image, size)


def _open(content: Path | bytes | bytearray) -> Image.Image:
    try:
        return Image.open(content if isinstance(content, Path) else io.BytesIO(content))
    except UnidentifiedImageError as error:
        raise UnreadableError("no image, or one of a kind that Pillow does not read") from error


def _check(file: Path) -> None:
    check_file(file)
    if file.suffix.lower() in VIDEOS:
        raise UnreadableError("a video: find_faces_in_video reads it")
    if file.suffix.lower() in (".heic", ".heif") and ".heic" not in Image.registered_extensions():
        raise UnreadableError("HEIC, which Pillow does not read: export the photo as JPEG")


def _upright(image: Image.Image, size: tuple[int, int]) -> Photo:
    """Convert an image that may be smaller than the photo, whose stored size is given."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise UnreadableError(
            f"{image.width} x {image.height} pixels are more than PIL.Image.MAX_IMAGE_PIXELS = "
            f"{limit}"
        )
    scale = round(size[0] / image.width)
    turn = turn_of(image)
    size = size[::-1] if turn in _SWAPS else size
    image = gray_converter(image)(image) if image.mode[0] in _LEVELS else without_alpha(image)
    image = image.convert("RGB")
    if turn is not None:
        image = image.transpose(turn)
    return Photo(np.asarray(image), scale, *size)


def _from_array(content: Any) -> Photo:
    pixels = np.asarray(content)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype.kind not in "uifb" or not pixels.size:
        raise UnreadableError(
            f"expected an array of numbers (h, w) or (h, w, 3), got {_shown(content)}"
        )
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        hint = ": leave the alpha channel out, photo[..., :3]" if pixels.shape[2:] == (4,) else ""
        raise UnreadableError(f"expected (h, w) or (h, w, 3), got shape {pixels.shape}{hint}")
    if pixels.dtype != np.uint8:
        pixels = scaled(pixels.astype(_wide(pixels.dtype)), _white(pixels))
    return Photo(pixels, 1, pixels.shape[1], pixels.shape[0])


def _shown(content: Any) -> str:
    if content is None:
        return "None, which OpenCV's imread returns for a file that it cannot read"
    return f"{type(content).__name__} of shape {np.shape(content)}"


def _wide(dtype: np.dtype) -> type:
    return np.float64 if dtype.kind in "fb" else np.int64


def _white(pixels: np.ndarray) -> int:
    """Return what is white: 65535 of 16 bits, 1 of bools and of floats up to 1, else 255."""
    if pixels.dtype == np.uint16:
        return 65535
    return 1 if pixels.dtype.kind in "fb" and pixels.max() <= 1 else 255
