"""A small residual network for small gray faces."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ._layers import (
    Chain,
    Dropout,
    Head,
    Logits,
    MeanPool,
    SpaceToDepth,
    conv3x3,
    conv_block,
    halve,
    make_activation,
)


class Residual(nn.Module):
    """x + two convolutions of x (He et al., 2016), same shape."""

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        self.body = Chain(
            conv_block(channels, channels, activation=activation),
            conv3x3(channels, channels),
            nn.BatchNorm2d(channels),
        )
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> same
        return self.activation(x + self.body(x))


class ResNet(nn.Module):
    """Space-to-depth stem, then stages of residual units, then an averaged linear head.

    The stem works at half resolution from the first layer, which makes it fast on a CPU
    (`docs/benchmarks/training_levers.md`).

    Parameters
    ----------
    n_classes : int
        Number of logits.
    image_shape : tuple of (int, int)
        Height and width of the faces in pixels.
    widths : sequence of int, default=(64, 128, 256)
        Channels of each stage; each stage after the first halves the sides.
    depth : int, default=1
        Residual units per stage, with two convolutions each.
    dropout : float, default=0.2
        Share of features dropped before the linear layer.
    activation : {"gelu", "silu", "relu"}, default="gelu"
        The activation after each batch norm. The smooth ones (Hendrycks and Gimpel, 2016; Elfwing
        et al., 2018) take a fifth to a third more time than ReLU.
    """

    def __init__(
        self,
        n_classes: int,
        image_shape: tuple[int, int],
        *,
        widths: Sequence[int] = (64, 128, 256),
        depth: int = 1,
        dropout: float = 0.2,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        height, width = (-(-side // 2) for side in image_shape)
        layers: list[nn.Module] = [SpaceToDepth()]
        channels = 4
        for stage, stage_width in enumerate(widths):
            pool = halve(height, width) if stage else None
            layers.append(conv_block(channels, stage_width, pool, activation))
            layers += [Residual(stage_width, activation) for _ in range(depth)]
            if stage:
                height, width = max(height // 2, 1), max(width // 2, 1)
            channels = stage_width
        self.features = nn.Sequential(*layers)
        self.stages = [
            self.features[start : start + depth + 1] for start in range(1, len(layers), depth + 1)
        ]
        self.head = Head(MeanPool(), nn.Flatten(), Dropout(dropout), Logits(channels, n_classes))

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, n_classes)
        return self.head(self.features(x))
