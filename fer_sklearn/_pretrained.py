"""Trained weights as a file: plain arrays and JSON, no pickle, checked by a checksum.

A file is an ``.npz`` archive. "about" holds JSON as bytes: network, classes, image shape,
normalisation, and the SHA-256 of the rest; every other entry is an array of the
network's state by name. Filters and matrices are stored in half precision.

A file may come from an untrusted source, so it is read in steps, and each step limits the cost of
the next. The steps are: the sizes of all entries; "about", and whether its content is allowed; the
shapes of the network that it describes, compared with those in the file; the weights.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ._archive import MOST_ARRAYS, MOST_BYTES, Archive
from ._files import as_path, check_writable, foreign_file, replace_file
from ._shipped import path_of, refuse_shipped_name

_FORMAT = 4
#: Largest numbers of bytes of "about", pixels of a face, and labels of a file.
_MOST_ABOUT = 2**20
_MOST_PIXELS = 2**20
_MOST_CLASSES = 1000
_LONGEST_LABEL = 1000
#: Whole numbers below it are exact in JSON and in float64.
_LARGEST_NUMBER = 2**53


@dataclass
class Pretrained:
    """A trained network as plain values.

    Attributes
    ----------
    network : str
        Its name in `fer_sklearn.networks.NETWORKS`.
    network_params : dict
        The parameters that it was built with.
    classes : list
        Its labels, sorted.
    image_shape : tuple of (int, int)
        Height and width of its faces.
    normalization : dict
        "method", "mean" and "scale" of its `FaceNormalizer`.
    mirrored : bool
        Whether it was trained on mirrored faces too.
    views : str or None
        The views of a face that ``predict_augment="auto"`` means; "auto" if none are stated.
    note : str
        Where it comes from.
    class_count : list of int or None
        Number of training faces of each class, if known.
    class_totals : list of float or None
        The same, times their weights and repetitions.
    weights : dict of {str: ndarray}
        Its state by name.
    """

    network: str
    network_params: dict
    classes: list
    image_shape: tuple[int, int]
    normalization: dict
    mirrored: bool
    views: str | None = "auto"
    note: str = ""
    class_count: list | None = None
    class_totals: list | None = None
    weights: dict = field(default_factory=dict, repr=False)

    def check(self, network: Any, network_params: dict, image_shape: tuple[int, int]) -> None:
        """Raise if this does not fit the parameters of a classifier.

        Raises
        ------
        ValueError
            The message says what the file has, and what the parameters ask for.
        """
        if self.image_shape != image_shape:
            raise ValueError(
                f"The pretrained network is for faces of {self.image_shape} pixels (height, "
                f"width), got {image_shape}. Resize them: "
                f"fer_sklearn.datasets.resize_faces(X, {self.image_shape})."
            )
        asked = {k: _tuples(v) for k, v in network_params.items() if k != "dropout"}
        if network != self.network or not asked.items() <= self.network_params.items():
            raise ValueError(
                f"The pretrained network is {self.network!r} with {self.network_params}, the "
                f"parameters say {network!r} with {network_params}. Pass network={self.network!r}, "
                "and leave widths, depth and network_params at their defaults."
            )

    def weights_for(self, classes: list, fresh: dict, last_layer: list[str]) -> dict:
        """Return these weights for a network with other classes.

        Parameters
        ----------
        classes : list
            Labels of the new network, as named in this file.
        fresh : dict of {str: ndarray}
            Its present state, which provides the rows of new labels.
        last_layer : list of str
            The names of the arrays in its state that have a row for each label.

        Returns
        -------
        weights : dict of {str: ndarray}
        """
        known = [self.classes.index(label) for label in classes if label in self.classes]
        at = [i for i, label in enumerate(classes) if label in self.classes]
        weights = dict(self.weights)
        for name in last_layer:
            weights[name] = fresh[name].copy()
            weights[name][at] = self.weights[name][known]
        return weights


def read_pretrained(source: str | PathLike) -> Pretrained:
    """Read the pretrained model of this name, or the file at this path.

    Raises
    ------
    FileNotFoundError
        If `source` is neither.
    ValueError
        If the file is damaged, has a newer format, is too large, or has invalid content; the
        message says which part.
    """
    path = path_of(source, ".npz", "pretrained")
    with path.open("rb") as file:
        try:
            return _read(Archive(file))
        except Exception as error:  # zipfile, NumPy and torch raise many kinds of errors
            kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
            raise ValueError(
                f"{path} is not a file of FERClassifier.save_pretrained that can be used, or it is "
                f"damaged: {kind}{error}"
            ) from error


def write_pretrained(path: str | PathLike, pretrained: Pretrained) -> None:
    """Write a file for `read_pretrained`; an existing file is replaced at the end.

    Raises
    ------
    FileExistsError
        If there is a file that this function did not write.
    OSError
        If it cannot be written. It names `path`.
    ValueError
        If a file cannot hold the network.
    """
    _check_name(path)
    about = asdict(pretrained)
    arrays = {name: _halved(name, array) for name, array in about.pop("weights").items()}
    try:
        about = json.loads(json.dumps(about))
    except TypeError as error:
        raise ValueError(
            f"Labels, and the network's name and parameters, have to be plain values: {error}."
        ) from error
    _check_about(about)
    stated = {**about, "format": _FORMAT, "sha256": _checksum(about, arrays)}
    entry = np.frombuffer(json.dumps(stated).encode(), dtype=np.uint8)
    if entry.size > _MOST_ABOUT:
        raise ValueError(
            f"The note and the labels have {entry.size:,} bytes with all that is said of the "
            f"network; a file holds up to {_MOST_ABOUT:,}. Shorten them."
        )
    content = io.BytesIO()
    np.savez(content, about=entry, **arrays)  # type: ignore[arg-type]  # no array is allow_pickle
    if len(arrays) >= MOST_ARRAYS or content.tell() > MOST_BYTES:
        raise ValueError(
            f"The network has {len(arrays):,} arrays of {content.tell():,} bytes; a file holds up "
            f"to {MOST_ARRAYS - 1:,} of {MOST_BYTES:,}. Store the classifier by joblib.dump."
        )
    replace_file(path, content.getvalue())


def check_destination(path: str | PathLike) -> None:
    """Raise the errors of `write_pretrained` for this path before the work that it will store.

    Raises
    ------
    FileExistsError, OSError, ValueError
        As `write_pretrained` does.
    """
    _check_name(path)
    check_writable(path)


def _check_name(path: str | PathLike) -> None:
    """Raise if the name is that of a model of the package, or of a file that we did not write."""
    refuse_shipped_name(path, ".npz", "from_pretrained")
    _refuse_foreign(as_path(path))


def _read(archive: Archive) -> Pretrained:
    stated = _read_about(archive)
    number, checksum = stated["format"], stated["sha256"]
    if type(number) is not int or number < 1:
        raise ValueError(f"its format is {number!r:.50}, expected a whole number above 0")
    if number > _FORMAT:
        raise ValueError(
            f"it has format {number}; this fer_sklearn reads formats up to {_FORMAT}. "
            "Upgrade it: pip install --upgrade fer-sklearn."
        )
    about = {key: value for key, value in stated.items() if key not in ("format", "sha256")}
    _check_about(about)
    start = Pretrained(**about)
    height, width = start.image_shape
    start.image_shape = (height, width)
    start.network_params = {k: _tuples(v) for k, v in start.network_params.items()}
    if number < 2 and start.network == "resnet":  # before it became a parameter
        start.network_params["activation"] = "relu"
    _check_shapes(archive, start)
    arrays = {name: archive.read(name) for name in archive.names if name != "about"}
    if checksum != _checksum(about, arrays):
        raise ValueError("its checksum does not match. Download it again.")
    start.weights = {name: _restored(name, arrays.pop(name)) for name in list(arrays)}
    return start


def _read_about(archive: Archive) -> dict:
    """Return the content of "about", if this module can have written it."""
    if "about" not in archive.names:
        raise ValueError("it has no entry 'about'")
    if archive.size("about") > _MOST_ABOUT:
        raise ValueError(f"'about' has {archive.size('about'):,} bytes, more than {_MOST_ABOUT:,}")
    about = json.loads(archive.read("about").tobytes())
    if not isinstance(about, dict) or not {"format", "sha256"} <= about.keys():
        raise ValueError("'about' does not say format and sha256")
    return about


def _refuse_foreign(path: Path) -> None:
    """Raise if there is a file that we did not write; an empty one may be overwritten."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        try:
            _read_about(Archive(file))
        except Exception as error:  # see read_pretrained
            raise foreign_file(path, "save_pretrained") from error


