"""Prediction: the logits of many faces, from one or several views of each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ._batches import Faces
from ._net import FaceModel

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
    merge: Callable[[Tensor], Tensor] | None = None,
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
        What of each face is looked at.
    low : torch.dtype or None
        Low precision to multiply in; None is float32.
    merge : callable or None
        What makes one answer of those to several views, (n_views, B, n_classes) ->
        (B, n_classes). None averages their log-probabilities.
    """
    merge = merge or _mean_log_probability
    shifts, mirror = VIEWS[views]
    rows = _ROWS.get(faces.device.type, _ROWS_ELSEWHERE)
    few, many = (max(1, n // (len(shifts) * (1 + mirror))) for n in rows)

    def ask(start: int, size: int) -> Tensor:
        index = np.minimum(np.arange(start, start + size), len(faces) - 1)
        looks = list(_views(faces.faces(index), shifts, mirror))
        with torch.autocast(faces.device.type, dtype=low, enabled=low is not None):
            answers = model(torch.cat(looks))
        answers = answers.unflatten(0, (len(looks), size))
        answers = answers[0] if len(looks) == 1 else merge(answers)
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


def predict_features(model: FaceModel, faces: Faces, *, views: str | None = None) -> np.ndarray:
    """Return what the last linear layer of the network gets, (n, n_features) in float32.

    Parameters
    ----------
    model : FaceModel
        In eval mode.
    faces : Faces
    views : {None, "flip", "ten-crop"}
        What of each face is looked at; the features of several views are averaged.
    """
    # A copy: hooks on the model itself would also see what other threads predict.
    model = copy.deepcopy(model)
    model.network.set_submodule(last_linear(model.network)[0], nn.Identity())
    return predict_logits(model, faces, views=views, merge=lambda features: features.mean(0))


def last_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    """Return the last linear layer and its name.

    Raises
    ------
    ValueError
        If there is none.
    """
    layers = [named for named in network.named_modules() if isinstance(named[1], nn.Linear)]
    if not layers:
        raise ValueError(
            f"{type(network).__name__} has no nn.Linear layer, whose input would be the features "
            "of a face."
        )
    return layers[-1]


def _mean_log_probability(logits: Tensor) -> Tensor:
    return logits.log_softmax(2).mean(0)


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
