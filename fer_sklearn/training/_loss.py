"""The loss of a batch, as one object."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..model import Blend, Targets


class FaceLoss(nn.Module):
    """Cross-entropy of a batch: of labels or shares, smoothed, weighted, blended.

    Parameters
    ----------
    label_smoothing : float
        Share of each target that is spread over all classes.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    # (B, n_classes) -> ()
    def forward(self, logits: Tensor, targets: Targets, blend: Blend | None = None) -> Tensor:
        if blend is None:
            return self._mean(logits, targets)
        own, blended_in = self._mean(logits, targets), self._mean(logits, blend.neighbours(targets))
        return blend.share * own + (1 - blend.share) * blended_in

    def _mean(self, logits: Tensor, targets: Targets) -> Tensor:
        wanted = targets.codes if targets.shares is None else targets.shares
        smoothing = self.label_smoothing
        if targets.weights is None:
            return F.cross_entropy(logits, wanted, label_smoothing=smoothing)
        # Weights have mean 1 over the training data, not over the batch: so no weighted mean.
        losses = F.cross_entropy(logits, wanted, reduction="none", label_smoothing=smoothing)
        return (losses * targets.weights).mean()
