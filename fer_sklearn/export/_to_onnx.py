"""`to_onnx`: a fitted classifier becomes a file, which is compared with it before it is written."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import log_softmax
from sklearn.pipeline import Pipeline
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .._extras import import_extra
from .._files import check_writable, replace_file
from .._globals import undisturbed
from .._images import PixelValues, match_pixel_range, rows_to_predict
from .._shipped import refuse_shipped_name
from ..augment import FaceAugmenter
from ..classifier import FERClassifier, predictor_of
from ..model import VIEWS, FacePredictor
from ..model._views import mean_log_probability
from ..normalize import FaceNormalizer
from ._file import INPUT, OUTPUT, About, OnnxFile, join, refuse_foreign, to_levels

#: Has all that networks and views are made of, the last of it Gelu: in older ones that is five
#: operators, which onnxruntime does not always join again. Newer ones would ask for newer runtimes.
_OPSET = 20
#: How far log-probabilities may be apart: absolutely, and as a share of large ones.
_TOLERANCE, _SHARE = 1e-4, 1e-5
#: How many of the calibration faces have to get the classifier's label from an int8 file.
_LEAST_AGREEMENT = 0.9
#: Calibration faces that are used, evenly spread over those given, and at a time.
_MOST_CALIBRATION, _AT_ONCE = 512, 16
#: How many have to be different and not blank, and the share of black to white that a face spans.
_LEAST_CALIBRATION, _LEAST_CONTRAST = 16, 1 / 16
#: Faces that a file is compared on.
_COMPARED = 16
#: Operators of 8 bits; what else stands between them in a network of ReLU is left out or joined.
_QUANTIZED = ("Conv", "Gemm", "MatMul", "MaxPool", "Relu")
_LEVELS = "gray levels, 0 is black and 255 is white"
_NORMALIZED = "normalised faces"


def to_onnx(
    classifier: Any,
    path: str | PathLike,
    *,
    views: str | None = "auto",
    quantize: str | None = None,
    calibration: ArrayLike | None = None,
) -> None:
    """Write a fitted classifier as an ONNX file, which `ONNXClassifier` and others run.

    Normalisation, views, network and logit adjustment become one model: it takes gray levels, and
    its softmax is what `predict_proba` returns. Its metadata say the rest, as JSON under the key
    "fer_sklearn": the classes and their type, the size of the faces, what the numbers of the input
    mean. The batch may have any length.

    The file is compared with the classifier before it is written.

    Parameters
    ----------
    classifier : FERClassifier or Pipeline
        Fitted, its network one of the package or an own one. A Pipeline has to be like one of
        `make_fer_pipeline`: a `FaceNormalizer` and a `FaceAugmenter` before a `FERClassifier`.
    path : str or path-like
        Best ends in ``.onnx``. An earlier file of `to_onnx` is replaced.
    views : {"auto", "flip", "blur", "scale", "affine", "ten-crop"} or None, default="auto"
        Views of a face that are averaged, as `predict_augment` of `FERClassifier`; "auto" takes
        those that the classifier uses. Time grows with their number.
    quantize : {"int8"} or None, default=None
        - None: float32. Log-probabilities are those of the classifier's own float32, whatever its
          `precision` says, within 1e-4 (of values beyond 10: within a hundred-thousandth).
        - "int8": the weights of convolutions and linear layers, but for the last one, are stored in
          8 bits, one scale a channel, and what they multiply is rounded to 8 bits too. A quarter
          of the size, and faster where the processor has instructions for it (VNNI, AMX). At
          least 90 % of the calibration faces get the classifier's label.
    calibration : array-like, shaped as in `FERClassifier.fit`, or None, default=None
        Faces that the ranges of the 8 bits are measured on; needed for "int8". 200 to 500 faces of
        the training are enough; of more, 256 to 512 from all over them are used. Fewer than 16
        different ones, blank ones not counted, are refused: ranges of a few faces cut others off.

    Raises
    ------
    FileExistsError
        If `path` is a file that `to_onnx` did not write.
    ImportError
        If onnx or onnxruntime is not there.
    NotFittedError
        If the classifier is not fitted.
    OSError
        If the file cannot be written. It names `path`.
    TypeError
        If `classifier` is neither of the two.
    ValueError
        If a parameter cannot be used, `path` is the name of a file of the package, the network
        cannot be exported, or what was exported answers otherwise than the classifier. No file is
        written then.

    See Also
    --------
    ONNXClassifier : Runs the file without torch.
    FERClassifier.save_pretrained : Stores a network that can be trained on.

    References
    ----------
    Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", 2018.

    Examples
    --------
    >>> import os, tempfile
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.export import to_onnx
    >>> X, y = make_faces(60, image_size=24, random_state=0, return_X_y=True)
    >>> clf = FERClassifier(widths=(4, 8), max_epochs=1, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(clf, os.path.join(folder, "faces.onnx"))
    """
    for package in ("onnx", "onnxruntime"):
        import_extra(package, "onnx", "to_onnx")
    _check_params(views, quantize, calibration)
    refuse_shipped_name(path, ".onnx", "ONNXClassifier")
    source = _Source.of(classifier, views)
    rows = None if calibration is None else source.rows(calibration)
    if rows is not None:
        rows = _spread(rows)
        _check_calibration(source, rows)
    refuse_foreign(path)
    check_writable(path)
    model = _export(source)
    file = OnnxFile(join(model, source.about(None)), fspath(path))
    _compare(source, file)
    if rows is not None:
        model = _quantized(model, source.levels(rows))
        file = OnnxFile(join(model, source.about(quantize)), fspath(path))
        _compare_labels(source, file, rows)
    replace_file(path, file.content)


def _check_params(views: Any, quantize: Any, calibration: Any) -> None:
    if views != "auto" and views not in VIEWS:
        known = ", ".join(repr(name) for name in ("auto", *VIEWS))
        raise ValueError(f"views has to be one of {known}, got {views!r}.")
    if quantize not in (None, "int8"):
        raise ValueError(f"quantize has to be None or 'int8', got {quantize!r}.")
    if quantize is not None and calibration is None:
        raise ValueError(
            "quantize='int8' needs faces to measure ranges on. Pass calibration=: 200 to 500 faces "
            "of the training, drawn at random."
        )
    if quantize is None and calibration is not None:
        raise ValueError("calibration is for quantize='int8'. Pass both, or neither.")


@dataclass(frozen=True)
class _Source:
    """What is written, in its parts.

    Attributes
    ----------
    classifier : FERClassifier
        Fitted.
    before : FaceNormalizer or None
        What normalises the faces before the classifier sees them, in a Pipeline.
    predictor : FacePredictor
        Of the classifier; on the CPU, in float32, with the views that are wanted.
    """

    classifier: FERClassifier
    before: FaceNormalizer | None
    predictor: FacePredictor

    @classmethod
    def of(cls, classifier: Any, views: str | None) -> _Source:
        """Take a classifier or a Pipeline apart."""
        classifier, before = _steps(classifier)
        predictor = predictor_of(classifier)
        if before is not None and predictor.normalizer is not None:
            raise ValueError(
                "The Pipeline normalises the faces, and its classifier does so once more. Fit it "
                "with FERClassifier(normalize='upstream'), as make_fer_pipeline does."
            )
        views = predictor.views if views == "auto" else views
        copied = predictor.moved(torch.device("cpu"))
        return cls(classifier, before, replace(copied, low=None, views=views))

    @property
    def normalizer(self) -> FaceNormalizer | None:
        """What normalises the faces, wherever it stands."""
        return self.predictor.normalizer if self.before is None else self.before

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        """Black and white; None: the faces come normalised."""
        return None if self.normalizer is None else self.normalizer.pixel_range_

    @property
    def first(self) -> FERClassifier | FaceNormalizer:
        """The step that gets the faces."""
        return self.classifier if self.before is None else self.before

    def rows(self, X: ArrayLike) -> np.ndarray:
        """Return faces as rows, checked as `predict` checks them."""
        return rows_to_predict(self.first, X, self.classifier.image_shape_)

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """Return what the classifier answers."""
        if self.before is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that rows have no names of columns
                rows = self.before.transform(rows)
        return self.predictor.logits(self.predictor.faces(rows))

    def levels(self, rows: np.ndarray) -> np.ndarray:
        """Return faces as the exported model takes them, (n, h, w)."""
        pixel_range = match_pixel_range(PixelValues(rows), self.pixel_range)
        return to_levels(rows.reshape(-1, *self.classifier.image_shape_), pixel_range)

    def about(self, quantized: str | None) -> About:
        """Return what the file says."""
        classes, normalizer = self.classifier.classes_, self.normalizer
        names = getattr(self.first, "feature_names_in_", None)
        normalization = None
        if normalizer is not None:
            normalization = {
                "method": normalizer.method,
                "mean": normalizer.mean_,
                "scale": normalizer.scale_,
            }
        return About(
            classes=_plain(classes),
            classes_dtype=classes.dtype.str,
            image_shape=self.classifier.image_shape_,
            pixel_range=self.pixel_range,
            input=_LEVELS if normalizer is not None else _NORMALIZED,
            feature_names=None if names is None else names.tolist(),
            normalization=normalization,
            views=self.predictor.name_of_views,
            adjustment=np.broadcast_to(self.predictor.adjustment, len(classes)).tolist(),
            quantized=quantized,
        )


def _steps(classifier: Any) -> tuple[FERClassifier, FaceNormalizer | None]:
    """Return the classifier and, if there is one, the normaliser before it."""
    if isinstance(classifier, FERClassifier):
        return classifier, None
    steps = [step for _, step in classifier.steps] if isinstance(classifier, Pipeline) else [None]
    *before, last = steps
    before = [step for step in before if not isinstance(step, FaceAugmenter | str | None)]
    ours = len(before) <= 1 and all(isinstance(step, FaceNormalizer) for step in before)
    if not ours or not isinstance(last, FERClassifier):
        raise TypeError(
            "Expected a fitted FERClassifier, or a Pipeline of a FaceNormalizer, a FaceAugmenter "
            f"and a FERClassifier, got {classifier!r:.300}. Of a search pass best_estimator_."
        )
    return last, before[0] if before else None


def _plain(classes: np.ndarray) -> list:
    """Return labels as JSON has them."""
    labels = classes.tolist()
    for label in labels:
        if not isinstance(label, str | int | float):
            raise ValueError(
                f"A file holds labels that are str, int, float or bool, got {label!r:.50}. Fit "
                "with such labels: y.astype(str)."
            )
    return labels


def _spread(rows: np.ndarray) -> np.ndarray:
    """Return at most so many rows as calibration takes, from all over them."""
    return rows[:: -(-len(rows) // _MOST_CALIBRATION)]


def _check_calibration(source: _Source, rows: np.ndarray) -> None:
    """Raise if there are too few different faces to measure ranges on.

    On the same blank or single face the file would agree with the classifier, whatever its ranges.
    """
    black, white = source.pixel_range or (0.0, 1.0)
    spans = np.ptp(rows, axis=1) >= _LEAST_CONTRAST * abs(white - black)
    n_faces = len(np.unique(rows[spans], axis=0))
    if n_faces < _LEAST_CALIBRATION:
        raise ValueError(
            f"Of {len(rows)} calibration faces {n_faces} are different and not blank, expected at "
            f"least {_LEAST_CALIBRATION}: what others need beyond their ranges would be cut off. "
            "Pass 200 to 500 faces of the training, drawn at random, with the same black and white."
        )


class _Whole(nn.Module):
    """Gray levels -> logits: all that `predict` does to a face, as one module."""

    def __init__(self, source: _Source) -> None:
        super().__init__()
        self.scale = 1.0 if source.pixel_range is None else 255.0
        before = source.before
        self.before = nn.Identity() if before is None else before.make_layer()
        self.model = source.predictor.model
        self.views = source.predictor.chosen_views
        adjustment = torch.as_tensor(source.predictor.adjustment, dtype=torch.float32)
        self.adjustment: Tensor
        self.register_buffer("adjustment", adjustment)

    def forward(self, faces: Tensor) -> Tensor:  # (B, H, W) -> (B, n_classes)
        faces = self.before(faces / self.scale).unsqueeze(1)
        with _SidesAreNumbers():
            looks = list(self.views.of(faces))
        answers = self.model(torch.cat(looks)).unflatten(0, (len(looks), -1))
        answers = answers[0] if len(looks) == 1 else mean_log_probability(answers)
        return answers - self.adjustment


class _SidesAreNumbers(TorchFunctionMode):
    """Lets code calculate with height and width, of which the exporter would make tensors.

    The number of faces stays a tensor: it may change.
    """

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function == Tensor.shape.__get__:  # type: ignore[attr-defined]  # a property of C
            return (result[0], *map(int, result[1:]))
        return result


def _export(source: _Source) -> bytes:
    """Return the model, its float32 as in torch.

    By torch's older exporter, which follows one batch through the network. The newer one takes
    several times as long, needs a further package, and fixed the length of some batches silently.
    """
    whole, content = _Whole(source).eval(), io.BytesIO()
    example = torch.from_numpy(source.levels(_samples(source)[:3]))
    any_length = {INPUT: {0: "n_faces"}, OUTPUT: {0: "n_faces"}}
    # Where gradients are computed, attention takes no short cuts that ONNX has no words for.
    grad = torch.enable_grad()
    with undisturbed(), torch.inference_mode(False), grad, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is the older one, and what the comparison finds
        try:
            torch.onnx.export(
                whole,
                (example,),
                content,  # type: ignore[arg-type]  # the older exporter takes files too
                dynamo=False,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes=any_length,
            )
        except Exception as error:  # whatever a network's own code raises
            raise ValueError(
                f"The network {type(source.predictor.model.network).__name__} cannot be exported: "
                f"{type(error).__name__}: {error}. {_WAY_OUT}"
            ) from error
    return content.getvalue()


def _samples(source: _Source) -> np.ndarray:
    """Return rows of all sorts: blank, noise, and from black to white."""
    n_pixels = source.classifier.n_features_in_
    levels = np.random.default_rng(0).integers(0, 256, (_COMPARED, n_pixels)) / 255
    levels[0], levels[1] = 0, 1
    levels[_COMPARED // 2 :].sort(axis=1)
    black, white = source.pixel_range or (-2.0, 2.0)  # what normalised faces span
    return black + levels * (white - black)


def _compare(source: _Source, file: OnnxFile) -> None:
    """Raise if the file answers otherwise than the classifier, in batches of any length."""
    rows = _samples(source)
    expected = log_softmax(source.logits(rows), axis=1)
    levels = source.levels(rows)
    try:
        answers = [file.logits(rows, 1), file.run(levels)]
        answers.append(np.concatenate([file.run(levels[:5]), file.run(levels[5:])]))
    except Exception as error:  # onnxruntime's errors have no common class
        raise ValueError(f"The exported network does not run: {error}. {_WAY_OUT}") from error
    off = [np.abs(log_softmax(answer, axis=1) - expected) for answer in answers]
    if not (np.array(off) <= _TOLERANCE + _SHARE * np.abs(expected)).all():  # NaN is not
        raise ValueError(
            "The exported network answers otherwise than the classifier: log-probabilities differ "
            f"by up to {np.max(off):.2g}. {_WAY_OUT}"
        )


_WAY_OUT = (
    "The exporter follows one batch through the network: in its forward write x.shape[0], not "
    "len(x), int(x.shape[2]) where Python calculates with a side, and torch.where, not `if`, where "
    "something depends on the values."
)


def _quantized(model: bytes, levels: np.ndarray) -> bytes:
    """Return the model with weights and what they multiply in 8 bits."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder:
        prepared, quantized = Path(folder, "prepared.onnx"), Path(folder, "quantized.onnx")
        # Symbolic shapes are for models whose sizes are computed; that needs sympy.
        quant_pre_process(onnx.load_from_string(model), prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantized,
            _Batches(levels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_QUANTIZED],
            nodes_to_exclude=_last_linear(onnx.load(prepared)),
            per_channel=True,
            # With signed activations onnxruntime left in float32 what shares its input with a
            # residual sum: every third convolution of the default network, half of its time.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Weights of 7 bits: with 8, sums of two products overflow silently on processors
            # without VNNI, and only .78 of the labels were those of a processor with it.
            reduce_range=True,
        )
        return quantized.read_bytes()


def _last_linear(model: Any) -> list[str]:
    """Return the name of the layer that answers with the logits: in 8 bits faces would tie."""
    return [node.name for node in model.graph.node if node.op_type in ("Gemm", "MatMul")][-1:]


class _Batches:
    """Faces as onnxruntime's calibration asks for them."""

    def __init__(self, levels: np.ndarray) -> None:
        starts = range(0, len(levels), _AT_ONCE)
        self._batches = iter([levels[start : start + _AT_ONCE] for start in starts])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, or None."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _compare_labels(source: _Source, file: OnnxFile, rows: np.ndarray) -> None:
    """Raise if an int8 file finds other labels for too many faces."""
    expected = source.logits(rows).argmax(axis=1)
    agreement = np.mean(file.logits(rows, 1).argmax(axis=1) == expected)
    if agreement < _LEAST_AGREEMENT:
        raise ValueError(
            f"In int8 only {agreement:.1%} of the calibration faces get the classifier's label, "
            f"expected {_LEAST_AGREEMENT:.0%}. Pass more faces, such as those of the training, or "
            "quantize=None: this network may not bear 8 bits."
        )
