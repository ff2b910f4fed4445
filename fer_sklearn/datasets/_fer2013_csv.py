"""The CSV of FER-2013, read fast, and every fault in it named.

A block of lines is parsed as a whole and its numbers are counted; a block that does not
add up is read again line by line, which is slow and finds the fault.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import threading
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from ._emotions import FER2013_NAMES
from ._pixel_text import NumberParser

SIDE = 48
SPLITS = ("Training", "PublicTest", "PrivateTest")

_N_PIXELS = SIDE**2
_N_ROWS = 36_000  # as many as the whole of FER-2013 has, about
_BLOCK = 2**20  # characters parsed at once: they and their temporaries fit in the cache
_LONGEST = _BLOCK + 20_000  # a block ends with its last line
_THREADS = 2  # parsing releases the interpreter lock; reading feeds no more than two
_COLUMNS = ("emotion", "pixels", "usage")
_MARGIN = b' "\r\n'  # what may stand round a field
_OPENERS = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_thread = threading.local()
_DAMAGE = (EOFError, OSError, lzma.LZMAError, zipfile.BadZipFile, zipfile.zlib.error)


class Rows(NamedTuple):
    """Images of consecutive lines."""

    pixels: np.ndarray  # (n, 2304) uint8
    codes: list[int]
    usages: list[str]


def read_csv(path: Path, wanted: set[str]) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Return the images (n, 48, 48), codes and usages of the wanted splits.

    Raises
    ------
    ValueError
        If the file is damaged or is not FER-2013; names the row and the column.
    """
    pixels = np.empty((_N_ROWS, _N_PIXELS), dtype=np.uint8)  # memory comes as it is filled
    codes: list[int] = []
    usages: list[str] = []
    with _open(path) as stream:
        # Blocks of whole lines are parsed while the next ones are read and decompressed.
        columns = _read_header(path, stream)
        parse = partial(_parse_block, path, columns, wanted)
        for rows in _map_in_threads(parse, _blocks(path, stream)):
            start = len(codes)
            codes += rows.codes
            usages += rows.usages
            if len(codes) > len(pixels):
                pixels = np.concatenate([pixels, np.empty_like(pixels)])
            pixels[start : len(codes)] = rows.pixels
    return pixels[: len(codes)].reshape(-1, SIDE, SIDE), codes, np.array(usages, dtype=str)


def _map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """Map in order, with few items under way: a long file is never held whole."""
    pending: deque = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * _THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def _open(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file as bytes, decompressed by its ending."""
    if path.suffix != ".zip":
        with _OPENERS.get(path.suffix, open)(path, "rb") as stream:
            yield stream
        return
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise _damaged(path, error) from error
    with archive:
        members = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(members) != 1:
            raise ValueError(f"{path} must hold one .csv file, got {members}.")
        with archive.open(members[0]) as stream:
            yield stream


def _read_header(path: Path, stream) -> list[str]:
    """Return the names of the columns; Kaggle's have leading blanks."""
    try:
        line = stream.readline(10_000)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    text = line.decode("utf-8-sig", "replace")
    names = [name.strip(' "\r\n').lower() for name in text.split(",")]
    if not set(_COLUMNS) <= set(names):
        raise ValueError(
            f"{path} is not FER-2013: expected the columns emotion, pixels, Usage in its first "
            f"line, got {text[:60].strip()!r}."
        )
    return names


def _blocks(path: Path, stream) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, whole lines); the header is line 1."""
    number = 2
    while True:
        try:
            block = stream.read(_BLOCK) + stream.readline()
        except _DAMAGE as error:
            raise _damaged(path, error, f" after row {number}") from error
        if not block:
            return
        yield number, block
        number += block.count(b"\n")


def _damaged(path: Path, error: Exception, where: str = "") -> ValueError:
    return ValueError(f"{path} is damaged or cut off{where}: {error}. Get the file again.")


def _parse_block(path, columns, wanted, block) -> Rows:
    number, text = block
    # The fast way says nothing about faults: it gives up, and the slow way names them.
    rows = _parse_regular(text, columns)
    if rows is None:
        rows = _parse_lines(path, number, text, columns)

    # Rows of other splits were checked too: a damaged file is damaged, whatever is asked of it.
    chosen = [usage in wanted for usage in rows.usages]
    if all(chosen):
        return rows
    at = np.flatnonzero(chosen)
    return Rows(rows.pixels[at], [rows.codes[i] for i in at], [rows.usages[i] for i in at])


def _parser() -> NumberParser:
    """Return this thread's parser."""
    if not hasattr(_thread, "parser"):
        _thread.parser = NumberParser(_LONGEST)
    return _thread.parser


