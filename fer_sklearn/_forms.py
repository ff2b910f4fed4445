"""The accepted forms of faces and labels, and the errors for anything else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

import numpy as np
from sklearn.utils import _param_validation
from sklearn.utils._missing import is_pandas_na, is_scalar_nan

P = ParamSpec("P")
R = TypeVar("R")
EXPECTED = (
    "Expected faces as rows (n, h * w), images (n, h, w), gray (n, h, w, 1) or RGB (n, h, w, 3)"
)
_ONE_SHAPE = "Resize them first: X = fer_sklearn.datasets.resize_faces(X, 48)."
_OPEN = "resize_faces([PIL.Image.open(path) for path in paths], 48)"
_NUMBERS = re.compile(r"\s*[0-9][0-9.]*([\s,]+[0-9][0-9.]*)+\s*")
_NUMBER = re.compile(r"\s*[0-9]+(\.[0-9]*)?\s*")
#: Floats whose largest value is between 1 and this may be in [0, 1] or in [0, 255].
UNCLEAR = 2.0
#: Modes of Pillow whose numbers are gray levels, those that can be turned into them, and those
#: that have an alpha channel.
_GRAYS = ("L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_COLOURS = ("1", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
_ALPHAS = ("LA", "La", "PA", "RGBA", "RGBa")


class Interval(_param_validation.Interval):
    """scikit-learn's constraint for numbers; True and False are not numbers here."""

    def is_satisfied_by(self, val: Any) -> bool:
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def is_count(value: Any) -> bool:
    """Tell whether a value is a whole number of at least 1. True is not a number here."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0  # type: ignore[operator]  # numbers.Integral compares with int


def check_count(name: str, value: Any) -> None:
    """Raise if an argument is not a whole number of at least 1.

    Raises
    ------
    ValueError
        Names the argument.
    """
    if not is_count(value):
        raise ValueError(f"Expected {name} as a whole number of at least 1, got {value!r}.")


def is_table(X: Any) -> bool:
    """Tell whether X is a table with columns: of pandas, polars, pyarrow, modin or similar."""
    return hasattr(type(X), "columns") or hasattr(X, "__dataframe__")


def head_of(X: Any) -> np.ndarray:
    """Return the first rows of a table or an array."""
    return np.asarray(X.head(16) if hasattr(X, "head") else X[:16])


def check_table(X: Any) -> None:
    """Raise if the cells of a table are not numbers but texts or arrays.

    Raises
    ------
    ValueError
        The message says how to make faces of them.
    """
    if hasattr(X, "collect"):
        raise ValueError(f"{EXPECTED}, got {_named(X)}. Pass X.collect().")
    head = head_of(X)
    if head.dtype.kind not in "iufb" and len(head):
        _check_cells(dict(zip(column_names(X), head[0], strict=False)))


def column_names(table: Any) -> list:
    """Return what the columns of a table are called; pyarrow's `columns` are the columns."""
    return list(getattr(table, "column_names", table.columns))


def _check_cells(cells: dict) -> None:
    """Raise if the first row of a table, by the names of the columns, holds more than numbers."""
    for name, cell in cells.items():
        _refuse_nested(cell, f'df["{name}"]')
    texts = {name: _as_text(cell) for name, cell in cells.items() if isinstance(cell, str | bytes)}
    for name, text in texts.items():
        if _holds_levels(text):  # of a whole face, with labels beside it
            _refuse_text(text, f'df["{name}"]')
    if texts and len(texts) < len(cells):
        raise ValueError(
            f"{EXPECTED}, got a table with texts in the columns {list(texts)[:5]}, of which the "
            f"first begins with {next(iter(texts.values()))[:20]!r}. Pass the columns of pixels "
            "alone."
        )
    for name, text in texts.items():
        _refuse_text(text, f'df["{name}"]')


