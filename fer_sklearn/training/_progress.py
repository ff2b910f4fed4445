"""The progress bar of a fit."""

from __future__ import annotations

import time
from typing import Any

from tqdm.auto import tqdm

from ._net import FaceNet, OwnCallback


class Progress(OwnCallback):
    """One bar over all batches of a fit: loss, accuracy, time left.

    Parameters
    ----------
    n_batches : int
        Training batches of an epoch.
    epochs, done : int
        Epochs of the whole fit, and how many of them an earlier run has finished.
    lines : bool
        Also write a line for each epoch.
    """

    _refresh_seconds = 0.5  # reading a loss waits for the device, so do it rarely

    def __init__(self, n_batches: int, epochs: int, done: int, lines: bool) -> None:
        self.n_batches = n_batches
        self.epochs = epochs
        self.done = done
        self.lines = lines

    def on_train_begin(self, net: FaceNet, **kwargs) -> None:
        steps, done = self.n_batches * self.epochs, self.n_batches * self.done
        self.bar_ = tqdm(
            total=steps,
            initial=done,
            unit="batch",
            mininterval=self._refresh_seconds,
            dynamic_ncols=True,
        )
        self.first_epoch_ = len(net.history)
        self.shown_ = 0.0

    def on_epoch_begin(self, net: FaceNet, **kwargs) -> None:
        self.bar_.set_description(f"epoch {len(net.history) - self.first_epoch_}/{self.epochs}")

    def on_batch_end(
        self, net: FaceNet, training: bool = False, loss: Any = None, **kwargs
    ) -> None:
        if not training:
            return
        self.bar_.update()
        if len(net.history) == self.first_epoch_ + 1 and time.monotonic() > self.shown_:
            self.bar_.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            self.shown_ = time.monotonic() + self._refresh_seconds

    def on_epoch_end(self, net: FaceNet, **kwargs) -> None:
        row = net.history[-1]
        shown = {"loss": f"{row['train_loss']:.3f}", "accuracy": f"{row['train_acc']:.3f}"}
        if "valid_acc" in row:
            shown["validation"] = f"{row['valid_acc']:.3f}"
        self.bar_.set_postfix(shown)
        if self.lines:
            text = ", ".join(f"{key} {value}" for key, value in shown.items())
            self.bar_.write(f"{self.bar_.desc}{text}, {row['dur']:.1f} s")

    def close(self) -> None:
        """Leave the bar as it is, however the fit ended."""
        if hasattr(self, "bar_"):
            self.bar_.close()
