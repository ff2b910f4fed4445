"""Statistics of faces and their groups, for the report and for cleaning."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite, column_or_1d

from .._forms import check_labels
from .._images import PixelValues, as_numbers, as_rows, infer_pixel_range

#: Faces with less contrast are blank; as a share of the range of values.
MIN_CONTRAST = 0.01
_CHUNK = 4096


def as_labels(X: Any, given: Any, name: str) -> np.ndarray | None:
    """Return labels, or splits, as an array with a value for each face; None stays None.

    Raises
    ------
    ValueError
        If there are more or fewer than faces, one is missing, or some are texts and others not;
        `name` is their name in the error.
    """
    if given is None:
        return None
    check_labels(given, name)
    given = column_or_1d(given)
    if len(given) != len(X):
        raise ValueError(f"X has {len(X)} faces, {name} {len(given)} values.")
    return given


def contrasts(X: Any, pixel_range: str | tuple[float, float] = "auto") -> np.ndarray:
    """Return the standard deviation of each face, as a share of the range from black to white.

    Raises
    ------
    ValueError
        If a value is not finite, or lies outside the range, as `FERClassifier.fit` does.
    """
    if not len(X):
        return np.empty(0)
    black, white = _range_of(X, pixel_range)
    deviations = np.empty(len(X))
    for start in range(0, len(X), _CHUNK):
        chunk = as_numbers(as_rows(X[start : start + _CHUNK])[0])
        deviations[start : start + _CHUNK] = chunk.std(axis=1, dtype=np.float64)
    return deviations / (white - black)


def _range_of(X: Any, pixel_range: str | tuple[float, float]) -> tuple[float, float]:
    """Return (black, white) by the same rule as fit, from all faces at once."""
    if as_numbers(X[:1]).dtype == np.uint8 and pixel_range == "auto":
        return 0.0, 255.0  # for any bytes: they need not be read
    rows = as_numbers(as_rows(X)[0])
    assert_all_finite(rows, input_name="X")
    return infer_pixel_range(PixelValues(rows), pixel_range)


def differs(groups: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """Tell which faces are in a group with more than one value."""
    if values is None or not len(groups):
        return np.zeros(len(groups), dtype=bool)
    codes = np.unique(values, return_inverse=True)[1]
    kinds = np.unique(np.column_stack([groups, codes]), axis=0)[:, 0]
    return np.bincount(kinds, minlength=groups.max() + 1)[groups] > 1
