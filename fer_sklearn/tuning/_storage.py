"""Storages of studies: a journal that a full disk does not destroy, or a database."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from .._files import as_path
from ._machine import runs, this_machine

#: Seconds of waiting for a journal's lock before a warning, and before the lock is broken.
TOLD, BROKEN = 3.0, 30.0
#: Longest pauses, in seconds, between attempts to open a database that others are creating.
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
#: The beginning of every record of a journal.
_RECORD = b'{"op_code":'
#: Error codes for a lack of room: on the disk, for this user, for this file.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: Words in errors about tables and rows that another process is creating at this moment.
_RACE = re.compile("already exists|locked|unique|duplicate", re.IGNORECASE)


class StorageError(OSError):
    """The journal of a study cannot be written."""


#: Errors of a storage. They say nothing about the trial in which they occur.
FAULTS = (StorageError, StorageInternalError)


def open_storage(storage: Any) -> BaseStorage | str | None:
    """Return a storage for Optuna: a path becomes a journal file; URLs and objects stay.

    Raises
    ------
    ValueError
        If the path does not end in ``.log`` or ``.journal``, or the file is damaged or is not a
        journal.
    OSError
        If the file cannot be written.
    """
    if storage is None or isinstance(storage, BaseStorage) or "://" in str(storage):
        return storage
    if Path(storage).suffix not in (".log", ".journal"):
        raise ValueError(
            f"storage={str(storage)!r}: expected the path of a journal file that ends in .log or "
            ".journal, a URL such as 'sqlite:///study.db', or an Optuna storage."
        )
    try:
        return _open_journal(storage)
    except OSError as error:
        raise _unwritable(storage, error) from error


@contextmanager
def faults_named(storage: Any) -> Iterator[None]:
    """Add the name of the database to its errors in the block.

    Raises
    ------
    OSError
        If the database cannot be reached or written.
    """
    try:
        yield
    except StorageInternalError as error:
        raise _out_of_reach(storage, error) from error


def patiently(create: Callable[[], optuna.Study], url: str) -> optuna.Study:
    """Create a study in a database; try again if others are creating its tables at this moment.

    Optuna looks for each table and then creates it. It fails if another process creates the table
    in between.

    Raises
    ------
    ImportError
        If the driver of the database is not installed.
    OSError
        If the database cannot be reached or written.
    """
    from sqlalchemy.exc import SQLAlchemyError

    pauses = iter(PAUSES)
    while True:
        try:
            return create()
        except ImportError as error:
            raise ImportError(
                f"{_shown(url)} needs a driver that is not installed: {error.__cause__ or error}"
            ) from error
        except (SQLAlchemyError, StorageInternalError, AssertionError) as error:
            longest = next(pauses, None)
            if longest is None or not _is_race(error):
                raise _out_of_reach(url, error) from error
        # Random, or processes that collided once would collide again.
        time.sleep(np.random.default_rng().uniform(longest / 2, longest))


def _out_of_reach(storage: Any, error: Exception) -> OSError:
    return OSError(f"{_shown(storage)} cannot be reached or written: {error.__cause__ or error}")


def _shown(storage: Any) -> str:
    """Return the storage as errors show it, without a password."""
    shown = storage if isinstance(storage, str) else type(storage).__name__
    shown = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", shown)
    return f"storage={shown!r}"


def _is_race(error: Exception) -> bool:
    # Optuna asserts that the version of the tables exists, but it is written last.
    return isinstance(error, AssertionError) or bool(_RACE.search(f"{error} {error.__cause__}"))


class JournalLock(JournalFileOpenLock):
    """The lock of a journal; while it is held, the file has only complete lines.

    A full disk or a crash may leave half a record at the end. The next record would be appended to
    that half, and no process could read the file any more. Optuna's own lock also waits silently,
    and forever if it is a broken link.

    Parameters
    ----------
    path : str
        Of the journal.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
        self.lock = f"{path}.lock"
        self._own: tuple[int, int] | None = None

    def acquire(self) -> bool:
        """Wait for the lock, take it, and remove half a line at the end of the file."""
        while not self._take():
            self._wait()
        try:
            self._mend()
        except BaseException:
            os.unlink(self.lock)
            raise
        return True

    def release(self) -> None:
        """Remove half a line of this process and release the lock, unless others broke it."""
        if self._mark() != self._own:
            return
        try:
            cut_half_line(self.path)
        finally:
            os.unlink(self.lock)

    def _take(self) -> bool:
        try:
            file = os.open(self.lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        with suppress(OSError):  # on a full disk it stays empty, and others wait longer
            os.write(file, f"{this_machine()} {os.getpid()}".encode())
        os.close(file)
        self._own = self._mark()
        return True

    def _wait(self) -> None:
        """Wait while the same lock exists; break it if its holder is dead or it takes too long."""
        start, mark, told, pause = time.monotonic(), self._mark(), False, 0.001
        while mark is not None and self._mark() == mark:
            waited = time.monotonic() - start
            # Holders write the lock first and keep it for milliseconds: a second look is enough.
            if waited > BROKEN or (waited > 0.1 and self._holder_is_dead()):
                self._break(mark)
                return
            if waited > TOLD and not told:
                told = True
                self._tell_of_wait()
            time.sleep(pause)
            pause = min(2 * pause, 0.2)

    def _holder_is_dead(self) -> bool:
        """Tell whether the lock is of a process of this machine that has ended."""
        try:
            machine, _, pid = Path(self.lock).read_text().rpartition(" ")
        except (OSError, UnicodeDecodeError):  # already released, or a link of an older version
            return False
        return machine == this_machine() and pid.isdecimal() and not runs(int(pid))

    def _break(self, mark: tuple[int, int]) -> None:
        if self._mark() == mark:  # otherwise others were faster, and this is their lock
            Path(self.lock).unlink(missing_ok=True)

    def _mark(self) -> tuple[int, int] | None:
        """Return what distinguishes this lock file from later ones of the same name."""
        try:
            status = os.lstat(self.lock)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _tell_of_wait(self) -> None:
        warnings.warn(
            f"Waiting for the lock {self.lock!r}: another process writes to the study, or was "
            f"killed while it did. The lock is broken when it is {BROKEN:.0f} seconds old.",
            UserWarning,
            stacklevel=2,
        )

    def _mend(self) -> None:
        if n_cut := cut_half_line(self.path):
            warnings.warn(
                f"The journal {self.path!r} ended within a record, as after a full disk or a "
                f"crash: its last {n_cut} bytes were cut off, all records before them are kept.",
                UserWarning,
                stacklevel=2,
            )


class Journal(JournalFileBackend):
    """A journal file whose errors name its path.

    Parameters
    ----------
    path : Path
    storage : str or path-like
        The path as the user gave it.
    """

    def __init__(self, path: Path, storage: str | PathLike[str]) -> None:
        super().__init__(str(path), lock_obj=JournalLock(str(path)))
        self.storage = storage

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write records to the end of the file."""
        try:
            super().append_logs(logs)
        except OSError as error:
            raise StorageError(*_unwritable(self.storage, error).args) from error


def cut_half_line(path: str) -> int:
    """Remove everything after the last line feed of a file; return the number of bytes."""
    with open(path, "rb+") as file:
        end = file.seek(0, os.SEEK_END)
        if not end:
            return 0
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return 0
        file.seek(0)
        kept = file.read().rfind(b"\n") + 1
        file.truncate(kept)
    return end - kept


def _open_journal(storage: str | PathLike[str]) -> JournalStorage:
    path = as_path(storage).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    backend = Journal(path, storage)
    # First: a file that is not a journal must not be changed.
    _check_records(path, storage)
    try:
        return JournalStorage(backend)
    except Exception as error:
        raise _no_journal(storage, f"{type(error).__name__}: {error}") from error


def _check_records(path: Path, storage: str | PathLike[str]) -> None:
    """Raise if a line is not a record; the last may be half a record."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                if not _is_record(line):
                    raise _no_journal(storage, f"line {number} is not a record of Optuna's")
            elif number == 1 and not (line.startswith(_RECORD) or _RECORD.startswith(line)):
                raise _no_journal(storage, "it does not begin like one")


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and "op_code" in record


def _no_journal(storage: str | PathLike[str], why: str) -> ValueError:
    return ValueError(
        f"storage={str(storage)!r} is not a journal of a study, or a damaged one: {why}. Pass "
        "another path. Of a damaged journal you can copy the lines before that one to a new file."
    )


def _unwritable(storage: str | PathLike[str], error: OSError) -> OSError:
    """Return an error that names the storage and, if its disk is nearly full, the free space."""
    where = f" ({error.filename})" if error.filename else ""
    message = f"storage={str(storage)!r} cannot be written: {error.strerror or error}{where}."
    if error.errno in _FULL:
        path = as_path(storage).absolute()
        disk = next(folder for folder in (path, *path.parents) if os.path.ismount(folder))
        message += (
            f" Its disk, {str(disk)!r}, has {shutil.disk_usage(disk).free / 1e6:.1f} MB of room. "
            "All records before this one are kept: with more room the same search continues."
        )
    return OSError(error.errno, message)
