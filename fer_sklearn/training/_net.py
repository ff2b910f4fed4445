"""The skorch net: skorch's loop over whole batches that lie on the device."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from skorch import NeuralNetClassifier
from skorch.dataset import unpack_data
from torch import Tensor, nn

from ._batches import Batches, Faces


class StopTraining(Exception):  # noqa: N818, no error
    """A callback has asked for the end of the training, as skorch's EarlyStopping does."""


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
    """

    autocast: torch.dtype | None = None

    def __init__(self, normalize: nn.Module, augment: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.augment = augment
        self.network = network

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) uint8 or [0, 1] -> (B, n_classes)
        x = self.augment(self.normalize(x)).contiguous(memory_format=torch.channels_last)
        low = self.training and self.autocast is not None
        with torch.autocast(x.device.type, dtype=self.autocast, enabled=low):
            return self.network(x).float()


class FaceNet(NeuralNetClassifier):
    """A skorch classifier over `Faces`.

    It differs from its parent in four things: batches are cut by index, the loss
    takes weights, an epoch's loss and accuracy are summed on the device and read
    once, and a callback's request to stop is told apart from the user's Ctrl-C.

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
    **kwargs
        Of `skorch.NeuralNetClassifier`.
    """

    #: Faces a batch where nothing is learned; see `predict_logits`.
    inference_batch_size = 64

    def __init__(self, module, *, rng=None, generator=None, oversample=False, **kwargs):
        self.rng = rng
        self.generator = generator
        self.oversample = oversample
        super().__init__(module, **kwargs)

    @property
    def _default_callbacks(self):
        return []  # what they record is recorded in run_single_epoch

    def get_iterator(self, dataset: Faces, training: bool = False) -> Batches:
        """Cut `dataset` into batches; shuffled, and oversampled if asked for, in training."""
        if training:
            return Batches(dataset, self.batch_size, self.rng, self.oversample)
        return Batches(dataset, self.inference_batch_size)

    def get_loss(self, y_pred, y_true, X=None, training=False) -> Tensor:
        """Cross-entropy, each face's times its weight where there are weights."""
        if isinstance(y_true, Tensor):
            return self.criterion_(y_pred, y_true)
        codes, weights = y_true
        smoothing = self.criterion_.label_smoothing
        losses = F.cross_entropy(y_pred, codes, reduction="none", label_smoothing=smoothing)
        return (losses * weights).mean()

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run over all batches once, and record the mean loss and the accuracy."""
        if iterator is None:
            return
        start = time.perf_counter()
        loss = hits = n_faces = 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            faces, targets = unpack_data(batch)
            codes = targets if isinstance(targets, Tensor) else targets[0]
            loss = loss + step["loss"].detach() * len(faces)
            hits = hits + (step["y_pred"].detach().argmax(dim=1) == codes).sum()
            n_faces += len(faces)
            self.notify("on_batch_end", batch=batch, training=training, **step)
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

        That is skorch's convention for stopping early.
        """
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt as stop:
            if method_name == "on_epoch_end":
                raise StopTraining from stop
            raise