def as_array(X: Any) -> np.ndarray:
    """Return X, which is not a table, as an array of numbers with at least two dimensions.

    Raises
    ------
    ValueError
        If X is something else; the message says how to make faces of it.
    """
    refuse_no_faces(X)
    if isinstance(X, list | tuple):
        X = faces_of(X)
    array = to_numpy(X)
    if array.dtype.kind in "mMV":
        raise ValueError(f"{EXPECTED}, got values of dtype {array.dtype}.")
    if array.ndim and array.dtype.kind in "OUST" and array.size:
        name = getattr(X, "name", None) or "pixels"
        _refuse_text(array.flat[0], f'df["{name}"]')
        if array.ndim == 1:
            _refuse_nested(array[0], "X")
    if array.ndim < 2:
        way_out = " Reshape your data: one flat face is [face]." if array.size > 1 else ""
        raise ValueError(f"{EXPECTED}, got {_named(X)} of shape {array.shape}.{way_out}")
    return array


def faces_of(X: Iterable) -> list:
    """Return the faces of a sequence; images of Pillow become arrays of gray levels.

    Raises
    ------
    ValueError
        If one is not a face; or if some are whole numbers and others floats up to 1, which would be
        black among them, as what scikit-image has resized among what it has not.
    """
    faces = [_as_face(face, row) for row, face in enumerate(X)]
    arrays = {row: face for row, face in enumerate(faces) if isinstance(face, np.ndarray)}
    kinds = {face.dtype.kind for face in arrays.values()}
    if not kinds & {"u", "i"} or not kinds & {"f", "b"}:
        return faces
    for row, face in arrays.items():
        is_face = face.size >= 64  # shorter rows are plain features, of any range
        if is_face and face.dtype.kind in "fb" and face.max() <= UNCLEAR:
            raise ValueError(
                f"Expected faces of one range, got whole numbers, and {face.dtype} up to "
                f"{face.max():.4g} in row {row}. If 1 is white there: "
                "np.rint(255.0 * face).astype(np.uint8)."
            )
    return faces


def _as_levels(face: Any) -> Any:
    """Return a Pillow image as an array of gray levels, and anything else unchanged.

    The numbers of other modes have other meanings: positions in a palette, or other colours.

    Raises
    ------
    ValueError
        If the image has an alpha channel, because its meaning is unknown, or is in a mode from
        which Pillow does not make gray levels.
    """
    if not _is_pillow(face):
        return face
    if face.mode in _ALPHAS or "transparency" in face.info:
        raise ValueError(
            f"{EXPECTED}, got an image of Pillow with transparency, mode {face.mode!r}. Pass "
            "image.convert('RGB')."
        )
    if face.mode in _COLOURS:
        face = face.convert("RGB").convert("L")
    elif face.mode not in _GRAYS:
        raise ValueError(
            f"{EXPECTED}, got an image of Pillow in mode {face.mode!r}. Convert it to RGB or to "
            "gray, PIL.ImageCms does so for LAB."
        )
    return np.asarray(face)


def _is_pillow(face: Any) -> bool:
    return hasattr(face, "getbands") and hasattr(face, "convert")


def _named(X: Any) -> str:
    return "None" if X is None else type(X).__name__


def refuse_no_faces(X: Any) -> None:
    """Raise if X is plainly something else than several faces: None, a path, a dict, one image.

    Masked values are refused too: NumPy's functions would read what lies below the mask.

    Raises
    ------
    ValueError
        Says how to make faces of it.
    """
    if isinstance(X, str | bytes | os.PathLike):
        way_out = f"Read the image first: X = fer_sklearn.datasets.{_OPEN}."
    elif isinstance(X, Mapping):
        way_out = "Of what the loaders of fer_sklearn.datasets return, pass .data."
    elif isinstance(X, Set | Iterator):
        way_out = "Pass list(X)."
    elif _is_pillow(X):
        way_out = "As one face: pass [image]."
    elif X is None:
        way_out = ""
    elif np.ma.is_masked(X):
        raise ValueError(
            f"{EXPECTED}, got an array of which {np.ma.count_masked(X)} values are masked. Pass "
            "X.filled(0), or leave these faces out."
        )
    else:
        return
    raise ValueError(f"{EXPECTED}, got {_named(X)}. {way_out}".rstrip())


