"""Where the weights of a training start: at random, from a file, or from the last training."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from ._codes import are_codes, meaning_of, warn_of_labels, weights_by_label
from ._images import PixelValues
from ._intake import TrainingFaces
from ._labels import ClassTotals
from ._pretrained import Pretrained, read_pretrained
from .model import VIEWS, FacePredictor, Recipe
from .networks import default_params
from .normalize import FaceNormalizer


def choose_start(estimator: BaseEstimator, params: dict, predictor: FacePredictor | None) -> Start:
    """Return the start of a training of `estimator`.

    Parameters
    ----------
    estimator : FERClassifier
    params : dict
        Its parameters.
    predictor : FacePredictor or None
        The trained network to continue with; None: a training from the beginning.

    Raises
    ------
    FileNotFoundError
        If `pretrained` names neither a file nor a pretrained model of the package.
    """
    if predictor is not None:
        return WarmStart(params, predictor, estimator.classes_, estimator.history_)
    if params["pretrained"] is not None:
        return FileStart(params, read_pretrained(params["pretrained"]))
    return ColdStart(params)


class Start:
    """Interface of all starts.

    Parameters
    ----------
    params : dict
        Of the classifier.

    Attributes
    ----------
    image_shape, classes
        Those that are fixed before any face is read, or None.
    shape_of_rows
        Height and width of the faces of the file, if the weights come from one.
    file : Pretrained or None
        The file that the weights come from.
    """

    image_shape: tuple[int, int] | None = None
    classes: np.ndarray | None = None
    shape_of_rows: tuple[int, int] | None = None
    file: Pretrained | None = None

    def __init__(self, params: dict) -> None:
        self.params = params

    @property
    def is_new(self) -> bool:
        """Whether nothing is fixed yet, so that faces need not fit anything."""
        return self.image_shape is None

    def class_weight(self, classes: np.ndarray) -> dict | str | None:
        """Return the parameter, with the labels of y as keys."""
        stated, labels = self.params["class_weight"], classes.tolist()
        if not isinstance(stated, dict):
            return stated
        return weights_by_label(stated, labels, self.meaning(labels))

    def meaning(self, labels: list) -> list:
        """Return the meaning of the sorted labels of y: themselves, or labels of a file."""
        return labels

    def predictor(self, data: TrainingFaces, device: Any, seed: int) -> FacePredictor:
        """Return the network to train, with a fitted normaliser and its first weights.

        Parameters
        ----------
        data : TrainingFaces
        device : torch.device
        seed : int
            Seed of the random weights.

        Raises
        ------
        ValueError
            If the parameters ask for a different network or normaliser than the existing ones.
        """
        mirrored = bool(data.augmenter.flip)
        predictor = FacePredictor.fresh(
            self.recipe(data),
            self.normalizer(data),
            data.augmenter.make_layers(),
            device=device,
            seed=seed,
            mirrored=mirrored,
            usual_views=self.usual_views(mirrored),
        )
        self.put_weights(predictor, data.classes)
        return predictor

    def recipe(self, data: TrainingFaces) -> Recipe:
        """Return the recipe of the network for these faces."""
        return Recipe(
            self.params["network"], self.network_params(), len(data.classes), data.image_shape
        )

    def network_params(self) -> dict:
        """Return the parameters of the network that the classifier states."""
        names = ("widths", "depth", "dropout")
        stated = {name: self.params[name] for name in names if self.params[name] is not None}
        return {**stated, **(self.params["network_params"] or {})}

    def normalizer(self, data: TrainingFaces) -> FaceNormalizer | None:
        """Return the fitted normaliser; None if the faces are already normalised."""
        stated = self.params["normalize"]
        if stated == "upstream":
            return None
        normalizer = FaceNormalizer() if stated is None else clone(stated)
        return normalizer.fit_rows(data.rows, data.index, data.values)

    def usual_views(self, mirrored: bool) -> str | None:
        """Return the best views for the weights of an earlier training; "auto" if unknown."""
        return "auto"

    def put_weights(self, predictor: FacePredictor, classes: np.ndarray) -> None:
        """Replace random weights by those that the training begins with."""

    def seed(self, seed: int) -> int:
        """Return the seed of the training, given the seed of the classifier."""
        return seed

    def join(self, epochs: dict) -> dict:
        """Return the history including a training that has recorded `epochs`."""
        return epochs


class ColdStart(Start):
    """Weights drawn at random."""


class FileStart(Start):
    """Weights of a file, which also decides the network and the normalisation."""

    file: Pretrained

    def __init__(self, params: dict, file: Pretrained) -> None:
        super().__init__(params)
        self.file = file
        self.shape_of_rows = file.image_shape
        if file.views not in {"auto", *VIEWS}:
            raise ValueError(
                f"pretrained={str(params['pretrained'])!r} asks for views named "
                f"{file.views!r:.100}; this fer_sklearn knows {', '.join(filter(None, VIEWS))}. "
                "Upgrade it: pip install --upgrade fer-sklearn."
            )

    def recipe(self, data: TrainingFaces) -> Recipe:
        """Return the recipe of the file, with the parameters that may differ."""
        self.check(data.image_shape)
        return super().recipe(data)

    def check(self, image_shape: tuple[int, int]) -> None:
        """Raise if the parameters ask for another network."""
        self.file.check(self.params["network"], super().network_params(), image_shape)

    def meaning(self, labels: list) -> list:
        """Return the file's labels if y has codes 0, 1, ... for them."""
        return meaning_of(labels, self.file.classes)

    def network_params(self) -> dict:
        """Return those of the file, and those that the classifier states."""
        return {**self.file.network_params, **super().network_params()}

    def normalizer(self, data: TrainingFaces) -> FaceNormalizer | None:
        """Return the file's normaliser, with the pixel range of these faces if none is stated."""
        if self.params["normalize"] is not None:
            return super().normalizer(data)
        return self._stored(FaceNormalizer(self._stored_method), data.values)

    def usual_views(self, mirrored: bool) -> str | None:
        """Return the file's views, unless they mirror faces and this training does not."""
        return self.file.views if mirrored == self.file.mirrored else "auto"

    def put_weights(self, predictor: FacePredictor, classes: np.ndarray) -> None:
        """Load the file's weights; labels that it does not have keep random ones."""
        weights, labels = self.file.weights, self.meaning(classes.tolist())
        source = f"pretrained={str(self.params['pretrained'])!r}"
        warn_of_labels(classes.tolist(), self.file.classes, source)
        if labels != self.file.classes:
            last_layer = predictor.weights_of_last_layer()
            weights = self.file.weights_for(labels, predictor.weights(), last_layer)
        predictor.put(weights)

    def as_stored(self, device: Any) -> FacePredictor:
        """Return the network of the file, for `FERClassifier.from_pretrained`."""
        self.check(self.file.image_shape)
        recipe = Recipe(
            self.params["network"],
            self.network_params(),
            len(self.file.classes),
            self.file.image_shape,
        )
        normalizer = self._stored(self._with_the_files_method(), None)
        return FacePredictor.from_weights(
            recipe,
            normalizer,
            self.file.weights,
            device=device,
            mirrored=self.file.mirrored,
            usual_views=self.file.views,
        )

    @property
    def _stored_method(self) -> str:
        return self.file.normalization["method"]

    def _stored(self, normalizer: FaceNormalizer, values: PixelValues | None) -> FaceNormalizer:
        return normalizer.adopt(
            self.file.normalization["mean"], self.file.normalization["scale"], values
        )

    def _with_the_files_method(self) -> FaceNormalizer:
        stated, method = self.params["normalize"], self._stored_method
        if stated is None:
            return FaceNormalizer(method)
        if getattr(stated, "method", stated) != method:
            raise ValueError(
                f"The pretrained network normalises faces by method {method!r}, got "
                f"normalize={stated!r}. Leave normalize at None, or state the pixel range alone: "
                f"FaceNormalizer({method!r}, pixel_range=(black, white))."
            )
        return clone(stated)


