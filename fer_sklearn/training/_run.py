"""One training: its settings, its net and its records."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from skorch.callbacks import BatchScoring, Callback, EpochScoring
from skorch.helper import predefined_split
from torch import nn

from .._device import multiplies_bfloat16_fast
from .._globals import threads_for
from .._state import as_python
from ..model import FacePredictor, Faces
from ._checkpoint import Checkpoint
from ._epochs import PlainEnd, StopEarly, move_rate
from ._loss import FaceLoss
from ._net import FaceNet, StopTraining, check_monitors
from ._optimizers import optimizer_kwargs, usual_learning_rate
from ._progress import Progress
from ._teachers import Teachers

#: What the net records only for callbacks.
_NOT_TOLD = {
    *("epoch", "train_batch_count", "valid_batch_count"),
    *(f"{part}_{score}_best" for part in ("train", "valid") for score in ("loss", "acc")),
}


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
    teacher_weight: float
    mixup: float
    plain_fraction: float
    batch_size: int = field(compare=False)
    max_epochs: int
    class_balance: str | None
    patience: int | None
    precision: str
    device: torch.device
    seed: int = field(compare=False)
    verbose: int = field(default=0, compare=False)
    callbacks: list = field(default_factory=list, compare=False)
    checkpoint: Checkpoint | None = field(default=None, compare=False)

    @classmethod
    def from_params(cls, params: dict, *, n_faces: int, **others) -> Settings:
        """Take the parameters of a classifier, and fill in those that it leaves open.

        Parameters
        ----------
        params : dict
            Of `FERClassifier`.
        n_faces : int
            Faces to train on.
        **others
            Fields that are not parameters, or are already decided: "device", "seed".
        """
        params = as_python(params)
        batch_size, rate = params["batch_size"], params["learning_rate"]
        if batch_size == "auto":  # 20 steps an epoch, if they are not tiny
            batch_size = min(128, max(16, n_faces // 20))
        if rate is None:
            fine_tuning = params["pretrained"] is not None
            rate = usual_learning_rate(params["optimizer"], fine_tuning=fine_tuning)
        settled = {
            "batch_size": batch_size,
            "learning_rate": rate,
            "patience": params["n_iter_no_change"] if params["early_stopping"] else None,
            "verbose": int(params["verbose"]),
            "callbacks": list(params["callbacks"] or []),
            "checkpoint": None,
            **others,
        }
        named = {f.name: params[f.name] for f in fields(cls) if f.name in params}
        return cls(**{**named, **settled})

    def for_one_epoch(self) -> Settings:
        """Return the settings of `partial_fit`: nothing that depends on later epochs."""
        return replace(self, max_epochs=1, schedule=None, plain_fraction=0.0, patience=None)


class Trainer:
    """Trains the network of a predictor; keeps the state of its optimiser.

    Parameters
    ----------
    predictor : FacePredictor
        Its model is trained in place.
    settings : Settings
    data : TrainingFaces
        Faces to train on first; their augmenter has made the model's layers.
    net : FaceNet or None
        One that has trained the predictor's model before; None makes one.
    teachers : sequence of FacePredictor
        Trained networks whose predictions are learned in addition to the targets.
    """

    def __init__(
        self,
        predictor: FacePredictor,
        settings: Settings,
        data: Any,
        net: FaceNet | None = None,
        teachers: Sequence[FacePredictor] = (),
    ) -> None:
        self.settings = settings
        self._made_from = settings, data.augmenter.get_params()
        self._trained = predictor
        self.net = _make_net(predictor, settings, teachers) if net is None else net

    def ready(self) -> FacePredictor:
        """Return the predictor as it is now, in eval mode; further training changes it."""
        self._trained.model.eval()
        return replace(self._trained, known={})

    def continued(self, settings: Settings, data: Any) -> Trainer | None:
        """Return a copy that continues, including the state of its optimiser.

        The copy is trained, so this trainer stays unchanged if the training fails. Return None if a
        parameter of the training has changed, because that requires a new optimiser.
        """
        if (settings, data.augmenter.get_params()) != self._made_from:
            return None
        net = copy.deepcopy(self.net)
        net.batch_size = settings.batch_size
        return Trainer(replace(self._trained, model=net.module_), settings, data, net)

    def train(
        self,
        train: Any,
        valid: Any | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Train for `settings.max_epochs` epochs, fewer if a callback stops it.

        Parameters
        ----------
        train : TrainingFaces
        valid : TrainingFaces or None
            Faces to validate on after every epoch.
        callbacks : sequence of skorch callbacks
            Called in addition to those of the settings.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C; the model is then half trained.
        ValueError
            If the loss is no longer finite, or a callback monitors a score that does not exist.
        """
        faces = train.for_network(self._trained)
        valid = None if valid is None else valid.for_network(self._trained)
        # Continue a run that was killed from its stored state: train the remaining epochs.
        checkpoint = self.settings.checkpoint
        state = checkpoint.load() if checkpoint else None
        done = len(state["history"]) if state else 0
        steps = len(self.net.get_iterator(faces, training=True))
        progress = Progress(steps, self.settings.max_epochs, done, self.settings.verbose > 1)
        try:
            self._begin(faces, valid, self._callbacks(steps, progress, callbacks))
            if checkpoint and state:
                self._resume(checkpoint, faces, state)
            with threads_for(self._work(faces), self.settings.device):
                self.net.fit_loop(faces, epochs=self.settings.max_epochs - done)
        except StopTraining:
            pass
        finally:
            progress.close()
        self._check_answers(faces)
        self._end(faces)

    def _begin(self, faces: Faces, valid: Faces | None, callbacks: list[Callback]) -> None:
        """Give the net its callbacks and validation faces; skorch takes them from there."""
        net = self.net
        net.callbacks = callbacks
        net.train_split = None if valid is None else predefined_split(valid)
        net.initialize_callbacks()
        net.initialize_history()
        check_monitors(net)
        net.notify("on_train_begin", X=faces, y=None)

    def _resume(self, checkpoint: Checkpoint, faces: Faces, state: dict) -> None:
        """Restore the net as it was when the checkpoint was written."""
        checkpoint.restore(self.net, state)
        for _, callback in self.net.callbacks_:
            if isinstance(callback, EpochScoring | BatchScoring):
                callback.on_train_begin(self.net, X=faces, y=None)  # it reads the best score so far

    @torch.inference_mode()
    def _check_answers(self, faces: Faces) -> None:
        """Raise if the last step, whose loss was not computed, has ruined the weights."""
        some = faces.pixels(np.arange(min(len(faces), 16)))
        if not self.ready().model(some).isfinite().all():
            raise ValueError(
                "Training diverged in its last step: the network returns numbers that are "
                f"not finite. Lower learning_rate (it is {self.net.lr:g}) or check X for extreme "
                "values."
            )

    def _end(self, faces: Faces) -> None:
        net, history = self.net, self.net.history
        net.notify("on_train_end", X=faces, y=None)
        # skorch's Checkpoint(load_best=True) also resets the history to the best epoch.
        net.history = history
        # A net that is kept will be copied, and callbacks need not be copyable.
        net.callbacks = net.callbacks_ = []
        if self.settings.checkpoint:
            self.settings.checkpoint.remove()

    def _work(self, faces: Faces) -> float:
        """Return the cost of a batch: faces times pixels times weights."""
        n_weights = sum(weights.numel() for weights in self.net.module_.parameters())
        n_pixels = math.prod(self._trained.recipe.image_shape)
        return min(self.net.batch_size, len(faces)) * n_pixels * n_weights

    def epochs(self) -> dict[str, list]:
        """Return what the last `train` recorded: for each name a list with one value per epoch.

        Numbers, bools and texts that callbacks recorded are included; NaN fills epochs without one.
        """
        names = {
            "train_loss": "train_loss",
            "train_acc": "train_accuracy",
            "valid_loss": "valid_loss",
            "valid_acc": "valid_accuracy",
            "lr": "learning_rate",
            "dur": "seconds",
        }
        rows = self.net.history
        recorded = {name for row in rows for name, value in row.items() if _is_plain(value)}
        aside = {*names, *names.values(), *_NOT_TOLD}
        names |= {name: name for row in rows for name in row if name not in aside}
        return {
            ours: [_plain(row.get(name, np.nan)) for row in rows]
            for name, ours in names.items()
            if name in recorded
        }

    def _callbacks(self, steps: int, progress: Progress, others: Sequence[Callback]) -> list:
        """Return all callbacks in order; the checkpoint is last, to store what the others did."""
        settings, callbacks = self.settings, []
        if settings.schedule is not None:
            peak, epochs = settings.learning_rate, settings.max_epochs
            callbacks.append(move_rate(settings.schedule, peak=peak, epochs=epochs, steps=steps))
        if settings.plain_fraction:
            callbacks.append(PlainEnd(settings.max_epochs, settings.plain_fraction))
        if settings.patience is not None:
            callbacks.append(StopEarly(settings.patience))
        if settings.verbose:
            callbacks.append(progress)
        callbacks += [*settings.callbacks, *others]
        return [*callbacks, settings.checkpoint] if settings.checkpoint else callbacks


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | np.generic)


