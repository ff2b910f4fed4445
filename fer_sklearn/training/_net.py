"""The skorch net: skorch's loop over whole batches on the device."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.dataset import unpack_data
from torch import Tensor

from ..model import Blend, FaceModel, Faces, Targets
from ._batches import Batches


class StopTraining(Exception):  # noqa: N818, no error
    """A callback has asked for the end of the training."""


class OwnCallback(Callback):
    """A callback of this package: it stops a training only by `StopTraining`."""


class FaceNet(NeuralNetClassifier):
    """A skorch classifier over `Faces`.

    It differs from its parent in five points. Batches are selected by index. Faces may be mixed.
    Loss and accuracy of an epoch are summed on the device and read once. A callback's request to
    stop is distinguished from the user's Ctrl-C. Training on a single face raises a clear error.

    Parameters
    ----------
    module : FaceModel
        Already built, and on its device.
    rng : numpy Generator
        Shuffles the epochs.
    generator : torch.Generator
        Random numbers of augmentation and dropout.
    oversample : bool
        See `Batches`.
    mixup : float
        Each batch is blended with itself, shifted by one face (Zhang et al., 2018). Both parameters
        of the Beta distribution of the share that stays of each face; 0 disables blending.
    **kwargs
        Of `skorch.NeuralNetClassifier`.
    """

    #: Faces in a validation batch, on a CPU and elsewhere.
    validation_batch_sizes = (64, 1024)

    def __init__(
        self,
        module: FaceModel,
        *,
        rng: np.random.Generator | None = None,
        generator: torch.Generator | None = None,
        oversample: bool = False,
        mixup: float = 0.0,
        **kwargs,
    ) -> None:
        self.rng = rng
        self.generator = generator
        self.oversample = oversample
        self.mixup = mixup
        # Makes probabilities of logits, which skorch's scoring callbacks need.
        super().__init__(module, **{"predict_nonlinearity": _softmax, **kwargs})

    def __deepcopy__(self, memo: dict) -> FaceNet:
        """Copy every part once; skorch copies the module twice, through a pickle."""
        copied = object.__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    @property
    def _default_callbacks(self) -> list:
        return []  # run_single_epoch records what they would record

    def get_iterator(self, dataset: Faces, training: bool = False) -> Batches:
        """Cut `dataset` into batches; in training shuffled and, if asked for, oversampled."""
        if training:
            return Batches(dataset, self.batch_size, self.rng, self.oversample)
        return Batches(dataset, self.validation_batch_sizes[dataset.device.type != "cpu"])

    def train_step_single(self, batch: tuple, **fit_params) -> dict:
        """Run one batch forward and backward, its faces mixed if asked for."""
        self._set_training(True)
        faces, targets = unpack_data(batch)
        blend = self._draw_blend()
        view = self.module_.view(faces, blend)
        logits = self.module_.answers(view, self.module_.autocast)
        loss = self.criterion_(logits, Targets.of(targets), blend, view)
        loss.backward()
        return {"loss": loss, "y_pred": logits}

    def _draw_blend(self) -> Blend | None:
        if not self.mixup or self.module_.plain:
            return None
        rng: Any = self.rng  # never None in training
        share = rng.beta(self.mixup, self.mixup)
        return Blend(max(share, 1 - share))  # the face itself stays the larger part

    def train_step(self, batch: tuple, **fit_params) -> dict:
        """Run one batch and move the weights.

        Raises
        ------
        ValueError
            Also if batch norm cannot work with a single face, or a step is too large for float32.
        """
        try:
            return super().train_step(batch, **fit_params)
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            raise ValueError(self._diverged("A step became too large for float32")) from error
        except ValueError as error:
            if len(batch[0]) > 1:
                raise
            raise ValueError(
                f"The network cannot be trained on one face alone ({error}). Pass two or more."
            ) from error

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor | Targets, X: Any = None, training: bool = False
    ) -> Tensor:
        """Compute the loss of a batch, in training and in validation."""
        return self.criterion_(y_pred, Targets.of(y_true))

    def run_single_epoch(
        self, iterator: Batches | None, training: bool, prefix: str, step_fn: Callable, **fit_params
    ) -> None:
        """Run over all batches once, and record the mean loss and the accuracy."""
        if iterator is None:
            return
        start = time.perf_counter()
        loss: Any = 0  # tensors after the first batch: reading them would wait for the device
        hits: Any = 0
        n_faces = 0
        for batch in iterator:
            faces, targets = unpack_data(batch)
            codes = Targets.of(targets).codes
            told = {"batch": (faces, codes), "training": training}  # the form callbacks expect
            self.notify("on_batch_begin", **told)
            step = step_fn(batch, **fit_params)
            loss = loss + step["loss"].detach() * len(faces)
            hits = hits + (step["y_pred"].detach().argmax(dim=1) == codes).sum()
            n_faces += len(faces)
            self.history.record_batch(f"{prefix}_batch_size", len(faces))
            self.notify("on_batch_end", **told, **step)
        self._record(f"{prefix}_loss", self._finite(loss.item() / n_faces), sign=-1)
        self._record(f"{prefix}_acc", hits.item() / n_faces)
        self.history.record(f"{prefix}_batch_count", len(iterator))
        seconds = time.perf_counter() - start
        self.history.record("dur", seconds + self.history[-1].get("dur", 0.0))
        if training:
            self.history.record("lr", self.optimizer_.param_groups[0]["lr"])

    def _record(self, name: str, score: float, sign: int = 1) -> None:
        """Record a score of the epoch, and whether it is the best so far, as skorch does."""
        before = [sign * row[name] for row in self.history[:-1]]
        self.history.record(name, score)
        self.history.record(f"{name}_best", sign * score > max(before, default=-math.inf))

    def _finite(self, loss: float) -> float:
        if loss - loss == 0:  # neither NaN nor infinite
            return loss
        raise ValueError(self._diverged(f"The loss became {loss}"))

    def _diverged(self, event: str) -> str:
        return (
            f"{event} in epoch {len(self.history)}: training diverged. Lower learning_rate (it is "
            f"{self.lr:g}) or weight_decay, or check X for extreme values."
        )

    def notify(self, method_name: str, **kwargs) -> None:
        """Tell all callbacks; one that raises KeyboardInterrupt at an epoch's end stops the fit.

        That is skorch's convention for early stopping. The callbacks of this package do not follow
        it: while they run, for example while a checkpoint is written, a KeyboardInterrupt is the
        user's Ctrl-C.
        """
        if method_name != "on_epoch_end":
            super().notify(method_name, **kwargs)
            return
        self.on_epoch_end(self, **kwargs)
        for _, callback in self.callbacks_:
            try:
                callback.on_epoch_end(self, **kwargs)
            except KeyError as error:
                monitor = getattr(callback, "monitor", None)
                if monitor in self.history[-1] or not isinstance(monitor, str):
                    raise
                raise ValueError(_no_column(callback, self.history[-1])) from error
            except KeyboardInterrupt as stop:
                if isinstance(callback, OwnCallback):
                    raise
                raise StopTraining from stop


def check_monitors(net: FaceNet) -> None:
    """Raise if a callback monitors a score of validation faces, but there are none.

    Raises
    ------
    ValueError
        Names the callback, and how to get such faces.
    """
    for _, callback in net.callbacks_:
        monitor = getattr(callback, "monitor", None)
        if net.train_split is None and isinstance(monitor, str) and monitor.startswith("valid_"):
            raise ValueError(_no_column(callback, ["train_loss", "train_acc", "lr"]))


def _no_column(callback: Callback, columns: Iterable[str]) -> str:
    known = ", ".join(column for column in columns if column != "batches")
    return (
        f"The callback {type(callback).__name__} monitors {callback.monitor!r}, which the epochs "
        f"do not have; they have {known}. Those of validation need faces: fit(X, y, X_val=..., "
        "y_val=...), or FERClassifier(early_stopping=True), which sets some aside. What an "
        "EpochScoring records has to come before the callback that monitors it."
    )


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)
