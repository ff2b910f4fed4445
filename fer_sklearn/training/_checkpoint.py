"""A file from which a fit that was killed goes on to the result it would have had."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.history import History

from .._files import check_writable, remove_file, replace_file
from ._globals import global_generators
from ._net import OwnCallback

_FORMAT = 2


class Checkpoint(OwnCallback):
    """Writes all that the rest of a training depends on after every epoch.

    The file replaces the last one in one step, so that a kill in mid-write loses nothing.
    User callbacks are told of the remaining epochs only; their own state is not stored.

    Parameters
    ----------
    path : Path
    fingerprint : str
        Of the data and the parameters; another fit's file is refused.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint

    def load(self) -> dict | None:
        """Return what the last run of the same fit has left; None if there was none.

        Raises
        ------
        ValueError
            If the file is of another fit, or no checkpoint.
        OSError
            If the file could not be written after an epoch.
        """
        check_writable(self.path)
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=False)
            same = (state["format"], state["fingerprint"]) == (_FORMAT, self.fingerprint)
        except Exception as error:
            raise ValueError(
                f"{self.path} is no checkpoint that can be read ({type(error).__name__}: {error}). "
                "Delete it to start anew, or choose another path."
            ) from error
        if not same:
            raise ValueError(
                f"{self.path} is the checkpoint of another fit: the data, a parameter or the "
                "format of the file differ. Delete it to start anew, or choose another path."
            )
        return state

    def restore(self, net, state: dict) -> None:
        """Put `net`, whose training has just begun, where the last run was."""
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        net.history = History(state["history"])
        net.rng.bit_generator.state = state["order"]
        net.generator.set_state(state["draws"])
        generators = global_generators(torch.device(net.device))
        for generator, draws in zip(generators, state["global_draws"], strict=True):
            generator.set_state(draws)
        for callback, attributes in zip(_deciding(net), state["callbacks"], strict=True):
            if isinstance(callback, LRScheduler):
                callback.lr_scheduler_.load_state_dict(attributes.pop("schedule"))
            vars(callback).update(attributes)

    def on_epoch_end(self, net, **kwargs):
        state = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": list(net.history),
            "order": net.rng.bit_generator.state,
            "draws": net.generator.get_state(),
            "global_draws": [
                generator.get_state() for generator in global_generators(torch.device(net.device))
            ],
            "callbacks": [_state_of(callback) for callback in _deciding(net)],
        }
        content = io.BytesIO()
        torch.save(state, content)
        replace_file(self.path, content.getvalue())

    def remove(self) -> None:
        """Delete the file, and what a kill in mid-write has left: the fit has come to its end."""
        remove_file(self.path)


def _deciding(net) -> list[Callback]:
    """Return the callbacks that decide how training goes on, the user's included."""
    return [
        callback
        for _, callback in net.callbacks_
        if isinstance(callback, (LRScheduler, EarlyStopping))
    ]


def _state_of(callback: Callback) -> dict:
    attributes = {
        key: value
        for key, value in vars(callback).items()
        if key.endswith("_") and key not in ("lr_scheduler_", "policy_")
    }
    if isinstance(callback, LRScheduler):
        attributes["schedule"] = callback.lr_scheduler_.state_dict()
    return attributes
