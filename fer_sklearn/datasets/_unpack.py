"""A CSV, compressed or not -> a stream of its bytes, with a limit on the decompressed size."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from ._paths import check_file, is_visible

#: Text of faces shrinks to a third or less; less than a hundredth is an attack or damage.
_MAX_RATIO = 100
_FREE = 2**24  # bytes that are allowed for a file of any size
_BUFFER = 2**18
_UNPACKERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
#: The first bytes of packed files, whatever their names are.
_MAGIC = {b"\x1f\x8b": ".gz", b"\xfd7zXZ\0": ".xz", b"BZh": ".bz2", b"PK\3\4": ".zip"}
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257


class DamageError(Exception):
    """A compressed file cannot be decompressed; the message says why."""


@contextmanager
def open_packed(path: Path, names: tuple[str, ...]) -> Iterator[io.BufferedReader]:
    """Open a CSV as bytes: plain, .gz, .xz, .bz2, .zip or .tar, itself packed or not.

    If an archive has several CSV files, the one whose name is in `names` is used.

    Raises
    ------
    ValueError
        If there is no file at `path`, or not exactly one such CSV in the archive.
    DamageError
        If it cannot be unpacked; the stream raises it too, where the damage is.
    """
    check_file(path)
    with path.open("rb") as raw, ExitStack() as stack:
        packing = _packing(path, raw.read(8))
        raw.seek(0)
        limit = max(_FREE, _MAX_RATIO * path.stat().st_size)
        if packing == ".zip":
            yield _Guarded.buffered(_open_zipped(path, raw, names, stack), limit)
            return
        source = _UNPACKERS[packing](raw, "rb") if packing in _UNPACKERS else raw
        stream = _Guarded.buffered(source, limit)
        head = stream.peek(_TAR_MAGIC_AT + len(_TAR_MAGIC))
        if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
            stream = _Guarded.buffered(_open_tarred(path, stream, names, stack), limit)
        yield stream


def _packing(path: Path, head: bytes) -> str:
    """Return the ending that fits the file's first bytes, otherwise the ending that it has.

    Browsers unpack some files while they download them, and keep the name.
    """
    found = (ending for magic, ending in _MAGIC.items() if head.startswith(magic))
    is_text = head[:1] and head.isascii() and head.decode().isprintable()
    return next(found, "" if is_text else path.suffix.lower())


class _Guarded(io.RawIOBase):
    """A stream that reports any error as damage, and stops when it becomes too long."""

    def __init__(self, source: Any, limit: int) -> None:
        self._source, self._left, self._limit = source, limit, limit

    @classmethod
    def buffered(cls, source: Any, limit: int) -> io.BufferedReader:
        return io.BufferedReader(cls(source, limit), _BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._source.read(len(buffer))
        except DamageError:
            raise
        except Exception as error:  # the unpackers raise a dozen kinds of errors
            raise DamageError(str(error) or type(error).__name__) from error
        self._left -= len(content)
        if self._left < 0:
            raise DamageError(
                f"it unpacks to more than {self._limit:,} bytes, more than faces need; if you "
                "trust it, unpack it first"
            )
        buffer[: len(content)] = content
        return len(content)


def _open_zipped(path: Path, raw: BinaryIO, names: tuple[str, ...], stack: ExitStack) -> IO[bytes]:
    with _any_error_is_damage():
        archive = stack.enter_context(zipfile.ZipFile(raw))
        found = [name for name in archive.namelist() if _is_csv(name)]
    chosen = [name for name in found if _is_called(name, names)] or found
    if len(chosen) != 1:
        there = found or archive.namelist()
        raise ValueError(f"{path} must hold one .csv file, got {there[:5]}. Unpack it first.")
    with _any_error_is_damage():
        return stack.enter_context(archive.open(chosen[0]))


def _open_tarred(
    path: Path, stream: BinaryIO, names: tuple[str, ...], stack: ExitStack
) -> IO[bytes] | None:
    with _any_error_is_damage():
        archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))  # noqa: SIM115
        others = []
        for member in archive:
            if member.isfile() and _is_called(member.name, names):
                return archive.extractfile(member)
            others.append(member.name)
    raise ValueError(f"{path} must hold {' or '.join(names)}, got {others[:5]}.")


@contextmanager
def _any_error_is_damage() -> Iterator[None]:
    try:
        yield
    except DamageError:
        raise
    except Exception as error:  # zipfile and tarfile raise a dozen kinds of errors
        raise DamageError(str(error) or type(error).__name__) from error


def _is_csv(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() == ".csv" and all(map(is_visible, path.parts))


def _is_called(name: str, names: tuple[str, ...]) -> bool:
    return _is_csv(name) and PurePosixPath(name).name.lower() in names
