"""Transformer layers on maps: each position of the map is a token, and the map keeps its shape."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._forms import check_count
from ._layers import Dropout


class Hidden(nn.Linear):
    """Linear layer between hidden features; it starts at the scale of its inputs.

    Muon orthogonalises the steps of its weights, as it does for filters. Adam moves all other
    linear layers (embeddings, the head).
    """

    def __init__(self, inputs: int, outputs: int, *, zero: bool = False) -> None:
        super().__init__(inputs, outputs)
        nn.init.zeros_(self.weight) if zero else nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)


class DropPath(Dropout):
    """Let a random share of the faces skip a layer: stochastic depth (Huang et al., 2016)."""

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C) -> same
        if not self.training or not self.p:
            return x
        keep = torch.empty_like(x[:, :1, :1]).bernoulli_(1 - self.p, generator=self.generator)
        return x * keep.div_(1 - self.p)


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        check_count("heads", heads)
        if width % heads:
            raise ValueError(
                f"The last of widths has to be a multiple of heads, got {width} and {heads}."
            )
        self.heads = heads
        self.mix_in = Hidden(width, 3 * width)
        self.mix_out = Hidden(width, width, zero=True)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C) -> same
        split = self.mix_in(x).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, heads, C / heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, heads, N, C / heads)
        mixed = attend(query, key, value)
        return self.mix_out(mixed.transpose(1, 2).flatten(2))


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the values, weighted by how well keys match queries, (B, heads, N, D) -> same.

    Torch's fused attention is meant for GPUs: on a CPU, its backward pass in bfloat16 takes five
    times as long as these three operations.
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return scores.softmax(-1) @ value


class TransformerLayer(nn.Module):
    """Attention and two fully connected layers, each added to its input after a layer norm.

    Both branches return 0 at first, so a fresh layer passes its input on.

    Parameters
    ----------
    width : int
        Channels.
    heads : int
        Attention heads.
    dropout : float
        Share of the hidden features that is dropped between the fully connected layers.
    drop_path : float
        Share of the faces that skip a branch.
    """

    def __init__(self, width: int, heads: int, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(width), Attention(width, heads), DropPath(drop_path)
        )
        self.dense = nn.Sequential(
            nn.LayerNorm(width),
            Hidden(width, 2 * width),
            nn.GELU(),
            Dropout(dropout),
            Hidden(2 * width, width, zero=True),
            DropPath(drop_path),
        )

    def forward(self, maps: Tensor) -> Tensor:  # (B, C, H, W) -> same
        x = maps.permute(0, 2, 3, 1).flatten(1, 2)  # (B, N, C)
        x = x + self.attention(x)
        x = x + self.dense(x)
        return x.unflatten(1, maps.shape[-2:]).permute(0, 3, 1, 2)


def transformer_layers(
    width: int, depth: int, heads: int, dropout: float, drop_path: float
) -> list[TransformerLayer]:
    """Return layers; each lets slightly more faces skip it than the one before.

    Parameters
    ----------
    width, heads : as in `TransformerLayer`
    depth : int
        Number of layers.
    dropout : float
        Dropout of the network; the layers use half of it.
    drop_path : float
        Of the last layer.
    """
    rates = [drop_path * (number + 1) / depth for number in range(depth)]
    return [TransformerLayer(width, heads, dropout / 2, rate) for rate in rates]


class Positions(nn.Module):
    """Add learned features of each position."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, channels, height, width))
        nn.init.trunc_normal_(self.weight, std=0.2)

    def forward(self, maps: Tensor) -> Tensor:  # (B, C, H, W) -> same
        return maps + self.weight


class AttentionPool(nn.Module):
    """Average over the positions, weighted by a learned score of each (Hassani et al., 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.score = nn.Linear(channels, 1)

    def forward(self, maps: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C)
        x = self.norm(maps.permute(0, 2, 3, 1).flatten(1, 2))  # (B, N, C)
        return (self.score(x).softmax(1) * x).sum(1)