def _check_about(about: dict) -> None:
    """Raise if a part of "about" is invalid: its name, its type or its range."""
    known = {part.name: part for part in fields(Pretrained) if part.name != "weights"}
    if unknown := sorted(about.keys() - known.keys()):
        raise ValueError(f"'about' has unknown parts: {', '.join(unknown)!s:.200}")
    for name, part in known.items():
        if name in about:
            allowed, words = _ALLOWED[name]
            if not allowed(about[name]):
                raise ValueError(f"{name} has to be {words}, got {about[name]!r:.200}")
        elif part.default is MISSING:
            raise ValueError(f"'about' lacks {name}")
    for name in ("class_count", "class_totals"):
        if about.get(name) is not None and len(about[name]) != len(about["classes"]):
            raise ValueError(
                f"{name} has {len(about[name])} values for {len(about['classes'])} classes"
            )


def _is_number(value: Any, low: float = -_LARGEST_NUMBER, high: float = _LARGEST_NUMBER) -> bool:
    return type(value) in (int, float) and low <= value <= high  # NaN is not


def _is_plain(value: Any) -> bool:
    """Tell whether a parameter of a network consists only of plain values."""
    if isinstance(value, (list, dict)):
        parts = value.values() if isinstance(value, dict) else value
        return all(_is_plain(part) for part in parts)
    return value is None or isinstance(value, (bool, str)) or _is_number(value)


