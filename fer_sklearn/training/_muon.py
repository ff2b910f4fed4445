"""Muon, in the form that suits small convolutional networks with batch norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

#: Quintic whose iteration drives singular values towards 1 fast (Jordan et al., 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)
_BETAS = (0.9, 0.99)


class Muon(Optimizer):
    """Steps of equal size in all directions for filters, Adam for everything else.

    The momentum of each convolution's filters is orthogonalised: directions that the
    gradient seldom shows count as much as those that dominate it. Filters are held
    at unit norm, where batch norm lets only their direction matter, so a step's size is
    relative and there is nothing for weight decay to do.

    Parameters
    ----------
    params : iterable of Parameter
        Those of four dimensions are filters; the others are left to Adam.
    lr : float, default=0.03
        Relative size of a step.
    momentum : float, default=0.9
        Of the filters, in Nesterov's form.
    weight_decay : float, default=0
        Decoupled, of matrices left to Adam.
    adam_factor : float, default=0.1
        Adam's learning rate as a fraction of `lr`.

    References
    ----------
    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), and
    the CIFAR-10 speedrun airbench by the same author, for the unit norm.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 0.03,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        adam_factor: float = 0.1,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "adam_factor": adam_factor,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> Any:
        """Take one step, as every torch optimiser does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.ndim == 4:
                    self._step_filters(parameter, group)
                else:
                    self._step_adam(parameter, group)
        return loss

    def _step_filters(self, filters: Tensor, group: dict) -> None:
        state = self.state[filters]
        if not state:
            state["momentum"] = torch.zeros_like(filters)
        # Nesterov's form: the gradient as it would be after the momentum's next step.
        momentum = state["momentum"].mul_(group["momentum"]).add_(filters.grad)
        ahead = filters.grad.add(momentum, alpha=group["momentum"])
        # Behind batch norm only the direction of a filter counts; unit norm makes steps relative.
        filters.mul_(len(filters) ** 0.5 / filters.norm().clamp_min(1e-12))
        # A matrix of one row a filter: rare directions of the gradient get a full step too.
        direction = orthogonalize(ahead.flatten(1)).reshape(filters.shape)
        filters.add_(direction, alpha=-group["lr"])

    def _step_adam(self, parameter: Tensor, group: dict) -> None:
        state, gradient = self.state[parameter], parameter.grad
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["step"] += 1
        # One learning rate, moved by one schedule, serves both kinds of parameters.
        rate = group["lr"] * group["adam_factor"]
        # Decay pulls matrices alone: shrunken biases and batch norm would only lose fit.
        if parameter.ndim > 1:
            parameter.mul_(1 - rate * group["weight_decay"])
        state["mean"].lerp_(gradient, 1 - _BETAS[0])
        state["square"].lerp_(gradient.square(), 1 - _BETAS[1])
        # Both averages began at zero, which the first steps have to make up for.
        mean = state["mean"] / (1 - _BETAS[0] ** state["step"])
        square = state["square"] / (1 - _BETAS[1] ** state["step"])
        parameter.addcdiv_(mean, square.sqrt_().add_(1e-8), value=-rate)


def orthogonalize(matrix: Tensor, steps: int = 3) -> Tensor:
    """Bring the singular values of `matrix` near 1, by Newton and Schulz's iteration.

    Three steps lift most of them to between .6 and 1.2; directions a hundred times weaker
    than the strongest stay near .1. More steps lift those too and cost time.

    Every step multiplies the matrix X by a polynomial of X X^T, so the steps are gathered in
    the small square space of X X^T, and X itself is multiplied only once.
    """
    # The square space is as large as the shorter side.
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T, steps).T
    # The iteration converges for singular values of at most 1.
    x = matrix / matrix.norm().clamp_min(1e-7)
    square = x @ x.T
    identity = torch.eye(len(x), dtype=x.dtype, device=x.device)
    a, b, c = _QUINTIC
    product = identity
    for _ in range(steps):
        factor = a * identity + b * square + c * square @ square
        product = factor @ product
        square = factor @ square @ factor
    return product @ x
