"""The filters of a network's first layer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._images import mosaic
from ..classifier import FERClassifier
from ..explain import first_filters
from ._axes import bare, new_axes


class FilterDisplay:
    """The filters of a network's first convolution.

    Create one with `from_estimator`. Red pixels raise the output of a filter, blue ones lower it.
    Each filter is drawn on the scale of its own largest weight.

    Parameters
    ----------
    filters : array-like of shape (n_filters, height, width)
        Weights on the pixels.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    fer_sklearn.explain.first_filters : The filters of a classifier.

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.plots import FilterDisplay
    >>> filters = np.random.default_rng(0).normal(size=(8, 3, 3))
    >>> display = FilterDisplay(filters).plot()
    >>> display.ax_.get_title()
    '8 filters of 3 x 3 pixels'
    """

    def __init__(self, filters: ArrayLike) -> None:
        self.filters = np.asarray(filters)

    @classmethod
    def from_estimator(
        cls, estimator: FERClassifier, *, ax: Any = None, cmap: str = "RdBu_r"
    ) -> Self:
        """Draw the filters of a fitted classifier.

        Parameters
        ----------
        estimator : FERClassifier
            Fitted.
        ax : matplotlib Axes or None, default=None
            None makes a figure.
        cmap : str, default="RdBu_r"

        Returns
        -------
        display : FilterDisplay

        Raises
        ------
        ValueError
            If the network has no convolution that sees gray pixels.
        """
        return cls(first_filters(estimator)).plot(ax=ax, cmap=cmap)

    def plot(self, *, ax: Any = None, cmap: str = "RdBu_r") -> Self:
        """Draw the filters.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            None makes a figure.
        cmap : str, default="RdBu_r"
            Preferably a diverging one.

        Returns
        -------
        self : FilterDisplay
        """
        n_filters, height, width = self.filters.shape
        largest = np.abs(self.filters).max(axis=(1, 2), keepdims=True)
        tiles = self.filters / np.maximum(largest, 1e-12)
        self.ax_ = bare(new_axes(self, ax, (7, 3.8)))
        self.figure_ = self.ax_.figure
        picture = self.ax_.imshow(mosaic(tiles, gap=1, fill=np.nan), cmap=cmap, vmin=-1, vmax=1)
        self.ax_.set_frame_on(False)
        self.ax_.set_title(f"{n_filters} filters of {height} x {width} pixels")
        bar = self.figure_.colorbar(picture, ax=self.ax_, shrink=0.8)
        bar.set_label("weight / largest of its filter")
        return self
