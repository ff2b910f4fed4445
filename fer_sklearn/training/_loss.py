"""The loss of a batch, as one object."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import Blend, Targets
from ._teachers import Teachers


class FaceLoss(nn.Module):
    """Cross-entropy of a batch, with smoothing, weights, mixup, soft labels and teachers.

    Parameters
    ----------
    label_smoothing : float
        Share of each target that is spread over all classes.
    teachers : Teachers or None
        Networks whose predictions are learned in addition to the targets.
    teacher_weight : float
        Share of the loss that is the divergence from the teachers' predictions.
    low : torch.dtype or None
        Low precision that the teachers multiply in.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        teachers: Teachers | None = None,
        teacher_weight: float = 0.0,
        low: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.teachers = teachers
        self.teacher_weight = teacher_weight
        self.low = low

    # (B, n_classes) -> ()
    def forward(
        self,
        logits: Tensor,
        targets: Targets,
        blend: Blend | None = None,
        view: Tensor | None = None,
    ) -> Tensor:
        """Return the loss; the teachers need the `view`, which only training passes."""
        loss = self._blended(partial(self._mean, logits), targets, blend)
        if self.teachers is None or view is None:
            return loss
        wanted = self.teachers.log_probabilities(view, self.low)
        divergence = F.kl_div(logits.log_softmax(1), wanted, reduction="none", log_target=True)
        taught = self._blended(partial(_weighted_mean, divergence.sum(1)), targets, blend)
        return torch.lerp(loss, taught, self.teacher_weight)

    @staticmethod
    def _blended(
        mean: Callable[[Targets], Tensor], targets: Targets, blend: Blend | None
    ) -> Tensor:
        if blend is None:
            return mean(targets)
        own, blended_in = mean(targets), mean(blend.neighbours(targets))
        return blend.share * own + (1 - blend.share) * blended_in

    def _mean(self, logits: Tensor, targets: Targets) -> Tensor:
        wanted = targets.codes if targets.shares is None else targets.shares
        smoothing = self.label_smoothing
        if targets.weights is None:
            return F.cross_entropy(logits, wanted, label_smoothing=smoothing)
        losses = F.cross_entropy(logits, wanted, reduction="none", label_smoothing=smoothing)
        return _weighted_mean(losses, targets)


def _weighted_mean(losses: Tensor, targets: Targets) -> Tensor:
    """Weights have mean 1 over the training data, not over the batch: divide by its size."""
    return losses.mean() if targets.weights is None else (losses * targets.weights).mean()
