"""Faces on their way to the network: batches by index, without a loader or work per image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .._images import to_unit

#: Number of faces that are copied to a GPU at a time.
_PIECE = 1024


class Targets(NamedTuple):
    """Targets of the network for each face of a batch.

    Attributes
    ----------
    codes : Tensor of int64 of shape (B,)
        Column numbers of the classes.
    weights : Tensor of float32 of shape (B,) or None
        Factors of the loss.
    shares : Tensor of float32 of shape (B, n_classes) or None
        Share of each class that the face shows; None: only the class of its code.
    """

    codes: Tensor
    weights: Tensor | None = None
    shares: Tensor | None = None

    @classmethod
    def of(cls, targets: Tensor | Targets) -> Targets:
        """Return `targets`; codes alone become targets without weights and shares."""
        return targets if isinstance(targets, Targets) else cls(targets)


class Faces(Dataset):
    """Faces and, for training, their targets, ready to be cut into batches.

    The pixels stay in the caller's array, which may be a memory map, and every batch is a copy of
    its rows. Only faces with targets, which are used in every epoch, are copied as a whole to a
    GPU's memory, in their original type (uint8: 66 MB for FER-2013).

    Parameters
    ----------
    images : ndarray of shape (n, h, w)
        uint8, or numbers in `pixel_range`.
    codes : ndarray of int64 of shape (n,) or None
        Column numbers of the classes.
    weights : ndarray of float32 of shape (n,) or None
        Factors of the loss.
    index : ndarray of int or None
        The rows to use; None uses all.
    shares : ndarray of float32 of shape (n, n_classes) or None
        Share of each class that a face shows.
    pixel_range : tuple of (float, float) or None
        Values of black and white; None leaves the values unchanged.
    device : torch.device
        Device of the batches.
    """

    def __init__(
        self,
        images: np.ndarray,
        codes: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        index: np.ndarray | None = None,
        *,
        shares: np.ndarray | None = None,
        pixel_range: tuple[float, float] | None,
        device: torch.device,
    ) -> None:
        self.index = np.arange(len(images)) if index is None else index
        self.pixel_range = pixel_range
        self.device = device
        self.images: Any = images  # an array, or a Tensor where they have been moved
        if device.type != "cpu" and codes is not None:
            self.images = self._moved()
        self.y: Any = None if codes is None else torch.tensor(codes[self.index], device=device)
        self.weights = None
        if weights is not None and not np.allclose(weights[self.index], 1):
            self.weights = torch.tensor(weights[self.index], device=device)
        self.shares = None if shares is None else torch.tensor(shares[self.index], device=device)

    @property
    def X(self) -> Dataset:  # noqa: N802, skorch's name
        """The faces; skorch's scoring callbacks pass this to the net."""
        return self

    def __len__(self) -> int:
        return len(self.index)

    def pieces(self, order: np.ndarray, n_pieces: int) -> Sequence[np.ndarray | Tensor]:
        """Cut an order of the faces evenly, for `pixels` and `targets`.

        If the faces are in a GPU's memory, the order is moved there as a whole. Otherwise the host
        would wait for the GPU at every batch.
        """
        if not isinstance(self.images, Tensor):
            return np.array_split(order, n_pieces)
        return torch.as_tensor(order, device=self.device).tensor_split(n_pieces)

    def pixels(self, index: np.ndarray | Tensor) -> Tensor:
        """Return the faces at `index`, (B, 1, h, w): uint8, or float32 in [0, 1]."""
        if isinstance(self.images, Tensor):
            batch = self.images[torch.as_tensor(index, device=self.device)]
        else:
            batch = self._cut(np.asarray(index)).to(self.device)
        return batch.unsqueeze(1)

    def targets(self, index: np.ndarray | Tensor) -> Tensor | Targets:
        """Return the targets at `index`: the codes, as skorch's callbacks expect, or `Targets`."""
        at = torch.as_tensor(index, device=self.device)
        if self.weights is None and self.shares is None:
            return self.y[at]
        parts = (self.weights, self.shares)
        return Targets(self.y[at], *(None if part is None else part[at] for part in parts))

    def _cut(self, index: np.ndarray | slice) -> Tensor:
        return torch.from_numpy(to_unit(self.images[self.index[index]], self.pixel_range))

    def _moved(self) -> Tensor:
        """Copy all faces to the device, in pieces, so that the host does not hold them twice."""
        like = self._cut(slice(1))
        moved = torch.empty((len(self), *like.shape[1:]), dtype=like.dtype, device=self.device)
        for start in range(0, len(self), _PIECE):
            piece = slice(start, start + _PIECE)
            moved[piece] = self._cut(piece)
        return moved

    def __getitem__(self, i: int | slice | np.ndarray) -> tuple:
        index = np.atleast_1d(np.arange(len(self))[i])
        return self.pixels(index), self.targets(index)
