"""The CSV of FER-2013, read fast, with an error for every fault in it.

A block of lines is parsed as a whole and its numbers are counted. If the count is wrong, the block
is read again line by line, which is slow but finds the fault.
"""

from __future__ import annotations

import csv
import io
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import numpy as np

from ._columns import EXPECTED, N_PIXELS, WAY_OUT, Columns, check_split, find_columns
from ._emotions import EmotionCodes
from ._pixel_text import NumberParser, read_levels, shown
from ._splits import SPLIT_ORDER, split_in_column
from ._unpack import DamageError, open_packed

#: Names of the CSV, alone or in an archive.
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")

_N_ROWS = 36_000  # about as many as FER-2013 has
_BLOCK = 2**20  # characters parsed at once: they and their temporaries fit in the cache
_LONGEST_LINE = 2**16  # a face has 10,000 characters; twice that with a column a pixel
_LONGEST = _BLOCK + _LONGEST_LINE  # a block ends with its last line
_MOST_LINES = 2**13  # a block has 230 faces at most; the others are blank
_THREADS = 2  # parsing releases the interpreter lock; reading feeds no more than two
#: Orders of columns in which a block is parsed as a whole.
_REGULAR = (Columns(3, 0, [1], 2), Columns(3, 0, [2], 1))
_MARGIN = b' "\r\n'  # what may surround a field
_SEPARATORS = ",;\t|"  # one of them is between the columns
_thread = threading.local()


class Rows(NamedTuple):
    """Images of consecutive lines."""

    pixels: np.ndarray  # (n, 2304) uint8
    codes: list[int]
    usages: list[str]


class _Form(NamedTuple):
    """How to read the lines of a file."""

    path: Path
    columns: Columns
    separator: bytes
    emotions: EmotionCodes
    usage: str  # of all rows, without such a column
    wanted: set[str]


def read_csv(
    path: Path, wanted: set[str], emotions: EmotionCodes, usage: str = ""
) -> tuple[np.ndarray, list[int] | None, np.ndarray]:
    """Return the images (n, 2304), codes and usages of the wanted splits.

    Parameters
    ----------
    path : Path
    wanted : set of str
    emotions : EmotionCodes
        Meaning of the codes. Without a column emotion, None is returned instead.
    usage : str
        Split of all rows, without a column Usage.

    Raises
    ------
    ValueError
        If the file is damaged or is not FER-2013; names the row and the column.
    """
    pixels = np.empty((_N_ROWS, N_PIXELS), dtype=np.uint8)  # memory comes when it is filled
    codes: list[int] = []
    usages: list[str] = []
    with _open(path) as stream:
        columns, separator = _read_header(path, stream)
        if columns.usage is None:
            check_split(path, usage, wanted)
        form = _Form(path, columns, separator, emotions, usage, wanted)
        # Blocks of whole lines are parsed while the next ones are read and decompressed.
        for rows in _map_in_threads(_parse_block, _blocks(form, stream)):
            start = len(usages)
            codes += rows.codes
            usages += rows.usages
            if len(usages) > len(pixels):
                pixels = np.concatenate([pixels, np.empty_like(pixels)])
            pixels[start : len(usages)] = rows.pixels
    labels = None if columns.emotion is None else codes
    return pixels[: len(usages)], labels, np.array(usages, dtype=str)


def _map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """Map in order, with few items in progress: a long file is never in memory as a whole."""
    pending: deque = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * _THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def _open(path: Path) -> Iterator[io.BufferedReader]:
    try:
        with open_packed(path, CSV_NAMES) as stream:
            yield stream
    except DamageError as error:
        raise _damaged(path, error) from error


def _read_header(path: Path, stream: IO[bytes]) -> tuple[Columns, bytes]:
    """Return the columns, and the separator with which the first line names them."""
    line = stream.readline(_LONGEST_LINE)
    text = line.decode("utf-8-sig", "replace")
    for separator in _SEPARATORS:
        columns = find_columns(text.split(separator))
        if columns is not None:
            return columns, separator.encode()
    raise ValueError(
        f"{path} is not FER-2013: {EXPECTED}. Its first line begins with {text[:60].strip()!r}. "
        f"{WAY_OUT}"
    )


def _blocks(form: _Form, stream: IO[bytes]) -> Iterator[tuple[_Form, int, bytes]]:
    """Yield the form, the number of the first line, and whole lines; the header is line 1."""
    number = 2
    while True:
        try:
            block = stream.read(_BLOCK)
            rest = stream.readline(_LONGEST_LINE)
        except DamageError as error:
            raise _damaged(form.path, error, f" after row {number}") from error
        if len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            number += block.count(b"\n")
            _fail(form.path, number, "every", f"more than {_LONGEST_LINE} characters")
        if not block:
            return
        yield form, number, block + rest
        number += block.count(b"\n") + rest.count(b"\n")


def _damaged(path: Path, error: Exception, where: str = "") -> ValueError:
    return ValueError(f"{path} is damaged or cut off{where}: {error}. Get the file again.")