class WarmStart(Start):
    """Weights of an earlier training, and everything else that it determined."""

    def __init__(
        self, params: dict, fitted: FacePredictor, classes: np.ndarray, history: dict
    ) -> None:
        super().__init__(params)
        self.fitted = fitted
        self.image_shape = fitted.recipe.image_shape
        self.classes = classes
        self.history = history
        self._check_network()
        self._check_normalizer()

    def meaning(self, labels: list) -> list:
        """Return their meaning in the first training; the file is read again, if there is one."""
        source = self.params["pretrained"]
        if source is None or not are_codes(labels, len(labels)):
            return labels
        return meaning_of(labels, read_pretrained(source).classes)

    def recipe(self, data: TrainingFaces) -> Recipe:
        """Return the fitted network's."""
        return self.fitted.recipe

    def normalizer(self, data: TrainingFaces) -> FaceNormalizer | None:
        """Return the fitted network's."""
        return self.fitted.normalizer

    def _check_network(self) -> None:
        """Raise if the parameters ask for another network."""
        fitted, own = self.fitted.recipe, self.network_params()
        if self.params["pretrained"] is not None:
            own = {**fitted.params, **own}
        recipe = Recipe(self.params["network"], own, fitted.n_classes, fitted.image_shape)
        if recipe != fitted:
            was, now = ({"network": r.network, "params": r.params} for r in (fitted, recipe))
            raise ValueError(
                f"The fitted network is {was}, the parameters now say {now}: "
                "training cannot continue. Set them back, or fit with warm_start=False."
            )

    def _check_normalizer(self) -> None:
        """Raise if the parameters ask for a different method of normalisation or pixel range."""
        fitted, stated = self.fitted.normalizer, self.params["normalize"]
        if stated is None and (self.params["pretrained"] is not None or fitted is None):
            return
        was = "upstream" if fitted is None else fitted.method
        stated = FaceNormalizer() if stated is None else stated
        now = getattr(stated, "method", stated)
        if now != was:
            raise ValueError(
                f"The fitted network has faces normalised by {was!r}, the parameters now say "
                f"{now!r}: training cannot continue. Set normalize back, or fit with "
                "warm_start=False."
            )
        asked = getattr(stated, "pixel_range", "auto")
        if fitted is not None and asked != "auto" and tuple(asked) != fitted.pixel_range_:
            raise ValueError(
                f"The fitted network has black and white at {fitted.pixel_range_}, the parameters "
                f"now say {asked}: training cannot continue. Scale X as in the first fit and set "
                "pixel_range back, or fit with warm_start=False."
            )

    def usual_views(self, mirrored: bool) -> str | None:
        """Return the fitted network's views, unless only one of the trainings mirrors faces."""
        return self.fitted.usual_views if mirrored == self.fitted.mirrored else "auto"

    def put_weights(self, predictor: FacePredictor, classes: np.ndarray) -> None:
        """Load the fitted weights."""
        predictor.put(self.fitted.weights())

    def seed(self, seed: int) -> int:
        """Return a different seed after every epoch, or all trainings would draw the same."""
        n_epochs = len(self.history.get("train_loss", []))
        if not n_epochs:
            return seed
        return int(np.random.default_rng([seed, n_epochs]).integers(2**31 - 1))

    def join(self, epochs: dict) -> dict:
        """Append the epochs; values that one of the two has not recorded are NaN."""
        n_before, n_new = (len(next(iter(part.values()), [])) for part in (self.history, epochs))
        return {
            key: self.history.get(key, [np.nan] * n_before) + epochs.get(key, [np.nan] * n_new)
            for key in {**self.history, **epochs}
        }


