"""Pictures of a study, drawn by Optuna."""

from __future__ import annotations

import warnings

_PLOTS = {
    "history": "plot_optimization_history",
    "importance": "plot_param_importances",
    "parallel": "plot_parallel_coordinate",
    "slices": "plot_slice",
}


def plot_study(study, kinds=("history", "importance", "parallel", "slices")) -> dict:
    """Draw what a study has found; needs matplotlib (``pip install fer-sklearn[plot]``).

    Parameters
    ----------
    study : FERSearchCV or optuna.Study
        A fitted search, or its study.
    kinds : sequence of str, default=("history", "importance", "parallel", "slices")
        Score by trial; how much each parameter matters (fANOVA); trials as lines over
        the parameters; score by parameter.

    Returns
    -------
    axes : dict of {str: matplotlib Axes or ndarray of Axes}
        By kind, each in a figure of its own.

    Raises
    ------
    ValueError
        If a kind is unknown.
    """
    from optuna.exceptions import ExperimentalWarning
    from optuna.visualization import matplotlib as plots

    unknown = set(kinds) - set(_PLOTS)
    if unknown:
        raise ValueError(f"Unknown kinds {sorted(unknown)}. Known: {', '.join(_PLOTS)}.")
    study = getattr(study, "study_", study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return {kind: getattr(plots, _PLOTS[kind])(study) for kind in kinds}
