"""Paths as users write them, and files there that must not be read."""

from __future__ import annotations

import stat
from pathlib import Path

#: What macOS adds to archives: files that are named as the images are, and are none.
_JUNK = "__MACOSX"
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def as_path(path) -> Path:
    """Return a path with the user's home in place of ``~``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no such user: it is a name that begins with ~
        return Path(path)


def is_visible(name: str) -> bool:
    """Tell whether a file or folder of this name is meant to be seen."""
    return not name.startswith(".") and name != _JUNK


def check_file(path: Path) -> None:
    """Raise if there is something else than a file, which a program might wait for endlessly.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        Says what there is.
    """
    kind = kind_of(path.stat().st_mode)
    if kind != "a file":
        raise ValueError(f"{path} is {kind}. Expected a file.")


def kind_of(mode: int) -> str:
    """Return what a file's mode says it is: "a file", "a folder", "a FIFO", ..."""
    if stat.S_ISREG(mode):
        return "a file"
    return next((kind for is_kind, kind in _KINDS.items() if is_kind(mode)), "of an unknown kind")
