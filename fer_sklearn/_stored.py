"""A classifier that is named rather than given: read from its file, of whichever kind."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

from ._files import as_path

#: What pickles are called, and what those begin with that are called otherwise.
_PICKLES, _PICKLED = (".joblib", ".pickle", ".pkl"), b"\x80"


def read_classifier(source: str | PathLike[str]) -> Any:
    """Return the classifier of a file or a name, `~` in a path being the user's folder.

    Raises
    ------
    FileNotFoundError
        If it is neither a file nor a name.
    ValueError
        If it is a pickle, which is not opened, or damaged.
    """
    path = as_path(source)
    if path.is_file():
        with path.open("rb") as file:
            is_pickled = file.read(1) == _PICKLED
        if is_pickled or path.suffix.lower() in _PICKLES:
            raise ValueError(
                f"{fspath(source)} is a pickle. To open it runs whatever code is in it, so it is "
                "not opened here. If it is yours, write it in Python as a file that is safe to "
                f"open: joblib.load({fspath(source)!r}).save_pretrained('mine.npz')."
            )
    if path.suffix.lower() == ".onnx":
        from .export import ONNXClassifier

        return ONNXClassifier(path)
    from .classifier import FERClassifier  # an .onnx file needs no torch

    return FERClassifier.from_pretrained(path)
