"""A hold-out that keeps copies of a face on one side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.model_selection._split import GroupsConsumerMixin

from ..datasets import duplicate_groups


class HoldOut(GroupsConsumerMixin):
    """A single split; no face of the validation part has a copy in the rest.

    Parameters
    ----------
    test_size : float, default=0.1
        Share of the faces to validate on, at most half; rounded to 1 / n with a whole number n.
    random_state : int or None, default=0
        Decides which faces are chosen.

    Raises
    ------
    ValueError
        If `test_size` is out of its range.
    """

    def __init__(self, test_size: float = 0.1, random_state: int | None = 0) -> None:
        if not 0 < test_size <= 0.5:
            raise ValueError(f"Expected test_size in (0, 0.5], got {test_size!r}.")
        self.test_size = test_size
        self.random_state = random_state

    def __repr__(self) -> str:
        return f"HoldOut(test_size={self.test_size}, random_state={self.random_state})"

    def split(
        self, X: Any, y: ArrayLike, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield one pair of row numbers: those to train on and those to validate on.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,)
            Labels; the shares of the classes are kept as far as groups allow.
        groups : array-like of shape (n_samples,) or None, default=None
            Faces of one group stay together; None: exact copies stay together.
        """
        groups = duplicate_groups(X) if groups is None else groups
        folds = StratifiedGroupKFold(
            round(1 / self.test_size), shuffle=True, random_state=self.random_state
        )
        try:
            split = next(folds.split(np.zeros(len(groups)), y, groups))
        except ValueError as error:
            raise ValueError(
                f"{self!r} cannot split {len(groups)} faces ({error}). Raise test_size, or bring "
                "more faces."
            ) from error
        yield split

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return 1."""
        return 1
