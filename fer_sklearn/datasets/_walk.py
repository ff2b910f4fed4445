"""All files below a folder, and the reasons why others cannot be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ._paths import is_visible, kind_of


class Found(NamedTuple):
    """The content of a folder."""

    files: list[Path]
    folders: list[Path]
    problems: list[tuple[Path, str]]  # path, reason


def list_folder(folder: Path, *, follow: bool = False) -> Found:
    """Return the content of a folder, sorted, without hidden entries.

    Parameters
    ----------
    folder : Path
    follow : bool
        Whether links to folders count as folders. Links to files count as files.

    Raises
    ------
    OSError
        If the folder cannot be listed.
    """
    found = Found([], [], [])
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if is_visible(entry.name):
                _sort_in(entry, found, follow)
    return found


def walk(folder: Path) -> Found:
    """Return all files below a folder, sorted; the problems list what cannot be read.

    Links to folders are not followed: they may lead back, or out of the dataset.
    """
    found, waiting = Found([], [folder], []), [folder]
    while waiting:  # no recursion: folders may be deeper than Python's stack
        here = waiting.pop()
        try:
            inside = list_folder(here)
        except OSError as error:
            found.problems.append((here, _say(error)))
            continue
        found.files.extend(inside.files)
        found.folders.extend(inside.folders)
        found.problems.extend(inside.problems)
        waiting += inside.folders
    found.files.sort()
    found.problems.sort()
    return found


def _sort_in(entry: os.DirEntry, found: Found, follow: bool) -> None:
    path = Path(entry.path)
    try:
        if entry.is_file():
            found.files.append(path)
        elif entry.is_dir(follow_symlinks=follow):
            found.folders.append(path)
        else:
            link = "a link to " if entry.is_symlink() else ""
            kind = kind_of(entry.stat().st_mode)
            found.problems.append((path, f"{link}{kind}, which is not an image file"))
    except OSError as error:  # a broken link, or a folder that may only be listed
        found.problems.append((path, _say(error)))


def _say(error: OSError) -> str:
    return f"{type(error).__name__}: {error.strerror or error}"
