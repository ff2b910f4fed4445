"""Names of the splits of a dataset: folders and files such as train, Test, val."""

from __future__ import annotations

import re

#: Each name, in lower case and without separators, and the split that it means.
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
    """Return the split that a folder or a file of this name holds; None if it names no split.

    Case and separators do not matter: Train, PUBLIC_TEST and "private test" are known.
    """
    return _NAMES.get(re.sub(r"[\s_.-]+", "", name).lower())
