"""Decimal numbers in text -> uint8, for many rows at once.

Parsing 75 million numbers one by one is what makes FER-2013's CSV slow to load. Here
each numpy operation runs over a block of text: a number's value is computed at its last
digit from the one to three digits that end there. The intermediate arrays are kept from
block to block: getting fresh memory from the system costs more than the arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ZERO, _BLANK = np.uint8(ord("0")), np.uint8(ord(" "))
_MARGIN = 3  # so that the first number may look three characters back


class Numbers(NamedTuple):
    """The numbers of a text in their order."""

    values: np.ndarray  # uint8
    ends: np.ndarray  # place of each one's last digit
    n_digits: int
    n_blanks: int


class NumberParser:
    """Reads texts of up to `size` characters; one parser a thread."""

    def __init__(self, size: int) -> None:
        self._scratch = np.empty((6, size + _MARGIN + 1), dtype=np.uint8)

    def parse(self, text: bytes) -> Numbers | None:
        """Read all numbers of `text`; None if one is above 255.

        Characters that are no digits separate numbers, whatever they are.
        """
        n = len(text)
        scratch = self._scratch[:, : n + _MARGIN + 1]
        chars, digit, is_digit = scratch[:3]
        hundreds, value, flag = scratch[3:, :n]

        chars[:_MARGIN] = chars[-1] = _BLANK
        chars[_MARGIN:-1] = np.frombuffer(text, dtype=np.uint8)
        np.subtract(chars, _ZERO, out=digit)  # wraps round below "0": all else is above 9
        np.less_equal(digit, 9, out=is_digit.view(bool))
        np.multiply(digit, is_digit, out=digit)  # what is no digit counts nothing

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
        np.less(value, hundreds, out=flag.view(bool))  # the sum has wrapped round above 255
        if flag.view(bool).any():
            return None

        np.greater(is_digit[3:-1], is_digit[4:], out=flag.view(bool))
        ends = np.flatnonzero(flag.view(bool))
        np.equal(chars[3:-1], _BLANK, out=flag.view(bool))
        return Numbers(
            values=value.take(ends),
            ends=ends,
            n_digits=np.count_nonzero(is_digit.view(bool)),
            n_blanks=np.count_nonzero(flag.view(bool)),
        )
