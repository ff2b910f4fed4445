"""Studies that several processes share and that outlive them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ._storage import patiently
from ._workers import WORKER, counted_trials, free_draw


def open_study(
    storage: BaseStorage | str | None,
    name: str,
    sampler: BaseSampler,
    pruner: BasePruner,
    fingerprint: str,
) -> optuna.Study:
    """Create the study, or open the existing one.

    Raises
    ------
    ValueError
        If the existing study belongs to another search.
    OSError
        If the storage cannot be written.
    """

    def create() -> optuna.Study:
        return optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=sampler,
            pruner=pruner,
            direction="maximize",
            load_if_exists=True,
        )

    study = patiently(create, storage) if isinstance(storage, str) else create()
    _check_study(study, fingerprint)
    return study


def _check_study(study: optuna.Study, fingerprint: str) -> None:
    """Sign a new study; raise if the scores of an existing one mean something else."""
    way_out = "Set a study_name of its own, or delete the storage to start again."
    if study.directions != [StudyDirection.MAXIMIZE]:
        found = ", ".join(direction.name.lower() for direction in study.directions)
        raise ValueError(
            f"The study {study.study_name!r} in this storage has the directions [{found}]: "
            f"FERSearchCV maximises one score. {way_out}"
        )
    # Read the trials first: a search that starts at the same time signs the study before its
    # trials.
    trials = counted_trials(study)
    known = study.user_attrs.get("fingerprint")
    if known not in (None, fingerprint):
        raise ValueError(
            f"The study {study.study_name!r} in this storage is one of other data, splits, "
            "parameters of the estimator, scoring or space, so that its scores are others. "
            f"{way_out} A cv that draws its splits at random needs a random_state."
        )
    foreign = [trial.number for trial in trials if _is_foreign(trial, signed=known is not None)]
    if foreign:
        raise ValueError(
            f"The study {study.study_name!r} in this storage has trials that FERSearchCV did not "
            f"make (numbers {foreign[:5]}{' ...' if foreign[5:] else ''}), whose scores may mean "
            "something else. To try their parameters first, enqueue them in a new study "
            f"(study.enqueue_trial(params)). {way_out}"
        )
    if known is None:
        study.set_user_attr("fingerprint", fingerprint)


def _is_foreign(trial: FrozenTrial, signed: bool) -> bool:
    """Tell whether no search made this trial; one that has just begun may still be unsigned."""
    if WORKER in trial.user_attrs or trial.state == TrialState.WAITING:
        return False
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or not signed


def in_memory(study: optuna.Study) -> optuna.Study:
    """Return a copy that needs no file."""
    copy = optuna.create_study(study_name=study.study_name, direction="maximize")
    for name, value in study.user_attrs.items():
        copy.set_user_attr(name, value)
    copy.add_trials(study.get_trials(deepcopy=False))
    return copy


@contextmanager
def quiet() -> Iterator[None]:
    """Stop Optuna from logging every study and trial: results and warnings say the same."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.ERROR))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


class SeededSampler(BaseSampler):
    """TPE whose draws depend only on the seed and the number of the draw in the study.

    So a study that was stopped continues as if it had not been stopped, and processes that share a
    study and a seed draw different points.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._draws: dict[int, int] = {}
        self._inner: dict[int, BaseSampler] = {}

    def draw_of(self, number: int) -> int:
        """Return the number of the draw that this trial has."""
        return self._draws[number]

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        # HyperbandPruner passes a study of a part of the trials, with the whole one inside.
        whole = getattr(study, "_study", study)
        draw = self._draws[trial.number] = free_draw(whole, trial.number)
        self._inner[trial.number] = TPESampler(seed=(self.seed + 1_000_003 * (draw + 1)) % 2**32)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._inner[trial.number].infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner[trial.number].sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        inner = self._inner[trial.number]
        return inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._inner.pop(trial.number, None)


class WorstQuarterPruner(BasePruner):
    """Prune trials that are among the worst quarter of the finished ones at the same step.

    Optuna's `PercentilePruner` uses the best value of a trial so far, so one lucky epoch hides a
    bad mean over folds.

    Parameters
    ----------
    n_warm_up : int, default=0
        No trial is pruned before this step.
    n_startup : int, default=5
        Number of trials that have to be finished first.
    """

    def __init__(self, n_warm_up: int = 0, n_startup: int = 5) -> None:
        self.n_warm_up = n_warm_up
        self.n_startup = n_startup

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None or step < self.n_warm_up:
            return False
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        values = [t.intermediate_values[step] for t in done if step in t.intermediate_values]
        if len(values) < self.n_startup:
            return False
        value = trial.intermediate_values[step]
        return bool(np.isnan(value) or value < np.nanquantile(values, 0.25))
