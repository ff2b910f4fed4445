"""Heat maps of the parts of a face that speak for an expression."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length

from .._forms import check_count, shorten
from .._images import gray_images
from ..classifier import FERClassifier
from ..explain import saliency_map
from ._axes import PLAIN, bare, gray_scale, new_grid

#: Letters of a name that fit above a face.
_LONGEST_NAME = 10


class SaliencyDisplay:
    """Saliency maps laid over faces.

    Create one with `from_estimator`. Red parts speak for the expression, blue ones against it;
    each map is drawn on the scale of its own strongest point, whose value is shown below. The
    titles say which expression a map explains, and what was predicted; labels are below the faces.

    .. versionchanged:: 0.2
       The titles say which word is the prediction and which the label.

    Parameters
    ----------
    images : array-like of shape (n_faces, height, width)
        Gray, on any scale.
    maps : array-like of shape (n_faces, height, width)
        What `fer_sklearn.explain.saliency_map` returns.
    targets : array-like of shape (n_faces,)
        The expression that each map explains.
    y_pred : array-like of shape (n_faces,) or None, default=None
        Predictions; None if they are unknown.
    y_true : array-like of shape (n_faces,) or None, default=None
        Labels; None if they are unknown.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Of shape (n_faces, 2), or (1, n_expressions) for means.
    figure_ : matplotlib Figure

    See Also
    --------
    fer_sklearn.explain.saliency_map : Computes the maps.

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.plots import SaliencyDisplay
    >>> faces = make_faces(2, random_state=0)
    >>> maps = np.random.default_rng(0).normal(size=faces.data.shape)
    >>> display = SaliencyDisplay(faces.data, maps, faces.target, y_pred=["fear"] * 2).plot()
    >>> [ax.get_title() for ax in display.axes_.flat]
    ['prediction: fear', 'for surprise', 'prediction: fear', 'for disgust']
    """

    def __init__(
        self,
        images: ArrayLike,
        maps: ArrayLike,
        targets: ArrayLike,
        *,
        y_pred: ArrayLike | None = None,
        y_true: ArrayLike | None = None,
    ) -> None:
        self.images = np.asarray(images)
        self.maps = np.asarray(maps)
        self.targets = np.asarray(targets)
        self.y_pred = None if y_pred is None else np.asarray(y_pred)
        self.y_true = None if y_true is None else np.asarray(y_true)

    @classmethod
    def from_estimator(
        cls,
        estimator: FERClassifier,
        X: Any,
        target: Any = None,
        *,
        y: ArrayLike | None = None,
        method: str = "grad-cam",
        patch_size: int | None = None,
        stride: int | None = None,
        kind: str = "faces",
        n_faces: int = 6,
        ax: Any = None,
    ) -> Self:
        """Compute the maps of faces and draw them.

        Parameters
        ----------
        estimator : FERClassifier
            Fitted.
        X : array-like, shaped as in `FERClassifier.fit`
            Faces.
        target : label, array-like of shape (n_samples,) or None, default=None
            The expression to explain: one for all faces, or one for each. None: the predicted ones.
        y : array-like of shape (n_samples,) or None, default=None
            Labels of the faces, which are shown; None if they are unknown.
        method, patch_size, stride
            As in `fer_sklearn.explain.saliency_map`.
        kind, n_faces, ax
            As in `plot`.

        Returns
        -------
        display : SaliencyDisplay
        """
        y_pred = estimator.predict(X)
        target = y_pred if target is None else target
        maps = saliency_map(
            estimator, X, target, method=method, patch_size=patch_size, stride=stride
        )
        images = gray_images(X, estimator.image_shape_)
        check_consistent_length(images, y)
        targets = np.broadcast_to(target, len(images))
        display = cls(images, maps, targets, y_pred=y_pred, y_true=y)
        return display.plot(kind=kind, n_faces=n_faces, ax=ax)

    def plot(self, *, kind: str = "faces", n_faces: int = 6, ax: Any = None) -> Self:
        """Draw the maps.

        Parameters
        ----------
        kind : {"faces", "mean"}, default="faces"
            - "faces": a row for each face, without and with its map.
            - "mean": the mean map of each expression over its mean face.
        n_faces : int, default=6
            Largest number of rows for "faces"; they show the first faces.
        ax : matplotlib Axes or None, default=None
            The grid replaces it; None makes a figure.

        Returns
        -------
        self : SaliencyDisplay

        Raises
        ------
        ValueError
            If `kind` is unknown, or `n_faces` below 1.
        """
        if kind not in ("faces", "mean"):
            raise ValueError(f"Unknown kind {kind!r}. Known: faces, mean.")
        check_count("n_faces", n_faces)
        if kind == "faces":
            self._plot_faces(n_faces, ax)
        else:
            self._plot_means(ax)
        self.figure_ = self.axes_[0, 0].figure
        picture = self.axes_[0, -1].images[-1]
        bar = self.figure_.colorbar(picture, ax=list(self.axes_.flat), shrink=0.8, aspect=25)
        bar.set_label(
            "against (-) or for (+)\nthe expression" if self._signed else "for the expression"
        )
        return self

    def _plot_faces(self, n_faces: int, ax: Any) -> None:
        images = self.images[:n_faces]
        n_faces = len(images)
        self.axes_ = new_grid(self, ax, (n_faces, 2), (4.0, 1.55 * n_faces))
        scale = gray_scale(images)
        for i, (plain, overlaid) in enumerate(self.axes_):
            bare(plain).imshow(images[i], **scale)
            if self.y_pred is not None:
                name = shorten(self.y_pred[i], _LONGEST_NAME)
                plain.set_title(f"prediction: {name}", size=9, **PLAIN)
            if self.y_true is not None:
                name = shorten(self.y_true[i], _LONGEST_NAME)
                plain.set_xlabel(f"label: {name}", size=8, labelpad=2, **PLAIN)
            name = shorten(self.targets[i], _LONGEST_NAME)
            overlaid.set_title(f"for {name}", size=9, **PLAIN)
            self._lay_over(overlaid, images[i], self.maps[i], scale)

    def _plot_means(self, ax: Any) -> None:
        targets, kind = np.unique(self.targets), self._kind_of_targets()
        members = [self.targets == target for target in targets]
        images = np.stack([self.images[chosen].mean(axis=0) for chosen in members])
        self.axes_ = new_grid(self, ax, (1, len(targets)), (1.5 * len(targets) + 0.8, 2))
        for ax, target, chosen, image in zip(self.axes_[0], targets, members, images, strict=True):
            self._lay_over(ax, image, self.maps[chosen].mean(axis=0), gray_scale(images))
            name = shorten(target, _LONGEST_NAME)
            ax.set_title(f"{kind} {name}\n{_count(chosen.sum())}", size=9, **PLAIN)

    def _kind_of_targets(self) -> str:
        """Return the word before the targets, which says whether they are predictions or labels."""
        for kind, values in {"prediction:": self.y_pred, "label:": self.y_true}.items():
            if values is not None and np.array_equal(values, self.targets):
                return kind
        return "for"

    @property
    def _signed(self) -> bool:
        return self.maps.min() < 0

    def _lay_over(self, ax: Any, image: np.ndarray, heat: np.ndarray, scale: dict) -> None:
        """Draw a face and its map over it; strong values are more opaque."""
        strongest = heat.flat[np.abs(heat).argmax()]
        heat = heat / max(abs(strongest), 1e-12)
        cmap, low = ("RdBu_r", -1) if self._signed else ("Reds", 0)
        bare(ax).imshow(image, **scale)
        ax.imshow(heat, cmap=cmap, vmin=low, vmax=1, alpha=0.75 * np.abs(heat))
        ax.set_xlabel(f"strongest {strongest:.2g}", size=8, labelpad=2)


def _count(n: int) -> str:
    return "1 face" if n == 1 else f"{n} faces"
