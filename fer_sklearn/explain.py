"""Where a classifier looks: saliency maps of faces, and the filters of its first layer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import log_softmax
from sklearn.utils._param_validation import StrOptions
from torch import Tensor, nn

from ._forms import Interval, validate_params
from ._globals import undisturbed
from ._labels import encode_labels
from .classifier import FERClassifier, asked_about, predictor_of
from .model import FaceModel, FacePredictor, Faces
from .networks import SpaceToDepth

__all__ = ["first_filters", "saliency_map"]

_BATCH = 64


@validate_params(
    {
        "classifier": [FERClassifier],
        "X": ["array-like"],
        "target": ["array-like", str, Real, np.generic, None],
        "method": [StrOptions({"grad-cam", "occlusion"})],
        "patch_size": [Interval(Integral, 1, None, closed="left"), None],
        "stride": [Interval(Integral, 1, None, closed="left"), None],
    },
)
def saliency_map(
    classifier: FERClassifier,
    X: Any,
    target: Any = None,
    *,
    method: str = "grad-cam",
    patch_size: int | None = None,
    stride: int | None = None,
) -> np.ndarray:
    """Map which parts of each face speak for an expression.

    Parameters
    ----------
    classifier : FERClassifier
        Fitted. It is not changed.
    X : array-like, shaped as in `FERClassifier.fit`
        Faces.
    target : label, array-like of shape (n_samples,) or None, default=None
        The expression to explain, one for all faces or one for each. None: the predicted ones.
    method : {"grad-cam", "occlusion"}, default="grad-cam"
        - "grad-cam": the last convolutional stage's channels, weighted by how much each
          raises the logit, where their sum is positive (Selvaraju et al., "Grad-CAM", 2017).
          Fast, with the coarse resolution of that stage.
        - "occlusion": how much the logarithm of the probability drops when a patch is covered
          with the face's mean gray (Zeiler & Fergus, "Visualizing and understanding
          convolutional networks", 2014); negative where the patch speaks against the
          expression. Works for any network, and is slow: it predicts a face once for each patch.
    patch_size : int or None, default=None
        Side of the patch in pixels. None: a fifth of the shorter side.
    stride : int or None, default=None
        Pixels from one patch to the next. None: half of `patch_size`.

    Returns
    -------
    maps : ndarray of float32 of shape (n_samples, height, width)
        For "grad-cam" at least 0, on a scale of the network's own; for "occlusion" the mean,
        over all patches that cover a pixel, of the drop in nats.

    Raises
    ------
    ValueError
        If `target` is not known to the classifier, the network has no convolution for
        "grad-cam", or the patch is larger than the face.

    See Also
    --------
    fer_sklearn.plots.SaliencyDisplay : Draws the maps.

    Notes
    -----
    If `predict_augment` includes mirror images, so do the maps. For sets of more than two views,
    and for "blur", Grad-CAM uses only the face and its mirror image.

    Examples
    --------
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.explain import saliency_map
    >>> faces = make_faces(3, random_state=0)
    >>> clf = FERClassifier.from_pretrained("fer2013")
    >>> saliency_map(clf, faces.data, "happy").shape
    (3, 48, 48)
    """
    predictor, faces = asked_about(classifier, X)
    logits = predictor.logits(faces)
    codes = _target_codes(classifier, logits, target)
    if method == "grad-cam":
        return _grad_cam(predictor, faces, codes)
    scores = np.take_along_axis(log_softmax(logits, axis=1), codes[:, None], axis=1)
    patches = _patches(predictor.recipe.image_shape, patch_size, stride)
    return _occlusion(predictor, faces, codes, scores, patches)


@validate_params({"classifier": [FERClassifier]})
def first_filters(classifier: FERClassifier) -> np.ndarray:
    """Return the filters of the first convolution as weights on the pixels.

    If a layer before it folds 2 x 2 pixels into four channels, as in "resnet", the four channels
    are unfolded again: a 3 x 3 filter becomes one of 6 x 6 pixels.

    Parameters
    ----------
    classifier : FERClassifier
        Fitted.

    Returns
    -------
    filters : ndarray of float32 of shape (n_filters, height, width)

    Raises
    ------
    ValueError
        If the network has no `nn.Conv2d`, or its first one does not see gray pixels.

    Examples
    --------
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.explain import first_filters
    >>> first_filters(FERClassifier.from_pretrained("fer2013")).shape
    (64, 6, 6)
    """
    network = predictor_of(classifier).model.network
    convolution = _convolutions(network)[0]
    filters = convolution.weight.detach()
    if any(isinstance(layer, SpaceToDepth) for layer in network.modules()):
        filters = F.pixel_shuffle(filters, 2)
    if filters.shape[1] != 1:
        raise ValueError(
            f"The first convolution of {type(network).__name__} sees {convolution.in_channels} "
            "channels, not gray pixels: its filters cannot be shown as pictures."
        )
    return filters[:, 0].cpu().numpy().copy()


def _target_codes(classifier: FERClassifier, logits: np.ndarray, target: Any) -> np.ndarray:
    if target is None:
        return logits.argmax(axis=1)
    way_out = "Pass one of these as `target`."
    codes = encode_labels(np.ravel(target), classifier.classes_, way_out)
    if np.ndim(target) and len(codes) != len(logits):
        raise ValueError(
            f"Expected one target, or one for each of {len(logits)} faces, got {len(codes)}."
        )
    return np.broadcast_to(codes, len(logits))


def _batches(n: int) -> Iterator[np.ndarray]:
    return (np.arange(start, min(start + _BATCH, n)) for start in range(0, n, _BATCH))


# -- Grad-CAM ---------------------------------------------------------------------


def _grad_cam(predictor: FacePredictor, faces: Faces, codes: np.ndarray) -> np.ndarray:
    mirror = predictor.chosen_views.mirror
    maps = np.empty((len(faces), *predictor.recipe.image_shape), dtype=np.float32)
    with undisturbed(faces.device), torch.inference_mode(False):
        # A copy: a hook on the model itself would also see the predictions of other threads.
        model = copy.deepcopy(predictor.model).requires_grad_(False)
        layer = _last_stage(model.network)
        for index in _batches(len(faces)):
            batch = faces.pixels(index)
            wanted = torch.as_tensor(codes[index], device=batch.device)
            cams = _class_activation(model, layer, batch, wanted)
            if mirror:
                mirrored = _class_activation(model, layer, batch.flip(-1), wanted)
                cams = (cams + mirrored.flip(-1)) / 2
            maps[index] = cams.cpu().numpy()
    return maps


def _last_stage(network: nn.Module) -> nn.Module:
    """Return the layer whose output is that of the last stage, or the last convolution."""
    layer = (getattr(network, "stages", None) or _convolutions(network))[-1]
    while isinstance(layer, nn.Sequential):  # a slice of the network, which is never called itself
        layer = layer[-1]
    return layer


def _convolutions(network: nn.Module) -> list[nn.Conv2d]:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    if not layers:
        raise ValueError(
            f"{type(network).__name__} has no nn.Conv2d layer to look into. "
            "saliency_map(..., method='occlusion') explains any network."
        )
    return layers


# (B, 1, H, W), (B,) -> (B, H, W)
def _class_activation(model: FaceModel, layer: nn.Module, x: Tensor, codes: Tensor) -> Tensor:
    kept = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()  # the next layer may work in place

    with torch.enable_grad(), layer.register_forward_hook(keep):
        logits = model(x).gather(1, codes[:, None])
        channels = kept[-1]
        (gradient,) = torch.autograd.grad(logits.sum(), channels)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cams = (weights * channels.detach()).sum(dim=1, keepdim=True).relu()
    return F.interpolate(cams, x.shape[-2:], mode="bilinear").squeeze(1)


# -- occlusion --------------------------------------------------------------------


class _Covered:
    """The faces at `rows`, each repeated for every patch, with that patch covered."""

    def __init__(self, faces: Faces, rows: np.ndarray, patches: np.ndarray) -> None:
        self.device = faces.device
        self._faces = faces
        self._rows = rows
        self._patches = torch.from_numpy(patches).to(faces.device)

    def __len__(self) -> int:
        return len(self._rows) * len(self._patches)

    def pixels(self, index: np.ndarray) -> Tensor:
        row, patch = np.divmod(index, len(self._patches))
        x = self._faces.pixels(self._rows[row])
        mean = x.float().mean(dim=(1, 2, 3), keepdim=True).to(x.dtype)
        return torch.where(self._patches[patch].unsqueeze(1), mean, x)


def _occlusion(
    predictor: FacePredictor,
    faces: Faces,
    codes: np.ndarray,
    scores: np.ndarray,
    patches: np.ndarray,
) -> np.ndarray:
    covered = patches.reshape(len(patches), -1)
    maps = np.empty((len(faces), *predictor.recipe.image_shape), dtype=np.float32)
    for rows in _batches(len(faces)):
        covers: Any = _Covered(faces, rows, patches)  # has all that prediction needs of `Faces`
        logits = predictor.logits(covers)
        logits = logits.reshape(len(rows), len(patches), -1)
        left = log_softmax(logits, axis=2)[np.arange(len(rows)), :, codes[rows]]
        drops = (scores[rows] - left) @ covered / covered.sum(axis=0)
        maps[rows] = drops.reshape(len(rows), *predictor.recipe.image_shape)
    return maps


def _patches(image_shape: tuple[int, int], size: int | None, stride: int | None) -> np.ndarray:
    """Return squares that cover the whole face, (n_patches, height, width) of bool."""
    size = size or max(1, min(image_shape) // 5)
    if size > min(image_shape):
        raise ValueError(f"patch_size={size} is larger than the faces, {image_shape} pixels.")
    stride = stride or max(1, size // 2)
    if stride > size:
        raise ValueError(
            f"stride={stride} leaves pixels between patches of patch_size={size} uncovered: the "
            "stride may be as large as the patch at most."
        )
    tops, lefts = (_starts(side - size, stride) for side in image_shape)
    patches = np.zeros((len(tops) * len(lefts), *image_shape), dtype=bool)
    for patch, (top, left) in zip(patches, product(tops, lefts), strict=True):
        patch[top : top + size, left : left + size] = True
    return patches


def _starts(last: int, stride: int) -> np.ndarray:
    """Return whole numbers from 0 to `last`, evenly spaced and at most about `stride` apart."""
    return np.linspace(0, last, -(-last // stride) + 1).round().astype(int)