def _parse_regular(text: bytes, columns: list[str]) -> Rows | None:
    """Parse a block as a whole; None if anything in it is out of the ordinary.

    Ordinary is: a code, then 2304 gray levels with one blank between two of them, and
    the name of a split before or after these; no other character.
    """
    if columns[0] != "emotion" or len(columns) != 3 or len(text) > _LONGEST:
        return None

    # All numbers at once: a row has one for its code and 2304 for its pixels, so that the numbers
    # of whole rows form a table. Rows of wrong lengths would shift it, which is seen below.
    numbers = _parser().parse(text)
    if numbers is None or len(numbers.ends) % (_N_PIXELS + 1):
        return None
    ends = numbers.ends.reshape(-1, _N_PIXELS + 1)
    values = numbers.values.reshape(ends.shape)

    # The few other characters are looked at row by row, each at its place.
    usages, stop, n_other = [], -1, 0
    for code_end, first_end, last_end in ends[:, [0, 1, -1]].tolist():
        start, stop = stop + 1, text.find(b"\n", last_end)
        if columns[1] == "usage":
            usage = text[code_end + 2 : text.find(b",", code_end + 2, first_end)]
        else:
            usage = text[last_end + 2 : stop]
        if start != code_end or usage.decode("ascii", "replace") not in SPLITS:
            return None
        usages.append(usage.decode())
        n_other += len(usage) + 3  # two commas and a line feed

    # With these, the digits and one blank between two pixels the block is full: what is left
    # over, or missing, is out of the ordinary, wherever it is.
    if (
        numbers.n_blanks != len(usages) * (_N_PIXELS - 1)
        or numbers.n_digits + numbers.n_blanks + n_other != len(text)
        or (values[:, 0] >= len(FER2013_NAMES)).any()
    ):
        return None
    return Rows(values[:, 1:], values[:, 0].tolist(), usages)


def _parse_lines(path: Path, first: int, text: bytes, columns: list[str]) -> Rows:
    """Parse a block line by line: blanks and quotes may vary, faults are named."""
    pixels, codes, usages = [], [], []
    for number, line in enumerate(text.splitlines(), start=first):
        if not line.strip():
            continue
        fields = [field.strip(_MARGIN) for field in line.split(b",")]
        if len(fields) != len(columns):
            _fail(path, number, "every", f"{len(fields)} columns instead of {len(columns)}")
        field = dict(zip(columns, fields, strict=True))
        codes.append(_parse_code(path, number, field["emotion"]))
        pixels.append(_parse_pixels(path, number, field["pixels"]))
        usages.append(_parse_usage(path, number, field["usage"]))
    return Rows(np.array(pixels, dtype=np.uint8).reshape(-1, _N_PIXELS), codes, usages)


def _parse_code(path: Path, number: int, field: bytes) -> int:
    code = _parse_number(field, len(FER2013_NAMES))
    if code is not None:
        return code
    known = ", ".join(f"{code} {name}" for code, name in enumerate(FER2013_NAMES))
    _fail(path, number, "emotion", f"unknown emotion code {_shown(field)}; known are {known}")


def _parse_pixels(path: Path, number: int, field: bytes) -> list[int]:
    levels = []
    for at, value in enumerate(field.split(), start=1):
        level = _parse_number(value, 256)
        if level is None:
            _fail(path, number, "pixels", f"value {at} is {_shown(value)}, not a number in 0..255")
        levels.append(level)
    if len(levels) != _N_PIXELS:
        _fail(path, number, "pixels", f"{len(levels)} values instead of {_N_PIXELS}")
    return levels


def _parse_number(field: bytes, stop: int) -> int | None:
    """Return the number of `field`; None if it is none, or not below `stop`, of three digits."""
    digits = field.lstrip(b"0")
    if not field.isdigit() or len(digits) > 3:  # int() refuses thousands of digits in its words
        return None
    number = int(digits or b"0")
    return number if number < stop else None


def _parse_usage(path: Path, number: int, field: bytes) -> str:
    usage = field.decode("utf-8", "replace")
    if usage not in SPLITS:
        _fail(path, number, "Usage", f"{_shown(field)} is none of {', '.join(SPLITS)}")
    return usage


def _shown(field: bytes) -> str:
    return repr(field[:20].decode("utf-8", "replace"))


def _fail(path: Path, number: int, column: str, problem: str) -> NoReturn:
    raise ValueError(
        f"{path}, row {number}, column {column}: {problem}. The file is damaged or cut off, or "
        "it is not FER-2013."
    )
