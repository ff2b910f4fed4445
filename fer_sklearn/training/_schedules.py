"""Learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)


class Schedule(NamedTuple):
    """How the learning rate changes.

    Attributes
    ----------
    policy : class
        Of `torch.optim.lr_scheduler`.
    options : callable
        Called as ``options(peak, epochs, steps)``, where `steps` is that of the whole training.
        Returns arguments for `skorch.callbacks.LRScheduler`.
    needs_validation : bool
        Whether it follows validation accuracy.
    """

    policy: type
    options: Callable[[float, int, int], dict]
    needs_validation: bool = False


def _one_cycle(peak: float, epochs: int, steps: int) -> dict:
    return {
        "step_every": "batch",
        "max_lr": peak,
        "total_steps": steps,
        "cycle_momentum": False,
    }


def _cosine(peak: float, epochs: int, steps: int) -> dict:
    return {"step_every": "batch", "T_max": steps}


def _plateau(peak: float, epochs: int, steps: int) -> dict:
    return {"monitor": "valid_acc", "mode": "max", "factor": 0.3, "patience": 3}


def _step(peak: float, epochs: int, steps: int) -> dict:
    return {"step_size": -(-epochs // 3), "gamma": 0.1}


#: The schedules that `FERClassifier(schedule=name)` knows.
SCHEDULES = {
    "one-cycle": Schedule(OneCycleLR, _one_cycle),
    "cosine": Schedule(CosineAnnealingLR, _cosine),
    "plateau": Schedule(ReduceLROnPlateau, _plateau, needs_validation=True),
    "step": Schedule(StepLR, _step),
}


def needs_validation(schedule: str | None, *, early_stopping: bool) -> bool:
    """Tell whether validation faces decide how a training runs."""
    follows = schedule is not None and SCHEDULES[schedule].needs_validation
    return early_stopping or follows
