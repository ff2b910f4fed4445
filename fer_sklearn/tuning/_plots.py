"""Plots of a study, drawn by Optuna."""

from __future__ import annotations

import warnings

from .._extras import import_pyplot

_PLOTS = {
    "history": "plot_optimization_history",
    "importance": "plot_param_importances",
    "parallel": "plot_parallel_coordinate",
    "slices": "plot_slice",
}


def plot_study(study, kinds=("history", "importance", "parallel", "slices")) -> dict:
    """Plot the results of a study; needs matplotlib (``pip install "fer-sklearn[plot]"``).

    Parameters
    ----------
    study : FERSearchCV or optuna.Study
        A fitted search, or its study.
    kinds : sequence of str, default=("history", "importance", "parallel", "slices")
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
    import_pyplot("plot_study")
    from optuna.exceptions import ExperimentalWarning
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.visualization import matplotlib as plots

    unknown = set(kinds) - set(_PLOTS)
    if unknown:
        raise ValueError(f"Unknown kinds {sorted(unknown)}. Known: {', '.join(_PLOTS)}.")
    study = getattr(study, "study_", study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Optuna's default from 5.0 on; the one before fails where all scores are equal.
        options = {"importance": {"evaluator": PedAnovaImportanceEvaluator()}}
        axes = {
            kind: getattr(plots, _PLOTS[kind])(study, **options.get(kind, {})) for kind in kinds
        }
    _make_room(axes)
    return axes


def _make_room(axes: dict) -> None:
    """Let names of parameters fit, which Optuna lets run over the edge."""
    if "importance" in axes:
        axes["importance"].figure.set_layout_engine("constrained")
    if "parallel" in axes:
        figure = axes["parallel"].figure
        figure.set_size_inches(2 + len(figure.axes), 5.5)
        figure.subplots_adjust(bottom=0.3)
