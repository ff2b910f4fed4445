"""Trained weights as a file: plain arrays and JSON, no pickle, checked by a checksum.

A file is an ``.npz`` archive. "about" holds JSON as bytes: network, classes, image shape,
normalisation, and the SHA-256 of the rest; every other entry is an array of the
network's state by name. Filters and matrices are stored in half precision.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np

from ._files import replace_file

_FORMAT = 3
_SHIPPED = files("fer_sklearn") / "pretrained"


@dataclass
class Pretrained:
    """A trained network as plain values.

    Attributes
    ----------
    network : str
        Its name in `fer_sklearn.networks.NETWORKS`.
    network_params : dict
        What it was built with.
    classes : list
        Its labels, sorted.
    image_shape : tuple of (int, int)
        Height and width of its faces.
    normalization : dict
        "method", "mean" and "scale" of its `FaceNormalizer`.
    mirrored : bool
        Whether it was trained on mirrored faces too.
    note : str
        Where it comes from.
    class_count : list of int or None
        Faces of each class that it was trained on, where that is known.
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
    note: str = ""
    class_count: list | None = None
    class_totals: list | None = None
    weights: dict = field(default_factory=dict, repr=False)

    def check(self, network, network_params: dict, image_shape: tuple[int, int]) -> None:
        """Raise if this is not what the parameters of a classifier ask for.

        Raises
        ------
        ValueError
            Says what the file has, and what was asked for.
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
                f"parameters say {network!r} with {network_params}. Leave network, widths and "
                "depth at their defaults."
            )

    def weights_for(self, classes, fresh: dict, last_layer: list[str]) -> dict:
        """Return these weights for a network that answers with other classes.

        Parameters
        ----------
        classes : ndarray
            Labels of the network to be.
        fresh : dict of {str: ndarray}
            Its state now; the rows of labels that are new here are taken from it.
        last_layer : list of str
            The entries of its state that have a row for each label.

        Returns
        -------
        weights : dict of {str: ndarray}
        """
        known = [self.classes.index(label) for label in classes.tolist() if label in self.classes]
        at = [i for i, label in enumerate(classes.tolist()) if label in self.classes]
        weights = dict(self.weights)
        for name in last_layer:
            weights[name] = fresh[name].copy()
            weights[name][at] = self.weights[name][known]
        return weights


def shipped_names() -> list[str]:
    """Return the names of the networks that come with the package."""
    return sorted(
        Path(entry.name).stem for entry in _SHIPPED.iterdir() if entry.name.endswith(".npz")
    )


def read_pretrained(source) -> Pretrained:
    """Read the network that `source` names, or the file that it is the path of.

    Raises
    ------
    FileNotFoundError
        If it is neither.
    ValueError
        If the file is damaged, or of a newer format.
    """
    path = _SHIPPED / f"{source}.npz" if source in shipped_names() else Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f"pretrained={str(source)!r} is neither a file nor the name of a network that comes "
            f"with the package ({', '.join(shipped_names()) or 'there is none'})."
        )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(arrays.pop("about").tobytes())
        number, checksum = about.pop("format"), about.pop("sha256")
    except Exception as error:
        raise ValueError(
            f"{path} is no file of FERClassifier.save_pretrained, or it is damaged "
            f"({type(error).__name__}: {error})."
        ) from error
    if number > _FORMAT:
        raise ValueError(
            f"{path} has format {number}; this fer_sklearn reads formats up to {_FORMAT}. "
            "Upgrade it: pip install --upgrade fer-sklearn."
        )
    if checksum != _checksum(about, arrays):
        raise ValueError(f"{path} is damaged: its checksum does not match. Fetch it anew.")
    about["image_shape"] = tuple(about["image_shape"])
    about["network_params"] = {k: _tuples(v) for k, v in about["network_params"].items()}
    if number < 2 and about["network"] == "resnet":  # before it became a parameter
        about["network_params"]["activation"] = "relu"
    weights = {
        name: array.astype(np.float32) if array.dtype == np.float16 else array
        for name, array in arrays.items()
    }
    return Pretrained(**about, weights=weights)


def write_pretrained(path, pretrained: Pretrained) -> None:
    """Write a file that `read_pretrained` reads; a file that is there is replaced at the end."""
    if str(path) in shipped_names():
        raise ValueError(
            f"{str(path)!r} is the name of a network that comes with the package, which "
            f"from_pretrained would read instead: write {str(path) + '.npz'!r}."
        )
    about = asdict(pretrained)
    arrays = {
        name: array.astype(np.float16) if array.ndim > 1 and array.dtype == np.float32 else array
        for name, array in about.pop("weights").items()
    }
    try:
        about = json.loads(json.dumps(about))
    except TypeError as error:
        raise ValueError(
            f"Labels, and the network's name and parameters, have to be plain values: {error}."
        ) from error
    stated = {**about, "format": _FORMAT, "sha256": _checksum(about, arrays)}
    entry = np.frombuffer(json.dumps(stated).encode(), dtype=np.uint8)
    content = io.BytesIO()
    np.savez(content, about=entry, **arrays)
    replace_file(path, content.getvalue())


def _tuples(value):
    return tuple(value) if isinstance(value, (list, tuple, np.ndarray)) else value


def _checksum(about: dict, arrays: dict) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
