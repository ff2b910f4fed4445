"""A map of faces: those that look alike to a network are close together."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.manifold import TSNE
from sklearn.utils import check_consistent_length, check_random_state

from .._forms import check_labels, shorten
from ..classifier import FERClassifier
from ..embedding import FaceEmbedder
from ._axes import COLORS, PLAIN, bare, new_axes

_MARKERS = "os^DvPX*"
#: Input of t-SNE; more principal components hold little but noise.
_N_COMPONENTS = 50
#: Of the legend: more letters, or more lines, would leave no room for the points.
_LONGEST_NAME, _MOST_LINES = 20, 20


class EmbeddingDisplay:
    """Faces as points in the plane, coloured by label.

    Create one with `from_estimator`.

    Parameters
    ----------
    points : array-like of shape (n_samples, 2)
        Positions of the faces.
    y : array-like of shape (n_samples,)
        Their labels. Each has its own colour and marker.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    fer_sklearn.embedding.FaceEmbedder : The features that the map shows.

    Examples
    --------
    >>> from fer_sklearn.plots import EmbeddingDisplay
    >>> points = [[0.0, 1.0], [0.2, 0.9], [1.0, 0.0]]
    >>> display = EmbeddingDisplay(points, ["happy", "happy", "sad"]).plot()
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['happy (2)', 'sad (1)']
    """

    def __init__(self, points: ArrayLike, y: ArrayLike) -> None:
        self.points = np.asarray(points)
        self.y = np.asarray(y)

    @classmethod
    def from_estimator(
        cls,
        estimator: FERClassifier,
        X: Any,
        y: ArrayLike,
        *,
        perplexity: float = 30.0,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the map of a fitted classifier's features.

        The input of its last layer goes through PCA to 50 components and through t-SNE (van der
        Maaten & Hinton, "Visualizing data using t-SNE", 2008). Distances mean something within a
        cluster, not between clusters.

        Parameters
        ----------
        estimator : FERClassifier
            Fitted.
        X : array-like, shaped as in `FERClassifier.fit`
            Faces, more than `perplexity`; a few thousand at most.
        y : array-like of shape (n_samples,)
            Their labels, or anything else to colour them by, such as predictions.
        perplexity : float, default=30.0
            Roughly the number of neighbours that each face keeps.
        random_state : int, RandomState instance or None, default=None
        ax : matplotlib Axes or None, default=None
            None makes a figure.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ValueError
            If there are more labels or fewer than faces, or one is missing; or if there are not
            more faces than `perplexity`.
        """
        check_labels(y)
        features = FaceEmbedder(FrozenEstimator(estimator)).fit(X).transform(X)
        check_consistent_length(features, y)
        rng = check_random_state(random_state)
        n_components = min(_N_COMPONENTS, *features.shape)
        features = PCA(n_components, random_state=rng).fit_transform(features)
        points = TSNE(perplexity=perplexity, random_state=rng).fit_transform(features)
        return cls(points, y).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None makes a figure.

        Returns
        -------
        self : EmbeddingDisplay
        """
        labels, counts = np.unique(self.y, return_counts=True)
        n_columns = -(-len(labels) // _MOST_LINES)
        self.ax_ = bare(new_axes(self, ax, (4.5 + 2.5 * n_columns, 5.5)))
        self.figure_ = self.ax_.figure
        for i, label in enumerate(labels):
            self.ax_.scatter(
                *self.points[self.y == label].T,
                label=str(i),
                color=COLORS[i % len(COLORS)],
                marker=_MARKERS[(i + i // len(COLORS)) % len(_MARKERS)],
                s=18,
                alpha=0.8,
                linewidths=0,
            )
        self.ax_.set_title(f"{len(self.y)} faces; neighbours look alike to the network")
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
        legend = self.ax_.legend(frameon=False, title="label", ncols=n_columns, **place)
        for text, label, n in zip(legend.get_texts(), labels, counts, strict=True):
            # matplotlib would leave out a label of "_name".
            text.set(text=f"{shorten(label, _LONGEST_NAME)} ({n})", **PLAIN)
        return self
