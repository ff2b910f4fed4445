"""The trials of a study as scikit-learn's `cv_results_`."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import rankdata

from ._trials import ERROR, FOLDS, N_FAILED, draw


def make_cv_results(trials: list[FrozenTrial], space: Any, n_splits: int) -> dict:
    """Return a row for each finished trial, in the order of their numbers."""
    trials = [trial for trial in trials if trial.state.is_finished()]
    params = [_params(space, trial) for trial in trials]
    folds = np.full((len(trials), n_splits, 3), np.nan)
    for row, trial in zip(folds, trials, strict=True):
        done = np.reshape(trial.user_attrs.get(FOLDS, []), (-1, 3))
        row[: len(done)] = done
    scores, fit_times, score_times = np.moveaxis(folds, 2, 0)
    complete = np.array([trial.state == TrialState.COMPLETE for trial in trials], dtype=bool)
    results: dict[str, Any] = {}
    for name, times in (("fit", fit_times), ("score", score_times)):
        results[f"mean_{name}_time"], results[f"std_{name}_time"] = _mean_and_std(times)
    results |= _param_columns(params)
    results["params"] = params
    results |= {f"split{fold}_test_score": scores[:, fold] for fold in range(n_splits)}
    mean, std = scores.mean(axis=1), scores.std(axis=1)
    results["mean_test_score"] = np.where(complete, mean, np.nan)
    results["std_test_score"] = np.where(complete, std, np.nan)
    order = np.where(np.isnan(results["mean_test_score"]), -np.inf, results["mean_test_score"])
    results["rank_test_score"] = rankdata(-order, method="min").astype(np.int32)
    results["state"] = np.array([trial.state.name.lower() for trial in trials])
    results["error"] = np.array([trial.user_attrs.get(ERROR, "") for trial in trials])
    results["trial"] = np.array([trial.number for trial in trials], dtype=int)
    return results


def best_index(results: dict, trials: list[FrozenTrial]) -> int:
    """Return the row of the best score; of equal scores the first.

    Raises
    ------
    ValueError
        If no trial has a score, or every fit failed.
    """
    scores = results["mean_test_score"]
    attrs = [trial.user_attrs for trial in trials]
    n_fitted = sum(len(attr.get(FOLDS, [])) - attr.get(N_FAILED, 0) for attr in attrs)
    if not n_fitted or not np.isfinite(scores).any():
        states, counts = np.unique(results["state"], return_counts=True)
        found = ", ".join(f"{count} {state}" for state, count in zip(states, counts, strict=True))
        last_error = next(filter(None, results["error"][::-1]), "")
        raise ValueError(
            f"No trial has a score, or every fit failed ({found or 'none was run'}): raise "
            "n_trials or timeout, or correct the cause. Failed trials stay in the "
            f"storage and count: use another study_name, or raise n_trials. {last_error}"
        )
    return int(np.nanargmax(np.where(np.isfinite(scores), scores, np.nan)))


def _params(space: Any, trial: FrozenTrial) -> dict:
    try:
        return draw(space, optuna.trial.FixedTrial(trial.params, number=trial.number))
    except Exception:  # it failed or was pruned before all were drawn, perhaps by the space itself
        return dict(trial.params)


def _param_columns(params: list[dict]) -> dict:
    names = list(dict.fromkeys(name for row in params for name in row))
    columns = {}
    for name in names:
        column = np.ma.MaskedArray(np.empty(len(params), dtype=object), mask=True)
        for i, row in enumerate(params):
            if name in row:
                column[i] = row[name]
        columns[f"param_{name}"] = column
    return columns


def _mean_and_std(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(times)
    count = np.maximum(known.sum(axis=1), 1)
    filled = np.where(known, times, 0)
    mean = filled.sum(axis=1) / count
    return mean, np.sqrt((np.where(known, times - mean[:, None], 0) ** 2).sum(axis=1) / count)
