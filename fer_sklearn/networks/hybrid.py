"""A hybrid transformer: convolutions where faces have pixels, attention where they have parts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ._attention import AttentionPool, Positions, transformer_layers
from ._layers import Dropout, Head, Logits, SpaceToDepth, conv_block, halve
from .resnet import Residual


class Hybrid(nn.Module):
    """Convolution stages, then transformer layers on the output of the last stage.

    On small datasets it helps to begin with convolutions: they know that neighbouring pixels belong
    together, which attention would have to learn (CoAtNet, Dai et al., 2021; Xiao et al., 2021). At
    48 x 48 pixels the default has 36 tokens, and takes about twice as long to train as "resnet".

    Parameters
    ----------
    n_classes : int
        Number of logits.
    image_shape : tuple of (int, int)
        Height and width of the faces in pixels.
    widths : sequence of int, default=(64, 128, 256)
        Channels of each stage; each stage after the first halves the sides. All but the last have
        a residual unit; the last one's channels are those of the transformer.
    depth : int, default=4
        Transformer layers.
    heads : int, default=8
        Attention heads per layer; they share the last of `widths` evenly.
    dropout : float, default=0.2
        Share of features dropped before the last linear layer, and half of it within the
        transformer.
    drop_path : float, default=0.1
        Share of the faces that skip a branch of the last transformer layer; evenly less in
        earlier ones (stochastic depth).
    activation : {"gelu", "silu", "relu"}, default="gelu"
        The activation after each batch norm.
    """

    def __init__(
        self,
        n_classes: int,
        image_shape: tuple[int, int],
        *,
        widths: Sequence[int] = (64, 128, 256),
        depth: int = 4,
        heads: int = 8,
        dropout: float = 0.2,
        drop_path: float = 0.1,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        height, width = (-(-side // 2) for side in image_shape)
        stages: list[nn.Sequential] = []
        channels = 4
        for number, stage_width in enumerate(widths):
            pool = halve(height, width) if number else None
            if number:
                height, width = max(height // 2, 1), max(width // 2, 1)
            last = number == len(widths) - 1
            stages.append(
                nn.Sequential(
                    conv_block(channels, stage_width, pool, activation),  # (B, C, H, W)
                    Positions(stage_width, height, width)
                    if last
                    else Residual(stage_width, activation),
                )
            )
            channels = stage_width
        layers = transformer_layers(channels, depth, heads, dropout, drop_path)
        self.features = nn.Sequential(SpaceToDepth(), *stages, *layers)
        self.stages = [*stages, *layers]
        self.head = Head(AttentionPool(channels), Dropout(dropout), Logits(channels, n_classes))

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, n_classes)
        return self.head(self.features(x))
