"""`FacePredictor`: a trained network and all that its predictions need."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from .._globals import build_aside, build_seeded
from .._images import PixelValues, match_pixel_range
from .._state import as_python
from ..networks import build_network
from ..networks._low_precision import in_low_precision
from ..normalize import FaceNormalizer
from ._face_model import FaceModel
from ._faces import Faces
from ._views import VIEWS, Views, ask, mean


@dataclass(frozen=True)
class Recipe:
    """Description of a network; weights fit all networks of an equal recipe.

    Attributes
    ----------
    network : str, nn.Module class or callable
        A name from `fer_sklearn.networks.NETWORKS`, or a callable that builds the network.
    params : dict
        Parameters of the network, besides the next two.
    n_classes : int
        Number of logits.
    image_shape : tuple of (int, int)
        Height and width of the faces in pixels.
    """

    network: str | Callable[..., nn.Module]
    params: dict
    n_classes: int
    image_shape: tuple[int, int]

    def __post_init__(self) -> None:
        # Lists and tuples of the same widths are not equal, and JSON has no arrays.
        object.__setattr__(self, "params", as_python(_plain_widths(self.params)))

    def build(
        self, normalizer: FaceNormalizer | None, augment: nn.Sequential | None = None
    ) -> FaceModel:
        """Build the model, on the CPU and with fresh weights.

        Parameters
        ----------
        normalizer : FaceNormalizer or None
            Fitted; None: the faces are already normalised.
        augment : nn.Sequential or None
            Layers that act in training only.
        """
        network = build_network(
            self.network, n_classes=self.n_classes, image_shape=self.image_shape, **self.params
        )
        normalize = nn.Identity() if normalizer is None else normalizer.make_layer()
        return FaceModel(normalize, nn.Sequential() if augment is None else augment, network)


@dataclass(frozen=True, eq=False)
class FacePredictor:
    """A trained network and all that its predictions need.

    Attributes
    ----------
    recipe : Recipe
        What `model` was built from.
    normalizer : FaceNormalizer or None
        Fitted; None: the faces are already normalised.
    model : FaceModel
        On `device`, in eval mode.
    device : torch.device
    mirrored : bool
        Whether it was trained on mirrored faces too.
    views : str or None
        Views of each face to predict: "auto" or a name from `VIEWS`.
    usual_views : str or None
        What "auto" means. If this is "auto" too, it means "flip" if `mirrored`, else None.
    low : torch.dtype or None
        Low precision that logits are computed in; None is float32.
    adjustment : ndarray of shape (n_classes,) or float
        Subtracted from the logits.
    known : dict
        What `ask` has learned about the model's kernels, and the copy of it in low precision.
    """

    recipe: Recipe
    normalizer: FaceNormalizer | None
    model: FaceModel
    device: torch.device
    mirrored: bool
    views: str | None = "auto"
    usual_views: str | None = "auto"
    low: torch.dtype | None = None
    adjustment: np.ndarray | float = 0.0
    known: dict = field(default_factory=dict, repr=False)

    @classmethod
    def fresh(
        cls,
        recipe: Recipe,
        normalizer: FaceNormalizer | None,
        augment: nn.Sequential,
        *,
        device: torch.device,
        seed: int,
        mirrored: bool,
        usual_views: str | None = "auto",
    ) -> FacePredictor:
        """Build a predictor to train, with weights drawn from `seed`, and move it to `device`."""
        model = build_seeded(lambda: recipe.build(normalizer, augment), seed, device)
        model = _on_device(model, device)
        return cls(recipe, normalizer, model, device, mirrored, usual_views=usual_views)

    @classmethod
    def from_weights(
        cls,
        recipe: Recipe,
        normalizer: FaceNormalizer | None,
        weights: dict,
        *,
        device: torch.device,
        mirrored: bool,
        usual_views: str | None = "auto",
    ) -> FacePredictor:
        """Build a predictor with weights that were stored, and move it to `device`."""
        model = build_aside(lambda: recipe.build(normalizer))
        model = _on_device(model, device).eval()
        predictor = cls(recipe, normalizer, model, device, mirrored, usual_views=usual_views)
        predictor.put(weights)
        return predictor

    def asked(
        self, *, views: str | None, precision: str, adjustment: np.ndarray | float
    ) -> FacePredictor:
        """Return a predictor of the same network with these settings."""
        low = torch.bfloat16 if precision == "bfloat16" else None
        return replace(self, views=views, low=low, adjustment=adjustment)

    def moved(self, device: torch.device) -> FacePredictor:
        """Return a copy on another device."""
        model = _on_device(copy.deepcopy(self.model), device)
        return replace(self, model=model, device=device, known={})

    def faces(self, rows: np.ndarray, values: PixelValues | None = None, **targets) -> Faces:
        """Return the faces in the form that prediction and training take.

        Parameters
        ----------
        rows : ndarray of shape (n, n_pixels)
            Validated.
        values : PixelValues or None
            What is known about their values; None measures them.
        **targets
            Of `Faces`.
        """
        values = PixelValues(rows) if values is None else values
        stated = None if self.normalizer is None else self.normalizer.pixel_range_
        pixel_range = match_pixel_range(values, stated)
        images = rows.reshape(-1, *self.recipe.image_shape)
        return Faces(images, pixel_range=pixel_range, device=self.device, **targets)

    def logits(self, faces: Faces, verbose: int = 0) -> np.ndarray:
        """Return the logits of each face, adjusted, (n, n_classes) in float64."""
        how: dict[str, Any] = {"low": self.low, "known": self.known, "verbose": verbose}
        logits = ask(self._asked_model(), faces, self.chosen_views, **how)
        return logits.astype(np.float64) - self.adjustment

    def _asked_model(self) -> FaceModel:
        """Return the model, or its copy in low precision."""
        if self.low is None:
            return self.model
        if self.low not in self.known:
            network = in_low_precision(self.model.network, self.low)
            self.known[self.low] = FaceModel(self.model.normalize, nn.Sequential(), network).eval()
        return self.known[self.low]

    def features(self, faces: Faces) -> np.ndarray:
        """Return the input of the last linear layer, (n, n_features) in float32.

        The features of several views are averaged.
        """
        # A copy: hooks on the model itself would also see the predictions of other threads.
        model = copy.deepcopy(self.model)
        model.network.set_submodule(_last_linear(model.network)[0], nn.Identity())
        return ask(model, faces, self.chosen_views, merge=mean, known=self.known)

    @property
    def chosen_views(self) -> Views:
        """The views that "auto" means, or those that were chosen."""
        return VIEWS[self.name_of_views]

    @property
    def name_of_views(self) -> str | None:
        """The name of `chosen_views`."""
        usual = "flip" if self.mirrored else None
        return usual if self.stated_views == "auto" else self.stated_views

    @property
    def stated_views(self) -> str | None:
        """The name of the views, "auto" if none were chosen."""
        return self.usual_views if self.views == "auto" else self.views

    @property
    def n_features(self) -> int:
        """Number of features of a face."""
        return self._last_layer()[1].in_features

    def weights(self, temperature: float = 1.0) -> dict[str, np.ndarray]:
        """Return the state of the network by name; `temperature` divides its logits."""
        state = self.model.network.state_dict()
        weights = {name: tensor.cpu().numpy() for name, tensor in state.items()}
        if temperature != 1:
            for name in self.weights_of_last_layer():
                weights[name] = weights[name] / np.float32(temperature)
        return weights

    def put(self, weights: dict[str, np.ndarray]) -> None:
        """Copy these weights into the network."""
        # Writable arrays need no copy here: loading copies them once.
        state = {
            name: torch.from_numpy(array)
            if array.flags.writeable
            else torch.tensor(array, device="cpu")
            for name, array in weights.items()
        }
        self.model.network.load_state_dict(state)

    def weights_of_last_layer(self) -> list[str]:
        """Return the names of those arrays of the network's state that have a row per class."""
        name, layer = self._last_layer()
        return [f"{name}.{part}" for part in layer.state_dict()]

    def _last_layer(self) -> tuple[str, nn.Linear]:
        """Return the name of the layer that computes the logits, and the layer."""
        name, layer = _last_linear(self.model.network)
        if layer.out_features != self.recipe.n_classes:
            raise ValueError(
                f"Expected the last nn.Linear of {type(self.model.network).__name__} to be the one "
                f"that gives the {self.recipe.n_classes} logits, got {name!r} with "
                f"{layer.out_features} outputs. Create that layer after all others in the "
                "network's __init__."
            )
        return name, layer


def _on_device(model: FaceModel, device: torch.device) -> FaceModel:
    # torch's type hints of `to` lack the memory format.
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _last_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    layers = [named for named in network.named_modules() if isinstance(named[1], nn.Linear)]
    if not layers:
        raise ValueError(
            f"{type(network).__name__} has no nn.Linear layer, whose input would be the features "
            "of a face."
        )
    return layers[-1]


def _plain_widths(params: dict) -> dict:
    widths: Any = params.get("widths")
    return {**params, "widths": tuple(np.asarray(widths).tolist())} if np.ndim(widths) else params
