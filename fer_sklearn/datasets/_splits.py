"""Names of the splits of a dataset: folders and files such as train, Test, val."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

#: Each name, in lower case and without separators, with the split that it means.
_NAMES = {
    "train": "Training",
    "training": "Training",
    "val": "Validation",
    "valid": "Validation",
    "validation": "Validation",
    "dev": "Validation",
    "publictest": "PublicTest",
    "privatetest": "PrivateTest",
    "test": "Test",
    "testing": "Test",
}
#: The splits, those to train on first.
SPLIT_ORDER = tuple(dict.fromkeys(_NAMES.values()))


def split_of(name: str) -> str | None:
    """Return the split in a folder or a file of this name; None if it is not a split's name.

    Case and separators do not matter: Train, PUBLIC_TEST and "private test" are known.
    """
    return _NAMES.get(re.sub(r"[\s_.-]+", "", name).lower())


#: Names that mean a split in a column Usage only: a folder may hold public or private photos.
_SHORT = {"public": "PublicTest", "private": "PrivateTest"}


@lru_cache(maxsize=64)  # a table repeats a few names
def split_in_column(text: str) -> str | None:
    """Return the split that a cell of a column Usage names; None if it is not a split's name."""
    return split_of(text) or _SHORT.get(text.strip().lower())


#: Splits that "Test" means: a folder or file called test may be either of the challenge's.
_TESTS = {"PublicTest", "PrivateTest", "Test"}


def split_names(usage: Any) -> list[str]:
    """Return the names in a parameter `usage`.

    Raises
    ------
    ValueError
        If one of them is unknown, or the list is empty.
    """
    known = (*SPLIT_ORDER, "all")
    names = list(usage) if isinstance(usage, Iterable) and not isinstance(usage, str) else [usage]
    if not names or not all(name in known for name in names):
        raise ValueError(
            f"usage must be one of {', '.join(known)}, or several of them, got {usage!r}."
        )
    return names


def meant_by(name: str) -> set[str]:
    """Return the splits that a name in `usage` means."""
    return {"all": {*SPLIT_ORDER, ""}, "Test": _TESTS}.get(name, {name})
