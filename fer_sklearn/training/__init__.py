"""Training: a skorch net that fits the network of a predictor to faces.

The only subpackage that imports skorch, and only when something is trained: the tables of names are
loaded without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Checkpoint": "_checkpoint",
    "FINE_TUNING_RATE": "_optimizers",
    "FaceLoss": "_loss",
    "FaceNet": "_net",
    "OPTIMIZERS": "_optimizers",
    "SCHEDULES": "_schedules",
    "Settings": "_run",
    "TellEpochs": "_epochs",
    "Trainer": "_run",
    "checkpoint_of": "_checkpoint",
    "needs_validation": "_schedules",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
