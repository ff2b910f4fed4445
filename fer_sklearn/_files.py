"""Paths as users write them, and files that are replaced in one step.

A reader sees the old file or the new one, never a part of it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import IO


def as_path(path: str | PathLike) -> Path:
    """Return a path with the user's home in place of ``~``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no such user: the name itself begins with ~
        return Path(path)


def replace_file(path: str | PathLike, content: bytes) -> None:
    """Write `content` to `path`; an old file stays until all of it is on the disk.

    Missing folders are created, and ``~`` is the user's home. An existing file keeps its mode. A
    link stays a link, and the file that it points to is replaced, as `open` would do. A kill in
    mid-write leaves a file that is named after the target, with a number and ``.part`` at the end:
    `remove_file` deletes it.

    Raises
    ------
    OSError
        If the disk is full, or the file or its folder cannot be written. It names `path`.
    """
    with naming(path):
        target, mode = _target(path)
        part = _new_part(target)
        # Exclusively: a file or link that already has this name is not ours.
        file = part.open("xb")
        try:
            with file:
                if mode is not None:
                    part.chmod(mode)
                file.write(content)
                sync(file)
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)


@contextmanager
def replacing(path: str | PathLike) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` at the end of the block.

    This is for writers that need a name with the right ending. If the block raises, the old file
    stays.

    Raises
    ------
    OSError
        As `replace_file` does.
    """
    with naming(path):
        target, mode = _target(path)
        part = target.with_name(f"{target.stem}.{secrets.token_hex(8)}.part{target.suffix}")
        part.open("xb").close()  # see `replace_file`: the writer would follow a link
    try:
        yield part
        with naming(path):
            if mode is not None:
                part.chmod(mode)
            with part.open("rb+") as file:
                sync(file)
            os.replace(part, target)
            sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | PathLike) -> None:
    """Raise the errors of `replace_file` before the work whose result it will write."""
    with naming(path):
        target, _ = _target(path)
        part = _new_part(target)
        part.open("xb").close()
        part.unlink()


def remove_file(path: str | PathLike) -> None:
    """Delete a file of `replace_file`, and what kills in mid-write have left; a link stays."""
    target = Path(os.path.realpath(as_path(path)))
    target.unlink(missing_ok=True)
    ours = re.compile(re.escape(target.name) + r"\.[0-9a-f]{16}\.part")
    for file in target.parent.iterdir():
        if ours.fullmatch(file.name):
            file.unlink(missing_ok=True)


def sync(file: IO) -> None:
    """Wait until what was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system supports that."""
    with suppress(OSError):  # Windows and some network disks refuse; the file itself is written
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def foreign_file(path: Path, writer: str) -> FileExistsError:
    """Return the error for a file that the function called `writer` would have to replace."""
    return FileExistsError(
        errno.EEXIST,
        f"There is another file, which was not written by {writer} and is left as it is. Move it "
        "away, or choose another path",
        str(path),
    )


def _target(path: str | PathLike) -> tuple[Path, int | None]:
    """Return the file to replace, behind all links, and its mode; None if it does not exist."""
    target = Path(os.path.realpath(as_path(path)))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target, None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):  # replacing a device or a pipe would delete it
        raise OSError(errno.EINVAL, "Neither a file nor a free name")
    if not os.access(target, os.W_OK):  # otherwise a new file could replace it
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return target, stat.S_IMODE(mode)


def _new_part(target: Path) -> Path:
    return target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")


@contextmanager
def naming(path: str | PathLike) -> Iterator[None]:
    """Make an OSError in the block name `path` as the user gave it."""
    try:
        yield
    except OSError as error:
        why = f"{error.strerror}: it was not written, and what was there is as it was"
        raise OSError(error.errno, why, os.fspath(path)) from error
