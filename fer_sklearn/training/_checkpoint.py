"""A file from which a killed fit continues and ends with the same result.

The first line names the format, the second is the SHA-256 of what follows: a torch file that holds
only tensors and plain values, so that reading it runs no code. Without the hash, a bit that flipped
on the disk would silently lead to a different network.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, OrderedDict
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.history import History

from .._files import as_path, check_writable, remove_file, replace_file
from .._fingerprint import fingerprint
from .._globals import global_generators
from ..model import FacePredictor
from ._net import OwnCallback

#: Formats 1 and 2 were torch files that could run code; they are no longer read.
_FORMAT = 3
_TITLE = b"fer_sklearn checkpoint, format "
_KEYS = {
    *("fingerprint", "module", "optimizer", "history", "order", "draws", "global_draws"),
    "callbacks",
}
_WAY_OUT = "Delete it to start from the first epoch, or choose another path."
#: Parameters of the classifier that do not change the result of a fit.
_SILENT = {"verbose", "callbacks", "checkpoint", "predict_augment", "logit_adjustment"}


class Checkpoint(OwnCallback):
    """After every epoch, writes everything that the rest of the training depends on.

    The file replaces the last one in one step, so that a kill during writing loses nothing. User
    callbacks are called for the remaining epochs only. Their state is not stored, except for those
    that decide how training continues: skorch's `EarlyStopping` and `LRScheduler`.

    Parameters
    ----------
    path : Path
    fingerprint : str
        Of the data and the parameters; the file of another fit is refused.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint

    def load(self) -> dict | None:
        """Return what the last run of the same fit stored; None if there is no file.

        Raises
        ------
        ValueError
            If the file is damaged, is from another fit, has another format, or is not a checkpoint.
        OSError
            If it could not be written after the first epoch.
        """
        check_writable(self.path)
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            self._check_title(file.readline(80).rstrip(b"\n"))
            digest, content = file.readline(80).rstrip(b"\n"), file.read()
        if digest != _digest(content):
            raise ValueError(f"{self.path} is damaged: its checksum does not match. {_WAY_OUT}")
        state = self._unpacked(content)
        if state["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"{self.path} is the checkpoint of another fit: the data or a parameter differ. "
                f"{_WAY_OUT}"
            )
        return state

    def restore(self, net: Any, state: dict) -> None:
        """Restore the state of the last run in `net`, whose training has just begun.

        Raises
        ------
        ValueError
            If the callbacks are different ones.
        """
        callbacks = _deciding(net)
        stored, here = ([name for name, _ in state["callbacks"]], list(map(_name_of, callbacks)))
        if stored != here:
            raise ValueError(
                f"{self.path} was written with the callbacks {stored} that decide how training "
                f"continues, this fit has {here}. Pass the same ones. {_WAY_OUT}"
            )
        try:
            self._restore(net, state, callbacks)
        except Exception as error:
            raise self._unreadable(error) from error

    def _restore(self, net: Any, state: dict, callbacks: list[Callback]) -> None:
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        net.history = History(state["history"])
        net.rng.bit_generator.state = state["order"]
        net.generator.set_state(state["draws"])
        generators = global_generators(torch.device(net.device))
        for generator, draws in zip(generators, state["global_draws"], strict=True):
            generator.set_state(draws)
        for callback, (_, attributes) in zip(callbacks, state["callbacks"], strict=True):
            if isinstance(callback, LRScheduler):
                callback.lr_scheduler_.load_state_dict(attributes.pop("schedule"))
            vars(callback).update(attributes)

    def on_epoch_end(self, net: Any, **kwargs) -> None:
        module = net.module_.state_dict()
        self._plain(module, "the network")  # stored as it is, with the versions of its layers
        state = {
            "fingerprint": self.fingerprint,
            "module": module,
            "optimizer": net.optimizer_.state_dict(),
            "history": self._plain(list(net.history), "the history"),
            "order": net.rng.bit_generator.state,
            "draws": net.generator.get_state(),
            "global_draws": [
                generator.get_state() for generator in global_generators(torch.device(net.device))
            ],
            "callbacks": [
                (_name_of(callback), self._plain(_state_of(callback), _name_of(callback)))
                for callback in _deciding(net)
            ],
        }
        file = io.BytesIO()
        torch.save(state, file)
        content = file.getvalue()
        title = _TITLE + b"%d" % _FORMAT
        replace_file(self.path, b"\n".join([title, _digest(content), content]))

    def remove(self) -> None:
        """Delete the file, and what was left by a kill in mid-write: the fit is finished."""
        remove_file(self.path)

    def _check_title(self, title: bytes) -> None:
        if title == _TITLE + b"%d" % _FORMAT:
            return
        if title.startswith(b"PK"):  # a zip archive, which torch's files are
            found = "has format 1 or 2, of an older fer_sklearn, if it is a checkpoint"
        elif title.startswith(_TITLE):
            found = f"has format {title.removeprefix(_TITLE).decode(errors='replace')}"
        else:
            raise ValueError(f"{self.path} is not a checkpoint that can be read. {_WAY_OUT}")
        raise ValueError(
            f"{self.path} {found}; this fer_sklearn reads format {_FORMAT} alone. End that fit "
            f"with the version that began it. Or: {_WAY_OUT}"
        )

    def _unpacked(self, content: bytes) -> dict:
        try:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            lacking = sorted(_KEYS - state.keys())
        except Exception as error:
            raise self._unreadable(error) from error
        if lacking:
            raise ValueError(f"{self.path} lacks {', '.join(lacking)}. {_WAY_OUT}")
        return state

    def _unreadable(self, error: Exception) -> ValueError:
        why = f"{type(error).__name__}: {error}"
        return ValueError(f"{self.path} is not a checkpoint that can be read ({why}). {_WAY_OUT}")

    def _plain(self, value: Any, where: str) -> Any:
        """Return a value of a user's callback in a form that can be stored; NumPy's as Python's."""
        if isinstance(value, np.generic):
            value = value.item()
        if type(value) in (type(None), bool, int, float, str, bytes, torch.Tensor):
            return value
        if type(value) in (dict, OrderedDict, Counter):
            return type(value)(
                {
                    self._plain(key, where): self._plain(part, f"{where}, {key!r}")
                    for key, part in value.items()
                }
            )
        if type(value) in (list, tuple, set):
            return type(value)(self._plain(part, where) for part in value)
        raise TypeError(
            f"checkpoint={str(self.path)!r} cannot hold a {type(value).__name__} ({where}). It "
            "holds numbers, texts, tensors, and lists, tuples, sets and dicts of them. Store "
            "one of these, or, if it need not survive a kill, an attribute of the callback "
            "whose name does not end in an underscore."
        )


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def checkpoint_of(
    classifier: BaseEstimator,
    X: ArrayLike,
    data: Any,
    validation: tuple,
    file: Any,
    teachers: Sequence[FacePredictor] = (),
) -> Checkpoint | None:
    """Return the object that writes and reads the checkpoint of a fit; None if it has none.

    Parameters
    ----------
    classifier : FERClassifier
    X : array-like
        As passed by the user: a memory map is not read twice.
    data : TrainingFaces
        The checked faces and labels.
    validation : tuple
        X_val and y_val as passed by the user.
    file : Pretrained or None
        The file that the weights come from.
    teachers : sequence of FacePredictor
        Networks whose predictions are learned.

    Raises
    ------
    ValueError
        If the fit could not be repeated.
    """
    if classifier.checkpoint is None:
        return None
    if classifier.warm_start or not isinstance(classifier.random_state, Integral):
        raise ValueError(
            "checkpoint needs random_state to be an int and warm_start=False, or the fit could "
            f"not be repeated; got random_state={classifier.random_state!r}, "
            f"warm_start={classifier.warm_start}."
        )
    given: tuple = X, data.y, data.weights, data.shares, validation, file
    if teachers:
        given += ([(teacher.normalizer, teacher.weights()) for teacher in teachers],)
    said = fingerprint([classifier, data.augmenter], _SILENT, given)
    return Checkpoint(as_path(classifier.checkpoint), said)


def _deciding(net: Any) -> list[Callback]:
    """Return the callbacks that decide how training continues, including those of the user."""
    return [
        callback
        for _, callback in net.callbacks_
        if isinstance(callback, (LRScheduler, EarlyStopping))
    ]


def _name_of(callback: Callback) -> str:
    return type(callback).__qualname__


def _state_of(callback: Callback) -> dict:
    attributes = {
        key: value
        for key, value in vars(callback).items()
        if key.endswith("_") and key not in ("lr_scheduler_", "policy_")
    }
    if isinstance(callback, LRScheduler):
        attributes["schedule"] = callback.lr_scheduler_.state_dict()
    return attributes
