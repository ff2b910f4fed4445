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

OPTIMIZERS = {
    "adam": (Adam, {}),
    "adamw": (AdamW, {}),
    "sgd": (SGD, {"momentum": 0.9, "nesterov": True}),
}
SCHEDULES = ("one-cycle", "cosine", "plateau", "step")


def optimizer_kwargs(name: str, device: torch.device) -> dict:
    """Return skorch's arguments for the optimiser; fused kernels where torch has them."""
    optimizer, options = OPTIMIZERS[name]
    fused = device.type in ("cpu", "cuda")
    named = {f"optimizer__{key}": value for key, value in options.items()}
    return {"optimizer": optimizer, "optimizer__fused": fused, **named}


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
