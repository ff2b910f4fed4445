"""Files that must not be read."""

from __future__ import annotations

import stat
from pathlib import Path

#: What macOS adds to archives: files named like the images, but without an image.
_JUNK = "__MACOSX"
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def as_text(name: str) -> str:
    """Return a name that every file and table can hold: bytes that are not UTF-8 become ASCII."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_visible(name: str) -> bool:
    """Tell whether a file or folder of this name is not hidden."""
    return not name.startswith(".") and name != _JUNK


def check_file(path: Path) -> None:
    """Raise if the path is not a file; a program might wait forever for something else.

    Raises
    ------
    FileNotFoundError
        If nothing exists there.
    ValueError
        Says what exists there.
    """
    kind = kind_of(path.stat().st_mode)
    if kind != "a file":
        raise ValueError(f"{path} is {kind}. Expected a file.")


def kind_of(mode: int) -> str:
    """Return the kind of a file by its mode: "a file", "a folder", "a FIFO", ..."""
    if stat.S_ISREG(mode):
        return "a file"
    return next((kind for is_kind, kind in _KINDS.items() if is_kind(mode)), "of an unknown kind")
