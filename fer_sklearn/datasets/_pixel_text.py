"""Decimal numbers in text -> uint8, for many rows at once.

Parsing 75 million numbers one by one makes FER-2013's CSV slow to load. Here each NumPy operation
runs over a block of text: the value of a number is computed at its last digit, from the one to
three digits that end there. The intermediate arrays are reused for every block, because new memory
from the system costs more than the arithmetic.
"""

from __future__ import annotations

import re
import threading
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

_ZERO, _BLANK = np.uint8(ord("0")), np.uint8(ord(" "))
#: What may stand between gray levels in place of a blank, and around a list of them.
_BLANKS, _BRACKETS = bytes.maketrans(b",;|\t\r\n", b" " * 6), b"[]() "
#: Whole numbers that are written as floats: 70.0
_ZEROS = re.compile(rb"(?<=[0-9])\.0*(?=\s|$)")
_LONGEST_FACE = 2**16  # characters that are read together; longer texts are read one by one
_thread = threading.local()
_MARGIN = 3  # room to look back three characters from the first number


class Numbers(NamedTuple):
    """The numbers of a text in their order."""

    values: np.ndarray  # uint8
    ends: np.ndarray  # position of each one's last digit
    n_digits: int
    n_blanks: int


class NumberParser:
    """Reads texts of up to `size` characters; one parser per thread."""

    def __init__(self, size: int) -> None:
        self._scratch = np.empty((6, size + _MARGIN + 1), dtype=np.uint8)

    def parse(self, text: bytes) -> Numbers | None:
        """Read all numbers of `text`; None if one is above 255.

        Any characters other than digits separate numbers.
        """
        n = len(text)
        scratch = self._scratch[:, : n + _MARGIN + 1]
        chars, digit, is_digit = scratch[:3]
        hundreds, value, flag = scratch[3:, :n]

        chars[:_MARGIN] = chars[-1] = _BLANK
        chars[_MARGIN:-1] = np.frombuffer(text, dtype=np.uint8)
        np.subtract(chars, _ZERO, out=digit)  # wraps around below "0": everything else is above 9
        np.less_equal(digit, 9, out=is_digit.view(bool))
        np.multiply(digit, is_digit, out=digit)  # other characters count as 0

        np.multiply(is_digit[2:-2], is_digit[3:-1], out=flag)
        np.multiply(digit[1:-3], flag, out=hundreds)
        np.multiply(flag, is_digit[1:-3], out=flag)
        np.multiply(flag, is_digit[:-4], out=flag)
        four_digits = flag.view(bool).any()

        np.multiply(digit[2:-2], np.uint8(10), out=value)
        np.add(value, digit[3:-1], out=value)
        if four_digits or hundreds.max(initial=0) > 2:
            return None
        np.multiply(hundreds, np.uint8(100), out=hundreds)
        np.add(value, hundreds, out=value)
        np.less(value, hundreds, out=flag.view(bool))  # the sum has wrapped around above 255
        if flag.view(bool).any():
            return None

        np.greater(is_digit[3:-1], is_digit[4:], out=flag.view(bool))
        ends = np.flatnonzero(flag.view(bool))
        np.equal(chars[3:-1], _BLANK, out=flag.view(bool))
        return Numbers(
            values=value.take(ends),
            ends=ends,
            n_digits=int(np.count_nonzero(is_digit.view(bool))),
            n_blanks=int(np.count_nonzero(flag.view(bool))),
        )


def read_levels(text: bytes) -> np.ndarray:
    """Read the gray levels of one face, separated by blanks or the like, as uint8.

    Raises
    ------
    ValueError
        Names the first that is not a whole number in 0..255.
    """
    text = text.translate(_BLANKS).strip(_BRACKETS)
    n_points = text.count(b".")
    if n_points and n_points == len(text.split()):  # all are floats; a single float is damage
        text = _ZEROS.sub(b"", text)
    numbers = _parser().parse(text) if len(text) <= _LONGEST_FACE else None
    if numbers is not None and numbers.n_digits + numbers.n_blanks == len(text):
        return numbers.values
    levels = [_read_level(at, value) for at, value in enumerate(text.split(), start=1)]
    return np.array(levels, dtype=np.uint8)


