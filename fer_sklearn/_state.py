"""The pickle format of `FERClassifier`: its number, and how older ones are read.

A pickle holds the constructor's parameters, the fitted attributes and the weights as
numpy arrays by name; no torch object, no optimiser state. It is about the size of the
weights, loads without the device it was trained on, and skops can load it trusting
only classes of this package.

To change the format: raise `STATE_FORMAT`, add the step from the last number to
`_UPGRADES`, and freeze a pickle of the last format under `tests/pickles`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

STATE_FORMAT = 2


def _name_the_activation(state: dict) -> dict:
    """Format 1 knew one activation, which then became a parameter with another default."""
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


def pack_state(attributes: dict, weights: dict | None) -> dict:
    """Return the state to pickle.

    Parameters
    ----------
    attributes : dict
        Parameters and fitted attributes.
    weights : dict of {str: ndarray} or None
        None before `fit`.
    """
    return {"state_format": STATE_FORMAT, "attributes": attributes, "weights": weights}


def unpack_state(state: dict, defaults: dict) -> tuple[dict, dict | None]:
    """Return the attributes and the weights that `pack_state` was given.

    Parameters
    ----------
    state : dict
        Of this format or an older one.
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
    return {**defaults, **state["attributes"]}, state["weights"]


def described(value, aside: set[str]):
    """Return a parameter as texts and arrays that are the same in every process, to be hashed.

    Estimators are taken apart, in lists too; their parameters named in `aside` are left out.
    """
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = value.get_params(deep=False)
        kept = {name: described(params[name], aside) for name in sorted(params.keys() - aside)}
        return type(value).__qualname__, kept
    if isinstance(value, dict):
        return {str(name): described(part, aside) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(part, aside) for part in value]
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value
    text = getattr(value, "__qualname__", None) or repr(value)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)