def _as_face(face: Any, row: int) -> Any:
    if face is None:
        raise ValueError(
            f"{EXPECTED}, got None in row {row}. OpenCV's imread returns it for a file that it "
            "cannot read."
        )
    if isinstance(face, os.PathLike):
        _refuse_text(os.fspath(face))
    return _as_levels(face)


def _refuse_text(cell: Any, column: str = "") -> None:
    if not isinstance(cell, str | bytes):
        return
    text = _as_text(cell)
    if _holds_levels(text):
        way_out = (
            f"Turn the gray levels into faces: X = fer_sklearn.datasets.parse_pixels({column})"
        )
    elif _NUMBER.fullmatch(text):
        way_out = "Turn them into numbers: X = np.asarray(X, dtype=float)"
    else:
        way_out = f"If they are names of files: X = fer_sklearn.datasets.{_OPEN}"
    raise ValueError(
        f"{EXPECTED}, got texts, of which the first begins with {text[:20]!r}. {way_out}."
    )


def _as_text(cell: str | bytes) -> str:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else cell


def _holds_levels(text: str) -> bool:
    """Tell whether a text holds several numbers, as one with the pixels of a face does."""
    return bool(_NUMBERS.fullmatch(text[:200].rpartition(" ")[0] or text))


def _refuse_nested(cell: Any, column: str) -> None:
    shape = np.shape(cell)
    if shape:
        # Not np.stack: of a Pillow image with a palette it would read the places in the palette.
        raise ValueError(
            f"{EXPECTED}, got an array of objects, of which the first has shape {shape}. Pass "
            f"X = list({column})."
        )


def to_numpy(X: Any) -> np.ndarray:
    """Do what `np.asarray` does, with an error that says the way out.

    Raises
    ------
    ValueError
        If X is a tensor with a gradient or on another device, or its images differ in shape.
    """
    try:
        return np.asarray(X)
    except (RuntimeError, TypeError, ValueError) as error:
        first = X[0] if isinstance(X, list) and X else X
        if hasattr(first, "detach"):
            way_out = "X.detach().cpu().float().numpy()"
            if first is not X:
                way_out = f"[{way_out.replace('X', 'x')} for x in X]"
            raise ValueError(
                f"{EXPECTED}, got tensors that NumPy cannot read. Pass {way_out}."
            ) from error
        shapes = [*dict.fromkeys(np.shape(face) for face in X)] if isinstance(X, list) else []
        if len(shapes) < 2:
            raise
        raise ValueError(
            f"Expected faces of one shape, got images of {shapes[0]} and of {shapes[1]}. "
            f"{_ONE_SHAPE}"
        ) from error


def refuse_other_size(
    estimator: Any,
    rows: Any,
    own_shape: tuple[int, int] | None,
    known: tuple[int, int] | None = None,
) -> None:
    """Raise if the size of the faces differs from that in `fit`.

    Parameters
    ----------
    estimator : estimator
        Fitted on rows.
    rows : array-like of shape (n, n_pixels)
    own_shape : tuple of (int, int) or None
        Height and width, if the faces came as images.
    known : tuple of (int, int) or None
        Height and width in `fit`; None: square.

    Raises
    ------
    ValueError
        The message names both sizes, and the line of code that resizes.
    """
    if is_table(rows) and hasattr(estimator, "feature_names_in_"):
        return  # scikit-learn's error about the names says more
    # A classifier's own normaliser has seen faces of one size, but has no attribute for it.
    expected = getattr(estimator, "n_features_in_", rows.shape[1])
    n_pixels, known = rows.shape[1], known or _square(expected)
    if n_pixels != expected:
        # first scikit-learn's message, which its checks look for
        raise ValueError(
            f"X has {n_pixels} features, but {type(estimator).__name__} is expecting {expected} "
            f"features as input.{_resizing(n_pixels, own_shape, known)}"
        )
    if own_shape is not None and known is not None and own_shape != known:
        raise ValueError(
            f"Expected faces of {known} pixels (height, width), got {own_shape}."
            f"{_resizing(n_pixels, own_shape, known)}"
        )


