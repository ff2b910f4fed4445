"""Augmentation: train-only layers, and the scikit-learn transformer that holds their settings."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from ._forms import Interval, refuse_other_size
from ._globals import undisturbed
from ._images import GRAY_RANGE, MIN_FACE_PIXELS, as_rows, gray_images
from ._state import Lasting


class RandomLayer(nn.Module):
    """Base of layers that change a batch in training mode and are the identity otherwise.

    Each face gets its own random numbers: from `generator` if one is set (on the device of the
    batch), otherwise from torch's global generator.

    Attributes
    ----------
    hides : bool
        Whether the layer hides parts of the face; a training may switch such layers off in the last
        epochs.
    resting : bool
        Whether the layer is switched off at the moment.
    """

    generator: torch.Generator | None = None
    hides: bool = False
    resting: bool = False

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, H, W) -> same
        return self.augment(x) if self.training and not self.resting else x

    def augment(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def uniform(self, x: Tensor, low: float, high: float) -> Tensor:
        """Return a random number in [low, high) for each face of `x`, (B, 1, 1, 1)."""
        draw = torch.rand(len(x), 1, 1, 1, device=x.device, generator=self.generator)
        return low + (high - low) * draw


class RandomFlip(RandomLayer):
    """Mirror faces left to right with a probability."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def augment(self, x: Tensor) -> Tensor:
        return torch.where(self.uniform(x, 0, 1) < self.probability, x.flip(-1), x)


class RandomAffine(RandomLayer):
    """Rotate, zoom and shift faces in one bilinear resampling; edges are repeated.

    Parameters
    ----------
    rotation : float
        Largest angle in degrees, either way.
    scale : float
        Faces grow or shrink by up to this fraction.
    shift : float
        Largest shift along each axis, as a fraction of the side.
    """

    def __init__(self, rotation: float, scale: float, shift: float) -> None:
        super().__init__()
        self.rotation = math.radians(rotation)
        self.scale = scale
        self.shift = shift

    def augment(self, x: Tensor) -> Tensor:
        angle = self.uniform(x, -self.rotation, self.rotation).view(-1)
        zoom = 1 / self.uniform(x, 1 - self.scale, 1 + self.scale).view(-1)
        # grid_sample measures from -1 to 1: a side has length 2.
        right = self.uniform(x, -2 * self.shift, 2 * self.shift).view(-1)
        down = self.uniform(x, -2 * self.shift, 2 * self.shift).view(-1)
        return sample(x, affine_matrices(x, angle, zoom, right, down))