def to_file(
    predictor: FacePredictor,
    classes: np.ndarray,
    totals: ClassTotals | None,
    *,
    note: str,
    temperature: float,
) -> Pretrained:
    """Return a trained network as plain values, from which another training can start.

    Parameters
    ----------
    predictor : FacePredictor
    classes : ndarray of shape (n_classes,)
    totals : ClassTotals or None
        What it was trained on, if known.
    note : str
        Where it comes from.
    temperature : float
        Divisor of its logits.

    Raises
    ------
    TypeError
        If the network has no name.
    ValueError
        If the faces were already normalised, or the logits cannot be divided.
    """
    recipe, normalizer = predictor.recipe, predictor.normalizer
    params = default_params(recipe.network) | recipe.params
    if normalizer is None:
        raise ValueError(
            "save_pretrained stores how faces are normalised, but this classifier was fitted "
            "with normalize='upstream'. Fit one with a FaceNormalizer of its own."
        )
    return Pretrained(
        network=str(recipe.network),
        network_params=params,
        classes=classes.tolist(),
        image_shape=recipe.image_shape,
        normalization={
            "method": normalizer.method,
            "mean": normalizer.mean_,
            "scale": normalizer.scale_,
        },
        mirrored=predictor.mirrored,
        views=predictor.stated_views,
        note=note,
        class_count=None if totals is None else np.asarray(totals.counts).tolist(),
        class_totals=None if totals is None else np.asarray(totals.amounts).tolist(),
        weights=predictor.weights(temperature),
    )