def _plain(value: Any) -> Any:
    """Return a value of the history in a form that suits pickles and tables."""
    if isinstance(value, np.generic):
        return value.item()
    return value if _is_plain(value) else np.nan


def _make_net(
    predictor: FacePredictor, settings: Settings, teachers: Sequence[FacePredictor]
) -> FaceNet:
    """Build a net with a fresh optimiser that trains the predictor's model in place."""
    model, device = predictor.model, settings.device
    model.freeze(settings.freeze)
    model.autocast = _autocast_dtype(settings.precision, device)
    generator = torch.Generator(device).manual_seed(settings.seed)
    _give_generator(model, generator)
    rng = np.random.default_rng(settings.seed)
    net = FaceNet(
        model,
        generator=generator,
        rng=rng,
        oversample=settings.class_balance == "oversample",
        mixup=settings.mixup,
        criterion=FaceLoss,
        criterion__label_smoothing=settings.label_smoothing,
        criterion__teachers=Teachers(teachers, predictor, rng) if teachers else None,
        criterion__teacher_weight=settings.teacher_weight,
        criterion__low=model.autocast,
        lr=settings.learning_rate,
        optimizer__weight_decay=settings.weight_decay,
        batch_size=settings.batch_size,
        device=str(device),
        train_split=None,
        verbose=0,
        **optimizer_kwargs(settings.optimizer, device, model),
    )
    return net.initialize()


def _give_generator(model: nn.Module, generator: torch.Generator | None) -> None:
    """Set `generator` in all layers whose class has an attribute of this name."""
    for layer in model.modules():
        if hasattr(type(layer), "generator"):
            layer.generator = generator  # type: ignore[assignment]  # not a tensor


def _autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """bfloat16 where the machine multiplies it faster than float32."""
    if precision == "auto":
        precision = "bfloat16" if multiplies_bfloat16_fast(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else None
