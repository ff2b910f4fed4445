"""Photos in any form -> upright pixels, and the forms that they come in."""

from __future__ import annotations

import io
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from .._files import as_path
from .._forms import UNCLEAR, is_table
from .._images import BYTES, UNIT, PixelValues
from ..datasets._image_files import gray_converter, scaled, turn_of, without_alpha
from ..datasets._paths import check_file
from ..datasets._walk import walk

#: A JPEG is decoded at a half, a quarter or an eighth of its size, as long as it stays this wide.
_DRAFT_SIDE = 1280
_JPEG = ("JPEG", "MPO")  # some phones put a second picture behind the photo
#: Modes of Pillow that are levels of gray with more than eight bits.
_LEVELS = ("I", "F")
#: What makes the width of an image its height.
_SWAPS = (
    *(Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270),
    *(Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE),
)
#: Endings of other files that are often found beside photos. All other endings are tried.
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
        *(".3g2", ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
        *(".mpg", ".mts", ".ogv", ".webm", ".wmv"),
    ]
)
#: The brands of HEIC files, at byte 8.
_HEIC = (b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
#: The TIFF tag NewSubfileType, and its bit for a smaller copy of another image.
_KIND, _SMALLER = 254, 1
_BYTES = (bytes, bytearray, memoryview)
_WITHOUT_ALPHA = {
    (2,): ": leave the alpha channel out, photo[..., 0]",
    (4,): ": leave the alpha channel out, photo[..., :3]",
}
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
    pixels : ndarray of uint8 of shape (h, w, 3), or (h, w) where gray was asked for
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

    def checksum(self) -> int:
        """Return a number that other pixels have not."""
        return zlib.crc32(np.ascontiguousarray(self.pixels).data)


def list_photos(photos: Any) -> list[Source]:
    """Return the photos in whatever they came, each with a name.

    Raises
    ------
    FileNotFoundError
        If `photos` is a path, and nothing is there.
    ValueError, TypeError
        If `photos` is nothing that photos come in.
    """
    photos = _as_numpy(photos)
    if isinstance(photos, str | os.PathLike):
        if not os.fspath(photos) or not os.path.lexists(as_path(photos)):
            raise FileNotFoundError(f"{os.fspath(photos)!r} is not there. {EXPECTED}.")
        return _named([photos])
    if _is_one(photos):
        return _named([photos])
    if isinstance(photos, np.ndarray) and photos.ndim == 3 and len(photos) == 3:
        raise ValueError(
            f"{EXPECTED}, got an array of shape {photos.shape}. If it is one photo whose channels "
            "come first: numpy.asarray(photo).transpose(1, 2, 0). If these are three gray photos: "
            "list(photos)."
        )
    return _named(_items(photos))


def list_rows(photos: Any) -> list[Source]:
    """Return one photo for each item of a list, none of which is a folder.

    Raises
    ------
    ValueError, TypeError
        If `photos` is not a list.
    """
    photos = _as_numpy(photos)
    if isinstance(photos, str | os.PathLike) or _is_one(photos):
        raise ValueError("Expected a list of photos, got one photo or a folder. Pass [photo].")
    return [_row(at, item) for at, item in enumerate(_items(photos))]


def _row(at: int, item: Any) -> Source:
    if isinstance(item, str | os.PathLike):
        return _file(item)
    return Source(_own_name(item) or f"photo {at}", item)


def _file(path: str | os.PathLike) -> Source:
    if not os.fspath(path):  # pathlib takes it for the current folder
        return Source("", UnreadableError("an empty path"))
    return Source(str(as_path(path)), as_path(path))


def _as_numpy(photos: Any) -> Any:
    """Return tensors, and columns of tables, as arrays of NumPy; all else as it is."""
    is_array = hasattr(photos, "__array__") and not isinstance(photos, Image.Image)
    return np.asarray(photos) if is_array and not is_table(photos) else photos


def _is_one(photos: Any) -> bool:
    if isinstance(photos, np.ndarray):
        return photos.ndim == 2 or (photos.ndim == 3 and photos.shape[2] <= 4)
    return isinstance(photos, (*_BYTES, Image.Image)) or hasattr(photos, "read")


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
    """Name each photo by its path, else by its own name if that is unique, else by its place."""
    sources: list[Source] = []
    spare: dict[int, str] = {}  # names for photos that are not files
    seen: set[str] = set()
    real = cache(real_folder)
    for at, item in enumerate(items):
        if isinstance(item, str | os.PathLike):
            for source in _in_path(item):
                place = place_of(source.name, real)
                if place not in seen:  # a file that is named twice is one photo
                    sources.append(source)
                seen.add(place)
        else:
            spare[len(sources)] = f"photo {at}"
            sources.append(Source(_own_name(item) or f"photo {at}", item))
    counts = Counter(source.name for source in sources)
    for at, name in spare.items():
        if counts[sources[at].name] > 1:
            sources[at] = sources[at]._replace(name=name)
    return sources


def real_folder(folder: str) -> str:
    """Return a folder behind all links."""
    try:
        return os.path.realpath(folder)
    except ValueError:  # a character that no path can have: reading says so
        return folder


def place_of(path: str, real: Callable[[str], str] = real_folder) -> str:
    """Return one path for a file, however it was written."""
    folder, name = os.path.split(path)
    return os.path.join(real(folder), name)


def refuse_source(path: Path, names: Iterable[str], what: str = "one of the photos") -> None:
    """Raise if a file that is to be written is one of the photos, or of what else is read.

    Raises
    ------
    ValueError
        Names it.
    """
    if path.exists() and any(os.path.exists(name) and path.samefile(name) for name in names):
        raise ValueError(f"{path} is {what}. Choose another name for what is written.")


def _own_name(item: Any) -> str | None:
    name = getattr(item, "filename", None) or getattr(item, "name", None)
    return name if isinstance(name, str) and name else None


def _in_path(item: str | os.PathLike) -> Iterator[Source]:
    """Yield the photos of a folder, or the one file, whether it is there or not."""
    file = _file(item)
    if not file.name or not os.path.isdir(file.name):  # unlike pathlib's, it raises nothing
        yield file
        return
    found = walk(file.content)
    contents: dict[Path, Any] = {path: path for path in found.files if may_be_photo(path)}
    contents |= {path: UnreadableError(reason) for path, reason in found.problems}
    for path, content in sorted(contents.items(), key=lambda pair: pair[0]):
        yield Source(str(path), content)


def may_be_photo(file: Path) -> bool:
    """Tell whether the ending of a file does not say that it is something else."""
    return file.suffix.lower() not in _NOT_PHOTOS


class UnreadableError(ValueError):
    """Says why there is no photo."""


def read_photo(content: Any, *, side: float = _DRAFT_SIDE, gray: bool = False) -> Photo:
    """Decode a photo and set it upright.

    Parameters
    ----------
    content : Path, bytes, file object, array or image of Pillow
    side : float
        A JPEG is decoded at a half, a quarter or an eighth of its size, as long as its longest side
        has so many pixels.
    gray : bool
        Whether gray pixels are enough: a JPEG is decoded to gray in half the time.

    Raises
    ------
    Exception
        Of many kinds. Each means that there is no photo.
    """
    if isinstance(content, Exception):
        raise content
    if isinstance(content, Image.Image):
        return _upright(content)
    if hasattr(content, "read"):
        content = bytes_of(content)
    if not isinstance(content, (Path, *_BYTES)):
        return _from_array(content)
    if isinstance(content, Path):
        _check(content)
    with _open(content) as image:
        size = image.size
        if image.format in _JPEG:
            share = side / max(size)
            if _is_huge(image):  # half of it has enough pixels for every face
                share = min(share, 0.5)
            width, height = (max(1, round(length * share)) for length in size)
            image.draft("L" if gray else "RGB", (width, height))
        return _upright(image, size if image.size != size else None, gray=gray)


def bytes_of(file: Any) -> Any:
    """Return all that is in an open file, which may have been read before."""
    with suppress(AttributeError, OSError):  # a pipe has no start to go back to
        file.seek(0)
    return file.read()


def _open(content: Any) -> Image.Image:
    try:
        return Image.open(content if isinstance(content, Path) else io.BytesIO(content))
    except UnidentifiedImageError as error:
        if _is_heic(content):
            raise UnreadableError(
                "HEIC, which Pillow does not read: export the photo as JPEG"
            ) from error
        raise UnreadableError("no image, or one of a kind that Pillow does not read") from error


def _is_heic(content: Any) -> bool:
    """Tell by the content: phones and messengers also name such files .jpg."""
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:] in _HEIC


