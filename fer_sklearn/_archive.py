"""Plain arrays in an .npz archive from an untrusted source: sizes are checked first."""

from __future__ import annotations

import struct
import zipfile
from math import prod
from typing import IO, Any

import numpy as np

#: Largest total of bytes in a file: 29 million weights in half precision, about a ResNet-50.
MOST_BYTES = 56 * 2**20
#: Largest number of arrays in a file; a block of a network has six.
MOST_ARRAYS = 3000
#: Bytes of a directory with that many names.
_MOST_DIRECTORY = 2**20
_SUFFIX = ".npy"
_PLAIN = "biufc"


class Archive:
    """The arrays of an open file, read one at a time.

    The size of each array is checked before it is decompressed, and no pickle is read.

    Parameters
    ----------
    file : binary file
        Open for reading.

    Raises
    ------
    ValueError
        From the constructor and from each method, if the file states more than is allowed, or is
        not what `numpy.savez` writes. `zipfile` raises further kinds of errors.
    """

    def __init__(self, file: IO[bytes]) -> None:
        _check_directory(file)
        self._archive = zipfile.ZipFile(file)
        members = self._archive.infolist()
        self._members = {member.filename.removesuffix(_SUFFIX): member for member in members}
        if len(self._members) != len(members):
            raise ValueError("two of its arrays have one name")
        for member in members:
            _check_member(member)
        size = sum(member.file_size for member in members)
        if size > MOST_BYTES:
            raise ValueError(f"its arrays have {size:,} bytes, more than {MOST_BYTES:,}")

    @property
    def names(self) -> list[str]:
        """The names of the arrays."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Return the number of bytes of an array, including its header."""
        return self._members[name].file_size

    def describe(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Return shape and dtype of an array; only its header is read."""
        with self._archive.open(self._members[name]) as file:
            shape, _, dtype = self._header(name, file)
        return shape, dtype

    def read(self, name: str) -> np.ndarray:
        """Return an array; it is read-only."""
        with self._archive.open(self._members[name]) as file:
            shape, fortran, dtype = self._header(name, file)
            array = np.frombuffer(file.read(), dtype)
        return array.reshape(shape, order="F" if fortran else "C")

    def _header(self, name: str, file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
        """Read the header of an array; its shape has to fit the number of bytes after it."""
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name!r} is not a plain array")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.kind not in _PLAIN or dtype.hasobject:
            raise ValueError(f"{name!r} has dtype {dtype}, expected numbers")
        size = prod(shape) * dtype.itemsize + file.tell()
        if min(shape, default=0) < 0 or size != self.size(name):
            raise ValueError(f"{name!r} has shape {shape}, but another number of bytes")
        return shape, fortran, dtype


def _check_directory(file: IO[bytes]) -> None:
    """Raise if the list of members is too long, or not where `numpy.savez` writes it."""
    end = struct.Struct("<4s4HLLH")  # of the zip format, without a comment after it
    locator = 20  # what zip64, for files above 4 GB, has before it
    file.seek(0, 2)
    start = max(0, file.tell() - end.size - locator)
    file.seek(start)
    tail = file.read()
    signature, *_, n_members, size, _, _ = end.unpack(tail[-end.size :].rjust(end.size, b"\0"))
    if signature != b"PK\5\6" or tail.startswith(b"PK\6\7"):
        raise ValueError("it is not an .npz archive, or it is cut off")
    if n_members > MOST_ARRAYS or size > _MOST_DIRECTORY:
        raise ValueError(f"it has {n_members:,} arrays, more than {MOST_ARRAYS:,}")
    file.seek(0)


def _check_member(member: zipfile.ZipInfo) -> None:
    known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack without a limit
    if not member.filename.endswith(_SUFFIX) or member.compress_type not in known:
        raise ValueError(f"{member.filename!r} is not what numpy.savez writes")
