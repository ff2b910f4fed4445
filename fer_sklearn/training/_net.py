"""The skorch net: skorch's loop over whole batches that lie on the device."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.dataset import unpack_data
from torch import Tensor, nn

from ._batches import Batches, Faces, Targets


class StopTraining(Exception):  # noqa: N818, no error
    """A callback has asked for the end of the training."""


class OwnCallback(Callback):
    """A callback of this package: it asks for the end by `StopTraining`, in no other way."""


class FaceModel(nn.Module):
    """normalise -> augment -> network, as one module.

    Parameters
    ----------
    normalize, augment, network : nn.Module
        Called in this order; `augment` acts in training mode only.

    Attributes
    ----------
    autocast : torch.dtype or None
        Low precision that the network trains in; None is float32. Normalisation and
        augmentation stay in float32: in bfloat16 a warp would miss by a tenth of a pixel.
    plain : bool
        Whether layers that hide parts of the face rest, and faces are not mixed.
    """

    autocast: torch.dtype | None = None

    def __init__(self, normalize: nn.Module, augment: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.augment = augment
        self.network = network
        self.plain = False
        self.frozen: list[nn.Module] = []

    def freeze(self, n_stages: int) -> None:
        """Keep the first stages of the network as they are, their batch norm included.

        Raises
        ------
        ValueError
            If the network has fewer, or does not say what its stages are.
        """
        stages = getattr(self.network, "stages", [])
        if n_stages > len(stages):
            raise ValueError(
                f"freeze={n_stages}, but {type(self.network).__name__} has {len(stages)} stages "
                "(an attribute `stages`, a list of modules, says which)."
            )
        self.frozen = list(stages[:n_stages])
        for stage in self.frozen:
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> FaceModel:
        super().train(mode)
        for stage in self.frozen:
            stage.eval()
        return self

    def rest(self, plain: bool) -> None:
        """Set `plain`, for the epochs to come."""
        self.plain = plain
        for layer in self.augment:
            layer.resting = plain and layer.hides

    # (B, 1, H, W) uint8 or [0, 1] -> (B, n_classes)
    def forward(self, x: Tensor, share: float = 1.0) -> Tensor:
        x = self.augment(self.normalize(x))
        if share < 1:
            x = x.lerp(x.roll(1, 0), 1 - share)  # as Targets.rolled
        x = x.contiguous(memory_format=torch.channels_last)
        if not self.training or self.autocast is None:
            return self.network(x).float()
        with torch.autocast(x.device.type, dtype=self.autocast):
            return self.network(x).float()


class FaceNet(NeuralNetClassifier):
    """A skorch classifier over `Faces`.

    It differs from its parent in six things: batches are cut by index, the loss
    takes weights, faces may be mixed, an epoch's loss and accuracy are summed on the device
    and read once, a callback's request to stop is told apart from the user's Ctrl-C, and a
    single face that is too few is an error that says so.

    Parameters
    ----------
    module : FaceModel
        Built and on its device.
    rng : numpy Generator
        Shuffles the epochs.
    generator : torch.Generator
        What augmentation and dropout draw from.
    oversample : bool
        See `Batches`.
    mixup : float
        Both parameters of the Beta distribution that says how much of each face stays when
        a batch is blended with itself, moved on by one (Zhang et al., 2018); 0 blends none.
    **kwargs
        Of `skorch.NeuralNetClassifier`.
    """

    #: Faces a batch of validation.
    validation_batch_size = 64

    def __init__(self, module, *, rng=None, generator=None, oversample=False, mixup=0.0, **kwargs):
        self.rng = rng
        self.generator = generator
        self.oversample = oversample
        self.mixup = mixup
        super().__init__(module, **kwargs)

    @property
    def _default_callbacks(self):
        return []  # what they record is recorded in run_single_epoch

    def get_iterator(self, dataset: Faces, training: bool = False) -> Batches:
        """Cut `dataset` into batches; shuffled, and oversampled if asked for, in training."""
        if training:
            return Batches(dataset, self.batch_size, self.rng, self.oversample)
        return Batches(dataset, self.validation_batch_size)

    def train_step_single(self, batch, **fit_params):
        """Run one batch forward and backward, its faces mixed if asked for."""
        if not self.mixup or self.module_.plain:
            return super().train_step_single(batch, **fit_params)
        self._set_training(True)
        faces, targets = unpack_data(batch)
        share = self.rng.beta(self.mixup, self.mixup)
        share = max(share, 1 - share)  # the face itself stays the larger part
        logits = self.module_(faces, share)
        others = self.get_loss(logits, Targets.of(targets).rolled())
        loss = share * self.get_loss(logits, targets) + (1 - share) * others
        loss.backward()
        return {"loss": loss, "y_pred": logits}

    def train_step(self, batch, **fit_params):
        """Run one batch and move the weights.

        Raises
        ------
        ValueError
            Also if batch norm cannot do with one face alone.
        """
        try:
            return super().train_step(batch, **fit_params)
        except ValueError as error:
            if len(batch[0]) > 1:
                raise
            raise ValueError(
                f"The network cannot be trained on one face alone ({error}). Pass two or more."
            ) from error

    def get_loss(self, y_pred, y_true, X=None, training=False) -> Tensor:
        """Cross-entropy, each face's times its weight where there are weights."""
        y_true = Targets.of(y_true)
        wanted = y_true.codes if y_true.shares is None else y_true.shares
        if y_true.weights is None:
            return self.criterion_(y_pred, wanted)
        smoothing = self.criterion_.label_smoothing
        losses = F.cross_entropy(y_pred, wanted, reduction="none", label_smoothing=smoothing)
        return (losses * y_true.weights).mean()

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run over all batches once, and record the mean loss and the accuracy."""
        if iterator is None:
            return
        start = time.perf_counter()
        loss = hits = n_faces = 0
        for batch in iterator:
            faces, targets = unpack_data(batch)
            codes = Targets.of(targets).codes
            told = {"batch": (faces, codes), "training": training}  # as callbacks know batches
            self.notify("on_batch_begin", **told)
            step = step_fn(batch, **fit_params)
            loss = loss + step["loss"].detach() * len(faces)
            hits = hits + (step["y_pred"].detach().argmax(dim=1) == codes).sum()
            n_faces += len(faces)
            self.notify("on_batch_end", **told, **step)
        self.history.record(f"{prefix}_loss", self._finite(loss.item() / n_faces))
        self.history.record(f"{prefix}_acc", hits.item() / n_faces)
        self.history.record(f"{prefix}_batch_count", len(iterator))
        seconds = time.perf_counter() - start
        self.history.record("dur", seconds + self.history[-1].get("dur", 0.0))
        if training:
            self.history.record("lr", self.optimizer_.param_groups[0]["lr"])

    def _finite(self, loss: float) -> float:
        if loss - loss == 0:  # neither NaN nor infinite
            return loss
        raise ValueError(
            f"The loss became {loss} in epoch {len(self.history)}: training diverged. Lower "
            f"learning_rate (it is {self.lr:g}) or check X for extreme values."
        )

    def notify(self, method_name, **kwargs):
        """Tell all callbacks; one that raises KeyboardInterrupt at an epoch's end stops the fit.

        That is skorch's convention for stopping early. Ours do not follow it: while they
        work, a checkpoint's writing included, a KeyboardInterrupt is the user's Ctrl-C.
        """
        if method_name != "on_epoch_end":
            super().notify(method_name, **kwargs)
            return
        self.on_epoch_end(self, **kwargs)
        for _, callback in self.callbacks_:
            try:
                callback.on_epoch_end(self, **kwargs)
            except KeyboardInterrupt as stop:
                if isinstance(callback, OwnCallback):
                    raise
                raise StopTraining from stop
