"""The shapes of a network's weights, found without allocating the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class _Bounded(TorchFunctionMode):
    """Stops building a network that is too large.

    Layers create their weights with `torch.empty`, whose results are counted.

    Parameters
    ----------
    n_tensors, n_weights : int
        The largest numbers allowed.
    """

    def __init__(self, n_tensors: int, n_weights: int) -> None:
        super().__init__()
        self.n_tensors = n_tensors
        self.n_weights = n_weights

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function is torch.empty:
            self.n_tensors -= 1
            self.n_weights -= result.numel()
            if min(self.n_tensors, self.n_weights) < 0:
                raise _TooLargeError
        return result


class _TooLargeError(Exception):
    pass


def find_shapes(
    build: Callable[[], nn.Module], n_tensors: int, n_weights: int
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Return shape and dtype of each entry in the state of the network that `build` returns.

    Parameters
    ----------
    build : callable
    n_tensors, n_weights : int
        Building stops if there are clearly more: more than twice as many tensors, or four times as
        many weights. The margin is for what a network needs but does not store.

    Raises
    ------
    ValueError
        If there are more.
    """
    bounds = 2 * n_tensors + 1000, 4 * n_weights + 2**20
    try:
        try:
            with torch.device("meta"), _Bounded(*bounds):
                state = build().state_dict()
        except _TooLargeError:
            raise
        except Exception:  # a user's network may need real values: build it normally
            with torch.random.fork_rng(devices=[]), _Bounded(*bounds):
                state = build().state_dict()
    except _TooLargeError:
        raise ValueError(
            f"The network is larger than {n_tensors} arrays of {n_weights:,} weights in all."
        ) from None
    return {
        name: (tuple(tensor.shape), np.dtype(str(tensor.dtype).removeprefix("torch.")))
        for name, tensor in state.items()
    }
