"""Recipes by name: values of `FERClassifier`'s parameters that were chosen together."""

from __future__ import annotations

from typing import Any

from ._state import defaults_of
from .augment import FaceAugmenter
from .classifier import FERClassifier

__all__ = ["OF_THE_NETWORK", "PRESETS", "preset"]

#: Parameters that a file of weights decides: leave them out beside ``pretrained=``.
OF_THE_NETWORK = ("network", "widths", "depth", "dropout", "network_params")


def _fast() -> dict:
    """Return the classifier's own defaults of all parameters that another recipe changes."""
    defaults = defaults_of(FERClassifier)
    others = [recipe for recipe in PRESETS.values() if recipe is not _fast]
    return {name: defaults[name] for recipe in others for name in recipe()}


def _accurate() -> dict:
    return {
        "widths": (64, 128, 256),
        "depth": 1,
        "max_epochs": 110,
        "mixup": 0.2,
        "plain_fraction": 0.1,
        "augment": FaceAugmenter(erase=0.5),
        "predict_augment": "affine",
    }


def _hybrid() -> dict:
    # Muon does not normalise the matrices of a transformer, so weight_decay has to limit them.
    return {**_accurate(), "network": "hybrid", "depth": 4, "weight_decay": 0.05}


def _report() -> dict:
    return {
        "network": "cnn",
        "widths": (32, 64, 128, 256),
        "dropout": 0.5,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "max_epochs": 120,
        "augment": FaceAugmenter(
            rotation=15, shift=0.12, scale=0.15, flip=0.5, brightness=0.3, contrast=0.4
        ),
        "predict_augment": "affine",
    }


def _small() -> dict:
    # ReLU: after quantisation it costs nothing, GELU is five operators. One view: it is for speed.
    return {
        "widths": (32, 64, 128),
        "dropout": 0.1,
        "network_params": {"activation": "relu"},
        "max_epochs": 38,
        "plain_fraction": 0.1,
        "predict_augment": None,
    }


#: {name: function that returns the parameters}
PRESETS = {
    "fast": _fast,
    "accurate": _accurate,
    "hybrid": _hybrid,
    "report": _report,
    "small": _small,
}


def preset(name: str) -> dict[str, Any]:
    """Return the parameters of a recipe.

    They are plain values to read, change and search. All other parameters keep the defaults of
    `FERClassifier`.

    Parameters
    ----------
    name : {"fast", "accurate", "hybrid", "report", "small"}
        - "fast": the defaults of ``FERClassifier()``: sixteen epochs.
        - "accurate": 110 epochs with mixup and erasing, and ten views of a face at
          prediction: about an hour and three quarters on two cores for FER-2013.
        - "hybrid": "accurate" with the transformer ``network="hybrid"`` and the weight decay that
          suits one. It takes about twice as long. Its accuracy on FER-2013 after 110 epochs has
          not been measured.
        - "report": a plain CNN (convolution, batch norm, ReLU, max-pooling, fully connected
          layers with dropout), trained with cross-entropy, Adam and a learning-rate schedule on
          rotated, shifted, mirrored, brighter and darker faces: the network of much FER
          literature, to compare with. 120 epochs, each most of a minute on one fast core for 22,000
          faces, and ten views of a face at prediction.
        - "small": a quarter of the work of "fast" for each face, for predictions in 8 bits
          (`fer_sklearn.export.to_onnx`) on a webcam or a small server. 38 epochs.

    Returns
    -------
    params : dict
        New objects at every call.

    Raises
    ------
    ValueError
        If the recipe is unknown.

    Examples
    --------
    >>> from fer_sklearn import FERClassifier, preset
    >>> clf = FERClassifier(**preset("accurate"), random_state=0)
    >>> clf.set_params(augment__erase=0.25).max_epochs
    110
    """
    if name not in PRESETS:
        raise ValueError(f"Unknown preset {name!r}. Known: {', '.join(sorted(PRESETS))}.")
    return PRESETS[name]()
