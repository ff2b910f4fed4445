"""FER+: the images of FER-2013, each labelled by ten annotators (Barsoum et al., 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._files import as_path
from ._emotions import EMOTIONS, convert_emotions
from ._fer2013 import load_fer2013
from ._splits import split_in_column
from ._unpack import DamageError, open_packed

_COLUMNS = [emotion.ferplus for emotion in EMOTIONS]
_OTHERS = ["unknown", "NF"]

_DESCR = """FER+: FER-2013 with the votes of ten taggers for each image.

E. Barsoum, C. Zhang, C. Canton Ferrer and Z. Zhang, "Training deep networks for facial
expression recognition with crowd-sourced label distribution" (ICMI 2016).
"""


def load_ferplus(
    fer2013_path: str | PathLike[str],
    votes_path: str | PathLike[str],
    *,
    usage: str | Iterable[str] = "Training",
    target: str = "majority",
    classes: int = 8,
    return_X_y: bool = False,
) -> Any:
    """Load FER-2013's images with the votes of FER+.

    The rules are those of the authors. A single vote for an emotion counts as a slip and is
    dropped. Images that most annotators call unknown or no face are left out, and so are images
    without a winner.

    Parameters
    ----------
    fer2013_path : str or path-like
        ``fer2013.csv``, all splits in the challenge's order; see `load_fer2013`.
    votes_path : str or path-like
        ``fer2013new.csv`` of FER+, plain or compressed.
    usage : str or iterable of str, default="Training"
        The splits to load, as in `load_fer2013`.
    target : {"majority", "distribution", "votes"}, default="majority"
        Which images are kept. "majority": images for which more than half of the votes name one
        emotion (the authors test on them). "distribution": also images for which up to three
        emotions together make up more than half of the votes, taken from the most votes down,
        ties together (the authors train on them). "votes": all images with a vote for an emotion,
        with unchanged votes, slips included.
    classes : {7, 8}, default=8
        7 leaves out contempt, whose votes are removed before any majority is computed, and
        images with contempt on top.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, 48, 48)
            The images that are kept, in the order of the file.
        target : ndarray of str of shape (n,)
            The emotion with most votes.
        distribution : ndarray of float of shape (n, n_classes)
            Shares of the votes, columns as `target_names`: for
            ``FERClassifier.fit(label_distribution=...)``.
        target_names : list of str
            Sorted.
        votes : DataFrame
            The ten columns of FER+ for the images that are kept.
        usage : ndarray of str of shape (n,)
            Split of each image.
        rows : ndarray of int of shape (n,)
            Row numbers among the images of these splits.
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a parameter is unknown, a file is damaged, or the files do not belong together.
    """
    if target not in ("majority", "distribution", "votes"):
        raise ValueError(f"target must be 'majority', 'distribution' or 'votes', got {target!r}.")
    if classes not in (7, 8):
        raise ValueError(f"classes must be 7 or 8, got {classes!r}.")
    faces = load_fer2013(fer2013_path, usage=usage)
    if "errors" in faces:  # the folder form has a different order
        raise ValueError(
            f"{fer2013_path} holds images in folders, in another order than the votes. Expected "
            "fer2013.csv, the rows of the challenge in its order."
        )
    votes = _read_votes(as_path(votes_path), faces.usage)
    emotions = _COLUMNS[:classes]
    chosen, shares = _RULES[target](votes[emotions + _OTHERS].to_numpy(dtype=float), classes)
    if classes == 7:
        top = votes[_COLUMNS].to_numpy().argmax(axis=1)
        chosen &= top != _COLUMNS.index("contempt")
    rows = np.flatnonzero(chosen)
    names = convert_emotions(emotions, source="ferplus")
    order = np.argsort(names)
    bunch = Bunch(
        data=faces.data[rows],
        target=names[shares[rows].argmax(axis=1)],
        distribution=shares[rows][:, order],
        target_names=names[order].tolist(),
        votes=votes.iloc[rows].reset_index(drop=True),
        usage=faces.usage[rows],
        rows=rows,
        DESCR=_DESCR,
    )
    return (bunch.data, bunch.target) if return_X_y else bunch


def _read_votes(path: Path, usage: np.ndarray) -> pd.DataFrame:
    """Return the ten columns of votes, a row for each image of `usage`."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. Expected fer2013new.csv of FER+.")
    table = _read_table(path)
    missing = {"Usage", *_COLUMNS, *_OTHERS} - set(table.columns)
    if missing:
        raise ValueError(f"{path} lacks the columns {sorted(missing)}: is it fer2013new.csv?")
    table["Usage"] = table["Usage"].astype(str).map(split_in_column)
    table = table[table["Usage"].isin(np.unique(usage))].reset_index(drop=True)
    if table["Usage"].tolist() != usage.tolist():
        raise ValueError(
            f"{path} has {len(table)} rows of these splits, the images are {len(usage)}, or their "
            "order differs: both files must hold the rows of the challenge in its order."
        )
    votes = table[_COLUMNS + _OTHERS].apply(pd.to_numeric, errors="coerce")
    bad = ~(np.isfinite(votes) & (votes >= 0)).all(axis=1).to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{path}: face {row} of these splits has votes that are not numbers of at least 0, "
            f"{table[_COLUMNS + _OTHERS].iloc[row].tolist()}. Get the file again."
        )
    return votes


