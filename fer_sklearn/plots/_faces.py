"""Grids of faces: with labels and predictions, and with augmentation."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from .._forms import check_comparable, check_count, check_labels, shorten
from .._images import MIN_FACE_PIXELS, gray_images
from ..augment import FaceAugmenter, augmenter_for
from ..classifier import FERClassifier
from ..normalize import FaceNormalizer
from ._axes import BLUE, GRAY, PLAIN, VERMILLION, bare, gray_scale, new_grid

#: Letters of a name that fit above a face.
_LONGEST_NAME = 11
_SELECT = ("worst", "unsure", "random", "per-class")


class FaceGridDisplay:
    """Faces with prediction, confidence and label.

    Create one with `from_estimator` or `from_predictions`, which choose the faces. A correct
    prediction has a tick and a thin blue frame. A wrong one has a cross, a thick red frame and the
    label. If labels are unknown, frames are thin and gray.

    .. versionchanged:: 0.2
       Labels may be unknown.

    Parameters
    ----------
    images : array-like of shape (n_faces, height, width)
        Gray, on any scale.
    y_true : array-like of shape (n_faces,) or None
        Labels.
    y_pred : array-like of shape (n_faces,)
        Predictions.
    confidence : array-like of shape (n_faces,)
        Probability of the prediction, in [0, 1].

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_columns)
    figure_ : matplotlib Figure

    See Also
    --------
    fer_sklearn.datasets.find_label_noise : Which labels are doubtful.

    Examples
    --------
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.plots import FaceGridDisplay
    >>> faces = make_faces(3, random_state=0)
    >>> display = FaceGridDisplay(faces.data, faces.target, ["disgust"] * 3, [0.4, 0.9, 0.5])
    >>> [ax.get_title() for ax in display.plot().axes_.flat]
    ['✗ disgust 40%', '✗ disgust 90%', '✓ disgust 50%']
    """

    def __init__(
        self, images: ArrayLike, y_true: ArrayLike | None, y_pred: ArrayLike, confidence: ArrayLike
    ) -> None:
        self.images = np.asarray(images)
        self.y_true = None if y_true is None else np.asarray(y_true)
        self.y_pred = np.asarray(y_pred)
        self.confidence = np.asarray(confidence)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        select: str | None = None,
        n_faces: int = 24,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        n_columns: int = 8,
    ) -> Self:
        """Classify faces and draw some of them.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba`.
        X : array-like, shaped as in `FERClassifier.fit`
            Faces.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels; None if they are unknown.
        select, n_faces, random_state, ax, n_columns
            As in `from_predictions`.

        Returns
        -------
        display : FaceGridDisplay
        """
        y_proba = estimator.predict_proba(X)
        return cls.from_predictions(
            gray_images(X, getattr(estimator, "image_shape_", None)),
            y,
            estimator.classes_[y_proba.argmax(axis=1)],
            y_proba.max(axis=1),
            select=select,
            n_faces=n_faces,
            random_state=random_state,
            ax=ax,
            n_columns=n_columns,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: ArrayLike | None,
        y_pred: Any,
        confidence: Any,
        *,
        select: str | None = None,
        n_faces: int = 24,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        n_columns: int = 8,
    ) -> Self:
        """Draw some faces with their predictions.

        Parameters
        ----------
        X : array-like, shaped as in `FERClassifier.fit`
            Faces.
        y_true : array-like of shape (n_samples,) or None
            Labels; None if they are unknown.
        y_pred : array-like of shape (n_samples,)
            Predictions.
        confidence : array-like of shape (n_samples,)
            Probability of the prediction, in [0, 1].
        select : {"worst", "unsure", "random", "per-class"} or None, default=None
            - "worst": wrong predictions, the most confident first.
            - "unsure": the least confident first.
            - "random": any.
            - "per-class": any, equally many of each label and sorted by it; of each prediction
              if labels are unknown.
            - None: "worst", or "unsure" if labels are unknown.
        n_faces : int, default=24
            Largest number of faces to draw.
        random_state : int, RandomState instance or None, default=None
            Draws "random" and "per-class".
        ax : matplotlib Axes or None, default=None
            The grid replaces it; None makes a figure.
        n_columns : int, default=8

        Returns
        -------
        display : FaceGridDisplay

        Raises
        ------
        ValueError
            If `select` is unknown, `n_faces` or `n_columns` is below 1, some labels are missing
            or are numbers where predictions are names, or `select` is "worst" and no face is wrong
            or no label is known.
        """
        if select is None:
            select = "unsure" if y_true is None else "worst"
        if select not in _SELECT:
            raise ValueError(f"Unknown select {select!r}. Known: {', '.join(_SELECT)}.")
        check_count("n_faces", n_faces)
        if y_true is None and select == "worst":
            raise ValueError("select='worst' needs labels: pass them, or choose another select.")
        images = gray_images(X)
        check_consistent_length(images, y_true, y_pred, confidence)
        y_pred, confidence = map(column_or_1d, (y_pred, confidence))
        labels = None if y_true is None else column_or_1d(y_true)
        if labels is not None:
            check_labels(labels, "y_true")
            check_comparable(labels, y_pred)
        known = y_pred if labels is None else labels
        rng = check_random_state(random_state)
        rows = _choose(select, known, y_pred, confidence, n_faces, rng)
        if not len(rows):
            raise ValueError("No face is classified wrongly: choose another select than 'worst'.")
        labels = None if labels is None else labels[rows]
        display = cls(images[rows], labels, y_pred[rows], confidence[rows])
        return display.plot(ax=ax, n_columns=n_columns)

    def plot(self, *, ax: Any = None, n_columns: int = 8) -> Self:
        """Draw the faces.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            The grid replaces it; None makes a figure.
        n_columns : int, default=8

        Returns
        -------
        self : FaceGridDisplay
        """
        check_count("n_columns", n_columns)
        n_columns = min(n_columns, len(self.images))
        n_rows = -(-len(self.images) // n_columns)
        figsize = (1.25 * n_columns, 1.6 * n_rows)
        self.axes_ = new_grid(self, ax, (n_rows, n_columns), figsize)
        self.figure_ = self.axes_[0, 0].figure
        for i, ax in enumerate(self.axes_.flat):
            if i < len(self.images):
                self._draw(bare(ax), i)
            else:
                ax.set_axis_off()
        return self

    def _draw(self, ax: Any, i: int) -> None:
        ax.imshow(self.images[i], **gray_scale(self.images))
        predicted = f"{shorten(self.y_pred[i], _LONGEST_NAME)} {self.confidence[i]:.0%}"
        if self.y_true is None:
            ax.set_title(predicted, size=8, **PLAIN)
            ax.spines[:].set(color=GRAY)
            return
        right = self.y_pred[i] == self.y_true[i]
        ax.set_title(f"{'✓' if right else '✗'} {predicted}", size=8, **PLAIN)
        label = "" if right else f"label: {shorten(self.y_true[i], _LONGEST_NAME)}"
        ax.set_xlabel(label, size=8, labelpad=2, **PLAIN)
        ax.spines[:].set(color=BLUE if right else VERMILLION, linewidth=1 if right else 2.5)


def _choose(
    select: str,
    y_true: np.ndarray,
    y_pred: np.ndarray,
    confidence: np.ndarray,
    n_faces: int,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return the rows of the faces to draw."""
    if select == "unsure":
        return np.argsort(confidence, kind="stable")[:n_faces]
    if select == "worst":
        order = np.argsort(-confidence, kind="stable")
        return order[y_true[order] != y_pred[order]][:n_faces]
    order = rng.permutation(len(y_true))
    if select == "random":
        return order[:n_faces]
    labels = np.unique(y_true)
    each = max(1, n_faces // len(labels))
    return np.concatenate([order[y_true[order] == label][:each] for label in labels])[:n_faces]


class AugmentationDisplay:
    """Faces, and random augmentations of each.

    Create one with `from_estimator`.

    Parameters
    ----------
    images : array-like of shape (n_faces, height, width)
        The unchanged faces.
    draws : array-like of shape (n_faces, n_draws, height, width)
        Augmentations of each, on the same scale.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_faces, 1 + n_draws)
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from fer_sklearn import FaceAugmenter
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.plots import AugmentationDisplay
    >>> faces = make_faces(2, random_state=0).data
    >>> augmenter = FaceAugmenter(rotation=20.0)
    >>> display = AugmentationDisplay.from_estimator(augmenter, faces, n_draws=4)
    >>> display.axes_.shape
    (2, 5)
    """

    def __init__(self, images: ArrayLike, draws: ArrayLike) -> None:
        self.images = np.asarray(images)
        self.draws = np.asarray(draws)

    @classmethod
    def from_estimator(
        cls,
        estimator: FaceAugmenter | FERClassifier,
        X: Any,
        *,
        n_draws: int = 8,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
    ) -> Self:
        """Augment faces and draw them.

        Parameters
        ----------
        estimator : FaceAugmenter or FERClassifier
            The augmenter, or a classifier with one; neither needs to be fitted.
        X : array-like, shaped as in `FERClassifier.fit`
            Faces, a row of the grid for each.
        n_draws : int, default=8
            Augmentations of each face.
        random_state : int, RandomState instance or None, default=None
            Draws them.
        ax : matplotlib Axes or None, default=None
            The grid replaces it; None makes a figure.

        Returns
        -------
        display : AugmentationDisplay

        Raises
        ------
        TypeError
            If `estimator` is something else.
        ValueError
            If `n_draws` is below 1.
        """
        check_count("n_draws", n_draws)
        augmenter = _augmenter_of(estimator, X)
        stated = getattr(estimator, "image_shape", None)
        images = gray_images(X, getattr(estimator, "image_shape_", stated))
        images = _in_gray_range(images, getattr(estimator, "normalize", None))
        draws = augmenter.draw(np.repeat(images, n_draws, axis=0), random_state=random_state)
        return cls(images, draws.reshape(len(images), n_draws, *images.shape[1:])).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw each face and, to its right, its augmentations.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            The grid replaces it; None makes a figure.

        Returns
        -------
        self : AugmentationDisplay
        """
        tiles = np.concatenate([self.images[:, None], self.draws], axis=1)
        n_rows, n_columns = tiles.shape[:2]
        self.axes_ = new_grid(self, ax, (n_rows, n_columns), (1.1 * n_columns, 1.1 * n_rows + 0.3))
        self.figure_ = self.axes_[0, 0].figure
        for place, ax in np.ndenumerate(self.axes_):
            bare(ax).imshow(tiles[place], **gray_scale(tiles))
        for ax in self.axes_[:, 0]:
            ax.spines[:].set(color=BLUE, linewidth=2.5)
        self.axes_[0, 0].set_title("original", size=9)
        for i, ax in enumerate(self.axes_[0, 1:], 1):
            ax.set_title(f"draw {i}", size=9)
        return self


def _in_gray_range(images: np.ndarray, normalize: Any) -> np.ndarray:
    """Return faces in the units of augmentation."""
    if isinstance(normalize, str):  # "upstream": already in these units
        return images.astype(np.float32)
    pixel_range = "auto" if normalize is None else normalize.pixel_range
    return FaceNormalizer("scale", pixel_range=pixel_range).fit_transform(images)


def _augmenter_of(estimator: Any, X: Any) -> FaceAugmenter:
    if isinstance(estimator, FaceAugmenter):
        return estimator
    if isinstance(estimator, FERClassifier):
        n_pixels = getattr(estimator, "n_features_in_", MIN_FACE_PIXELS)
        return augmenter_for(estimator.augment, X, n_pixels)
    raise TypeError(
        f"Expected a FaceAugmenter or a FERClassifier, got {type(estimator).__name__}. Pass the "
        "step of a Pipeline that is one."
    )
