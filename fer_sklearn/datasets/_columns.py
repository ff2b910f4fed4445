"""The columns of FER-2013's tables, found by their names."""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

from ._splits import split_of

SIDE = 48
N_PIXELS = SIDE**2
#: Other names of columns that do not hold pixels.
_INDEX = ("", "index", "unnamed: 0")


#: What a table of FER-2013 has to have, for errors.
EXPECTED = (
    "expected the columns emotion, pixels, Usage (each once), or a column for each of 2304 pixels "
    "in place of one; train.csv may lack Usage, test.csv emotion too"
)
WAY_OUT = (
    "Rename the columns, or read the table with pandas, and its columns with parse_pixels and "
    "convert_emotions."
)


class Columns(NamedTuple):
    """Positions of the columns in a table; None for a missing one."""

    n: int
    emotion: int | None
    pixels: list[int]  # one with all gray levels as text, or one for each
    usage: int | None


def find_columns(names: list[str]) -> Columns | None:
    """Return the positions of the columns; None if these are not the columns of FER-2013.

    The pixels are in one column, or in 2304 columns in their order. The columns of emotion and
    usage may be missing, but then there must be no column with an unknown name, which may replace
    them. None of them may come twice: nothing says which one holds.
    """
    names = [name.strip(' "\r\n').lower() for name in names]
    if any(names.count(name) > 1 for name in ("emotion", "pixels", "usage")):
        return None
    emotion, usage = (names.index(n) if n in names else None for n in ("emotion", "usage"))
    if "pixels" in names:
        others = set(names) - {"pixels", "emotion", "usage", *_INDEX}
        if others and None in (emotion, usage):
            return None
        return Columns(len(names), emotion, [names.index("pixels")], usage)
    known = {emotion, usage}
    pixels = [at for at, name in enumerate(names) if at not in known and name not in _INDEX]
    if len(pixels) != N_PIXELS or not _are_numbered([names[at] for at in pixels]):
        return None
    return Columns(len(names), emotion, pixels, usage)


def _are_numbered(names: list[str]) -> bool:
    """Tell whether names end in numbers that grow by one: pixel_0, pixel_1, ..."""
    digits = [name[len(name.rstrip("0123456789")) :] for name in names]
    if not all(digits):
        return False
    numbers = [int(number[:9]) for number in digits]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def split_of_file(name: str) -> str:
    """Return the split that a file is named after, as train.csv is; "" if there is none."""
    words = name.lower().split(".")[0].replace("-", "_").split("_")
    splits = {split for split in map(split_of, words) if split}
    return splits.pop() if len(splits) == 1 else ""


def check_split(path: str | PathLike[str], usage: str, wanted: set[str]) -> None:
    """Raise if a file without a column Usage does not belong to a requested split."""
    if usage in wanted:
        return
    if usage:
        is_said = f"its name says {usage!r}: pass usage={usage!r}"
    else:
        is_said = "its name says no split: pass usage='all'"
    raise ValueError(f"{path} has no column Usage, and {is_said} to read it.")