def _check(file: Path) -> None:
    check_file(file)
    if file.suffix.lower() in VIDEOS:
        raise UnreadableError("a video: find_faces_in_video reads it")


def _upright(
    image: Image.Image, size: tuple[int, int] | None = None, *, gray: bool = False
) -> Photo:
    """Convert an image; if it is smaller than the photo, the size as stored is given."""
    load_image(image)
    size = image.size if size is None else size
    scale = round(max(size) / max(image.size))
    turn = turn_of(image)
    size = size[::-1] if turn in _SWAPS else size
    image = gray_converter(image)(image) if image.mode[0] in _LEVELS else without_alpha(image)
    image = image if image.mode in ("L", "RGB") else image.convert("RGB")  # or it is copied
    if turn is not None:
        image = image.transpose(turn)
    pixels = np.asarray(image)
    pixels = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 and not gray else pixels
    return Photo(pixels, scale, *size)


def load_image(image: Image.Image) -> None:
    """Read the pixels of an image from its file.

    Raises
    ------
    Exception
        Of many kinds. Each means that there is no photo.
    """
    _refuse_huge(image)
    _refuse_thumbnail(image)
    image.load()  # sets a TIFF upright, and says so by taking its orientation away


def _refuse_huge(image: Image.Image) -> None:
    if _is_huge(image):
        raise UnreadableError(
            f"{image.width} x {image.height} pixels are more than PIL.Image.MAX_IMAGE_PIXELS = "
            f"{Image.MAX_IMAGE_PIXELS}"
        )


