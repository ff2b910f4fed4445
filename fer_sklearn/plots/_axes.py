"""Axes and colours that the displays share."""

from __future__ import annotations

from .._extras import import_pyplot

#: Okabe and Ito's colours (2008), which colour-blind readers can distinguish.
BLUE, VERMILLION, GRAY = "#0072B2", "#D55E00", "#999999"
COLORS = (BLUE, VERMILLION, "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
#: The first two mixed with white, for large areas behind lines.
PALE_BLUE, PALE_VERMILLION = "#AACFE5", "#EDB68C"


def new_axes(display, ax, figsize):
    """Return `ax`, or axes in a new figure of `figsize` inches."""
    if ax is not None:
        return ax
    return _pyplot(display).subplots(figsize=figsize, layout="constrained")[1]


def new_grid(display, ax, shape, figsize, *, sharex=False, **ratios):
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


def _pyplot(display):
    return import_pyplot(f"{type(display).__name__}.plot")


def bare(ax):
    """Remove the ticks and their labels; keep the frame."""
    ax.set(xticks=[], yticks=[])
    return ax


def gray_scale(images) -> dict:
    """Return the arguments with which `imshow` draws all these faces on one scale."""
    return {"cmap": "gray", "vmin": images.min(), "vmax": images.max()}
