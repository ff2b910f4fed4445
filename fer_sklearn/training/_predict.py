"""Prediction: the logits of many faces, from one or several views of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ._batches import Faces
from ._net import FaceNet

#: Where the ten crops lie: the centre and four corners, in steps along (rows, columns).
_CORNERS = ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
#: Name: the shifts of a face to look at, and whether at their mirror images too.
VIEWS = {
    None: (_CORNERS[:1], False),
    "flip": (_CORNERS[:1], True),
    "ten-crop": (_CORNERS, True),
}


@torch.inference_mode()
def predict_logits(model: nn.Module, faces: Faces, *, views: str | None = None) -> np.ndarray:
    """Return logits (n, n_classes) in float32.

    All batches have one size, the last one is filled up: the kernels that a batch
    size selects differ in the seventh digit, and a face's logits must not depend on
    the faces beside it.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    faces : Faces
    views : {None, "flip", "ten-crop"}
        What of each face is looked at; the log-probabilities of several views are averaged.
    """
    size = FaceNet.inference_batch_size
    logits = []
    for start in range(0, len(faces), size):
        index = np.arange(start, start + size)
        batch = faces.faces(np.minimum(index, len(faces) - 1))
        answers = [model(view) for view in _views(batch, *VIEWS[views])]
        if len(answers) > 1:
            answers = [torch.stack(answers).log_softmax(2).mean(0)]
        logits.append(answers[0][: len(faces) - start])
    return torch.cat(logits).cpu().numpy()


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
