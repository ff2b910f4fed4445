"""One trial: an estimator with the drawn parameters, fold by fold."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params
from tqdm.auto import tqdm

from .._callbacks import subtask
from ..classifier import FERClassifier
from ..training import TellEpochs, needs_validation
from ._space import plain, suggest
from ._storage import FAULTS, faults_named
from ._study import open_study, quiet
from ._workers import Worker, counted_trials

#: Attribute of a trial: its scores and seconds, by fold.
FOLDS = "folds"
#: Attributes of a trial: why it failed, and how many of its folds did.
ERROR, N_FAILED = "error", "failed_folds"


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that the trials of a search share."""

    base: object
    space: Mapping | Callable
    X: object
    y: object
    splits: list
    scorer: Callable
    fit_params: dict
    score_params: dict
    by_epoch: bool
    error_score: str | float
    networks: list = field(default_factory=list)  # unpickling in a worker registers them
    search: object = None
    context: object = None


def reports_epochs(estimator: Any) -> bool:
    """Tell whether validation faces do not influence the fit of `estimator`.

    With early stopping or the plateau schedule they would decide when it ends, and with a callback
    that monitors them too.
    """
    if not isinstance(estimator, FERClassifier):
        return False
    named = [pair if isinstance(pair, tuple) else ("", pair) for pair in estimator.callbacks or ()]
    monitors = [getattr(callback, "monitor", None) for _, callback in named]
    if any(name is not None and not str(name).startswith("train_") for name in monitors):
        return False
    return not needs_validation(estimator.schedule, early_stopping=estimator.early_stopping)


def max_epochs_of(estimator: Any) -> int:
    """Return how many epochs a fit has at most; 1 where the estimator does not say it."""
    stated = getattr(estimator, "max_epochs", None)
    return int(stated) if isinstance(stated, Integral) else 1


def draw(space: Any, trial: Any) -> dict:
    """Return the parameters of a trial, which may be a finished one."""
    if isinstance(space, Mapping):
        drawn = {name: suggest(trial, name, range_) for name, range_ in space.items()}
        return {name: plain(name, value) for name, value in drawn.items()}
    drawn = space(trial)
    if not isinstance(drawn, Mapping):
        raise TypeError(
            f"Expected a dict of parameters from the function that is space, got {drawn!r:.100}."
        )
    return dict(drawn)


def open_and_work(
    task: Task,
    storage: Any,
    opening: dict[str, Any],
    n_trials: int | None,
    ends: float | None,
    verbose: int,
) -> None:
    """Work as one of several workers."""
    opening["sampler"].reseed_rng()  # otherwise all would draw the same
    # In a new process, Optuna's logging is still on.
    with quiet(), faults_named(storage):
        work(task, open_study(storage, **opening), n_trials, ends, verbose)


def work(
    task: Task, study: optuna.Study, n_trials: int | None, ends: float | None, verbose: int
) -> None:
    """Run trials until the study has enough, or until the time `ends`."""
    worker = Worker(study, n_trials, ends)
    catch = () if task.error_score == "raise" else (Exception,)
    with Progress(study, n_trials, verbose) as progress, worker.alive():
        objective = partial(_objective, task, worker, progress)
        while worker.has_work():
            worker.claimed = None
            try:
                study.optimize(objective, n_trials=1, catch=catch)
            except Exception as error:
                if not worker.lost_its_trial():
                    _raise_fault_behind(error)
                    raise
            # A single fault may be temporary, such as a busy database; a second in a row is not.
            if len(worker.faults) > 1:
                raise worker.faults[-1]
            progress.update()


def _raise_fault_behind(error: Exception) -> None:
    """Raise the fault of the storage behind Optuna's assertion that a trial has ended."""
    if isinstance(error, AssertionError) and isinstance(error.__context__, FAULTS):
        raise error.__context__


class Progress:
    """A bar of the finished trials; trial, fold, epoch and the best score beside it."""

    def __init__(self, study: optuna.Study, n_trials: int | None, verbose: int) -> None:
        self.study = study
        self.bar = tqdm(total=n_trials, unit="trial", disable=not verbose)
        if verbose:
            self.update()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.close()

    def show(self, **where: Any) -> None:
        """Show the current fold and epoch."""
        if not self.bar.disable:
            self.bar.set_postfix(where | self._best())

    def update(self) -> None:
        """Count the finished trials, including those of other workers."""
        if not self.bar.disable:
            self.bar.n = sum(trial.state.is_finished() for trial in counted_trials(self.study))
            self.bar.set_postfix(self._best())

    def _best(self) -> dict:
        done = self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return {"best": f"{max(trial.values[0] for trial in done):.4f}"} if done else {}


def _objective(task: Task, worker: Worker, progress: Progress, trial: optuna.Trial) -> float:
    """Run a trial, if it is still needed; return its score, or raise what its end means."""
    n_splits = len(task.splits)
    try:
        if not worker.claim(trial):
            raise optuna.TrialPruned
        with subtask(task.context, "trial", task.search, max_subtasks=n_splits) as context:
            score = _evaluate(task, trial, progress, context)
    # Faults of the storage and interrupts say nothing about the parameters: another trial is due.
    except FAULTS as error:
        worker.faults.append(error)
        with suppress(Exception):
            worker.give_up(trial, "storage")
        message = f"Trial {trial.number} could not be kept and does not count: {error}"
        warnings.warn(message, UserWarning, stacklevel=2)
        raise
    except KeyboardInterrupt:
        worker.give_up(trial, "interrupted")
        raise
    except optuna.TrialPruned:
        raise
    except Exception as error:
        _note(error, task, trial)
        raise
    worker.faults.clear()
    return score


