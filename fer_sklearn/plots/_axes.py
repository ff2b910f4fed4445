"""Axes and colours that the displays share."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._extras import import_pyplot

#: Okabe and Ito's colours (2008), which colour-blind readers can distinguish.
BLUE, VERMILLION, GRAY = "#0072B2", "#D55E00", "#999999"
COLORS = (BLUE, VERMILLION, "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
#: What texts with names of classes need: between two "$" matplotlib would look for a formula.
PLAIN = {"parse_math": False}
#: The first two mixed with white, for large areas behind lines.
PALE_BLUE, PALE_VERMILLION = "#AACFE5", "#EDB68C"


def new_axes(display: object, ax: Any, figsize: tuple[float, float]) -> Any:
    """Return `ax`, or axes in a new figure of `figsize` inches."""
    if ax is not None:
        return ax
    return _pyplot(display).subplots(figsize=figsize, layout="constrained")[1]


def new_grid(
    display: object,
    ax: Any,
    shape: tuple[int, int],
    figsize: tuple[float, float],
    *,
    sharex: bool = False,
    **ratios: Any,
) -> Any:
    """Return an array of axes of this shape, in a new figure or instead of `ax`."""
    plt = _pyplot(display)
    if ax is None:
        grid = plt.figure(figsize=figsize, layout="constrained").add_gridspec(*shape, **ratios)
    else:
        ax.set_axis_off()
        place = ax.get_subplotspec()
        if place is None:  # of fig.add_axes
            box = ax.get_position()
            sides = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
            grid = ax.figure.add_gridspec(*shape, **sides, **ratios)
        else:
            grid = place.subgridspec(*shape, **ratios)
    return grid.subplots(sharex=sharex, squeeze=False)


def _pyplot(display: object) -> Any:
    return import_pyplot(f"{type(display).__name__}.plot")


def bare(ax: Any) -> Any:
    """Remove the ticks and their labels; keep the frame."""
    ax.set(xticks=[], yticks=[])
    return ax


def gray_scale(images: np.ndarray) -> dict:
    """Return the arguments with which `imshow` draws all these faces on one scale."""
    return {"cmap": "gray", "vmin": images.min(), "vmax": images.max()}