def _parse_block(block: tuple[_Form, int, bytes]) -> Rows:
    form, number, text = block
    if form.separator != b",":  # they change places, so that a stray comma remains a fault
        text = text.translate(bytes.maketrans(b"," + form.separator, form.separator + b","))
    # The fast parser only gives up on a fault; the slow one says what it is.
    rows = _parse_regular(form, text)
    if rows is None:
        rows = _parse_lines(form, number, text)

    # Rows of other splits are checked too: a damaged file is an error in any case.
    chosen = [usage in form.wanted for usage in rows.usages]
    if all(chosen):
        return rows
    at = np.flatnonzero(chosen)
    codes = [rows.codes[i] for i in at] if rows.codes else []
    return Rows(rows.pixels[at], codes, [rows.usages[i] for i in at])


def _parser() -> NumberParser:
    """Return this thread's parser."""
    if not hasattr(_thread, "parser"):
        _thread.parser = NumberParser(_LONGEST)
    return _thread.parser


def _parse_regular(form: _Form, text: bytes) -> Rows | None:
    """Parse a block as a whole; None if anything in it is not in the usual form.

    The usual form is: a code, 2304 gray levels separated by single blanks, and the name of a split
    before or after these, separated by commas; no other character.
    """
    if form.columns not in _REGULAR or len(text) > _LONGEST:
        return None

    # All numbers at once: a row has one for its code and 2304 for its pixels, so the numbers
    # of whole rows form a table. Rows of wrong lengths would shift it, which is seen below.
    numbers = _parser().parse(text)
    if numbers is None or len(numbers.ends) % (N_PIXELS + 1):
        return None
    ends = numbers.ends.reshape(-1, N_PIXELS + 1)
    values = numbers.values.reshape(ends.shape)

    # The few other characters are checked row by row, each at its position.
    usages, stop, n_other = [], -1, 0
    for code_end, first_end, last_end in ends[:, [0, 1, -1]].tolist():
        start, stop = stop + 1, text.find(b"\n", last_end)
        if form.columns.usage == 1:
            comma = text.find(b",", code_end + 2, first_end)
            usage = text[code_end + 2 : comma]
        else:
            comma = last_end + 1
            usage = text[comma + 1 : stop]
        commas = text[code_end + 1 : code_end + 2] + text[comma : comma + 1]
        split = split_in_column(usage.decode("ascii", "replace"))
        if start != code_end or commas != b",," or split is None:
            return None
        usages.append(split)
        n_other += len(usage) + 3  # two commas and a line feed

    # These, the digits and one blank between two pixels make up the whole block. If there are more
    # or fewer characters, the block is not in the usual form.
    if (
        numbers.n_blanks != len(usages) * (N_PIXELS - 1)
        or numbers.n_digits + numbers.n_blanks + n_other != len(text)
        or (values[:, 0] >= len(form.emotions.emotions)).any()
    ):
        return None
    return Rows(values[:, 1:], values[:, 0].tolist(), usages)


def _parse_lines(form: _Form, first: int, text: bytes) -> Rows:
    """Parse a block line by line: blanks and quotes may vary, and errors name the fault."""
    pixels, codes, usages = [], [], []
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:  # a small packed file may hold millions, which take minutes
        _fail(form.path, first, "every", f"{len(lines)} lines from here on, nearly all blank")
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        fields = _fields(line)
        columns = form.columns
        if len(fields) != columns.n:
            _fail(form.path, number, "every", f"{len(fields)} columns instead of {columns.n}")
        if columns.emotion is not None:
            codes.append(_parse_code(form, number, fields[columns.emotion]))
        levels = b" ".join([fields[at] for at in columns.pixels])
        pixels.append(_parse_pixels(form.path, number, levels))
        usages.append(
            form.usage
            if columns.usage is None
            else _parse_usage(form, number, fields[columns.usage])
        )
    return Rows(np.array(pixels, dtype=np.uint8).reshape(-1, N_PIXELS), codes, usages)


def _fields(line: bytes) -> list[bytes]:
    """Return the fields of a line; quoted ones may hold commas."""
    fields = line.split(b",")
    if b'"' in line:
        text = line.decode("latin-1")  # which keeps every byte
        fields = [
            field.encode("latin-1") for field in next(csv.reader([text], skipinitialspace=True))
        ]
    return [field.strip(_MARGIN) for field in fields]


def _parse_code(form: _Form, number: int, field: bytes) -> int:
    code = form.emotions.find(field.decode("utf-8", "replace"))
    if code is not None:
        return code
    problem = (
        f"unknown emotion code {shown(field)}; known are {form.emotions}. If it is an emotion of "
        "yours, say which: emotions=[*FER2013_NAMES, 'contempt']"
    )
    _fail(form.path, number, "emotion", problem)


def _parse_pixels(path: Path, number: int, field: bytes) -> np.ndarray:
    try:
        levels = read_levels(field)
    except ValueError as error:
        _fail(path, number, "pixels", str(error))
    if len(levels) != N_PIXELS:
        _fail(path, number, "pixels", f"{len(levels)} values instead of {N_PIXELS}")
    return levels


def _parse_usage(form: _Form, number: int, field: bytes) -> str:
    split = split_in_column(field.decode("utf-8", "replace"))
    if split is None:
        _fail(form.path, number, "Usage", f"{shown(field)} is not one of {', '.join(SPLIT_ORDER)}")
    return split


def _fail(path: Path, number: int, column: str, problem: str) -> NoReturn:
    raise ValueError(
        f"{path}, row {number}, column {column}: {problem}. The file is damaged or cut off, or "
        "it is not FER-2013."
    )
