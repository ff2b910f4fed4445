"""What is counted about faces and their groups, for the report and for cleaning."""

from __future__ import annotations

import numpy as np
from sklearn.utils import column_or_1d

from .._images import as_rows

#: Faces of less contrast are blank; a part of the range of the values.
MIN_CONTRAST = 0.01
_CHUNK = 4096


def check_labels(X, given, name: str) -> np.ndarray | None:
    """Return labels, or splits, as an array with a value for each face; None stays None.

    Raises
    ------
    ValueError
        If there are more or fewer than faces; `name` is what the error calls them.
    """
    if given is None:
        return None
    given = column_or_1d(given)
    if len(given) != len(X):
        raise ValueError(f"X has {len(X)} faces, {name} {len(given)} values.")
    return given


def contrasts(X) -> np.ndarray:
    """Return the standard deviation of each face, as a part of the range of the values."""
    deviations, low, high = np.empty(len(X)), np.inf, -np.inf
    for start in range(0, len(X), _CHUNK):
        chunk = np.asarray(as_rows(X[start : start + _CHUNK])[0])
        deviations[start : start + _CHUNK] = chunk.std(axis=1)
        low, high = min(low, chunk.min()), max(high, chunk.max())
    return deviations / max(float(high) - float(low), 1e-12)


def differs(groups: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """Tell which faces are in a group with more than one value."""
    if values is None:
        return np.zeros(len(groups), dtype=bool)
    codes = np.unique(values, return_inverse=True)[1]
    kinds = np.unique(np.column_stack([groups, codes]), axis=0)[:, 0]
    return np.bincount(kinds, minlength=groups.max() + 1)[groups] > 1
