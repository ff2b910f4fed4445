"""A small plain vision transformer: attention without convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .._forms import check_count
from ._attention import AttentionPool, Positions, transformer_layers
from ._layers import Dropout, Head, Logits


class Patches(nn.Module):
    """Squares of pixels, each mapped to channels by one linear layer; the last ones are padded."""

    def __init__(self, side: int, channels: int) -> None:
        super().__init__()
        self.side = side
        self.embed = nn.Linear(side * side, channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, C, H / side, W / side)
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.side, 0, -height % self.side))
        squares = F.pixel_unshuffle(x, self.side).permute(0, 2, 3, 1)
        return self.embed(squares).permute(0, 3, 1, 2)


class ViT(nn.Module):
    """Patches of pixels as tokens, then transformer layers (Dosovitskiy et al., 2021).

    A reference for "hybrid". On a dataset as small as FER-2013 it is expected to be less accurate
    than networks with convolutions, which need not learn that neighbouring pixels belong together.

    Parameters
    ----------
    n_classes : int
        Number of logits.
    image_shape : tuple of (int, int)
        Height and width of the faces in pixels.
    widths : sequence of one int, default=(256,)
        Channels.
    depth : int, default=6
        Transformer layers.
    heads : int, default=4
        Attention heads per layer; they share the channels evenly.
    patch_size : int, default=6
        Side of a patch in pixels.
    dropout : float, default=0.2
        Share of features dropped before the last linear layer, and half of it within the
        transformer.
    drop_path : float, default=0.1
        Share of the faces that skip a branch of the last layer; evenly less in earlier ones.
    """

    def __init__(
        self,
        n_classes: int,
        image_shape: tuple[int, int],
        *,
        widths: Sequence[int] = (256,),
        depth: int = 6,
        heads: int = 4,
        patch_size: int = 6,
        dropout: float = 0.2,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        if len(widths) != 1:
            raise ValueError(f"'vit' has one width, such as widths=(256,), got {tuple(widths)}.")
        check_count("patch_size", patch_size)
        [channels] = widths
        height, width = (-(-side // patch_size) for side in image_shape)
        patches = nn.Sequential(Patches(patch_size, channels), Positions(channels, height, width))
        layers = transformer_layers(channels, depth, heads, dropout, drop_path)
        self.features = nn.Sequential(patches, *layers)
        self.stages = [patches, *layers]
        self.head = Head(AttentionPool(channels), Dropout(dropout), Logits(channels, n_classes))

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, n_classes)
        return self.head(self.features(x))
