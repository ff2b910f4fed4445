"""Views of a face, and predictions averaged over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
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
#: Number of random faces that test which small batches give the same bits; not for larger ones.
_PROBES = 4
#: Seconds after which a progress bar appears.
_PATIENCE = 3.0


def mean_log_probability(logits: Tensor) -> Tensor:
    """Merge the logits of several views, (n_views, B, n_classes) -> (B, n_classes)."""
    return logits.log_softmax(2).mean(0)


def mean(features: Tensor) -> Tensor:
    """Average over the views, (n_views, B, n_features) -> (B, n_features)."""
    return features.mean(0)


@dataclass
class _Learned:
    """Which batches give the same bits as one of few rows.

    Attributes
    ----------
    least : int or None
        The smallest that does; None is not known.
    others : set of int
        Larger ones that do not.
    """

    least: int | None = None
    others: set[int] = field(default_factory=set)


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
    are used, provided that they give the first of their faces the same bits. The remaining faces
    fill up the smallest batch that gives the same bits. On a CPU each batch is computed by one
    thread, and several batches in parallel, because threads that share a batch wait for each other.

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
        Cache of what was learned about batches of this model.
    verbose : int
        Above 0 shows a progress bar if it takes longer than a few seconds.
    """
    rows = _ROWS.get(faces.device.type, _ROWS_ELSEWHERE)
    few, *larger = (max(1, n // len(views)) for n in rows)
    look = partial(_look, model, views, low, merge)
    learned = ({} if known is None else known).setdefault((views, low, merge), _Learned())

    def answer(start: int, size: int) -> Tensor:
        # The last face is repeated to fill the batch; the surplus outputs are cut off.
        index = np.minimum(np.arange(start, start + size), len(faces) - 1)
        return look(faces.pixels(index))[: len(faces) - start].cpu()

    answers, sizes, start = [], [], 0
    for size in sorted({*larger} - {few} - learned.others, reverse=True):
        # What is left after the batches of the larger size; at first, what each thread gets.
        left = len(faces) - start
        left = left % sizes[-1] if sizes else left // _workers(faces.device)
        if size <= left:
            block = answer(start, size)
            if torch.equal(block[:few], answer(start, few)):
                answers.append(block)
                sizes.append(size)
                start += size
            else:
                learned.others.add(size)
    sizes.append(few)
    if len(faces) % few and few <= _PROBES:
        learned.least = learned.least or _least_agreeing(look, faces, few)
        sizes.append(learned.least)
    batches = list(_batches(start, len(faces), sizes))
    bar = {"total": len(faces), "initial": start, "unit": "face", "delay": _PATIENCE}
    with tqdm(**bar, disable=not verbose) as bar:
        answers += _side_by_side(answer, batches, faces.device, bar) if batches else []
    return torch.cat(answers).numpy()


def _look(
    model: nn.Module, views: Views, low: torch.dtype | None, merge: Callable, pixels: Tensor
) -> Tensor:
    """Return the merged outputs of the model for the views of a batch."""
    device = pixels.device
    chosen: dict[str, Any] = {"dtype": low, "enabled": low is not None, "cache_enabled": False}
    with torch.inference_mode(), undisturbed(device), threads_for(0, device):
        looks = list(views.of(pixels))
        with torch.autocast(device.type, **chosen):
            answers = model(torch.cat(looks))
        answers = answers.unflatten(0, (len(looks), len(pixels)))
        return answers[0] if len(looks) == 1 else merge(answers)


def _least_agreeing(look: Callable[[Tensor], Tensor], faces: Faces, few: int) -> int:
    """Return the smallest batch that gives random faces the same bits as one of few rows."""
    generator = torch.Generator("cpu").manual_seed(0)
    shape = (_PROBES - _PROBES % few, *faces.pixels(np.array([0])).shape[1:])
    options: dict[str, Any] = {"generator": generator, "dtype": torch.float32, "device": "cpu"}
    drawn = torch.rand(shape, **options).to(faces.device)
    answers = {
        size: torch.cat([look(part) for part in drawn.split(size)])
        for size in (1, 2, few)
        if size <= few
    }
    return min(size for size, own in answers.items() if torch.equal(own, answers[few]))


def _batches(start: int, stop: int, sizes: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the start of each batch and its size: the largest that is three quarters full.

    If there is none, the least.
    """
    while start < stop:
        size = next((size for size in sizes if 3 * size < 4 * (stop - start)), sizes[-1])
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