def _are_classes(labels: Any) -> bool:
    if not isinstance(labels, list) or not 2 <= len(labels) <= _MOST_CLASSES:
        return False
    kinds = {type(label) for label in labels}
    short = all(len(label) <= _LONGEST_LABEL for label in labels if isinstance(label, str))
    plain = all(
        isinstance(label, (bool, str))
        or (type(label) is int and -(2**63) <= label < 2**63)
        or (type(label) is float and math.isfinite(label))
        for label in labels
    )
    if len(kinds) > 1 or not short or not plain:
        return False
    return np.unique(np.array(labels)).tolist() == labels


def _is_image_shape(shape: Any) -> bool:
    sides = isinstance(shape, list) and len(shape) == 2 and {type(side) for side in shape} == {int}
    return sides and min(shape) > 0 and math.prod(shape) <= _MOST_PIXELS


def _is_normalization(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"method", "mean", "scale"}
        and value["method"] in ("scale", "dataset", "image", "equalize")
        and _is_number(value["mean"], -10, 10)
        and _is_number(value["scale"], 1e-6, 10)  # of pixels in [0, 1]
    )


def _are_amounts(values: Any) -> bool:
    if values is None:
        return True
    return isinstance(values, list) and all(_is_number(v, 0) for v in values) and any(values)


#: Valid values of each part of "about", in code and in words.
_ALLOWED = {
    "network": (lambda value: isinstance(value, str), "a name"),
    "network_params": (
        lambda value: isinstance(value, dict) and _is_plain(value),
        "a dict of finite numbers, texts, and lists and dicts of them",
    ),
    "classes": (
        _are_classes,
        f"a sorted list of 2 to {_MOST_CLASSES} different labels of one type, finite or of up to "
        f"{_LONGEST_LABEL} letters",
    ),
    "image_shape": (
        _is_image_shape,
        f"height and width, whole numbers of up to {_MOST_PIXELS:,} pixels in all",
    ),
    "normalization": (
        _is_normalization,
        "a method of FaceNormalizer, a mean in [-10, 10] and a scale in [1e-6, 10]",
    ),
    "mirrored": (lambda value: isinstance(value, bool), "true or false"),
    "views": (lambda value: value is None or isinstance(value, str), "a name or null"),
    "note": (lambda value: isinstance(value, str), "a text"),
    "class_count": (_are_amounts, "null or a number of faces for each class, not all 0"),
    "class_totals": (_are_amounts, "null or a number of 0 or more for each class, not all 0"),
}


def _check_shapes(archive: Archive, start: Pretrained) -> None:
    """Raise if the arrays do not fit the network that the file describes."""
    from .networks import state_shapes  # loads torch, which is not needed to list the names

    here = {name: archive.describe(name) for name in archive.names if name != "about"}
    expected = state_shapes(
        start.network,
        start.network_params,
        n_classes=len(start.classes),
        image_shape=start.image_shape,
        n_tensors=len(here),
        n_weights=sum(math.prod(shape) for shape, _ in here.values()),
    )
    for words, names in (
        ("lacks", expected.keys() - here.keys()),
        ("has unknown", here.keys() - expected.keys()),
    ):
        if names:
            raise ValueError(f"it {words} arrays of {start.network!r}: {sorted(names)!s:.200}")
    for name, (shape, dtype) in expected.items():
        if here[name][0] != shape or not _may_hold(here[name][1], dtype):
            raise ValueError(
                f"{name!r} is {here[name][1]} of shape {here[name][0]}, but the network that the "
                f"file describes has {dtype} of shape {shape}"
            )


def _may_hold(stored: np.dtype, wanted: np.dtype) -> bool:
    if stored.kind == wanted.kind == "f":  # depends on torch's default dtype when it is built
        return stored.itemsize <= 8
    return stored.newbyteorder("=") == wanted


def _check_values(name: str, array: np.ndarray) -> None:
    """Raise for weights that make every prediction NaN."""
    if not np.isfinite(array).all():
        raise ValueError(f"{name!r} has values that are NaN or infinite")
    if name.endswith("running_var") and array.size and array.min() < 0:
        raise ValueError(f"{name!r} has values below 0, which no variance has")


def _halved(name: str, array: np.ndarray) -> np.ndarray:
    """Return filters and matrices in half precision, unless a value is too large for it."""
    _check_values(name, array)
    if array.ndim < 2 or array.dtype != np.float32:
        return array
    with np.errstate(over="ignore", under="ignore"):
        half = array.astype(np.float16)
    return half if np.isfinite(half).all() else array


def _restored(name: str, array: np.ndarray) -> np.ndarray:
    """Return a writable array in the form that the network takes."""
    _check_values(name, array)
    kind = np.float32 if array.dtype == np.float16 else array.dtype.newbyteorder("=")
    return array.astype(kind)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple, np.ndarray)) else value


def _checksum(about: dict, arrays: dict) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
