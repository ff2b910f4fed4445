"""The plain convolutional network of the FER literature."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ._layers import Dropout, Head, Logits, conv_block, halve


class CNN(nn.Module):
    """Blocks of convolution + batch norm + ReLU + max-pooling, then fully connected layers.

    The VGG pattern (Simonyan & Zisserman, 2015), which Khaireddin & Chen (2021) tuned
    for FER-2013.

    Parameters
    ----------
    n_classes : int
        Number of logits.
    image_shape : tuple of (int, int)
        Height and width of the faces in pixels.
    widths : sequence of int, default=(32, 64, 128)
        Channels of each block; a block ends in max-pooling, which halves the sides.
    depth : int, default=2
        Convolutions per block.
    dropout : float, default=0.4
        Share of activations dropped before each fully connected layer.
    hidden_units : sequence of int, default=(256,)
        Sizes of the fully connected layers before the last one.
    """

    def __init__(
        self,
        n_classes: int,
        image_shape: tuple[int, int],
        *,
        widths: Sequence[int] = (32, 64, 128),
        depth: int = 2,
        dropout: float = 0.4,
        hidden_units: Sequence[int] = (256,),
    ) -> None:
        super().__init__()
        (height, width), channels = image_shape, 1
        blocks: list[nn.Module] = []
        for block_width in widths:
            for _ in range(depth):
                blocks.append(conv_block(channels, block_width))
                channels = block_width
            blocks.append(halve(height, width))
            height, width = max(height // 2, 1), max(width // 2, 1)
        self.features = nn.Sequential(*blocks)
        self.stages = [
            self.features[start : start + depth + 1] for start in range(0, len(blocks), depth + 1)
        ]

        units = channels * height * width
        dense: list[nn.Module] = [nn.Flatten()]
        for size in hidden_units:
            dense += [Dropout(dropout), nn.Linear(units, size), nn.ReLU(inplace=True)]
            units = size
        self.head = Head(*dense, Dropout(dropout), Logits(units, n_classes))

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, n_classes)
        return self.head(self.features(x))
