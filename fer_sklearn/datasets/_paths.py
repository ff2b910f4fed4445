"""Paths as users write them, and what lies there that is not to be read."""

from __future__ import annotations

from pathlib import Path

_JUNK = "__MACOSX"  # what macOS adds to archives: no images, though named as such


def as_path(path) -> Path:
    """Return a path with the user's home in place of ``~``."""
    return Path(path).expanduser()


def is_visible(path: Path) -> bool:
    """Tell whether a file or folder is meant to be seen."""
    return not path.name.startswith(".") and path.name != _JUNK
