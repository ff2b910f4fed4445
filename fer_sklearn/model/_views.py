"""Views of a face, and answers that are averaged over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .._globals import threads_for, undisturbed
from ..augment import affine_matrices, sample
from ._faces import Faces


@dataclass(frozen=True)
class Shift:
    """The face moved by whole steps of a 24th of the side; the edge is repeated."""

    down: int = 0
    right: int = 0

    def __call__(self, faces: Tensor) -> Tensor:  # (B, 1, H, W) -> same
        return self._moved(self._moved(faces, self.down, -2), self.right, -1)

    @staticmethod
    def _moved(faces: Tensor, steps: int, dim: int) -> Tensor:
        return neighbours(faces, steps * max(1, round(faces.shape[dim] / 24)), dim)


@dataclass(frozen=True)
class Warp:
    """The face enlarged by a factor or turned by degrees, as training warps faces."""

    scale: float = 1.0
    rotation: float = 0.0

    def __call__(self, faces: Tensor) -> Tensor:  # (B, 1, H, W) -> same, as floats
        faces = as_floats(faces)
        angle, zoom, shift = faces.new_tensor(
            [[math.radians(self.rotation)], [1 / self.scale], [0]]
        )
        return sample(faces, affine_matrices(faces, angle, zoom, shift, shift))


@dataclass(frozen=True)
class Blur:
    """The face softened by a Gaussian; `sigma` is in pixels of a face of 48 x 48."""

    sigma: float

    def __call__(self, faces: Tensor) -> Tensor:  # (B, 1, H, W) -> same, as floats
        faces = as_floats(faces)
        for dim in (-2, -1):
            sigma = self.sigma * faces.shape[dim] / 48
            reach = range(-round(4 * sigma), round(4 * sigma) + 1)
            weights = [math.exp(-0.5 * (steps / sigma) ** 2) for steps in reach]
            parts = zip(weights, reach, strict=True)
            moved: Any = (w / sum(weights) * neighbours(faces, n, dim) for w, n in parts)
            faces = sum(moved)
        return faces


def as_floats(faces: Tensor) -> Tensor:
    """Return bytes as numbers in [0, 1]; floats as they are."""
    return faces / 255 if faces.dtype == torch.uint8 else faces


def neighbours(faces: Tensor, steps: int, dim: int) -> Tensor:
    """Move the faces along `dim` by pixels; the edge is repeated."""
    if not steps:
        return faces
    source = torch.arange(faces.shape[dim], device=faces.device) - steps
    return faces.index_select(dim, source.clamp(0, faces.shape[dim] - 1))


@dataclass(frozen=True)
class Views:
    """Which views of a face are looked at.

    Attributes
    ----------
    looks : tuple of callable
        Each makes a view of a batch, (B, 1, H, W) -> same.
    mirror : bool
        Whether the mirror image of each is looked at too.
    """

    looks: tuple[Callable[[Tensor], Tensor], ...]
    mirror: bool = True

    def __len__(self) -> int:
        return len(self.looks) * (1 + self.mirror)

    def of(self, batch: Tensor) -> Iterator[Tensor]:
        """Yield the views of a batch, each (B, 1, H, W), all of one dtype."""
        views = [look(batch) for look in self.looks]
        if len({view.dtype for view in views}) > 1:
            views = [as_floats(view) for view in views]
        for view in views:
            yield view
            if self.mirror:
                yield view.flip(-1)


_SCALES = (Warp(scale=0.93), Warp(scale=1.07))
_TURNS = (Warp(rotation=-6), Warp(rotation=6))
_CORNERS = (Shift(-1, -1), Shift(-1, 1), Shift(1, -1), Shift(1, 1))
#: The views that `FERClassifier(predict_augment=name)` knows.
VIEWS = {
    None: Views((Shift(),), mirror=False),
    "flip": Views((Shift(),)),
    "blur": Views((Blur(0.5),)),
    "scale": Views((Shift(), *_SCALES)),
    "affine": Views((Shift(), *_SCALES, *_TURNS)),
    "ten-crop": Views((Shift(), *_CORNERS)),
}

#: Rows a batch: for few faces, and for many.
_ROWS = {"cpu": (4, 64)}
_ROWS_ELSEWHERE = (256, 256)


def mean_log_probability(logits: Tensor) -> Tensor:
    """Make one answer of those to several views, (n_views, B, n_classes) -> (B, n_classes)."""
    return logits.log_softmax(2).mean(0)


def mean(features: Tensor) -> Tensor:
    """Average over the views, (n_views, B, n_features) -> (B, n_features)."""
    return features.mean(0)


def ask(
    model: nn.Module,
    faces: Faces,
    views: Views,
    *,
    low: torch.dtype | None = None,
    merge: Callable[[Tensor], Tensor] = mean_log_probability,
) -> np.ndarray:
    """Return what the model answers to each face, (n, n_outputs) in float32.

    A face's answer must not depend on the faces beside it, but the kernels that a
    batch size selects may differ in the seventh digit. So every batch is filled up to a
    small size, which keeps a single face quick; a larger size is used where there are
    faces enough, if it gives the first of them the same bits. On a CPU each batch is computed by
    one thread, several batches side by side: threads that share a batch wait for each other.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    faces : Faces
    views : Views
        What of each face is looked at.
    low : torch.dtype or None
        Low precision to multiply in; None is float32.
    merge : callable
        What makes one answer of those to several views.
    """
    rows = _ROWS.get(faces.device.type, _ROWS_ELSEWHERE)
    few, many = (max(1, n // len(views)) for n in rows)
    chosen: dict[str, Any] = {"dtype": low, "enabled": low is not None, "cache_enabled": False}

    def answer(start: int, size: int) -> Tensor:
        # The last face fills the batch up; its surplus answers are cut off.
        index = np.minimum(np.arange(start, start + size), len(faces) - 1)
        with torch.inference_mode(), undisturbed(faces.device), threads_for(0, faces.device):
            looks = list(views.of(faces.pixels(index)))
            with torch.autocast(faces.device.type, **chosen):
                answers = model(torch.cat(looks))
            answers = answers.unflatten(0, (len(looks), size))
            answers = answers[0] if len(looks) == 1 else merge(answers)
            return answers[: len(faces) - start].cpu()

    # The small size decides what a face's bits are; the large one has to give the same.
    answers, size = [answer(0, few)], few
    if few < many <= len(faces):
        block = answer(0, many)
        if torch.equal(block[:few], answers[0]):
            answers, size = [block], many
    batches = list(_batches(len(answers[0]), len(faces), size, few))
    answers += _side_by_side(answer, batches, faces.device)
    return torch.cat(answers).numpy()


def _batches(start: int, stop: int, size: int, few: int) -> Iterator[tuple[int, int]]:
    """Yield where batches start, and their size: the small one where fewer faces are left."""
    while start < stop:
        size = size if stop - start >= size else few
        yield start, size
        start += size


def _side_by_side(
    answer: Callable[[int, int], Tensor], batches: list[tuple[int, int]], device: torch.device
) -> list[Tensor]:
    """Return the answers to all batches; on a CPU as many at a time as torch has threads."""
    workers = min(len(batches), torch.get_num_threads()) if device.type == "cpu" else 1
    if workers < 2:
        return [answer(*batch) for batch in batches]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(answer, *zip(*batches, strict=True)))
