"""Facial expression recognition with scikit-learn's interface.

>>> from fer_sklearn import FERClassifier
>>> from fer_sklearn.datasets import load_fer2013
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: Where the public names live; loaded when asked for, so that importing the package
#: does not import torch.
_HOMES = {
    "FERClassifier": "classifier",
    "FaceAugmenter": "augment",
    "FaceNormalizer": "normalize",
    "make_fer_pipeline": "pipeline",
    "preset": "presets",
}
_MODULES = (
    "datasets",
    "embedding",
    "explain",
    "metrics",
    "networks",
    "photos",
    "plots",
    "presets",
    "tuning",
)

__all__ = [*_HOMES, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
