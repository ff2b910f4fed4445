"""Facial expression recognition with scikit-learn's interface.

>>> from fer_sklearn import FERClassifier
>>> from fer_sklearn.datasets import load_fer2013
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

#: Modules of the public names. They are loaded on use, so that importing the package
#: does not import torch.
_HOMES = {
    "FERClassifier": "classifier",
    "FaceAugmenter": "augment",
    "FaceNormalizer": "normalize",
    "make_fer_pipeline": "pipeline",
    "preset": "presets",
    "show_versions": "_versions",
}
_MODULES = (
    "datasets",
    "embedding",
    "explain",
    "export",
    "metrics",
    "networks",
    "photos",
    "plots",
    "presets",
    "tuning",
)

__all__ = [*_HOMES, *_MODULES, "__version__"]

if TYPE_CHECKING:  # which does not understand lazy loading
    from . import datasets as datasets
    from . import embedding as embedding
    from . import explain as explain
    from . import export as export
    from . import metrics as metrics
    from . import networks as networks
    from . import photos as photos
    from . import plots as plots
    from . import presets as presets
    from . import tuning as tuning
    from ._versions import show_versions as show_versions
    from .augment import FaceAugmenter as FaceAugmenter
    from .classifier import FERClassifier as FERClassifier
    from .normalize import FaceNormalizer as FaceNormalizer
    from .pipeline import make_fer_pipeline as make_fer_pipeline
    from .presets import preset as preset
else:

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(import_module(f".{_HOMES[name]}", __name__), name)
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
