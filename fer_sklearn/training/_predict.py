"""Prediction: the logits of many faces, from one or several views of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ._batches import Faces

#: Where the ten crops lie: the centre and four corners, in steps along (rows, columns).
_CORNERS = ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
#: Name: the shifts of a face to look at, and whether at their mirror images too.
VIEWS = {
    None: (_CORNERS[:1], False),
    "flip": (_CORNERS[:1], True),
    "ten-crop": (_CORNERS, True),
}


#: Rows a batch: for few faces, and for many.
_ROWS = {"cpu": (4, 64)}
_ROWS_ELSEWHERE = (256, 256)


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    faces: Faces,
    *,
    views: str | None = None,
    low: torch.dtype | None = None,
) -> np.ndarray:
    """Return logits (n, n_classes) in float32.

    A face's logits must not depend on the faces beside it, but the kernels that a
    batch size selects may differ in the seventh digit. So every batch is filled up to a
    small size, which keeps a single face quick; a larger size is used where there are
    faces enough, if it gives the first of them the same bits.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    faces : Faces
    views : {None, "flip", "ten-crop"}
        What of each face is looked at; the log-probabilities of several views are averaged.
    low : torch.dtype or None
        Low precision to multiply in; None is float32.
    """
    shifts, mirror = VIEWS[views]
    rows = _ROWS.get(faces.device.type, _ROWS_ELSEWHERE)
    few, many = (max(1, n // (len(shifts) * (1 + mirror))) for n in rows)

    def ask(start: int, size: int) -> Tensor:
        index = np.minimum(np.arange(start, start + size), len(faces) - 1)
        looks = list(_views(faces.faces(index), shifts, mirror))
        with torch.autocast(faces.device.type, dtype=low, enabled=low is not None):
            answers = model(torch.cat(looks))
        answers = answers.unflatten(0, (len(looks), size))
        answers = answers[0] if len(looks) == 1 else answers.log_softmax(2).mean(0)
        return answers[: len(faces) - start].cpu()

    logits = [ask(0, few)]
    size = few
    if few < many <= len(faces):
        block = ask(0, many)
        if torch.equal(block[:few], logits[0]):
            logits, size = [block], many
    start = len(logits[0])
    while start < len(faces):
        size = size if len(faces) - start >= size else few
        logits.append(ask(start, size))
        start += size
    return torch.cat(logits).numpy()


def _views(batch: Tensor, shifts, mirror: bool) -> Iterator[Tensor]:
    for down, right in shifts:
        view = _shifted(_shifted(batch, down, -2), right, -1)
        yield view
        if mirror:
            yield view.flip(-1)


def _shifted(batch: Tensor, steps: int, dim: int) -> Tensor:
    """Move the faces along `dim` by a 24th of the side a step; the edge is repeated."""
    if not steps:
        return batch
    side = batch.shape[dim]
    source = torch.arange(side, device=batch.device) - steps * max(1, round(side / 24))
    return batch.index_select(dim, source.clamp(0, side - 1))