def affine_matrices(x: Tensor, angle: Tensor, zoom: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Return the matrices that say where the pixels of faces like `x` are fetched from.

    Parameters
    ----------
    x : Tensor of shape (B, 1, H, W)
        Only its shape is used.
    angle, zoom, right, down : Tensor of shape (n,)
        Radians; factor of the distance between fetched pixels; shifts, where a side has length 2.

    Returns
    -------
    matrices : Tensor of shape (n, 2, 3)
    """
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    aspect = x.shape[-2] / x.shape[-1]
    rows = [cos, -sin * aspect, right], [sin / aspect, cos, down]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def sample(x: Tensor, matrices: Tensor) -> Tensor:
    """Fetch the pixels of each face bilinearly, by its own matrix or one for all."""
    grid = F.affine_grid(matrices, [len(matrices), *x.shape[1:]], align_corners=False)
    grid = grid.expand(x.shape[0], -1, -1, -1)  # len() would fix the length in an exported file
    if x.device.type == "mps":
        return sample_inside(x, grid)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def sample_inside(x: Tensor, grid: Tensor) -> Tensor:
    """Do `grid_sample` with border padding, which older torch lacks on Apple's GPUs."""
    centre_of_last = 1 - 1 / grid.new_tensor([x.shape[-1], x.shape[-2]])
    return F.grid_sample(x, grid.clamp(-centre_of_last, centre_of_last), align_corners=False)


class RandomLight(RandomLayer):
    """Change brightness and contrast.

    Parameters
    ----------
    brightness : float
        Largest shift of all pixels, as a fraction of the gray range.
    contrast : float
        Distances from the face's mean gray change by up to this fraction.
    """

    def __init__(self, brightness: float, contrast: float) -> None:
        super().__init__()
        self.brightness = brightness * GRAY_RANGE
        self.contrast = contrast

    def augment(self, x: Tensor) -> Tensor:
        if self.contrast:
            mean = x.mean(dim=(1, 2, 3), keepdim=True)
            x = torch.lerp(mean, x, self.uniform(x, 1 - self.contrast, 1 + self.contrast))
        if self.brightness:
            x = x + self.uniform(x, -self.brightness, self.brightness)
        return x


class RandomErase(RandomLayer):
    """Blank a random rectangle of faces with their mean gray.

    Hands, scarves and watermarks hide parts of real faces; a network that has seen such holes
    relies less on the mouth alone (Zhong et al., 2020).

    Parameters
    ----------
    probability : float
        Share of the faces that get a hole.
    area : float
        Largest hole as a fraction of the image's area; the smallest is 2 %.
    """

    hides = True

    def __init__(self, probability: float, area: float) -> None:
        super().__init__()
        self.probability = probability
        self.area = area

    def augment(self, x: Tensor) -> Tensor:
        area = self.uniform(x, min(0.02, self.area), self.area)
        aspect = torch.exp(self.uniform(x, math.log(0.4), math.log(2.5)))
        rows = self._span(x, -2, (area * aspect).sqrt())
        columns = self._span(x, -1, (area / aspect).sqrt())
        chosen = self.uniform(x, 0, 1) < self.probability
        return torch.where(rows & columns & chosen, x.mean(dim=(1, 2, 3), keepdim=True), x)

    def _span(self, x: Tensor, dim: int, length: Tensor) -> Tensor:
        """Tell which positions along `dim` lie in a random span of `length` (share of the side)."""
        side = x.shape[dim]
        positions = (torch.arange(side, device=x.device) + 0.5) / side
        positions = positions.view((1, 1, side, 1) if dim == -2 else (1, 1, 1, side))
        start = self.uniform(x, 0, 1) * (1 - length).clamp_min(0)
        return (positions >= start) & (positions < start + length)


class AugmentedArray(np.ndarray):
    """Faces with the settings of the `FaceAugmenter` that they passed through.

    The faces themselves are unchanged. A `FERClassifier` in a later step reads `augmenter` and
    applies it to every batch.
    """

    def __array_finalize__(self, source: Any) -> None:
        self.augmenter = getattr(source, "augmenter", None)

    def __reduce__(self) -> tuple[Any, ...]:
        build, arguments, state = super().__reduce__()  # type: ignore[str-unpack]  # a tuple
        return build, arguments, (state, self.augmenter)

    def __setstate__(self, state: Any) -> None:
        state, self.augmenter = state
        super().__setstate__(state)


class FaceAugmenter(  # type: ignore[call-arg]  # the keyword is scikit-learn's
    Lasting, OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Random changes of training faces, different ones for every batch of every epoch.

    This object holds the settings. The network applies them, on its device, to whole batches,
    during training only. `transform` is therefore the identity: it returns the faces with these
    settings attached, for a `FERClassifier` in a later step. A parameter of 0 disables its
    effect.

    Faces are always returned as arrays, whatever ``sklearn.set_config(transform_output=...)``
    says, because tables can hold neither images nor these settings. There is no `set_output`.

    Parameters
    ----------
    rotation : float, default=10.0
        Largest rotation in degrees, drawn from [-rotation, rotation].
    shift : float, default=0.1
        Largest shift along each axis, as a fraction of the side.
    scale : float, default=0.1
        Faces are zoomed by a factor from [1 - scale, 1 + scale].
    flip : float, default=0.5
        Probability that a face is mirrored.
    brightness : float, default=0.1
        Largest change of brightness, as a fraction of the range from black to white.
    contrast : float, default=0.1
        Contrast is multiplied by a factor from [1 - contrast, 1 + contrast].
    erase : float, default=0.0
        Probability that a random rectangle of a face is blanked.
    erase_area : float, default=0.2
        Largest such rectangle, as a fraction of the image.

    Attributes
    ----------
    n_features_in_ : int
        Pixels per face.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Examples
    --------
    >>> from fer_sklearn import FaceAugmenter, FERClassifier
    >>> clf = FERClassifier(augment=FaceAugmenter(rotation=15.0, erase=0.5))
    >>> clf.set_params(augment__flip=0.0).augment
    FaceAugmenter(erase=0.5, flip=0.0, rotation=15.0)
    """

    _parameter_constraints = {
        "rotation": [Interval(Real, 0, 180, closed="both")],
        "shift": [Interval(Real, 0, 1, closed="both")],
        "scale": [Interval(Real, 0, 1, closed="left")],
        "flip": [Interval(Real, 0, 1, closed="both")],
        "brightness": [Interval(Real, 0, 1, closed="both")],
        "contrast": [Interval(Real, 0, 1, closed="both")],
        "erase": [Interval(Real, 0, 1, closed="both")],
        "erase_area": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        rotation: float = 10.0,
        shift: float = 0.1,
        scale: float = 0.1,
        flip: float = 0.5,
        brightness: float = 0.1,
        contrast: float = 0.1,
        erase: float = 0.0,
        erase_area: float = 0.2,
    ) -> None:
        self.rotation = rotation
        self.shift = shift
        self.scale = scale
        self.flip = flip
        self.brightness = brightness
        self.contrast = contrast
        self.erase = erase
        self.erase_area = erase_area

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the settings and the number of pixels; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
            Faces.
        y : Ignored

        Returns
        -------
        self : FaceAugmenter
        """
        self._validate_params()
        rows, _ = as_rows(X)
        validate_data(self, rows)
        return self

    def transform(self, X: Any) -> AugmentedArray:
        """Return the faces unchanged, with these settings attached.

        Parameters
        ----------
        X : array-like, shaped as in `fit`

        Returns
        -------
        X : AugmentedArray
            The same values; RGB faces become gray, (n, h, w).
        """
        check_is_fitted(self)
        rows, image_shape = as_rows(X)
        refuse_other_size(self, rows, image_shape)
        rows = validate_data(self, rows, reset=False)
        faces = rows if image_shape is None else rows.reshape(len(rows), *image_shape)
        faces = faces.view(AugmentedArray)
        faces.augmenter = self
        return faces

    def draw(
        self, X: Any, *, random_state: int | np.random.RandomState | None = None
    ) -> np.ndarray:
        """Return one random augmentation of each face, to look at.

        Parameters
        ----------
        X : array-like
            Faces in the units of a `FaceNormalizer`, shaped as in `fit`.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        X_augmented : ndarray of float32 of shape (n, h, w)
        """
        layers = self.make_layers()
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        with undisturbed():
            generator = torch.Generator().manual_seed(seed)
            for layer in layers:
                layer.generator = generator  # type: ignore[assignment]  # a RandomLayer
            # torch takes neither negative strides nor another order of bytes.
            faces = torch.from_numpy(np.array(gray_images(X), dtype=np.float32, order="C"))
            return layers.train()(faces.unsqueeze(1)).squeeze(1).numpy()

    @classmethod
    def off(cls) -> Self:
        """Return an augmenter that changes nothing."""
        return cls(rotation=0, shift=0, scale=0, flip=0, brightness=0, contrast=0, erase=0)

    def make_layers(self) -> nn.Sequential:
        """Return the torch layers for these settings; an effect of strength 0 has none."""
        self._validate_params()
        layers: list[RandomLayer] = []
        if self.flip:
            layers.append(RandomFlip(self.flip))
        if self.rotation or self.scale or self.shift:
            layers.append(RandomAffine(self.rotation, self.scale, self.shift))
        if self.brightness or self.contrast:
            layers.append(RandomLight(self.brightness, self.contrast))
        if self.erase and self.erase_area:
            layers.append(RandomErase(self.erase, self.erase_area))
        return nn.Sequential(*layers)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def augmenter_for(
    stated: FaceAugmenter | str | None, X: Any, n_pixels: int = MIN_FACE_PIXELS
) -> FaceAugmenter:
    """Return the augmenter for a training on X.

    Parameters
    ----------
    stated : FaceAugmenter, "upstream", "off" or None
        The parameter of `FERClassifier`.
    X : array-like
        As passed by the user: it may carry the settings of an augmenter that it went through.
    n_pixels : int
        Values per face; too few values to show a face are not augmented.

    Raises
    ------
    ValueError
        If X has to carry the settings but does not.
    """
    if stated == "off" or n_pixels < MIN_FACE_PIXELS:
        return FaceAugmenter.off()
    if isinstance(stated, FaceAugmenter):
        return stated
    carried = getattr(X, "augmenter", None)
    if carried is None and stated == "upstream":
        raise ValueError(
            "augment='upstream' expects faces that come straight from a FaceAugmenter, got "
            f"{type(X).__name__} without its settings: a step in between has dropped them, and "
            "training would silently go without augmentation. Put the FaceAugmenter right before "
            "the classifier, or pass it as FERClassifier(augment=FaceAugmenter(...))."
        )
    return FaceAugmenter() if carried is None else carried