def _resizing(n_pixels: int, own: tuple[int, int] | None, known: tuple[int, int] | None) -> str:
    if known is None:
        return ""
    for n_channels, channels in ((3, ""), (4, "[..., :3]")):
        if own is None and n_pixels == n_channels * known[0] * known[1]:
            height, width = known
            return f" As colour images: X.reshape(-1, {height}, {width}, {n_channels}){channels}."
    came = own or _square(n_pixels)
    if came is None or min(came) < 8:
        return ""
    images = "X" if own else f"X.reshape(-1, {came[0]}, {came[1]})"
    size = known[0] if known[0] == known[1] else known
    return (
        f" They are faces of {came[0]} x {came[1]} pixels, those of fit were {known[0]} x "
        f"{known[1]}. Resize them: X = fer_sklearn.datasets.resize_faces({images}, {size})."
    )


def _square(n_pixels: int) -> tuple[int, int] | None:
    side = round(n_pixels**0.5)
    return (side, side) if side * side == n_pixels >= 64 else None


def check_labels(y: Any, name: str = "y") -> None:
    """Raise if there is not one label per face, some are missing, or some are texts, others not.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    name : str
        Their name in an error.

    Raises
    ------
    ValueError
        Says the way out.
    """
    if y is None or isinstance(y, str):
        return  # scikit-learn has a message for that
    if np.ma.is_masked(y):
        y = np.where(np.ma.getmaskarray(y), np.array(None), np.asarray(y, dtype=object))
    if isinstance(y, Mapping | Set | Iterator):
        raise ValueError(f"Expected {name} as an array of labels, got {_named(y)}. Pass a list.")
    labels = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)
    if labels.dtype.kind == "T":
        raise ValueError(
            f"Expected {name} of a dtype that scikit-learn knows, got {labels.dtype}. Pass "
            f"{name}.astype(str)."
        )
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{name} should be a 1d array, got an array of shape {labels.shape} instead. One-hot "
            f"columns become labels by codes = np.argmax({name}, axis=1); with names of the "
            "columns, names[codes]. Votes or shares of the classes are learned by fit(X, codes, "
            f"label_distribution={name})."
        )
    if labels.ndim in (1, 2) and labels.dtype.kind in "Of":
        refuse_missing(labels.ravel(), name)
        refuse_mixed(labels.ravel(), name)


def refuse_mixed(labels: np.ndarray, name: str) -> None:
    """Raise if some of an array of labels are texts, and others not: they have no order.

    Raises
    ------
    ValueError
        Shows one of each, and says how to make texts of all.
    """
    kinds = {isinstance(label, str): label for label in labels}
    if len(kinds) > 1:
        as_text = "str(label)"
        if isinstance(kinds[False], bytes):  # of which str() would make "b'sad'"
            as_text = "label if isinstance(label, str) else label.decode()"
        raise ValueError(
            f"Expected labels of one type in {name}, got {str(kinds[True])!r} and {kinds[False]}. "
            f"Make them texts: [{as_text} for label in {name}]."
        )


def refuse_objects(labels: np.ndarray) -> None:
    """Raise if an array of labels holds objects that are not texts: scikit-learn takes no others.

    Such an array is left where labels were missing: pandas and NumPy keep the type `object`.

    Raises
    ------
    ValueError
        Says how to make numbers or texts of them.
    """
    if labels.dtype.kind != "O" or not len(labels) or isinstance(labels[0], str | bytes):
        return
    are_numbers = all(isinstance(label, Real | np.bool_) for label in labels)
    if are_numbers and np.array(labels.tolist()).dtype.kind in "biuf":
        way_out = "np.array(y.tolist())"
    else:
        way_out = "[str(label) for label in y]"
    raise ValueError(
        f"Unknown label type: expected y of numbers or texts, got objects, the first of type "
        f"{_named(labels[0])}. Pass y = {way_out}."
    )


