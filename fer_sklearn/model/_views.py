"""Views of a face, and answers that are averaged over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .._globals import undisturbed
from ._faces import Faces


@dataclass(frozen=True)
class Views:
    """Which views of a face are looked at.

    Attributes
    ----------
    shifts : tuple of (int, int)
        Where the face is moved to, in steps along (rows, columns).
    mirror : bool
        Whether the mirror image of each is looked at too.
    """

    shifts: tuple[tuple[int, int], ...]
    mirror: bool

    def __len__(self) -> int:
        return len(self.shifts) * (1 + self.mirror)

    def of(self, batch: Tensor) -> Iterator[Tensor]:
        """Yield the views of a batch, each (B, 1, H, W)."""
        for down, right in self.shifts:
            view = _shifted(_shifted(batch, down, -2), right, -1)
            yield view
            if self.mirror:
                yield view.flip(-1)


#: The centre and four corners.
_CORNERS = ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
#: The views that `FERClassifier(predict_augment=name)` knows.
VIEWS = {
    None: Views(_CORNERS[:1], mirror=False),
    "flip": Views(_CORNERS[:1], mirror=True),
    "ten-crop": Views(_CORNERS, mirror=True),
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


@torch.inference_mode()
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
    faces enough, if it gives the first of them the same bits.

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

    def answer(start: int, size: int) -> Tensor:
        # The last face fills the batch up; its surplus answers are cut off.
        index = np.minimum(np.arange(start, start + size), len(faces) - 1)
        looks = list(views.of(faces.pixels(index)))
        chosen = {"dtype": low, "enabled": low is not None, "cache_enabled": False}
        with torch.autocast(faces.device.type, **chosen):
            answers = model(torch.cat(looks))
        answers = answers.unflatten(0, (len(looks), size))
        answers = answers[0] if len(looks) == 1 else merge(answers)
        return answers[: len(faces) - start].cpu()

    with undisturbed(faces.device):
        # The small size decides what a face's bits are; the large one has to give the same.
        answers, size = [answer(0, few)], few
        if few < many <= len(faces):
            block = answer(0, many)
            if torch.equal(block[:few], answers[0]):
                answers, size = [block], many
        start = len(answers[0])
        while start < len(faces):
            size = size if len(faces) - start >= size else few
            answers.append(answer(start, size))
            start += size
        return torch.cat(answers).numpy()


def _shifted(batch: Tensor, steps: int, dim: int) -> Tensor:
    """Move the faces along `dim` by a 24th of the side a step; the edge is repeated."""
    if not steps:
        return batch
    side = batch.shape[dim]
    source = torch.arange(side, device=batch.device) - steps * max(1, round(side / 24))
    return batch.index_select(dim, source.clamp(0, side - 1))
