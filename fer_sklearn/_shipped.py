"""The trained networks that the package contains, by name."""

from __future__ import annotations

from importlib.resources import files
from os import PathLike
from pathlib import Path

from ._files import as_path

_FOLDER = files("fer_sklearn") / "pretrained"


def shipped_names(suffix: str) -> list[str]:
    """Return the names of the package's files that end in `suffix`: ".npz" or ".onnx"."""
    return sorted(
        Path(entry.name).stem for entry in _FOLDER.iterdir() if entry.name.endswith(suffix)
    )


def path_of(source: str | PathLike, suffix: str, parameter: str) -> Path:
    """Return the path of the package's file of this name, or `source` itself, a path.

    Raises
    ------
    FileNotFoundError
        If there is neither. It names the parameter that was given `source`.
    """
    names = shipped_names(suffix)
    path = Path(str(_FOLDER / f"{source}{suffix}")) if str(source) in names else as_path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f"{parameter}={str(source)!r} is neither a file nor the name of a pretrained "
            f"model of the package ({', '.join(names) or 'there is none'})."
        )
    return path


def refuse_shipped_name(path: str | PathLike, suffix: str, reader: str) -> None:
    """Raise if a file of this path could not be read, since it has the name of a shipped one.

    Raises
    ------
    ValueError
        Says what to write instead.
    """
    if str(path) in shipped_names(suffix):
        raise ValueError(
            f"{str(path)!r} is the name of a pretrained model of the package, which "
            f"{reader} would read instead: write {str(path) + suffix!r}."
        )
