"""Views of a face, and predictions averaged over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .._globals import own_threads, threads_for, undisturbed
from ..augment import affine_matrices, sample
from ._faces import Faces


@dataclass(frozen=True)
class Shift:
    """The face, shifted by multiples of a 24th of its side; the edge is repeated."""

    down: int = 0
    right: int = 0

    def __call__(self, faces: Tensor) -> Tensor:  # (B, 1, H, W) -> same
        return self._moved(self._moved(faces, self.down, -2), self.right, -1)

    @staticmethod
    def _moved(faces: Tensor, steps: int, dim: int) -> Tensor:
        return neighbours(faces, steps * max(1, round(faces.shape[dim] / 24)), dim)


@dataclass(frozen=True)
class Warp:
    """The face, enlarged by a factor or rotated by degrees, as training warps faces."""

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
    """The face, blurred by a Gaussian; `sigma` is in pixels of a face of 48 x 48."""

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
    """Return bytes as numbers in [0, 1]; floats unchanged."""
    return faces / 255 if faces.dtype == torch.uint8 else faces


def neighbours(faces: Tensor, steps: int, dim: int) -> Tensor:
    """Move the faces along `dim` by pixels; the edge is repeated."""
    if not steps:
        return faces
    source = torch.arange(faces.shape[dim], device=faces.device) - steps
    return faces.index_select(dim, source.clamp(0, faces.shape[dim] - 1))


@dataclass(frozen=True)
class Views:
    """The set of views of a face to predict.

    Attributes
    ----------
    looks : tuple of callable
        Each makes a view of a batch, (B, 1, H, W) -> same.
    mirror : bool
        Whether the mirror image of each is predicted too.
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

#: Rows per batch: for few faces, and for many.
_ROWS = {"cpu": (4, 16, 64, 128)}
_ROWS_ELSEWHERE = (256,)
#: Least number of random faces that test whether batches of another size give the same bits. In a
#: small ViT, two of three faces had them in a batch of two, and yet another face had not.
_PROBES = 16
#: Seconds after which a progress bar appears.
_PATIENCE = 3.0


def mean_log_probability(logits: Tensor) -> Tensor:
    """Merge the logits of several views, (n_views, B, n_classes) -> (B, n_classes)."""
    return mean(logits.log_softmax(2))


def mean(features: Tensor) -> Tensor:
    """Average over the views, (n_views, B, n_features) -> (B, n_features).

    One after the other: `Tensor.mean` adds them in an order that depends on the number of faces.
    """
    total: Any = sum(features.unbind(0))
    return total / features.shape[0]


def ask(
    model: nn.Module,
    faces: Faces,
    views: Views,
    *,
    low: torch.dtype | None = None,
    merge: Callable[[Tensor], Tensor] = mean_log_probability,
    known: dict | None = None,
    verbose: int = 0,
) -> np.ndarray:
    """Return the output of the model for each face, (n, n_outputs) in float32.

    The output for a face must not depend on the other faces, but different batch sizes select
    different kernels, which may differ in the seventh digit. So the bits of a face are defined as
    those that a batch of few rows gives. If there are enough faces for all threads, larger batches
    are used, provided that they give random faces the same bits. The remaining faces fill up the
    smallest batch that does. On a CPU each batch is computed by one thread, and several batches in
    parallel, because threads that share a batch wait for each other.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    faces : Faces
    views : Views
        Views of each face to predict.
    low : torch.dtype or None
        Low precision to multiply in; None is float32.
    merge : callable
        Merges the outputs of several views.
    known : dict or None
        Cache of this model: which sizes of a batch give the same bits.
    verbose : int
        Above 0 shows a progress bar if it takes longer than a few seconds.
    """
    rows = _ROWS.get(faces.device.type, _ROWS_ELSEWHERE)
    few, *larger = (max(1, n // len(views)) for n in rows)
    look = partial(_look, model, views, low)
    known = {} if known is None else known

    def agrees(size: int) -> bool:
        key = views, low, size
        if key not in known:
            known[key] = size == few or _has_same_bits(look, faces, few, size)
        return known[key]

    def answer(start: int, size: int) -> Tensor:
        # The last face is repeated to fill the batch; the surplus outputs are cut off.
        index = np.minimum(np.arange(start, start + size), len(faces) - 1)
        return look(faces.pixels(index), merge)[: len(faces) - start].cpu()

    # Every thread gets batches of the largest size, and the test of a size must not cost more.
    most = len(faces) // _workers(faces.device) // 2
    sizes = [size for size in sorted({*larger} - {few}, reverse=True) if size <= most]
    sizes = [*filter(agrees, sizes), few]
    if larger and len(faces) % few:  # on a CPU
        sizes.append(next(size for size in (1, 2, few) if size <= few and agrees(size)))
    batches = list(_batches(len(faces), sizes))
    with tqdm(total=len(faces), unit="face", delay=_PATIENCE, disable=not verbose) as bar:
        answers = _side_by_side(answer, batches, faces.device, bar)
    return torch.cat(answers).numpy()


def _look(
    model: nn.Module,
    views: Views,
    low: torch.dtype | None,
    pixels: Tensor,
    merge: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return the outputs of the model for a batch, merged or as (n_views, B, n_outputs)."""
    device = pixels.device
    chosen: dict[str, Any] = {"dtype": low, "enabled": low is not None, "cache_enabled": False}
    with torch.inference_mode(), undisturbed(device), threads_for(0, device):
        looks = list(views.of(pixels))
        with torch.autocast(device.type, **chosen):
            answers = model(torch.cat(looks))
        answers = answers.unflatten(0, (len(looks), len(pixels)))
        if merge is None:
            return answers
        return answers[0] if len(looks) == 1 else merge(answers)


def _has_same_bits(look: Callable[[Tensor], Tensor], faces: Faces, few: int, size: int) -> bool:
    """Tell whether random faces have the same bits in batches of this size as in those of few rows.

    The first and the last faces of the larger batches are compared: the last row may be the one
    that differs. And before the views are merged: an average often has the same bits by chance.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    options: dict[str, Any] = {"generator": generator, "dtype": torch.float32, "device": "cpu"}
    small, large = sorted((few, size))
    shape = large, *faces.pixels(np.array([0])).shape[1:]
    for _ in range(-(-_PROBES // large)):
        drawn = torch.rand(shape, **options).to(faces.device)
        whole = look(drawn)
        for part in (slice(small), slice(large - small, large)):
            if not torch.equal(look(drawn[part]), whole[:, part]):
                return False
    return True


def _batches(n: int, sizes: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the start of each batch and its size: the largest that is three quarters full.

    If there is none, the last.
    """
    start = 0
    while start < n:
        size = next((size for size in sizes if 3 * size < 4 * (n - start)), sizes[-1])
        yield start, size
        start += size


def _workers(device: torch.device) -> int:
    """Return how many batches are computed at a time."""
    return own_threads() if device.type == "cpu" else 1


def _side_by_side(
    answer: Callable[[int, int], Tensor],
    batches: list[tuple[int, int]],
    device: torch.device,
    bar: tqdm,
) -> list[Tensor]:
    """Return the outputs of all batches; on a CPU as many at a time as torch has threads."""
    answers = []
    workers = min(len(batches), _workers(device))
    with ThreadPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        for part in (pool.map if pool else map)(answer, *zip(*batches, strict=True)):
            answers.append(part)
            bar.update(len(part))
    return answers
