"""normalise -> augment -> network, as one module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ._faces import Targets


@dataclass(frozen=True)
class Blend:
    """Blending of a batch with itself, shifted by one face (mixup; Zhang et al., 2018).

    Only this class decides which faces are blended, because pixels and targets have to agree.

    Parameters
    ----------
    share : float
        Share of each face that stays, in [0.5, 1].
    """

    share: float

    def faces(self, x: Tensor) -> Tensor:
        """Blend each face with its neighbour, (B, ...) -> same."""
        return x.lerp(x.roll(1, 0), 1 - self.share)

    def neighbours(self, targets: Targets) -> Targets:
        """Return the targets of the faces that were blended in."""
        others = (None if part is None else part.roll(1, 0) for part in targets[1:])
        return Targets(targets.codes.roll(1, 0), *others)


class FaceModel(nn.Module):
    """normalise -> augment -> network, as one module.

    Parameters
    ----------
    normalize, network : nn.Module
    augment : nn.Sequential
        Called in this order; `augment` acts in training mode only.

    Attributes
    ----------
    autocast : torch.dtype or None
        Low precision that the network trains in; None is float32. Normalisation and
        augmentation stay in float32: in bfloat16 a warp would miss by a tenth of a pixel.
    plain : bool
        Whether mixup and the layers that hide parts of the face are switched off.
    """

    autocast: torch.dtype | None = None

    def __init__(self, normalize: nn.Module, augment: nn.Sequential, network: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.augment = augment
        self.network = network
        self.plain = False
        self.frozen: list[nn.Module] = []

    def freeze(self, n_stages: int) -> None:
        """Keep the first stages of the network unchanged, including their batch norm.

        Raises
        ------
        ValueError
            If the network has fewer stages, or does not say what its stages are.
        """
        stages = getattr(self.network, "stages", [])
        if n_stages > len(stages):
            raise ValueError(
                f"freeze={n_stages}, but {type(self.network).__name__} has {len(stages)} stages "
                "(an attribute `stages`, a list of modules, says which)."
            )
        self.frozen = list(stages[:n_stages])
        for stage in self.frozen:
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> FaceModel:
        """Set training mode; frozen stages stay in eval mode."""
        super().train(mode)
        for stage in self.frozen:
            stage.eval()
        return self

    def rest(self, plain: bool) -> None:
        """Set `plain` for the following epochs."""
        self.plain = plain
        layer: Any  # a RandomLayer
        for layer in self.augment:
            layer.resting = plain and layer.hides

    # (B, 1, H, W) uint8 or [0, 1] -> (B, n_classes)
    def forward(self, x: Tensor) -> Tensor:
        return self.answers(self.view(x), None)

    def view(self, x: Tensor, blend: Blend | None = None) -> Tensor:
        """Return the faces as the network gets them, (B, 1, H, W) -> same."""
        x = self.augment(self.normalize(x))
        if blend is not None:
            x = blend.faces(x)
        return x.contiguous(memory_format=torch.channels_last)

    def answers(self, view: Tensor, low: torch.dtype | None) -> Tensor:
        """Return the logits, computed in low precision if one is given, -> (B, n_classes)."""
        if low is None:
            return self.network(view).float()
        # No cache: inside a user's own autocast it would outlive the step.
        with torch.autocast(view.device.type, dtype=low, cache_enabled=False):
            return self.network(view).float()
