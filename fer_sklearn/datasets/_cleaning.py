"""Cleaning by explicit rules, with a log line for every dropped face."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._images import as_numbers, refuse_colour
from ._duplicates import duplicate_groups, groups_and_copies
from ._face_stats import MIN_CONTRAST, as_labels, contrasts, differs

_RULES = {
    "blank": ("drop", "keep"),
    "copies": ("drop", "keep"),
    "contradictions": ("drop", "majority", "keep"),
}


def clean_faces(
    X: Any,
    y: Any,
    *,
    blank: str = "drop",
    test: Any = None,
    copies: str = "drop",
    contradictions: str = "drop",
    near: bool = False,
    min_correlation: float = 0.95,
    pixel_range: str | tuple[float, float] = "auto",
) -> Bunch:
    """Drop faces by rules that you choose, and log which ones and why.

    The rules are applied in the order of the parameters. A face is dropped by the first rule that
    applies.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        Faces to train on.
    y : array-like of shape (n_samples,)
        Their labels.
    blank : {"drop", "keep"}, default="drop"
        What to do with faces whose gray levels hardly differ.
    test : array-like, shaped as X, or None, default=None
        Faces to evaluate on. Faces of X that are copies of one of them are dropped.
    copies : {"drop", "keep"}, default="drop"
        What to do with copies of an earlier face with the same label.
    contradictions : {"drop", "majority", "keep"}, default="drop"
        What to do with copies that have different labels: drop all of them, drop those that differ
        from the majority's label (all if there is no majority), or keep them.
    near : bool, default=False
        Whether near copies count as copies; see `duplicate_groups`.
    min_correlation : float, default=0.95
        What counts as near.
    pixel_range : "auto" or tuple of (float, float), default="auto"
        Values of black and white. "auto", as in `FaceNormalizer`: bytes, and numbers above 2, lie
        in [0, 255], floats up to 1 in [0, 1]; other values are an error.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data, target : ndarray
            The remaining faces, and their labels.
        kept : ndarray of int
            Their row numbers in X.
        groups : ndarray of int
            Remaining copies share a number, for `GroupKFold`.
        log : DataFrame with columns row, reason, label, copy_of
            A line for every face that was dropped. For a copy, copy_of is the remaining face with
            the same label. For a contradiction it is a copy with another label, if possible a
            remaining one. It is -1 for a blank face or a copy of a face in `test`.

    Raises
    ------
    ValueError
        If a rule is unknown, X and y differ in length, a label is missing, or X has values that are
        not finite or lie outside `pixel_range`.

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.datasets import clean_faces, make_faces
    >>> faces = make_faces(4, random_state=0)
    >>> X = np.concatenate([faces.data, faces.data[:1]])
    >>> y = np.concatenate([faces.target, faces.target[:1]])
    >>> cleaned = clean_faces(X, y)
    >>> cleaned.kept.tolist()
    [0, 1, 2, 3]
    >>> cleaned.log.iloc[0].to_dict()
    {'row': 4, 'reason': 'copy', 'label': 'sad', 'copy_of': 0}
    """
    for name, value in (("blank", blank), ("copies", copies), ("contradictions", contradictions)):
        if value not in _RULES[name]:
            raise ValueError(f"{name} must be one of {_RULES[name]}, got {value!r}.")
    refuse_colour(X)
    if y is None:
        raise ValueError("clean_faces needs y, the label of each face, got None.")
    y = as_labels(X, y, "y")
    deviations = contrasts(X, pixel_range)
    groups, in_test = _groups(X, test, near, min_correlation)
    reasons = np.full(len(X), "", dtype=object)

    def drop(chosen: np.ndarray, reason: str) -> None:
        reasons[chosen & (reasons == "")] = reason

    if blank == "drop":
        drop(deviations < MIN_CONTRAST, "blank")
    drop(in_test, "copy of a test face")
    if contradictions != "keep":
        disputed = _differs_among(reasons == "", groups, y)
        if contradictions == "majority":
            disputed &= ~_in_majority(groups, y, reasons == "")
        drop(disputed, "contradiction")
    if copies == "drop":
        drop(_is_repeated(groups, y, reasons == ""), "copy")
    kept = np.flatnonzero(reasons == "")
    return Bunch(
        data=as_numbers(X)[kept],
        target=y[kept],
        kept=kept,
        groups=groups[kept],
        log=_make_log(reasons, groups, y),
    )


def _groups(X: Any, test: Any, near: bool, min_correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the groups of X, and which of its faces have a copy in `test`."""
    options: dict[str, Any] = {"near": near, "min_correlation": min_correlation}
    if test is None:
        return duplicate_groups(X, **options), np.zeros(len(X), dtype=bool)
    return groups_and_copies(X, test, **options)


def _differs_among(open_: np.ndarray, groups: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Tell which open faces have open copies with another label."""
    chosen = np.zeros(len(y), dtype=bool)
    if open_.any():
        chosen[open_] = differs(groups[open_], y[open_])
    return chosen


def _in_majority(groups: np.ndarray, y: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Tell which faces have the label of more than half of their open copies."""
    frame = pd.DataFrame({"group": groups, "label": y, "open": open_})
    alike = frame.groupby(["group", "label"])["open"].transform("sum")
    return (2 * alike > frame.groupby("group")["open"].transform("sum")).to_numpy()


def _is_repeated(groups: np.ndarray, y: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Tell which open faces have an open copy of the same label before them."""
    chosen = np.zeros(len(y), dtype=bool)
    frame = pd.DataFrame({"group": groups[open_], "label": y[open_]})
    chosen[open_] = frame.duplicated().to_numpy()
    return chosen


def _make_log(reasons: np.ndarray, groups: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    rows = np.flatnonzero(reasons != "")
    return pd.DataFrame(
        {
            "row": rows,
            "reason": reasons[rows],
            "label": y[rows],
            "copy_of": _copied(reasons, groups, y)[rows],
        }
    )


def _copied(reasons: np.ndarray, groups: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return for each dropped face the row of the face that it is a copy of, or -1."""
    rows = np.arange(len(y))
    frame = pd.DataFrame({"row": rows, "group": groups, "label": y, "reason": reasons})
    compared = frame[frame["reason"].isin(["", "copy", "contradiction"])]
    stay_first = compared.sort_values("reason", kind="stable")  # "" is before all others
    heads = stay_first.drop_duplicates(["group", "label"])
    dropped = compared[compared["reason"] != ""]
    pairs = dropped.merge(heads, on="group", suffixes=("", "_head"))
    is_same = pairs["label"] == pairs["label_head"]
    pairs = pairs[is_same == (pairs["reason"] == "copy")].drop_duplicates("row")
    copied = np.full(len(y), -1)
    copied[pairs["row"]] = pairs["row_head"]
    return copied