def _note(error: Exception, task: Task, trial: optuna.Trial) -> None:
    """Store the reason of the failure with the trial, and warn."""
    reason = f"{type(error).__name__}: {error}"
    trial.set_user_attr(ERROR, reason)
    if task.error_score != "raise":
        message = f"Trial {trial.number} failed with {trial.params}: {reason}"
        warnings.warn(message, FitFailedWarning, stacklevel=2)


def _evaluate(task: Task, trial: optuna.Trial, progress: Progress, context: Any) -> float:
    """Return the mean score over the folds; report it after each fold."""
    params = draw(task.space, trial)
    epochs = max_epochs_of(task.base)
    scores: list[float] = []
    for fold, (train, valid) in enumerate(task.splits):
        progress.show(trial=trial.number, fold=f"{fold + 1}/{len(task.splits)}")
        # A drawn value may be an estimator: each fold gets its own unfitted clone.
        estimator = clone(task.base).set_params(**clone(params, safe=False))

        # Steps must mean the same in all trials: epochs are reported only if all have as many.
        by_epoch = fold == 0 and "max_epochs" not in params and reports_epochs(estimator)
        tell = _teller(trial, progress) if by_epoch and task.by_epoch else None
        with subtask(context, "fold", task.search, runs=estimator):
            scores.append(_score_fold(task, estimator, train, valid, trial, tell))

        # Steps of folds follow those of epochs. After the last fold, pruning saves no time.
        trial.report(float(np.mean(scores)), epochs + fold)
        if fold + 1 < len(task.splits) and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(scores))


def _teller(trial: optuna.Trial, progress: Progress) -> Callable:
    """Return the function that is called after each epoch of the first fold."""

    def tell(net: Any) -> None:
        epoch, accuracy = len(net.history), net.history[-1, "valid_acc"]
        progress.show(trial=trial.number, epoch=epoch, accuracy=f"{accuracy:.3f}")
        trial.report(accuracy, epoch - 1)
        if trial.should_prune():
            raise optuna.TrialPruned

    return tell


def _score_fold(
    task: Task,
    estimator: Any,
    train: np.ndarray,
    valid: np.ndarray,
    trial: optuna.Trial,
    tell: Callable | None,
) -> float:
    """Return the score of one fold, and store it and its seconds with the trial.

    A fit that fails raises, or scores `error_score` if that is a number.
    """
    clock = [time.perf_counter()]
    try:
        score = _fit_and_score(task, estimator, train, valid, tell, clock)
    except (optuna.TrialPruned, *FAULTS):
        raise
    except Exception as error:
        # Without a number for this fold the mean would be over fewer folds: the trial fails.
        if task.error_score == "raise" or not np.isfinite(task.error_score):
            raise
        _note(error, task, trial)
        trial.set_user_attr(N_FAILED, trial.user_attrs.get(N_FAILED, 0) + 1)
        score = float(task.error_score)

    # A fit that failed has no end time in `clock`.
    start, fitted = (*clock, time.perf_counter())[:2]
    seconds = [fitted - start, time.perf_counter() - fitted]
    folds = trial.user_attrs.get(FOLDS, [])
    trial.set_user_attr(FOLDS, [*folds, [score, *seconds]])
    return score


def _fit_and_score(
    task: Task,
    estimator: Any,
    train: np.ndarray,
    valid: np.ndarray,
    tell: Callable | None,
    clock: list[float],
) -> float:
    """Fit on one side of a split and score on the other; note the end of the fit in `clock`.

    `tell` is called after every epoch, if the fit may see the validation faces.
    """
    X_train, y_train = _safe_split(estimator, task.X, task.y, train)
    X_valid, y_valid = _safe_split(estimator, task.X, task.y, valid, train)
    fit_params = _check_method_params(task.X, task.fit_params, train)

    # `fit` refuses validation faces of a class that it does not train on.
    if tell is not None and np.isin(np.unique(y_valid), y_train).all():
        estimator.set_params(callbacks=[*(estimator.callbacks or []), TellEpochs(None, tell)])
        fit_params |= {"X_val": X_valid, "y_val": y_valid}
    estimator.fit(*((X_train,) if y_train is None else (X_train, y_train)), **fit_params)
    clock.append(time.perf_counter())

    # Not the accuracy of the last epoch: the scorer may differ, and prediction uses views.
    judged = (X_valid,) if y_valid is None else (X_valid, y_valid)
    score_params = _check_method_params(task.X, task.score_params, valid)
    return _as_score(task.scorer(estimator, *judged, **score_params))


def _as_score(returned: object) -> float:
    """Return what a scorer has returned as a number.

    Raises
    ------
    ValueError
        If it is not one, or one that cannot be compared: Optuna would say nothing of it.
    """
    try:
        score = float(np.asarray(returned).item())
    except (TypeError, ValueError):
        score = np.nan
    if not np.isfinite(score):
        raise ValueError(f"Expected one finite number from the scorer, got {returned!r:.100}.")
    return score