def _parser() -> NumberParser:
    """Return this thread's parser of single faces."""
    if not hasattr(_thread, "parser"):
        _thread.parser = NumberParser(_LONGEST_FACE)
    return _thread.parser


def _read_level(at: int, value: bytes) -> int:
    digits = value.lstrip(b"0")
    # int() refuses thousands of digits with its own message.
    if not value.isdigit() or len(digits) > 3 or int(digits or b"0") > 255:
        raise ValueError(f"value {at} is {shown(value)}, not a number in 0..255")
    return int(digits or b"0")


def shown(field: bytes) -> str:
    """Return the start of a field for an error."""
    return repr(field[:20].decode("utf-8", "replace"))


def parse_pixels(pixels: Any) -> np.ndarray:
    """Read faces from text like that in the column ``pixels`` of ``fer2013.csv``.

    For tables that were read with pandas: ``X = parse_pixels(df["pixels"])``.

    Parameters
    ----------
    pixels : array-like of str of shape (n_samples,)
        Each has the gray levels of a face, 0 to 255, separated by blanks, commas or
        semicolons, in brackets or not. Sequences of numbers work too.

    Returns
    -------
    faces : ndarray of uint8 of shape (n_samples, side, side)

    Raises
    ------
    ValueError
        If a face has a value that is not a whole number in 0..255, another size than the first,
        or is not square; names its row, counted from 0.

    See Also
    --------
    load_fer2013 : Reads the whole file, ten times as fast as pandas.

    Examples
    --------
    >>> from fer_sklearn.datasets import parse_pixels
    >>> parse_pixels(["0 50 100 150", "255 255 0 0"]).tolist()
    [[[0, 50], [100, 150]], [[255, 255], [0, 0]]]
    """
    if isinstance(pixels, str | bytes) or hasattr(pixels, "columns"):
        raise ValueError(
            f"Expected one column of pixels, a text for each face, got {type(pixels).__name__}. "
            "Pass df['pixels'], or [text] for one face."
        )
    pixels = pixels if hasattr(pixels, "__len__") else list(pixels)
    faces = None
    for row, text in enumerate(pixels):
        levels = _read_face(row, text)
        if faces is None:
            side = _side(levels)
            faces = np.empty((len(pixels), side * side), dtype=np.uint8)
        if len(levels) != faces.shape[1]:
            raise ValueError(
                f"Row {row} of pixels has {len(levels)} values, the first has {faces.shape[1]}."
            )
        faces[row] = levels
    return np.empty((0, 0, 0), np.uint8) if faces is None else faces.reshape(-1, side, side)


def _side(levels: np.ndarray) -> int:
    side = isqrt(len(levels))
    if not side or side * side != len(levels):
        raise ValueError(
            f"Expected square faces, 2304 values for 48 x 48, got {len(levels)} values in row 0 of "
            "pixels."
        )
    return side


def _read_face(row: int, text: Any) -> np.ndarray:
    """Return the levels of one face; the row number is for the error."""
    if isinstance(text, str | bytes):
        raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
        try:
            return read_levels(raw)
        except ValueError as error:
            raise ValueError(f"Row {row} of pixels: {error}.") from None
    levels = np.asarray(text)
    if levels.ndim == 1 and levels.dtype.kind in "uif":
        with np.errstate(invalid="ignore"):  # NaN is not equal to its byte
            as_bytes = levels.astype(np.uint8)
        if np.array_equal(as_bytes, levels):
            return as_bytes
    raise ValueError(
        f"Row {row} of pixels: expected text, or whole numbers in 0..255, got {str(text)[:40]!r}."
    )
