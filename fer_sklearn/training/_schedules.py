"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import torch
from skorch.callbacks import Callback, LRScheduler
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from ._muon import Muon

#: Name: class, learning rate where none is stated, options.
OPTIMIZERS = {
    "muon": (Muon, 0.03, {}),
    "adam": (Adam, 2e-3, {}),
    "adamw": (AdamW, 2e-3, {}),
    "sgd": (SGD, 0.05, {"momentum": 0.9, "nesterov": True}),
}
LEARNING_RATES = {name: rate for name, (_, rate, _) in OPTIMIZERS.items()}
SCHEDULES = ("one-cycle", "cosine", "plateau", "step")


def optimizer_kwargs(name: str, device: torch.device, low: torch.dtype | None) -> dict:
    """Return skorch's arguments for the optimiser; its fastest form on the device.

    `low` is the low precision that the network trains in, or None.
    """
    optimizer, _, options = OPTIMIZERS[name]
    if optimizer is Muon:
        fast = {"dtype": low or torch.float32}
    else:
        fast = {"fused": device.type in ("cpu", "cuda")}
    named = {f"optimizer__{key}": value for key, value in {**options, **fast}.items()}
    return {"optimizer": optimizer, **named}


def schedule_callbacks(
    name: str | None, *, learning_rate: float, epochs: int, steps: int
) -> list[Callback]:
    """Return the callback that moves the learning rate; none for a constant rate.

    Parameters
    ----------
    name : str or None
        One of `SCHEDULES`.
    learning_rate : float
        The peak.
    epochs, steps : int
        Length of the training, and batches an epoch.
    """
    # One step more than there are: the scheduler is also asked after the last batch.
    total = epochs * steps + 1
    options = {
        "one-cycle": {
            "policy": OneCycleLR,
            "step_every": "batch",
            "max_lr": learning_rate,
            "total_steps": total,
            "cycle_momentum": False,
        },
        "cosine": {"policy": CosineAnnealingLR, "step_every": "batch", "T_max": total},
        "plateau": {
            "policy": ReduceLROnPlateau,
            "monitor": "valid_acc",
            "mode": "max",
            "factor": 0.3,
            "patience": 3,
        },
        "step": {"policy": StepLR, "step_size": -(-epochs // 3), "gamma": 0.1},
    }
    if name is None:
        return []
    return [LRScheduler(event_name=None, **options[name])]
