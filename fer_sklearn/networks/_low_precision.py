"""Copies of networks that predict in low precision."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ._layers import Chain


@torch.no_grad()
def in_low_precision(network: nn.Module, low: torch.dtype) -> nn.Module:
    """Return a copy to be called within autocast, which has less to do then.

    Convolutions hold their weights in low precision, where autocast would convert them for every
    batch. Those that batch norm follows at once do its work. Only a `Chain` is changed: of other
    modules it is not known how they call their layers.

    Parameters
    ----------
    network : nn.Module
        In eval mode; it stays as it is.
    low : torch.dtype
    """
    network = copy.deepcopy(network)
    for chain in network.modules():
        if isinstance(chain, Chain):
            _fold(chain)
            for layer in chain:
                if isinstance(layer, nn.Conv2d):
                    layer.to(low)
    return network


def _fold(chain: Chain) -> None:
    """Fold each batch norm that follows a convolution into it."""
    for place, (layer, norm) in enumerate(pairwise(chain)):
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            chain[place], chain[place + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
