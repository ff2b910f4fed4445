"""The parts of a classifier, and their parameters: `augment__rotation` works for None, too."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import InvalidParameterError

from ._forms import is_count
from ._pretrained import read_pretrained
from .augment import FaceAugmenter
from .networks import OF_THE_FACES, check_arguments
from .normalize import FaceNormalizer

_PARTS = {"augment": FaceAugmenter, "normalize": FaceNormalizer}
#: Allowed values of each, as an example in the error.
_EXAMPLES = {
    "augment": "FaceAugmenter() or FaceAugmenter(rotation=15.0), 'off' to train without "
    "augmentation, None for the usual one, or 'upstream'",
    "normalize": "FaceNormalizer() or FaceNormalizer('image'), None for the usual one, or "
    "'upstream' for faces that are normalised already",
}


def check_params(classifier: BaseEstimator) -> None:
    """Raise if a parameter cannot be used; for a part, the error says what to pass.

    Parameters
    ----------
    classifier : FERClassifier

    Raises
    ------
    InvalidParameterError
        A ValueError and a TypeError, which shows what to pass.
    """
    for part in _PARTS:
        _check_part(part, getattr(classifier, part))
    widths = classifier.widths
    if widths is not None and not _are_widths(widths):
        raise InvalidParameterError(
            "The 'widths' parameter of FERClassifier must be None or whole numbers of at least 1, "
            f"the channels of one stage or more, such as (32, 64). Got {widths!r} instead."
        )
    classifier._validate_params()
    _check_network_params(classifier.network_params or {})
    _check_callbacks(classifier.callbacks or [])


def _check_network_params(params: dict) -> None:
    unusable = [name for name in params if not isinstance(name, str) or name in OF_THE_FACES]
    if unusable:
        raise InvalidParameterError(
            "The 'network_params' parameter of FERClassifier must be a dict of further arguments "
            "of the network, such as {'activation': 'relu'}; n_classes and image_shape are those "
            f"of the faces. Got {unusable[0]!r} as a name instead."
        )


def _check_callbacks(callbacks: Sequence) -> None:
    for callback in callbacks:
        pair = isinstance(callback, tuple) and len(callback) == 2 and isinstance(callback[0], str)
        one = callback[1] if pair else callback
        if one is not None and not hasattr(one, "on_epoch_end"):
            raise InvalidParameterError(
                "The 'callbacks' parameter of FERClassifier must be a list of skorch callbacks, "
                "such as [skorch.callbacks.EpochTimer()], or of pairs of a name and a callback. "
                f"Got {callback!r} in it instead."
            )


def _check_part(part: str, value: Any) -> None:
    named = isinstance(value, str) and value in ("upstream", "off")  # scikit-learn says which
    if not named and value is not None and not isinstance(value, _PARTS[part]):
        raise InvalidParameterError(
            f"The {part!r} parameter of FERClassifier must be {_EXAMPLES[part]}. Got {value!r} "
            "instead."
        )


def _are_widths(widths: Any) -> bool:
    if np.ndim(widths) != 1 or not len(widths):
        return False
    return all(map(is_count, widths))


def with_parts(classifier: BaseEstimator, params: dict) -> dict:
    """Return parameters to set, including the parts and the dict that they belong to.

    Parameters
    ----------
    classifier : FERClassifier
    params : dict
        As `set_params` takes them.

    Raises
    ------
    ValueError
        If a part is a name, because names have no parameters, or the network has no such argument.
    FileNotFoundError
        If the part depends on a pretrained network that does not exist.
    """
    params = _with_network_params(classifier, dict(params))
    for part in _PARTS:
        nested = [name for name in params if name.startswith(f"{part}__")]
        stated = params.get(part, getattr(classifier, part))
        if not nested:
            continue
        if isinstance(stated, str):
            raise ValueError(
                f"{part}={stated!r} has no parameters, got {', '.join(nested)}. Set {part} to "
                f"None or to {_PARTS[part].__name__}() too."
            )
        if stated is None:
            params[part] = _usual(part, params.get("pretrained", classifier.pretrained))
    return params


def _with_network_params(classifier: BaseEstimator, params: dict) -> dict:
    """Return parameters with a new dict in place of ``network_params__...``."""
    prefix = "network_params__"
    nested = {name.removeprefix(prefix): params[name] for name in params if name.startswith(prefix)}
    if not nested:
        return params
    check_arguments(params.get("network", classifier.network), nested)
    stated = params.get("network_params", classifier.network_params)
    others = {name: value for name, value in params.items() if not name.startswith(prefix)}
    return {**others, "network_params": {**(stated or {}), **nested}}


def _usual(part: str, pretrained: str | PathLike | None) -> BaseEstimator:
    """Return the part that None means."""
    if part == "normalize" and pretrained is not None:
        return FaceNormalizer(read_pretrained(pretrained).normalization["method"])
    return _PARTS[part]()
