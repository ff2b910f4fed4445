"""An ONNX file that says all about its classifier: how it is written down, and how it is asked.

The file is an ONNX model, followed by one more entry of its metadata: protobuf joins what is
written one behind the other. So the entry is found, and what comes before it is compared with its
checksum, before onnxruntime parses anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np

from .._extras import import_extra
from .._files import as_path, foreign_file
from .._images import PixelValues, match_pixel_range, to_unit

#: Names of the model's input and output, and of the entry of the metadata.
INPUT, OUTPUT, KEY = "faces", "logits", "fer_sklearn"
_FORMAT = 1
#: The entry in protobuf's words: field 14 of the model is a pair, whose field 1 is the key.
_MARK = b"\x0a" + bytes([len(KEY)]) + KEY.encode() + b"\x12"
#: Most faces that a thread takes at a time.
_BLOCK = 32


@dataclass(frozen=True)
class About:
    """What a file says of its classifier.

    Attributes
    ----------
    classes : list
        Its labels.
    classes_dtype : str
        NumPy's name of their type.
    image_shape : tuple of (int, int)
        Height and width of its faces in pixels.
    pixel_range : tuple of (float, float) or None
        Black and white, as `fit` saw them; None: the faces come normalised.
    input : str
        What the numbers are that the model takes.
    feature_names : list of str or None
        Of the columns, where `fit` saw some.
    normalization : dict or None
        "method", "mean" and "scale" of its `FaceNormalizer`. The model does it itself, like the
        next two.
    views : str or None
        Which views of a face are averaged.
    adjustment : list of float or None
        What is taken off the logits.
    quantized : str or None
        "int8" or None.
    """

    classes: list
    classes_dtype: str
    image_shape: tuple[int, int]
    pixel_range: tuple[float, float] | None
    input: str
    feature_names: list[str] | None
    normalization: dict | None
    views: str | None
    adjustment: list[float] | None
    quantized: str | None

    @classmethod
    def from_json(cls, stated: dict) -> About:
        """Return what a file states; lists become tuples where tuples are compared."""
        about = cls(**stated)
        pixel_range = about.pixel_range and tuple(about.pixel_range)
        return cls(
            **{**stated, "image_shape": tuple(about.image_shape), "pixel_range": pixel_range}
        )

    def labels(self) -> np.ndarray:
        """Return the labels as an array of their type."""
        return np.array(self.classes, dtype=np.dtype(self.classes_dtype))


def join(model: bytes, about: About) -> bytes:
    """Return the content of a file: the model, and what is said of it."""
    stated = {"format": _FORMAT, **asdict(about)}
    stated["sha256"] = _checksum(model, stated)
    value = json.dumps(stated).encode()
    entry = _MARK + _varint(len(value)) + value
    return model + b"\x72" + _varint(len(entry)) + entry


def refuse_foreign(path: str | PathLike) -> None:
    """Raise if there is a file that `join` did not write; an empty one may be overwritten.

    Raises
    ------
    FileExistsError
        If there is.
    """
    path = as_path(path)
    if path.is_file() and path.stat().st_size and _MARK not in path.read_bytes():
        raise foreign_file(path, "to_onnx")


class OnnxFile:
    """A file of `to_onnx`, ready to be asked; it is pickled as its bytes.

    Each face is computed by itself, so its answer cannot depend on the faces beside it. Batches
    were no faster on a CPU (`docs/benchmarks/prediction_speed.md`).

    Parameters
    ----------
    content : bytes
        Of the file.
    name : str
        For errors.

    Raises
    ------
    ImportError
        If onnxruntime is not there.
    ValueError
        If the file is damaged, of a newer format, or none of `to_onnx`.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self.content = content
        self.name = name
        self.about = _read_about(content, name)
        self.classes = self.about.labels()
        self._session = _start(content, name)

    def __reduce__(self) -> tuple:
        return OnnxFile, (self.content, self.name)

    def logits(self, rows: np.ndarray, n_threads: int) -> np.ndarray:
        """Return the logits of each face, (n, n_classes) in float64.

        Parameters
        ----------
        rows : ndarray of shape (n, n_pixels)
            Validated.
        n_threads : int
            How many faces are computed side by side.

        Raises
        ------
        ValueError
            If values lie outside the pixel range.
        """
        pixel_range = match_pixel_range(PixelValues(rows), self.about.pixel_range)
        faces = rows.reshape(-1, *self.about.image_shape)
        logits = np.empty((len(faces), len(self.classes)))

        size = max(1, min(_BLOCK, -(-len(faces) // n_threads)))

        def answer(start: int) -> None:
            block = to_levels(faces[start : start + size], pixel_range)
            for i in range(len(block)):
                logits[start + i] = self.run(block[i : i + 1])[0]

        starts = range(0, len(faces), size)
        if min(n_threads, len(starts)) < 2:
            for start in starts:
                answer(start)
            return logits
        with ThreadPoolExecutor(n_threads) as pool:
            for _ in pool.map(answer, starts):  # raises what they have raised
                pass
        return logits

    def run(self, levels: np.ndarray) -> np.ndarray:
        """Return what the model answers to a batch, (n, h, w) -> (n, n_classes) in float32."""
        return self._session.run([OUTPUT], {INPUT: levels})[0]


def to_levels(faces: np.ndarray, pixel_range: tuple[float, float] | None) -> np.ndarray:
    """Return faces as the model takes them: gray levels from 0 to 255, or as they are, float32."""
    unit = to_unit(faces, pixel_range)
    if unit.dtype == np.uint8:
        return unit.astype(np.float32)
    return unit if pixel_range is None else unit * np.float32(255)


def _read_about(content: bytes, name: str) -> About:
    mark = content.rfind(_MARK)
    start = content.find(b"{", mark)
    if mark < 0 or start < 0:
        raise ValueError(
            f"{name} is not a file of fer_sklearn.export.to_onnx, or it is cut off: the "
            "description of its classifier is not at its end."
        )
    try:
        stated = json.loads(content[start:])
        number, checksum = stated["format"], stated.pop("sha256")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(_DAMAGED.format(name)) from error
    if number != _FORMAT:
        raise ValueError(
            f"{name} has format {number!r:.20}; this fer_sklearn reads format {_FORMAT}. Upgrade "
            "it: pip install --upgrade fer-sklearn."
        )
    if checksum != _checksum(_model_before(content, mark), stated):
        raise ValueError(_DAMAGED.format(name))
    del stated["format"]
    try:
        return About.from_json(stated)
    except TypeError as error:
        raise ValueError(_DAMAGED.format(name)) from error


_DAMAGED = (
    "{} is damaged, or was changed after to_onnx had written it: its checksum does not match. Copy "
    "it once more, or write it again."
)


def _model_before(content: bytes, mark: int) -> bytes:
    """Return what lies before the entry, whose tag and length stand before its mark."""
    length = _varint(len(content) - mark)
    return content[: mark - len(length) - 1]


def _varint(number: int) -> bytes:
    """Write a length as protobuf does: seven bits a byte, the lowest first."""
    return bytes(_sevens(number))


def _sevens(number: int) -> Iterator[int]:
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number


def _checksum(model: bytes, stated: dict) -> str:
    digest = hashlib.sha256(model)
    digest.update(json.dumps(stated, sort_keys=True).encode())
    return digest.hexdigest()


def _start(content: bytes, name: str) -> Any:
    """Return a session of onnxruntime that computes in the thread that asks."""
    onnxruntime = import_extra("onnxruntime", "onnx", "ONNXClassifier")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it raises it need not print besides
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its kinds of errors have no common class
        raise ValueError(
            f"onnxruntime {onnxruntime.__version__} cannot run {name}: {error}. If a newer one has "
            "written it: pip install --upgrade onnxruntime."
        ) from error
