"""Layers that the networks share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Name: function that makes the layer.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "gelu": nn.GELU,
    "silu": partial(nn.SiLU, inplace=True),
}


class Dropout(nn.Module):
    """Dropout that draws from its own generator, not from torch's global one.

    Trainings in several threads share the global generator, so their results would depend on
    which thread comes first.
    """

    generator: torch.Generator | None = None

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout has to be in [0, 1), got {p!r}.")
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

    This halves the resolution without losing a pixel. At full resolution, layers that touch every
    pixel would cost more than the convolutions.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, 4, H / 2, W / 2)
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2))
        return F.pixel_unshuffle(x, 2)


class Head(nn.Sequential):
    """The last layers, up to the logits, which always run in float32.

    bfloat16 has three digits: faces would tie, and small probabilities would be lost.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


class Logits(nn.Linear):
    """Linear layer whose output for a face does not depend on its batch.

    MKL sums products in other orders for other numbers of rows, and with two or three columns even
    in some rows of a batch. So outside of training each output is summed by itself.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, n_features) -> (B, n_classes)
        if self.training or torch.onnx.is_in_onnx_export():
            return super().forward(x)
        return (x.unsqueeze(1) * self.weight).sum(2) + self.bias


class Chain(nn.Sequential):
    """Layers that are only ever called in a row, so that a copy may join some of them."""


def conv3x3(channels_in: int, channels_out: int) -> nn.Conv2d:
    """3 x 3 convolution that passes its input on at first.

    Its first filters are the identity (Jordan, 2024): a fresh network loses less of the image on
    the way, and learns faster.
    """
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    same = min(channels_in, channels_out)
    with torch.no_grad():  # like nn.init.dirac_, which loops over channels
        conv.weight[:same].zero_()
        conv.weight[:same, :same, 1, 1].diagonal().fill_(1)
    return conv


def conv_block(
    channels_in: int,
    channels_out: int,
    pool: nn.Module | None = None,
    activation: str = "relu",
) -> Chain:
    """3 x 3 convolution, pooling if there is any, batch norm, activation.

    Pooling comes before batch norm, which then has a quarter of the work.
    """
    layers = [conv3x3(channels_in, channels_out), pool, nn.BatchNorm2d(channels_out)]
    return Chain(*(layer for layer in layers if layer), make_activation(activation))


def make_activation(name: str) -> nn.Module:
    """Return the activation of this name, one of `ACTIVATIONS`.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"Unknown activation {name!r}. Known: {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]()


def halve(height: int, width: int) -> nn.MaxPool2d:
    """Max-pooling by 2 along each side that is longer than one pixel."""
    return nn.MaxPool2d((min(2, height), min(2, width)))
