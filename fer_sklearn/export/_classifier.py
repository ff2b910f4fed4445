"""`ONNXClassifier`: scikit-learn's contract over a file of `to_onnx`, without torch."""

from __future__ import annotations

import copy
from numbers import Integral
from os import PathLike, fspath
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._answers import LogitsClassifierMixin
from .._forms import Interval
from .._images import rows_to_predict
from .._shipped import path_of
from ._file import OnnxFile


class ONNXClassifier(LogitsClassifierMixin, BaseEstimator):
    """Classifier that runs a file of `to_onnx` by onnxruntime; it is fitted already.

    Neither torch nor skorch is imported. It predicts what the classifier that was written
    predicts, with probabilities that agree to about four digits, or, from an int8 file, nearly so.

    Each face is computed by itself: its answer does not depend on the faces beside it, and memory
    does not grow with their number. It may be asked from several threads at once, and after a
    fork. A pickle holds the bytes of the file, which it needs no more.

    It cannot be trained. Meta-estimators that would do so, such as
    :class:`~sklearn.ensemble.VotingClassifier`, take it as
    ``FrozenEstimator(ONNXClassifier(path))``. `sklearn.base.clone` returns a copy that is fitted
    too and shares the network.

    Parameters
    ----------
    path : str or path-like
        A file of `to_onnx`, or "fer2013-small", the small network of the package in 8 bits
        (`docs/model-card.md`). Setting it by `set_params` reads that file.
    n_threads : int, default=1
        How many faces are computed side by side in one call. A single face takes one thread.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, of the type that they had in `fit`.
    image_shape_ : tuple of (int, int)
        Height and width of the faces.
    n_features_in_ : int
        Pixels a face.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, where the classifier that was written has seen them.

    Raises
    ------
    FileNotFoundError
        If `path` is neither a file nor the name of one of the package.
    ImportError
        If onnxruntime is not there.
    ValueError
        If the file is damaged, of a newer format, or none of `to_onnx`.

    See Also
    --------
    to_onnx : Writes the file.

    Examples
    --------
    >>> import os, tempfile
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.export import ONNXClassifier, to_onnx
    >>> X, y = make_faces(60, image_size=24, random_state=0, return_X_y=True)
    >>> clf = FERClassifier(widths=(4, 8), max_epochs=1, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(clf, os.path.join(folder, "faces.onnx"))
    ...     onnx_clf = ONNXClassifier(os.path.join(folder, "faces.onnx"))
    >>> onnx_clf.predict_proba(X[:2]).shape
    (2, 7)
    """

    _parameter_constraints = {
        "path": [str, PathLike],
        "n_threads": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, path: str | PathLike, *, n_threads: int = 1) -> None:
        self.path = path
        self.n_threads = n_threads
        self._validate_params()
        self._take(_read(path))

    def fit(self, X: Any, y: Any = None) -> ONNXClassifier:
        """Refuse to train.

        Parameters
        ----------
        X, y : Ignored

        Raises
        ------
        NotImplementedError
            Always: says what to do instead.
        """
        raise NotImplementedError(
            "An ONNXClassifier is trained already and cannot be fitted. In a meta-estimator use "
            "sklearn.frozen.FrozenEstimator(classifier); to train, fit a FERClassifier and write "
            "it by to_onnx."
        )

    def set_params(self, **params: Any) -> ONNXClassifier:
        """Set parameters; another `path` is read at once.

        Parameters
        ----------
        **params
            As in scikit-learn.

        Returns
        -------
        self : ONNXClassifier

        Raises
        ------
        FileNotFoundError, ValueError
            As the constructor does; then nothing has changed.
        """
        changed = copy.copy(self)
        super(ONNXClassifier, changed).set_params(**params)
        changed._validate_params()
        if "path" in params:
            changed._take(_read(params["path"]))
        self.__dict__.update(changed.__dict__)
        return self

    def _take(self, file: OnnxFile) -> None:
        """Take the fitted attributes from a file."""
        about = file.about
        self._file = file
        self.classes_ = file.classes
        self.image_shape_ = about.image_shape
        self.n_features_in_ = about.image_shape[0] * about.image_shape[1]
        self.__dict__.pop("feature_names_in_", None)
        if about.feature_names is not None:
            self.feature_names_in_ = np.array(about.feature_names, dtype=object)

    def _logits(self, X: Any) -> np.ndarray:
        """Logits in float64, (n_samples, n_classes)."""
        return self._file.logits(rows_to_predict(self, X), self.n_threads)

    def __sklearn_clone__(self) -> ONNXClassifier:
        return copy.copy(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _read(path: str | PathLike) -> OnnxFile:
    return OnnxFile(path_of(path, ".onnx", "path").read_bytes(), fspath(path))
