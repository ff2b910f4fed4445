"""Pieces that the networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout that draws from a generator of its own, not from torch's global one.

    Trainings in several threads share the global generator; their results would
    depend on which thread comes first.
    """

    generator: torch.Generator | None = None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * keep.div_(1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class SpaceToDepth(nn.Module):
    """Fold 2 x 2 pixels into four channels; an odd side is padded.

    Halves the resolution without losing a pixel: at full resolution the layers that
    touch every pixel cost more than the convolutions.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, 4, H / 2, W / 2)
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2))
        return F.pixel_unshuffle(x, 2)


def conv_block(channels_in: int, channels_out: int) -> nn.Sequential:
    """3 x 3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def halve(height: int, width: int) -> nn.MaxPool2d:
    """Max-pooling by 2 along each side that is longer than one pixel."""
    return nn.MaxPool2d((min(2, height), min(2, width)))
