"""Muon, in a form that suits small convolutional networks with batch norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

#: Quintic whose iteration drives singular values towards 1 fast (Jordan et al., 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)
_BETAS = (0.9, 0.99)


class Muon(Optimizer):
    """Muon for filters and hidden matrices, Adam for the rest.

    The momentum of each convolution's filters is orthogonalised: a step has the same size in all
    directions, also in those that are rare in the gradient. Filters are kept at unit norm. Batch
    norm makes only their direction matter, so the size of a step is relative, and weight decay
    would have no effect. The momentum of the matrices of a transformer is orthogonalised too, but
    these are not normalised, and they are decayed.

    Parameters
    ----------
    params : iterable of Parameter, or of groups of them
        Those with four dimensions and more than one row are filters. Adam moves the others, unless
        their group is `hidden`.
    lr : float, default=0.03
        Relative size of a step.
    momentum : float, default=0.9
        Nesterov momentum of the filters.
    weight_decay : float, default=0
        Decoupled weight decay of all matrices except filters.
    adam_factor : float, default=0.1
        Adam's learning rate as a fraction of `lr`.
    hidden : bool, default=False
        Whether matrices are between hidden features, and orthogonalised too.

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
        hidden: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "adam_factor": adam_factor,
            "hidden": hidden,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> Any:
        """Take one step, as every torch optimiser does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moved = [
            (parameter, group)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        self._step_matrices([pair for pair in moved if _is_matrix(*pair)])
        for group in self.param_groups:
            self._step_adam(
                [p for p, own in moved if own is group and not _is_matrix(p, own)], group
            )
        return loss

    def _step_matrices(self, moved: list[tuple[Tensor, dict]]) -> None:
        """Take Muon's step for all filters and hidden matrices, those of the same size together."""
        directions = orthogonalize([self._ahead(*pair) for pair in moved])
        for (part, group), direction in zip(moved, directions, strict=True):
            if _is_filters(part):
                # After batch norm only the direction of a filter counts; unit norm makes steps
                # relative.
                part.mul_(len(part) ** 0.5 / part.norm().clamp_min(1e-12))
                part.add_(_as_filters(direction, part), alpha=-group["lr"])
            else:
                # Otherwise each output would move by less if there are more outputs than inputs.
                longer = max(1.0, part.shape[0] / part.shape[1]) ** 0.5
                part.mul_(1 - group["lr"] * group["weight_decay"])
                part.add_(direction, alpha=-group["lr"] * longer)

    def _ahead(self, part: Tensor, group: dict) -> Tensor:
        """Return the gradient as it would be after the momentum's next step (Nesterov), a matrix.

        A filter becomes one row of the matrix.
        """
        state = self.state[part]
        if not state:
            state["momentum"] = torch.zeros_like(part)
        gradient: Any = part.grad  # only parameters that have a gradient come here
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        ahead = gradient.add(momentum, alpha=group["momentum"])
        return _as_matrix(ahead) if _is_filters(part) else ahead

    def _step_adam(self, parameters: list[Tensor], group: dict) -> None:
        """Take Adam's step for all parameters at once: one by one they would keep a GPU waiting."""
        if not parameters:
            return
        gradients: list[Any] = [parameter.grad for parameter in parameters]
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if "step" not in state:
                state["step"] = 0
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
            state["step"] += 1
        means, squares = ([state[name] for state in states] for name in ("mean", "square"))
        # One learning rate and one schedule serve both kinds of parameters.
        rate = group["lr"] * group["adam_factor"]
        # Only matrices are decayed: smaller biases and batch norm would only fit worse.
        matrices = [parameter for parameter in parameters if parameter.ndim > 1]
        if matrices and group["weight_decay"]:
            torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
        torch._foreach_lerp_(means, gradients, 1 - _BETAS[0])
        torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - _BETAS[1])
        # Both averages begin at zero, which has to be corrected in the first steps.
        lacking = [[1 - beta ** state["step"] for state in states] for beta in _BETAS]
        roots = torch._foreach_sqrt(torch._foreach_div(squares, lacking[1]))
        torch._foreach_add_(roots, 1e-8)
        torch._foreach_addcdiv_(
            parameters, torch._foreach_div(means, lacking[0]), roots, value=-rate
        )


def _is_matrix(parameter: Tensor, group: dict) -> bool:
    return _is_filters(parameter) or (parameter.ndim == 2 and group["hidden"])


def _is_filters(parameter: Tensor) -> bool:
    """Tell filters from what is added to all faces or multiplies them, such as positions.

    The size of the latter matters: unit norm would all but delete them.
    """
    return parameter.ndim == 4 and len(parameter) > 1


def _as_matrix(filters: Tensor) -> Tensor:
    """Return a row per filter, without a copy if the filters are stored channels last."""
    return filters.permute(0, 2, 3, 1).flatten(1)


def _as_filters(matrix: Tensor, like: Tensor) -> Tensor:
    """Undo `_as_matrix`."""
    n, channels, height, width = like.shape
    return matrix.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def orthogonalize(matrices: Sequence[Tensor], steps: int = 3) -> list[Tensor]:
    """Bring the singular values of each matrix near 1, by the Newton-Schulz iteration.

    Three steps lift most of them to between .6 and 1.2; directions a hundred times weaker
    than the strongest stay near .1. More steps lift those too and cost time.

    Every step multiplies the matrix X by a polynomial of X X^T. So the product of the steps is
    computed as a matrix of the size of X X^T, and X itself is multiplied only once. Matrices of the
    same size are multiplied together.
    """
    # X X^T is as large as the shorter side.
    wide = [m.T if m.shape[0] > m.shape[1] else m for m in matrices]
    # The iteration converges for singular values of at most 1.
    wide = [m / m.norm().clamp_min(1e-7) for m in wide]
    turned: dict[int, Tensor] = {}
    for side in {len(m) for m in wide}:
        members = [i for i, m in enumerate(wide) if len(m) == side]
        products = _products(torch.stack([wide[i] @ wide[i].T for i in members]), steps)
        turned |= {i: part @ wide[i] for i, part in zip(members, products, strict=True)}
    return [turned[i].T if m.shape[0] > m.shape[1] else turned[i] for i, m in enumerate(matrices)]


def _products(squares: Tensor, steps: int) -> Tensor:
    """Return the matrix by which the iteration multiplies X, (n, side, side) of X X^T -> same."""
    factors = products = _factors(squares)
    for _ in range(steps - 1):
        squares = factors @ squares @ factors
        factors = _factors(squares)
        products = factors @ products
    return products


def _factors(squares: Tensor) -> Tensor:
    """Return the matrix by which one step multiplies X, (n, side, side) of X X^T -> same."""
    a, b, c = _QUINTIC
    factors = torch.baddbmm(squares, squares, squares, beta=b, alpha=c)
    factors.diagonal(dim1=1, dim2=2).add_(a)
    return factors
