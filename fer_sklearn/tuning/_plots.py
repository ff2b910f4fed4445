"""Plots of a study, drawn by Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._extras import import_pyplot

if TYPE_CHECKING:
    import optuna

_PLOTS = {
    "history": "plot_optimization_history",
    "importance": "plot_param_importances",
    "parallel": "plot_parallel_coordinate",
    "slices": "plot_slice",
}
_TITLES = {
    "history": "Score of each trial",
    "importance": "Importance of each parameter",
    "parallel": "Trials over the parameters",
    "slices": "Score over each parameter",
}


def plot_study(
    study: Any, kinds: str | Sequence[str] = ("history", "importance", "parallel", "slices")
) -> dict:
    """Plot the results of a study; needs matplotlib (``pip install "fer-sklearn[plot]"``).

    The axes are labelled with the name of the score: "accuracy", or the `scoring` of the search. It
    is "score" if `scoring` is a function, or if a study of Optuna does not name its metric.

    Parameters
    ----------
    study : FERSearchCV or optuna.Study
        A fitted search, or its study.
    kinds : str or sequence of str, default=("history", "importance", "parallel", "slices")
        Score by trial; how much each parameter matters (PED-ANOVA); trials as lines over
        the parameters; score by parameter.

    Returns
    -------
    axes : dict of {str: matplotlib Axes or ndarray of Axes}
        By kind, each in its own figure.

    Raises
    ------
    ValueError
        If a kind is unknown.
    ImportError
        If matplotlib is not installed.
    """
    plt = import_pyplot("plot_study")
    from optuna.exceptions import ExperimentalWarning
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.visualization import matplotlib as plots

    kinds = [kinds] if isinstance(kinds, str) else kinds
    unknown = set(kinds) - set(_PLOTS)
    if unknown:
        raise ValueError(f"Unknown kinds {sorted(unknown)}. Known: {', '.join(_PLOTS)}.")
    score = _score_name(study)
    study = getattr(study, "study_", study)
    # Optuna sets a style for all later figures: the context resets it.
    with warnings.catch_warnings(), plt.rc_context():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Optuna's default since 5.0; the earlier one fails if all scores are equal.
        options = {"importance": {"evaluator": PedAnovaImportanceEvaluator()}}
        axes = {
            kind: getattr(plots, _PLOTS[kind])(study, target_name=score, **options.get(kind, {}))
            for kind in kinds
        }
        for kind, drawn in axes.items():
            _TIDY[kind](np.atleast_1d(drawn), _TITLES[kind].replace("Score", score.capitalize()))
    return axes


def _score_name(study: optuna.Study) -> str:
    """Return what the values of a study are."""
    if hasattr(study, "scoring"):  # a search; the default score of a classifier is accuracy
        scoring = "accuracy" if study.scoring is None else study.scoring
        return scoring if isinstance(scoring, str) else "score"
    return (study.metric_names or ["score"])[0]


def _tidy_history(axes: Any, title: str) -> None:
    axes[0].set_title(title)
    axes[0].xaxis.get_major_locator().set_params(integer=True)
    axes[0].figure.set_layout_engine("constrained")


def _tidy_importance(axes: Any, title: str) -> None:
    """Make the names of parameters fit; Optuna lets them run over the edge."""
    axes[0].set_title(title, loc="left")  # where Optuna puts it
    axes[0].set(xlabel="importance", ylabel="")
    axes[0].get_legend().remove()  # a legend of a single colour
    axes[0].figure.set_layout_engine("constrained")


def _tidy_parallel(axes: Any, title: str) -> None:
    """Likewise; layout engines do not support twin axes."""
    axes[0].set_title(title, y=1.03)
    figure = axes[0].figure
    figure.set_size_inches(2 + len(figure.axes), 5.5)
    figure.subplots_adjust(bottom=0.3)


def _tidy_slices(axes: Any, title: str) -> None:
    """Give each axis a few ticks that do not overlap, and break long names into lines."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    figure = axes[0].figure
    figure.set_layout_engine("constrained")
    axes[0].set_title("")
    figure.suptitle(title)
    for ax in axes:
        ax.set_xlabel(ax.get_xlabel().replace("__", "__\n"))
        points = ax.collections[0].get_offsets()[:, 0]
        if ax.get_xscale() == "log":
            # In full: a range of less than a decade contains hardly any power of ten.
            ax.xaxis.set_major_locator(FixedLocator(_log_ticks(*ax.get_xlim())))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        elif ax.xaxis.have_units():  # categories
            ax.tick_params(axis="x", labelrotation=30)
        else:
            whole = bool((points == points.round()).all())
            ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=whole))


def _log_ticks(low: float, high: float, most: int = 4) -> list:
    """Return a limited number of round numbers within the range."""
    from matplotlib.ticker import MaxNLocator

    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [tick for tick in np.outer(powers, steps).flat if low <= tick <= high]
        if len(ticks) < 2:
            return [tick for tick in MaxNLocator(3).tick_values(low, high) if low <= tick <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: -(-len(ticks) // most)]


_TIDY = {
    "history": _tidy_history,
    "importance": _tidy_importance,
    "parallel": _tidy_parallel,
    "slices": _tidy_slices,
}