def check_comparable(y_true: np.ndarray, *predictions: np.ndarray) -> None:
    """Raise if the labels are texts and predictions are not, or the reverse: none would be right.

    Raises
    ------
    ValueError
        Shows the first of each.
    """
    label, *predicted = (part[:1].tolist()[0] for part in (y_true, *predictions))
    if len({isinstance(one, str) for one in (label, *predicted)}) > 1:
        raise ValueError(
            f"Expected labels of one type, got {label!r} as a label and {predicted} as predictions."
        )


def refuse_missing(labels: np.ndarray, name: str) -> None:
    """Raise if one of an array of labels is NaN, None or the like; `name` is what they are called.

    Raises
    ------
    ValueError
        Counts them, and says how to leave them out.
    """
    missing = np.array([_is_missing(label) for label in labels], dtype=bool)
    if missing.any():
        raise ValueError(
            f"Input {name} contains NaN or None: {missing.sum()} of {len(labels)} faces have no "
            f"label, the first of them in row {missing.argmax()}. Leave them out: known = "
            f"pandas.notna({name}), X = X[known], {name} = {name}[known]."
        )


def _is_missing(label: Any) -> bool:
    return label is None or is_pandas_na(label) or is_scalar_nan(label)


def shorten(name: object, most: int) -> str:
    """Return a name of a class in at most this many characters."""
    text = str(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def check_class_weight(class_weight: Any, classes: np.ndarray) -> None:
    """Raise if a dict of weights names an unknown class, or its values are not weights.

    If all classes have a weight, the dict may name others: folds may lack a class.

    Raises
    ------
    ValueError
        The message names them, and the known classes.
    """
    if not isinstance(class_weight, Mapping):
        return
    known = classes.tolist()
    unknown = [label for label in class_weight if label not in known]
    if unknown and not set(known) <= class_weight.keys():
        raise ValueError(
            f"class_weight names classes that are not in y: {unknown}. The classes are {known}. "
            "Those without a weight count 1."
        )
    if not all(isinstance(w, Real) and 0 <= w < np.inf for w in class_weight.values()):  # type: ignore[operator]  # numbers.Real compares with int
        raise ValueError(
            f"Expected class_weight of numbers of at least 0, got {dict(class_weight)!r}. A "
            "weight of 0 leaves a class out."
        )


#: Names of the classifier's parameters in other packages, and what to use here.
PARAMETERS_ELSEWHERE = dict(
    **dict.fromkeys(("lr", "learning_rate_init"), "learning_rate"),
    **dict.fromkeys(("epochs", "n_epochs", "num_epochs", "max_iter"), "max_epochs"),
    **dict.fromkeys(("validation_data", "eval_set"), "X_val and y_val of fit"),
    augmentation="augment",
    l2="weight_decay",
    model="network",
    normalization="normalize",
    patience="n_iter_no_change, with early_stopping=True",
    scheduler="schedule",
    seed="random_state",
    validation_split="validation_fraction",
    weights="pretrained",
)
#: The same for the arguments of `fit`.
ARGUMENTS_OF_FIT_ELSEWHERE = dict(
    **dict.fromkeys(("validation_data", "eval_set"), "X_val and y_val, one argument each"),
    **dict.fromkeys(("epochs", "n_epochs"), "max_epochs of FERClassifier(...)"),
    **{name: f"{name} of FERClassifier(...)" for name in ("batch_size", "callbacks")},
    **{name: f"{name} of FERClassifier(...)" for name in ("class_weight", "verbose")},
    sample_weights="sample_weight",
    validation_split="validation_fraction of FERClassifier(...)",
)


def other_names(names: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function: argument names of other packages raise an error with the name here.

    Parameters
    ----------
    names : dict of {str: str}
        {name in other packages: what to use here}
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def told(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name in names:
                    raise TypeError(
                        f"{function.__qualname__}() has no argument {name!r}: here it is "
                        f"{names[name]}."
                    )
            return function(*args, **kwargs)

        return told

    return decorate


def validate_params(constraints: dict[str, Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function with scikit-learn's `validate_params`, so that it keeps its types."""
    return _param_validation.validate_params(constraints, prefer_skip_nested_validation=True)
