"""`FERSearchCV`: a scikit-learn search that Optuna drives."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path

import joblib
import numpy as np
import optuna
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import assert_all_finite, check_random_state, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_method_params

from .._callbacks import open_context, subtask, with_callbacks
from .._device import is_single_gpu
from ..augment import FaceAugmenter
from ..classifier import FERClassifier
from ._results import best_index, make_cv_results
from ._space import SearchSpace, search_space
from ._splits import HoldOut
from ._study import SeededSampler, counted_trials, in_memory, open_storage, open_study, quiet
from ._trials import Task, open_and_work, reports_epochs, work


class FERSearchCV(BaseSearchCV):
    """Search for the parameters with the best cross-validated score, driven by Optuna.

    It is used as `GridSearchCV` is. The splits are drawn once and are those of every trial. A
    trial reports after every epoch of its first fold and after every fold, and the pruner ends
    it where it falls behind.

    Parameters
    ----------
    estimator : estimator
        Usually a `FERClassifier`; any estimator works, without reports by epoch.
    space : SearchSpace, dict, callable or None, default=None
        What to search: a dict of Optuna distributions by parameter, a function that draws the
        parameters of a trial, or a `SearchSpace`. None is ``search_space("fast")``.
    n_trials : int or None, default=20
        Trials of the study in all, those of earlier runs and of other processes included.
        None: until `timeout`.
    timeout : float or None, default=None
        Seconds after which no new trial begins.
    cv : int, splitter, iterable or "hold-out", default="hold-out"
        As in `GridSearchCV`. "hold-out" is `HoldOut`: a tenth of the faces, of which none has a
        copy among the others.
    scoring : str, callable or None, default=None
        As in `GridSearchCV`, one metric; None is the estimator's `score`.
    sampler : optuna sampler or None, default=None
        None is TPE, seeded by `random_state` and the number of the trial.
    pruner : optuna pruner or None, default=None
        None ends trials that are among the worst quarter of the finished ones at the same
        epoch, once 5 have finished and not in the first third of the epochs: before a
        one-cycle schedule is at its peak, scores say little about the end, and until late
        they are noisy. ``optuna.pruners.NopPruner()`` never prunes.
    storage : str, path-like, optuna storage or None, default=None
        Where the study lives: a journal file (``runs/study.log``), a URL (``sqlite:///study.db``)
        or Optuna's object. A search that was stopped goes on from there, and processes
        with the same storage share the work. None: in memory.
    study_name : str, default="fer_sklearn"
        Name within the storage.
    n_jobs : int or None, default=None
        Workers, each with its own trials, through joblib.
    refit : bool, default=True
        Whether to fit `best_estimator_` on all faces.
    error_score : "raise" or float, default=nan
        The score of a trial whose fit fails, with a warning; "raise" lets the error through.
    random_state : int, RandomState instance or None, default=None
        Seed of the sampler; an int, if a stopped search is to go on as if it had not been.
        The estimator has its own.
    verbose : int, default=0
        1 shows a progress bar: trials, folds, epochs and the best score so far.

    Attributes
    ----------
    best_params_ : dict
    best_score_ : float
        Mean over the splits.
    best_index_ : int
        Its row in `cv_results_`.
    best_estimator_ : estimator
        Fitted on all faces; only with `refit`.
    cv_results_ : dict of {str: ndarray}
        As of `GridSearchCV`, a row a trial, with "state", "error" and "trial" beside. A
        pruned trial has scores of the folds that it finished, and no mean.
    study_ : optuna.Study
    n_splits_ : int
    refit_time_ : float
        Seconds; only with `refit`.
    scorer_ : callable

    Examples
    --------
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.tuning import FERSearchCV, search_space
    >>> faces = make_faces(140, image_size=24, random_state=0)
    >>> clf = FERClassifier(widths=(8,), max_epochs=1, random_state=0)
    >>> space = search_space().only("learning_rate", "augment__rotation")
    >>> search = FERSearchCV(clf, space, n_trials=2, random_state=0)
    >>> sorted(search.fit(faces.data, faces.target).best_params_)
    ['augment__rotation', 'learning_rate']
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit"])],
        "space": [SearchSpace, Mapping, callable, None],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="left"), None],
        "cv": ["cv_object", StrOptions({"hold-out"})],
        "scoring": [str, callable, None],
        "sampler": [optuna.samplers.BaseSampler, None],
        "pruner": [optuna.pruners.BasePruner, None],
        "storage": [str, Path, optuna.storages.BaseStorage, None],
        "study_name": [str],
        "n_jobs": [Integral, None],
        "refit": ["boolean"],
        "error_score": [StrOptions({"raise"}), Real],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator,
        space=None,
        *,
        n_trials=20,
        timeout=None,
        cv="hold-out",
        scoring=None,
        sampler=None,
        pruner=None,
        storage=None,
        study_name="fer_sklearn",
        n_jobs=None,
        refit=True,
        error_score=np.nan,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.space = space
        self.n_trials = n_trials
        self.timeout = timeout
        self.cv = cv
        self.scoring = scoring
        self.sampler = sampler
        self.pruner = pruner
        self.storage = storage
        self.study_name = study_name
        self.n_jobs = n_jobs
        self.refit = refit
        self.error_score = error_score
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y=None, *, groups=None, **fit_params):
        """Search, then fit the best estimator on all faces.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As the estimator takes it.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,) or None, default=None
            Passed to the splitter; faces of one group stay on one side.
        **fit_params
            Passed to the estimator's `fit`; arrays of n_samples values, as `sample_weight`,
            are cut as X is.

        Returns
        -------
        self : FERSearchCV

        Raises
        ------
        ValueError
            If a parameter cannot be used, if the storage holds another study of this name, or
            if no trial has finished.
        """
        self._validate_params()
        if self.n_trials is None and self.timeout is None:
            raise ValueError("Set n_trials or timeout, or the search never ends.")
        self._warn_of_one_gpu()
        X, y, groups = indexable(X, y, groups)
        if y is not None:
            assert_all_finite(y, input_name="y")
        context = open_context(self, X=X, y=y)
        task = self._make_task(X, y, groups, fit_params)
        if self.n_jobs in (None, 1):
            task = replace(task, search=self, context=context)
        with tempfile.TemporaryDirectory() as folder, quiet():
            shared = Path(folder) / "study.log" if self.n_jobs not in (None, 1) else None
            study = self._run(task, shared if self.storage is None else self.storage)
            self.study_ = in_memory(study) if self.storage is None else study
        self._take_results(task)
        if self.refit:
            self._refit(task, X, y, fit_params, context)
        if context is not None:
            context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _make_task(self, X, y, groups, fit_params):
        base = clone(self.estimator)
        space = search_space() if self.space is None else self.space
        if isinstance(base, FERClassifier) and base.augment is None:
            base.set_params(augment=FaceAugmenter())  # so that augment__rotation can be set
        cv = HoldOut() if isinstance(self.cv, str) and self.cv == "hold-out" else self.cv
        splitter = check_cv(cv, y, classifier=is_classifier(base))
        splits = [tuple(map(np.asarray, split)) for split in splitter.split(X, y, groups)]
        scorer = check_scoring(base, scoring=self.scoring)
        params = _check_method_params(X, fit_params)
        by_epoch = self.scoring in (None, "accuracy") and reports_epochs(base)
        return Task(base, space, X, y, splits, scorer, params, by_epoch, self.error_score)

    def _run(self, task, storage):
        """Let the workers run, and return the study."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        opening = {
            "name": self.study_name,
            "sampler": SeededSampler(seed) if self.sampler is None else self.sampler,
            "pruner": self.pruner or _usual_pruner(task),
            "fingerprint": joblib.hash((task.X, task.y, task.splits)),
        }
        storage = open_storage(storage)
        study = open_study(storage, **opening)
        ends = None if self.timeout is None else time.time() + self.timeout
        if self.n_jobs in (None, 1):
            work(task, study, self.n_trials, ends, self.verbose)
        else:
            n_workers = effective_n_jobs(self.n_jobs)
            Parallel(n_jobs=self.n_jobs)(
                delayed(open_and_work)(task, storage, opening, self.n_trials, ends, self.verbose)
                for _ in range(n_workers)
            )
        return study

    def _take_results(self, task):
        trials = counted_trials(self.study_)
        self.n_splits_ = len(task.splits)
        self.scorer_ = task.scorer
        self.multimetric_ = False
        self.cv_results_ = make_cv_results(trials, task.space, self.n_splits_)
        self.best_index_ = best_index(self.cv_results_)
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])

    def _refit(self, task, X, y, fit_params, context):
        best = clone(task.base).set_params(**clone(self.best_params_, safe=False))
        start = time.time()
        with subtask(context, "refit", self, runs=best):
            best.fit(*((X,) if y is None else (X, y)), **fit_params)
        self.best_estimator_ = best
        self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_

    def _warn_of_one_gpu(self):
        device = getattr(self.estimator, "device", None)
        if device is None or self.n_jobs in (None, 1) or not is_single_gpu(device):
            return
        warnings.warn(
            f"n_jobs={self.n_jobs} workers would share one GPU, its memory and its time. Use "
            "n_jobs=1, or a worker for each GPU (docs/user_guide/scale.md says how).",
            UserWarning,
            stacklevel=3,
        )


def _usual_pruner(task):
    warm_up = getattr(task.base, "max_epochs", 0) // 3 if task.by_epoch else 0
    return optuna.pruners.PercentilePruner(75.0, n_startup_trials=5, n_warmup_steps=warm_up)
