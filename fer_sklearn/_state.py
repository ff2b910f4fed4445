"""The pickle format of an estimator: its number, and all conversions from older pickles.

A pickle of `FERClassifier` holds the constructor's parameters, the fitted attributes and the
weights as NumPy arrays by name, but no torch object and no state of the optimiser. It is about as
large as the weights and loads without the device that it was trained on. skops can load it if it
trusts the classes of this package.

To change the format, raise `STATE_FORMAT`, add the step from the last number to `_UPGRADES`, and
store a pickle of the new format in `tests/pickles`. Weight files (`_pretrained.py`) and checkpoints
have their own formats. A new parameter needs no new format: if a pickle lacks it, it gets its
default, also in the parts (`Lasting`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

STATE_FORMAT = 2


def _name_the_activation(state: dict) -> dict:
    """Format 1 had a single activation, which then became a parameter with another default."""
    attributes = dict(state["attributes"])
    relu = {"activation": "relu"}
    if attributes["network"] == "resnet":
        attributes["network_params"] = {**relu, **(attributes["network_params"] or {})}
    recipe = attributes.get("_recipe")
    if recipe is not None and recipe["network"] == "resnet":
        attributes["_recipe"] = {**recipe, "params": {**relu, **recipe["params"]}}
    return {**state, "attributes": attributes}


#: {number: function that turns a state of this number into one of the next}
_UPGRADES: dict[int, Callable[[dict], dict]] = {1: _name_the_activation}


def pack_state(attributes: dict, weights: dict | None, networks: list) -> dict:
    """Return the state to pickle.

    Parameters
    ----------
    attributes : dict
        Parameters and fitted attributes.
    weights : dict of {str: ndarray} or None
        None before `fit`.
    networks : list of CarriedNetwork
        The registered networks that it names; they are registered where the pickle is loaded.
    """
    state = {"state_format": STATE_FORMAT, "attributes": attributes, "weights": weights}
    return {**state, "networks": networks} if networks else state


def unpack_state(state: dict, defaults: dict) -> tuple[dict, dict | None]:
    """Return the attributes and the weights that were passed to `pack_state`.

    Parameters
    ----------
    state : dict
        A state of this format or an older one.
    defaults : dict
        The constructor's parameters, for those that an older pickle lacks.

    Raises
    ------
    ValueError
        If the format is newer than this package.
    """
    number = state.get("state_format", 0)
    if number > STATE_FORMAT:
        raise ValueError(
            f"This classifier was stored in format {number}; this fer_sklearn reads formats up "
            f"to {STATE_FORMAT}. Upgrade it: pip install --upgrade fer-sklearn."
        )
    for older in range(number, STATE_FORMAT):
        state = _UPGRADES[older](state)
    attributes = {**defaults, **state["attributes"]}
    if state["weights"] is not None:
        # Older pickles are from a time when prediction did not use mirror images.
        attributes.setdefault("_mirrored", False)
    return attributes, state["weights"]


class Lasting:
    """Mixin of the parts of a classifier: a parameter that a pickle lacks gets its default."""

    def __setstate__(self, state: dict) -> None:
        state = {**defaults_of(type(self)), **state}
        super().__setstate__(state)  # type: ignore[misc]  # of the estimator that has this mixin


def as_python(value: Any) -> Any:
    """Return a parameter with Python's numbers and texts in place of NumPy's, in containers too.

    Grids are often arrays (``np.arange(2, 9)``). Torch and JSON know Python's alone, and those of
    few bits overflow.
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is dict:
        return {name: as_python(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(as_python(part) for part in value)
    return value


def defaults_of(cls: type) -> dict:
    """Return the constructor's parameters with their defaults."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@contextmanager
def unchanged_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Restore the attributes of the estimator if the block does not complete."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
