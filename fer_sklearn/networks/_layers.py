"""Layers that the networks share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._device import has_amx

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


class MeanPool(nn.AdaptiveAvgPool2d):
    """Mean of each channel, whose gradient has the layout of the maps in training: channels last.

    torch's has another one, with which the batch norm and the activation before it take thirty
    times as long on a CPU. The mean itself is the same to the bit.
    """

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, 1, 1)
        if not self.training:
            return super().forward(x)
        return x.permute(0, 2, 3, 1).mean((1, 2))[..., None, None]


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


class Conv3x3(nn.Conv2d):
    """3 x 3 convolution, which trains faster on small maps where the CPU has AMX.

    The kernel for the gradient of the weights works along the rows of a map, and short rows leave
    most of AMX's tiles empty. So for this gradient the maps of eight faces are laid side by side.
    Without AMX, on larger maps or with fewer channels that gains nothing.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1, bias=False)
        self.fills_tiles = min(channels_in, channels_out) >= 128

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, channels_out, H, W)
        small = self.training and self.fills_tiles and x.shape[-1] <= 8
        if not (small and torch.is_autocast_enabled("cpu") and has_amx(x.device)):
            return super().forward(x)
        low = torch.get_autocast_dtype("cpu")
        return _Convolution.apply(x.to(low), self.weight.to(low))


class _Convolution(torch.autograd.Function):
    """3 x 3 convolution that computes the gradient of its weights side by side."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        of_x, _, _ = _gradients(grad, x, weight, [True, False, False])
        _, of_weight, _ = _gradients(
            side_by_side(grad), side_by_side(x), weight, [False, True, False]
        )
        return of_x, of_weight


def _gradients(grad: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]) -> Any:
    """Return those of the input, the weights and the bias of a 3 x 3 convolution."""
    ones = [1, 1]  # stride, padding, dilation
    return torch.ops.aten.convolution_backward(
        grad, x, weight, None, ones, ones, ones, False, [0, 0], 1, wanted
    )


def side_by_side(maps: Tensor, n: int = 8) -> Tensor:
    """Lay `n` maps in a row, a column of zeros after each, (B, C, H, W) -> (B / n, C, H, n W + n).

    A convolution then sees zeros beside each map, as it does where it pads. The last row is filled
    up with zeros.
    """
    batch, channels, height, width = maps.shape
    rows = maps.new_zeros(-(-batch // n), height, n, width + 1, channels)
    filled = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 0, 0, 0, 0, 0, -batch % n))
    rows[:, :, :, :width] = filled.unflatten(0, (-1, n)).transpose(1, 2)
    return rows.flatten(2, 3).permute(0, 3, 1, 2)


def conv3x3(channels_in: int, channels_out: int) -> Conv3x3:
    """3 x 3 convolution that passes its input on at first.

    Its first filters are the identity (Jordan, 2024): a fresh network loses less of the image on
    the way, and learns faster.
    """
    conv = Conv3x3(channels_in, channels_out)
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
