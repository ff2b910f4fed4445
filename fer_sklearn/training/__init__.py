"""Training: builds and runs the skorch net that fits a network to faces.

The only part of the package that imports skorch. `Settings` says how to train,
`make_net` builds the net, `train` runs it, `predict_logits` and `predict_features` ask it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from skorch.helper import predefined_split
from torch import nn

from ._batches import Faces
from ._checkpoint import Checkpoint
from ._globals import build_aside, build_seeded, global_state_preserved
from ._net import FaceModel, FaceNet, StopTraining
from ._predict import VIEWS, last_linear, predict_features, predict_logits
from ._progress import Progress
from ._schedules import (
    LEARNING_RATES,
    OPTIMIZERS,
    SCHEDULES,
    PlainEnd,
    StopEarly,
    TellEpochs,
    optimizer_kwargs,
    schedule_callbacks,
)

__all__ = [
    "LEARNING_RATES",
    "OPTIMIZERS",
    "SCHEDULES",
    "VIEWS",
    "Checkpoint",
    "FaceModel",
    "FaceNet",
    "Faces",
    "Settings",
    "TellEpochs",
    "build_aside",
    "build_seeded",
    "epoch_table",
    "global_state_preserved",
    "last_linear",
    "make_net",
    "predict_features",
    "predict_logits",
    "train",
]


@dataclass(frozen=True)
class Settings:
    """How to train; the parameters of the same names of `FERClassifier`.

    They are equal if a net made for one can be trained by the other.
    """

    optimizer: str
    learning_rate: float
    freeze: int
    weight_decay: float
    schedule: str | None
    label_smoothing: float
    mixup: float
    plain_fraction: float
    batch_size: int = field(compare=False)
    epochs: int
    oversample: bool
    patience: int | None
    precision: str
    seed: int = field(compare=False)
    verbose: int = field(default=0, compare=False)
    callbacks: list = field(default_factory=list, compare=False)
    checkpoint: Checkpoint | None = field(default=None, compare=False)


def make_net(model: FaceModel, settings: Settings, device: torch.device) -> FaceNet:
    """Build a net, with a fresh optimiser, that trains `model` on `device`."""
    model = model.to(device, memory_format=torch.channels_last)
    model.freeze(settings.freeze)
    model.autocast = _autocast_dtype(settings.precision, device)
    generator = torch.Generator(device).manual_seed(settings.seed)
    _give_generator(model, generator)
    net = FaceNet(
        model,
        generator=generator,
        rng=np.random.default_rng(settings.seed),
        oversample=settings.oversample,
        mixup=settings.mixup,
        criterion=nn.CrossEntropyLoss,
        criterion__label_smoothing=settings.label_smoothing,
        lr=settings.learning_rate,
        optimizer__weight_decay=settings.weight_decay,
        batch_size=settings.batch_size,
        device=str(device),
        train_split=None,
        verbose=0,
        **optimizer_kwargs(settings.optimizer, device),
    )
    return net.initialize()


def train(net: FaceNet, faces: Faces, valid: Faces | None, settings: Settings) -> None:
    """Train `net` for `settings.epochs` epochs, fewer if a callback stops it.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; the model is then half trained.
    ValueError
        If the loss is no longer finite.
    """
    checkpoint = settings.checkpoint
    state = checkpoint.load() if checkpoint else None
    steps = len(net.get_iterator(faces, training=True))
    done = len(state["history"]) if state else 0
    progress = Progress(steps, settings.epochs, done, settings.verbose > 1)
    net.callbacks = _make_callbacks(settings, steps, progress)
    net.train_split = None if valid is None else predefined_split(valid)
    net.initialize_callbacks()
    net.initialize_history()
    net.notify("on_train_begin", X=faces, y=None)
    if state:
        checkpoint.restore(net, state)
    try:
        net.fit_loop(faces, epochs=settings.epochs - done)
    except StopTraining:
        pass
    finally:
        progress.close()
    net.notify("on_train_end", X=faces, y=None)
    net.callbacks = net.callbacks_ = []  # a kept net is copied, callbacks need not be copyable
    if checkpoint:
        checkpoint.remove()


def epoch_table(net: FaceNet) -> dict[str, list]:
    """Return what the last `train` recorded, a list of one value an epoch under each name."""
    names = {
        "train_loss": "train_loss",
        "train_accuracy": "train_acc",
        "valid_loss": "valid_loss",
        "valid_accuracy": "valid_acc",
        "learning_rate": "lr",
        "seconds": "dur",
    }
    recorded = net.history[-1] if net.history else {}
    return {ours: net.history[:, name] for ours, name in names.items() if name in recorded}


def _make_callbacks(settings: Settings, steps: int, progress: Progress) -> list:
    callbacks = schedule_callbacks(
        settings.schedule,
        learning_rate=settings.learning_rate,
        epochs=settings.epochs,
        steps=steps,
    )
    if settings.plain_fraction:
        callbacks.append(PlainEnd(settings.epochs, settings.plain_fraction))
    if settings.patience is not None:
        callbacks.append(StopEarly(settings.patience))
    if settings.verbose:
        callbacks.append(progress)
    callbacks += settings.callbacks
    return [*callbacks, settings.checkpoint] if settings.checkpoint else callbacks


def _give_generator(model: nn.Module, generator: torch.Generator | None) -> None:
    """Let the layers draw from `generator` whose class has an attribute of this name."""
    for layer in model.modules():
        if hasattr(type(layer), "generator"):
            layer.generator = generator


def _autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """bfloat16 where the machine multiplies it faster than float32."""
    if precision == "auto":
        fast = {
            "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
            "cpu": lambda: getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False),
        }.get(device.type, lambda: False)
        precision = "bfloat16" if fast() else "float32"
    return torch.bfloat16 if precision == "bfloat16" else None
