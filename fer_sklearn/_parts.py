"""Parameters of a classifier's parts: `augment__rotation` reaches a part that is None."""

from __future__ import annotations

from os import PathLike

from sklearn.base import BaseEstimator

from ._pretrained import read_pretrained
from .augment import FaceAugmenter
from .normalize import FaceNormalizer

_PARTS = {"augment": FaceAugmenter, "normalize": FaceNormalizer}


def with_parts(classifier: BaseEstimator, params: dict) -> dict:
    """Return parameters to set, with the parts that they are set on.

    Parameters
    ----------
    classifier : FERClassifier
    params : dict
        As `set_params` takes them.

    Raises
    ------
    ValueError
        If a part is a name, which has no parameters.
    FileNotFoundError
        If the part depends on a pretrained network that is not there.
    """
    params = dict(params)
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


def _usual(part: str, pretrained: str | PathLike | None) -> BaseEstimator:
    """Return what None stands for."""
    if part == "normalize" and pretrained is not None:
        return FaceNormalizer(read_pretrained(pretrained).normalization["method"])
    return _PARTS[part]()