def _is_huge(image: Image.Image) -> bool:
    limit = Image.MAX_IMAGE_PIXELS
    return limit is not None and image.width * image.height > limit


def _refuse_thumbnail(image: Image.Image) -> None:
    """Raise for raw files of cameras: Pillow reads the small image at their beginning."""
    if getattr(image, "tag_v2", {}).get(_KIND, 0) & _SMALLER:
        raise UnreadableError(
            f"a TIFF, or the raw file of a camera, that begins with a small copy of the photo, "
            f"{image.width} x {image.height} pixels: export the photo as JPEG"
        )


def _from_array(content: Any) -> Photo:
    if isinstance(content, list | tuple):
        raise UnreadableError("a list in a list. If it is a photo, pass numpy.asarray(photo)")
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
        hint = _WITHOUT_ALPHA.get(pixels.shape[2:], "")
        if pixels.ndim == 3 and len(pixels) in (1, 3):
            hint = ": if the channels come first, pass numpy.asarray(photo).transpose(1, 2, 0)"
        raise UnreadableError(f"expected (h, w) or (h, w, 3), got shape {pixels.shape}{hint}")
    if pixels.dtype != np.uint8:
        pixels = _as_bytes(pixels)
    return Photo(pixels, 1, pixels.shape[1], pixels.shape[0])


def _shown(content: Any) -> str:
    if content is None:
        return "None, which OpenCV's imread returns for a file that it cannot read"
    return f"{type(content).__name__} of shape {np.shape(content)}"


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Map numbers of another type to bytes: integers by the largest, floats as those of faces."""
    if pixels.dtype.kind in "ui":
        return scaled(pixels.astype(np.int64), 65535 if pixels.max() > 255 else 255)
    values = PixelValues(pixels)
    low, high = values.extremes
    black, white = UNIT if high <= UNCLEAR else BYTES
    if not values.lie_in((black, white)):
        raise UnreadableError(
            f"floats from {low:.4g} to {high:.4g}, which are neither in [0, 1] nor in [0, 255]: "
            f"scale them, or, if few are outside, pass numpy.clip(photo, 0, {white:.0f})"
        )
    return scaled(pixels.astype(np.float64).clip(black, white), int(white))
