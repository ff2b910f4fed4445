"""Epochs cut into batches: shuffled, oversampled, of even length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from ..model import Faces, Targets


class Batches:
    """Iterate over `dataset` in batches, in a new order every time if `rng` is given.

    An epoch is split evenly: no batch is much smaller than the others. So batch norm never sees a
    batch of a single face; with `batch_size` 2, a face that is left over joins a batch of 2.

    Parameters
    ----------
    dataset : Faces
    batch_size : int
        Largest number of faces in a batch.
    rng : numpy Generator or None, default=None
        Shuffles; None keeps the order of the rows.
    oversample : bool, default=False
        Repeat the faces of the smaller classes until each class is as large as the
        largest. Some are repeated once more than others; which ones changes every epoch.
    """

    def __init__(
        self,
        dataset: Faces,
        batch_size: int,
        rng: np.random.Generator | None = None,
        oversample: bool = False,
    ) -> None:
        self.dataset = dataset
        self.rng = rng
        self.members = None
        self.n_faces = len(dataset)
        if oversample:
            codes = dataset.y.cpu().numpy()
            self.members = [np.flatnonzero(codes == code) for code in np.unique(codes)]
            self.n_faces = len(self.members) * max(map(len, self.members))
        self.n_batches = min(-(-self.n_faces // batch_size), max(1, self.n_faces // 2))

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | Targets]]:
        for index in self.dataset.pieces(self._order(), self.n_batches):
            yield self.dataset.pixels(index), self.dataset.targets(index)

    def _order(self) -> np.ndarray:
        if self.rng is None:
            return np.arange(self.n_faces)
        if self.members is None:
            return self.rng.permutation(self.n_faces)
        size = self.n_faces // len(self.members)
        return self.rng.permutation(
            np.concatenate([np.resize(self.rng.permutation(m), size) for m in self.members])
        )