def _read_table(path: Path) -> pd.DataFrame:
    try:
        with open_packed(path, ("fer2013new.csv",)) as stream:
            return pd.read_csv(stream)
    except (DamageError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise ValueError(f"{path} is damaged or cut off: {error}. Get the file again.") from error


def by_majority(votes: np.ndarray, n_emotions: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep images for which more than half of the votes, without slips, name one emotion.

    Parameters
    ----------
    votes : ndarray of float of shape (n, n_emotions + 2)
        The emotions in any order, then unknown and no face.
    n_emotions : int

    Returns
    -------
    chosen : ndarray of bool of shape (n,)
    shares : ndarray of float of shape (n, n_emotions)
        Shares of the votes for emotions.
    """
    votes = _without_slips(votes)
    top = votes.argmax(axis=1)
    chosen = (votes.max(axis=1) > votes.sum(axis=1) / 2) & (top < n_emotions)
    return chosen, _shares(votes, n_emotions)


def _by_distribution(votes: np.ndarray, n_emotions: int) -> tuple[Any, np.ndarray]:
    """Keep images for which up to three emotions have over half of the votes, without slips."""
    patterns, of_row = np.unique(_without_slips(votes), axis=0, return_inverse=True)
    leading = [_leading(pattern, n_emotions) for pattern in patterns.tolist()]
    # NumPy 2.0 returns the row numbers as a column.
    kept = np.array(leading).reshape(-1, votes.shape[1])[of_row.reshape(-1)]
    return kept.any(axis=1), _shares(kept, n_emotions)


def _leading(votes: list[float], n_emotions: int) -> list[float]:
    """Return the votes of the leading emotions, 0 elsewhere; all 0 if there are none.

    This follows `_process_data` in the authors' ferplus.py: emotions are added by decreasing votes,
    ties together, until three quarters of the votes or three emotions are reached, or until unknown
    or no face comes next.
    """
    total, kept = sum(votes), [0.0] * len(votes)
    for value in sorted(set(votes), reverse=True):
        tied = [column for column, count in enumerate(votes) if count == value]
        for column in tied:
            kept[column] = value if column < n_emotions else 0.0
        n_kept = sum(count > 0 for count in kept)
        if tied[-1] >= n_emotions or n_kept >= 3 or sum(kept) >= 0.75 * total:
            break
    return kept if n_kept <= 3 and sum(kept) > total / 2 else [0.0] * len(votes)


def _by_votes(votes: np.ndarray, n_emotions: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep images with a vote for an emotion."""
    return votes[:, :n_emotions].sum(axis=1) > 0, _shares(votes, n_emotions)


def _without_slips(votes: np.ndarray) -> np.ndarray:
    return np.where(votes > 1, votes, 0)


def _shares(votes: np.ndarray, n_emotions: int) -> np.ndarray:
    emotional = votes[:, :n_emotions]
    return emotional / np.maximum(emotional.sum(axis=1, keepdims=True), 1e-12)


_RULES = {"majority": by_majority, "distribution": _by_distribution, "votes": _by_votes}
