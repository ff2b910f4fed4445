"""Optimisers by name, and their usual learning rates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from ..networks import Hidden
from ._muon import Muon

#: Usual learning rate for a pretrained network, divided by that for a fresh one.
FINE_TUNING_RATE = 0.2


class OptimizerChoice(NamedTuple):
    """An optimiser, its default learning rate, and its options."""

    optimizer: type[Optimizer]
    learning_rate: float
    options: dict
    #: Whether torch has a fused kernel for it on a CPU and on CUDA.
    can_fuse: bool = True


#: The optimisers that `FERClassifier(optimizer=name)` knows.
OPTIMIZERS = {
    "muon": OptimizerChoice(Muon, 0.03, {}, can_fuse=False),
    "adam": OptimizerChoice(Adam, 2e-3, {}),
    "adamw": OptimizerChoice(AdamW, 2e-3, {}),
    "sgd": OptimizerChoice(SGD, 0.05, {"momentum": 0.9, "nesterov": True}),
}


def usual_learning_rate(optimizer: str, *, fine_tuning: bool) -> float:
    """Return the learning rate to use if none is given."""
    rate = OPTIMIZERS[optimizer].learning_rate
    return rate * FINE_TUNING_RATE if fine_tuning else rate


def optimizer_kwargs(name: str, device: torch.device, model: nn.Module) -> dict:
    """Return skorch's arguments for the optimiser, in its fastest form on the device."""
    choice = OPTIMIZERS[name]
    options = dict(choice.options)
    if choice.can_fuse:
        options["fused"] = device.type in ("cpu", "cuda")
    if choice.optimizer is Muon:
        options["param_groups"] = hidden_matrices(model)
    named = {f"optimizer__{key}": value for key, value in options.items() if value != []}
    return {"optimizer": choice.optimizer, **named}


def hidden_matrices(model: nn.Module) -> list[tuple[str, dict]]:
    """Return a skorch parameter group for each matrix that Muon orthogonalises."""
    layers = [name for name, layer in model.named_modules() if isinstance(layer, Hidden)]
    return [(f"{name}.weight", {"hidden": True}) for name in layers]
