"""What changes with the epochs: learning rate, plain last epochs, early stopping."""

from __future__ import annotations

from collections.abc import Callable

from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.utils import noop

from ._net import FaceNet, OwnCallback, StopTraining
from ._schedules import SCHEDULES


class TellEpochs(OwnCallback):
    """Calls functions at the beginning and at the end of each epoch.

    Parameters
    ----------
    begin : callable or None
        Called as ``begin(net)``.
    end : callable
        Called as ``end(net)``; the training stops if it returns True.
    """

    def __init__(self, begin: Callable | None, end: Callable) -> None:
        self.begin = begin
        self.end = end

    def on_epoch_begin(self, net: FaceNet, **kwargs) -> None:
        if self.begin is not None:
            self.begin(net)

    def on_epoch_end(self, net: FaceNet, **kwargs) -> None:
        if self.end(net):
            raise StopTraining


class PlainEnd(OwnCallback):
    """Shows whole, unmixed faces in the last epochs, as prediction does.

    Parameters
    ----------
    epochs : int
        Length of the training.
    share : float
        Share of the epochs, at the end, that is plain; at least one epoch.
    """

    def __init__(self, epochs: int, share: float) -> None:
        self.start = epochs - max(1, round(epochs * share))

    def on_epoch_begin(self, net: FaceNet, **kwargs) -> None:
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

    def on_epoch_end(self, net: FaceNet, **kwargs) -> None:
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt as stop:
            if self.misses_ < self.patience:
                raise  # Ctrl-C
            raise StopTraining from stop


class MoveRate(OwnCallback, LRScheduler):
    """skorch's scheduler, except that a KeyboardInterrupt always comes from the user."""


def move_rate(schedule: str, *, peak: float, epochs: int, steps: int) -> MoveRate:
    """Return the callback that changes the learning rate.

    Parameters
    ----------
    schedule : str
        One of `SCHEDULES`.
    peak : float
        Learning rate.
    epochs, steps : int
        Length of the training, and batches per epoch.
    """
    policy, options, _ = SCHEDULES[schedule]
    # One step more than there are batches: the scheduler also steps after the last one.
    return MoveRate(policy, event_name=None, **options(peak, epochs, epochs * steps + 1))
