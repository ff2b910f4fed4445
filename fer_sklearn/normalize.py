"""Normalisation: a scikit-learn transformer and the layer that does its work."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from ._forms import refuse_other_size
from ._globals import undisturbed
from ._images import (
    GRAY_RANGE,
    PixelValues,
    as_rows,
    check_range,
    infer_pixel_range,
    match_pixel_range,
    to_unit,
)
from ._state import Lasting

_CENTER, _SCALE = 0.5, 1 / GRAY_RANGE
_METHODS = ("scale", "dataset", "image", "equalize")
_CHUNK = 1024


class Normalize(nn.Module):
    """Normalise a batch of faces; the first layer of every network.

    Parameters
    ----------
    method : {"scale", "dataset", "image", "equalize"}
        As in `FaceNormalizer`.
    mean, scale : float
        The mean is subtracted from the pixels, which lie in [0, 1], and the result is divided by
        the scale. Used by "scale" and "dataset".
    """

    def __init__(self, method: str, mean: float = _CENTER, scale: float = _SCALE) -> None:
        super().__init__()
        self.method = method
        self.mean = mean
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:  # (B, ...) uint8, or float in [0, 1] -> float
        if x.dtype == torch.uint8:
            x = x.float() / 255
        if self.method == "image":
            return standardize_images(x)
        if self.method == "equalize":
            x = equalize_histograms(x)
        return (x - self.mean) / self.scale


def standardize_images(x: Tensor) -> Tensor:
    """Give each image mean 0 and standard deviation 1; a blank one becomes 0."""
    pixels = x.flatten(1)
    std, mean = torch.std_mean(pixels, dim=1, keepdim=True, correction=0)
    return ((pixels - mean) / std.clamp_min(1e-3)).view_as(x)


def equalize_histograms(x: Tensor) -> Tensor:
    """Spread the 256 gray levels of each image evenly over [0, 1]; a blank one becomes 0.5."""
    levels = (x.flatten(1) * 255).round().clamp(0, 255).long()
    # Not len(x): an exported network would contain the length of the example.
    counts = torch.zeros(x.shape[0], 256, dtype=torch.long, device=x.device)
    ranks = counts.scatter_add_(1, levels, torch.ones_like(levels)).cumsum(1)
    darkest = ranks.gather(1, levels.amin(1, keepdim=True))
    others = levels.shape[1] - darkest
    equalized = (ranks.gather(1, levels) - darkest) / others.clamp_min(1).to(x.dtype)
    return torch.where(others > 0, equalized, _CENTER).view_as(x)


class FaceNormalizer(  # type: ignore[call-arg]  # the keyword is scikit-learn's
    Lasting, OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Bring faces from pixel values to the scale that networks train on.

    All methods result in the same scale: about mean 0 and standard deviation 1, with black near -2
    and white near 2. Faces are always returned as arrays, whatever
    ``sklearn.set_config(transform_output=...)`` says, because tables cannot hold images. There is
    no `set_output`.

    Parameters
    ----------
    method : {"scale", "dataset", "image", "equalize"}, default="dataset"
        - "scale": black to -2, white to 2; learns nothing.
        - "dataset": subtract the mean of all training pixels, divide by their
          standard deviation.
        - "image": subtract each image's own mean, divide by its own standard
          deviation; removes differences of lighting and contrast.
        - "equalize": histogram equalisation of each image, then "scale".
    pixel_range : "auto" or tuple of (float, float), default="auto"
        The values of black and white. "auto" reads uint8 and whole numbers as [0, 255]. It reads
        floats as [0, 1] if no value exceeds 1, as [0, 255] if one exceeds 2; in between it could be
        either, and that is an error. Values outside raise an error. Rows of fewer than 64 values
        are not faces: for them "auto" is the smallest and the largest value of `fit`.

    Attributes
    ----------
    pixel_range_ : tuple of (float, float)
        Black and white.
    mean_, scale_ : float
        What is subtracted from pixels in [0, 1], and what the result is divided by.
    n_features_in_ : int
        Pixels per face.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Examples
    --------
    >>> from fer_sklearn import FaceNormalizer
    >>> from fer_sklearn.datasets import make_faces
    >>> faces = make_faces(20, random_state=0).data
    >>> normalized = FaceNormalizer("image").fit_transform(faces)
    >>> normalized.shape, normalized.dtype
    ((20, 48, 48), dtype('float32'))
    """

    _parameter_constraints = {
        "method": [StrOptions(set(_METHODS))],
        "pixel_range": [StrOptions({"auto"}), tuple, list],
    }

    def __init__(
        self, method: str = "dataset", *, pixel_range: str | tuple[float, float] = "auto"
    ) -> None:
        self.method = method
        self.pixel_range = pixel_range

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the pixel range and, for "dataset", the mean and the scale.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
            Faces.
        y : Ignored

        Returns
        -------
        self : FaceNormalizer

        Raises
        ------
        ValueError
            If X holds NaN, or values that are neither in [0, 1] nor in [0, 255].
        """
        rows, _ = as_rows(X)
        rows = validate_data(self, rows)
        return self.fit_rows(rows, np.arange(len(rows)), PixelValues(rows))

    def fit_rows(self, rows: np.ndarray, index: np.ndarray, values: PixelValues) -> Self:
        """Fit on the rows at `index`, which are already validated (for the classifier).

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_pixels)
        index : ndarray of int
        values : PixelValues
            What is known about the values of all rows.
        """
        self.adopt(_CENTER, _SCALE, values)
        if self.method == "dataset":
            self.mean_, self.scale_ = _mean_and_scale(rows, index, self.pixel_range_)
        return self

    def adopt(self, mean: float, scale: float, values: PixelValues | None = None) -> Self:
        """Adopt the mean and the scale that another normaliser has learned (for the classifier).

        Parameters
        ----------
        mean, scale : float
            On pixels in [0, 1].
        values : PixelValues or None
            Values of the faces from which the pixel range is learned. None: if the parameter is
            "auto", faces are bytes or numbers in [0, 255].
        """
        self._validate_params()
        if values is None:
            stated = (0, 255) if self.pixel_range == "auto" else self.pixel_range
            check_range(stated)
            self.pixel_range_: Any = tuple(float(end) for end in stated)
        else:
            self.pixel_range_ = infer_pixel_range(values, self.pixel_range)
        self.mean_, self.scale_ = mean, scale
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Normalise faces.

        Parameters
        ----------
        X : array-like, shaped as in `fit`

        Returns
        -------
        X_normalized : ndarray of float32, shaped as X
            RGB faces become gray, (n, h, w).

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        check_is_fitted(self)
        rows, image_shape = as_rows(X)
        refuse_other_size(self, rows, image_shape)
        rows = validate_data(self, rows, reset=False)
        pixel_range = match_pixel_range(PixelValues(rows), self.pixel_range_)
        layer = self.make_layer()
        normalized = np.empty(rows.shape, dtype=np.float32)
        with undisturbed():
            for start in range(0, len(rows), _CHUNK):
                chunk = slice(start, start + _CHUNK)
                faces = torch.from_numpy(np.array(to_unit(rows[chunk], pixel_range)))
                normalized[chunk] = layer(faces).numpy()
        if image_shape is None:
            return normalized
        has_channel = np.shape(X[0])[2:] == (1,)
        return normalized.reshape(np.shape(X) if has_channel else (len(rows), *image_shape))

    def make_layer(self) -> Normalize:
        """Return the torch layer that does what `transform` does."""
        return Normalize(self.method, self.mean_, self.scale_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _mean_and_scale(rows: np.ndarray, index: np.ndarray, pixel_range: Any) -> tuple[float, float]:
    """Return mean and standard deviation of all pixels, in [0, 1], computed in chunks."""
    total = squares = 0.0
    for start in range(0, len(index), _CHUNK):
        chunk = to_unit(rows[index[start : start + _CHUNK]], pixel_range)
        unit = chunk / 255.0 if chunk.dtype == np.uint8 else chunk.astype(np.float64)
        total += unit.sum()
        squares += np.square(unit).sum()
    n_pixels = len(index) * rows.shape[1]
    mean = total / n_pixels
    std = np.sqrt(max(squares / n_pixels - mean**2, 0.0))
    return float(mean), float(std) if std > 1e-6 else 1.0
