"""Optimisers and learning-rate schedules by name, and what else changes with the epochs."""

from __future__ import annotations

import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.utils import noop
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from ._muon import Muon
from ._net import OwnCallback, StopTraining

#: Name: class, learning rate where none is stated, options.
OPTIMIZERS = {
    "muon": (Muon, 0.03, {}),
    "adam": (Adam, 2e-3, {}),
    "adamw": (AdamW, 2e-3, {}),
    "sgd": (SGD, 0.05, {"momentum": 0.9, "nesterov": True}),
}
LEARNING_RATES = {name: rate for name, (_, rate, _) in OPTIMIZERS.items()}
SCHEDULES = ("one-cycle", "cosine", "plateau", "step")


def optimizer_kwargs(name: str, device: torch.device) -> dict:
    """Return skorch's arguments for the optimiser; its fastest form on the device."""
    optimizer, _, options = OPTIMIZERS[name]
    fast = {} if optimizer is Muon else {"fused": device.type in ("cpu", "cuda")}
    named = {f"optimizer__{key}": value for key, value in {**options, **fast}.items()}
    return {"optimizer": optimizer, **named}


class TellEpochs(OwnCallback):
    """Tells functions that an epoch begins and that it has ended.

    Parameters
    ----------
    begin : callable or None
        Called as ``begin(net)``.
    end : callable
        Called as ``end(net)``; the training stops if it returns True.
    """

    def __init__(self, begin, end) -> None:
        self.begin = begin
        self.end = end

    def on_epoch_begin(self, net, **kwargs):
        if self.begin is not None:
            self.begin(net)

    def on_epoch_end(self, net, **kwargs):
        if self.end(net):
            raise StopTraining


class PlainEnd(OwnCallback):
    """Lets the last epochs see whole, unmixed faces, as prediction will.

    Parameters
    ----------
    epochs : int
        Length of the training.
    share : float
        Part of the epochs, at the end, that is plain: one of them at least.
    """

    def __init__(self, epochs: int, share: float) -> None:
        self.start = epochs - max(1, round(epochs * share))

    def on_epoch_begin(self, net, **kwargs):
        net.module_.rest(len(net.history) > self.start)


class StopEarly(OwnCallback, EarlyStopping):
    """Stops when validation accuracy has not risen for a while, and restores the best weights.

    Parameters
    ----------
    patience : int
        Epochs to wait.
    """

    def __init__(self, patience: int) -> None:
        super().__init__(
            monitor="valid_acc",
            lower_is_better=False,
            patience=patience,
            threshold=0.0,
            threshold_mode="abs",
            load_best=True,
            sink=noop,
        )

    def on_epoch_end(self, net, **kwargs):
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt as stop:
            if self.misses_ < self.patience:
                raise  # Ctrl-C
            raise StopTraining from stop


class Schedule(OwnCallback, LRScheduler):
    """skorch's scheduler, in which a KeyboardInterrupt is the user's."""


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
    return [Schedule(event_name=None, **options[name])]
