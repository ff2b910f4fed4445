"""`FERSearchCV`: a scikit-learn search that Optuna drives."""

from __future__ import annotations

import copy
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import optuna
from joblib import effective_n_jobs
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike
from optuna.storages import InMemoryStorage
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import assert_all_finite, check_random_state, indexable
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from .._callbacks import open_context, subtask, with_callbacks
from .._device import is_single_gpu
from .._fingerprint import fingerprint
from .._forms import Interval, check_labels
from ..classifier import FERClassifier
from ..networks import carried_networks
from ._results import best_index, make_cv_results
from ._space import SearchSpace, check_ranges
from ._space_for import check_names, check_storable, parts_of, usual_space
from ._splits import HoldOut
from ._storage import faults_named, open_storage
from ._study import SeededSampler, WorstQuarterPruner, in_memory, open_study, quiet
from ._trials import Task, max_epochs_of, open_and_work, reports_epochs, work
from ._workers import counted_trials

#: Parameters of an estimator that do not change its scores.
_ASIDE = {"callbacks", "checkpoint", "device", "n_jobs", "verbose"}
#: Backends of joblib whose workers see this machine's temporary files.
_LOCAL = {"LokyBackend", "MultiprocessingBackend", "SequentialBackend", "ThreadingBackend"}
#: How often a search continues after its pool of processes broke.
_N_REPAIRS = 2


class FERSearchCV(BaseSearchCV):
    """Search for the parameters with the best cross-validated score, driven by Optuna.

    Use it like `GridSearchCV`. All trials use the same splits. A trial reports after every epoch of
    its first fold and after every fold, and the pruner ends it if it falls behind.

    Parameters
    ----------
    estimator : estimator
        Usually a `FERClassifier`; any estimator works, without reports by epoch.
    space : SearchSpace, dict, callable or None, default=None
        What to search: a dict of Optuna distributions by parameter, a function that draws the
        parameters of a trial, or a `SearchSpace`. None is ``search_space("fast")``, or the space of
        the network if that is "hybrid" or "vit". This default leaves out augmentation that
        `augment` disables. For a pretrained network it leaves out the network's shape and divides
        the learning rates by five. For a `FERClassifier` in a Pipeline it uses the names of the
        Pipeline. A function must draw the same values again from a finished trial; it may raise
        `optuna.TrialPruned`.
    n_trials : int or None, default=20
        Total number of trials of the study, including those of earlier runs and other processes.
        None continues until `timeout`.
    timeout : float or None, default=None
        Seconds after which no new trial begins.
    cv : int, splitter, iterable or "hold-out", default="hold-out"
        As in `GridSearchCV`. "hold-out" is `HoldOut`: a tenth of the faces, none of which has a
        copy among the others.
    scoring : str, callable or None, default=None
        As in `GridSearchCV`, one metric; None is the estimator's `score`.
    sampler : optuna sampler or None, default=None
        None is TPE, seeded by `random_state` and the rank of the trial among those that count. Any
        other sampler is copied. If a search is continued, it starts from the beginning, and each of
        several workers seeds its own copy.
    pruner : optuna pruner or None, default=None
        None prunes a trial that is among the worst quarter of the finished ones at the same epoch
        or fold. It begins after 5 finished trials, and not in the first third of the epochs: before
        a one-cycle schedule reaches its peak, scores say little about the end, and they are noisy
        until late. ``optuna.pruners.NopPruner()`` never prunes.
    storage : str, path-like, optuna storage or None, default=None
        Where the study is stored: a journal file (``runs/study.log``), a URL
        (``sqlite:///study.db``) or Optuna's object. A search that was stopped continues from there,
        and processes with the same storage share the work. None: in memory. The user guide,
        "Hyperparameter tuning", says what happens if the disk is full or the file is damaged.
    study_name : str, default="fer_sklearn"
        Name within the storage.
    n_jobs : int or None, default=None
        Workers, each with its own trials, through joblib; as in `GridSearchCV`,
        ``joblib.parallel_config`` decides where. Workers on other machines need a `storage`
        that all of them can reach. If a process is killed, the other workers end too; the search
        restarts them, at most twice.
    refit : bool, default=True
        Whether to fit `best_estimator_` on all faces.
    error_score : "raise" or float, default=nan
        The score of a fold whose fit fails, with a warning; with nan the trial counts as failed;
        "raise" raises the error.
    random_state : int, RandomState instance or None, default=None
        Seed of the sampler. Use an int if a stopped search should continue as if it had not been
        stopped. The estimator has its own seed.
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
        As in `GridSearchCV`, a row per trial, plus "state", "error" and "trial". A
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
        "storage": [str, PathLike, optuna.storages.BaseStorage, None],
        "study_name": [str],
        "n_jobs": [Integral, None],
        "refit": ["boolean"],
        "error_score": [StrOptions({"raise"}), Real],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any,
        space: SearchSpace | Mapping[str, Any] | Callable[..., Any] | None = None,
        *,
        n_trials: int | None = 20,
        timeout: float | None = None,
        cv: Any = "hold-out",
        scoring: str | Callable[..., Any] | None = None,
        sampler: optuna.samplers.BaseSampler | None = None,
        pruner: optuna.pruners.BasePruner | None = None,
        storage: str | PathLike[str] | optuna.storages.BaseStorage | None = None,
        study_name: str = "fer_sklearn",
        n_jobs: int | None = None,
        refit: bool = True,
        error_score: str | float = np.nan,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
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
    def fit(self, X: Any, y: ArrayLike | None = None, **params: Any) -> Self:
        """Search, then fit the best estimator on all faces.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As the estimator takes it.
        y : array-like of shape (n_samples,)
            Labels.
        **params
            As in `GridSearchCV`: ``groups`` is passed to the splitter, so that faces of one group
            stay on one side; the rest goes to the estimator's `fit`, unless metadata routing says
            otherwise. Arrays of n_samples values, such as `sample_weight`, are split like X.

        Returns
        -------
        self : FERSearchCV

        Raises
        ------
        ValueError
            Before any training, if a parameter cannot be used, the space has names that the
            estimator does not have, the storage holds another study of this name, or its
            file is damaged or not a journal. After the search, if no trial has a score.
        TypeError
            If a value of the dict `space` is not an Optuna distribution.
        OSError
            If the storage cannot be written: before any training, unless the disk fills up later.
        """
        self._validate_params()
        if self.n_trials is None and self.timeout is None:
            raise ValueError("Set n_trials or timeout, or the search never ends.")
        n_workers = effective_n_jobs(self.n_jobs)
        routed = self._get_routed_params_for_fit(params)
        X, y = indexable(X, y)
        if y is not None:
            assert_all_finite(y, input_name="y")
        context = open_context(self, X=X, y=y)
        task = self._make_task(X, y, routed)
        self._warn_of_one_gpu(n_workers)
        if n_workers > 1 or not isinstance(self.storage, InMemoryStorage | None):
            check_storable(task.space)
        if n_workers == 1:
            task = replace(task, search=self, context=context)
        elif context is not None:
            warnings.warn(
                f"scikit-learn's callbacks cannot follow the trials of {n_workers} workers. Use "
                "n_jobs=1 for that.",
                UserWarning,
                stacklevel=2,
            )
        with tempfile.TemporaryDirectory() as folder, quiet():
            storage = self.storage
            if storage is None and n_workers > 1:
                storage = _shared_storage(folder)
            if isinstance(storage, InMemoryStorage) and n_workers > 1:
                _refuse_processes()
            study = self._run(task, storage, n_workers)
            self.study_ = in_memory(study) if self.storage is None else study
        self._take_results(task)
        if self.refit:
            self._refit(X, y, routed.estimator.fit, context)
        if context is not None:
            context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def get_metadata_routing(self) -> Any:
        """Return the metadata routing, as `GridSearchCV` does."""
        with_splitter = copy.copy(self)
        with_splitter.cv = self._given_cv()
        return super(FERSearchCV, with_splitter).get_metadata_routing()

    def _given_cv(self) -> Any:
        return HoldOut() if isinstance(self.cv, str) else self.cv  # "hold-out" is the only name

    def _make_task(self, X: Any, y: Any, routed: Any) -> Task:
        base = clone(self.estimator)
        classifiers = parts_of(base, FERClassifier)
        if classifiers:
            check_labels(y)
        for classifier in classifiers.values():
            # The file of a trial that was pruned or failed would stop all later ones.
            classifier.set_params(checkpoint=None)
        space = self._settle_space(base)
        splitter = check_cv(self._given_cv(), y, classifier=is_classifier(base))
        splits = [tuple(map(np.asarray, s)) for s in splitter.split(X, y, **routed.splitter.split)]
        if not splits:
            raise ValueError("cv has no splits: a generator can be used only once. Pass list(cv).")
        fit_params = _check_method_params(X, routed.estimator.fit)
        plain_score = self.scoring in (None, "accuracy") and not routed.scorer.score
        return Task(
            base=base,
            space=space,
            X=X,
            y=y,
            splits=splits,
            scorer=check_scoring(base, scoring=self.scoring),
            fit_params=fit_params,
            score_params=_check_method_params(X, routed.scorer.score),
            by_epoch=plain_score and "X_val" not in fit_params and reports_epochs(base),
            error_score=self.error_score,
            networks=carried_networks(),
        )

    def _settle_space(self, base: Any) -> Any:
        """Check the names and ranges of the space to search, and return it."""
        if isinstance(self.space, Mapping):
            check_ranges(self.space)
        space = usual_space(base) if self.space is None else self.space
        check_names(space, base)
        if isinstance(space, SearchSpace):
            classifier = parts_of(base, FERClassifier).get(space.prefix.removesuffix("__"))
            space = space if classifier is None else space.for_optimizer(classifier.optimizer)
        return space

    def _run(self, task: Task, storage: Any, n_workers: int) -> optuna.Study:
        """Let the workers run, and return the study."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        opening: dict[str, Any] = {
            "name": self.study_name,
            "sampler": SeededSampler(seed) if self.sampler is None else copy.deepcopy(self.sampler),
            "pruner": self.pruner or _usual_pruner(task),
            "fingerprint": self._fingerprint(task),
        }
        storage = open_storage(storage)
        study = open_study(storage, **opening)
        ends = None if self.timeout is None else time.time() + self.timeout
        if n_workers == 1:
            with faults_named(storage):
                work(task, study, self.n_trials, ends, self.verbose)
            return study
        one_of_them = delayed(open_and_work)
        for repairs in range(_N_REPAIRS + 1):
            try:
                Parallel(n_jobs=self.n_jobs)(
                    one_of_them(task, storage, opening, self.n_trials, ends, self.verbose)
                    for _ in range(n_workers)
                )
                break
            except TerminatedWorkerError:
                if repairs == _N_REPAIRS:
                    raise
                warnings.warn(
                    "A process of the search was killed, perhaps because memory ran out: the "
                    "trials that were running are lost, and the search continues.",
                    UserWarning,
                    stacklevel=3,
                )
        return study

    def _fingerprint(self, task: Task) -> str:
        """Return what distinguishes this search from others whose scores mean something else."""
        space = vars(task.space) if isinstance(task.space, SearchSpace) else task.space
        data = task.X, task.y, task.splits, task.fit_params, task.score_params
        return fingerprint([task.base, self.scoring, space], _ASIDE, data)

    def _take_results(self, task: Task) -> None:
        trials = counted_trials(self.study_)
        self.n_splits_ = len(task.splits)
        self.scorer_ = task.scorer
        self.multimetric_ = False
        self.cv_results_ = make_cv_results(trials, task.space, self.n_splits_)
        self.best_index_ = best_index(self.cv_results_, trials)
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])

    def _refit(self, X: Any, y: Any, fit_params: dict[str, Any], context: Any) -> None:
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        start = time.time()
        with subtask(context, "refit", self, runs=best):
            best.fit(*((X,) if y is None else (X, y)), **fit_params)
        self.best_estimator_ = best
        self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_

    def _warn_of_one_gpu(self, n_workers: int) -> None:
        params = self.estimator.get_params() if hasattr(self.estimator, "get_params") else {}
        devices = [value for name, value in params.items() if name.split("__")[-1] == "device"]
        if n_workers == 1 or not any(map(is_single_gpu, devices)):
            return
        warnings.warn(
            f"{n_workers} workers would share one GPU, its memory and its time. Use "
            "n_jobs=1, or a worker for each GPU (docs/user_guide/scale.md says how).",
            UserWarning,
            stacklevel=3,
        )


def _shared_storage(folder: str) -> Path:
    """Return a journal in `folder` that the workers on this machine share."""
    backend = type(get_active_backend()[0]).__name__
    if backend not in _LOCAL:
        raise ValueError(
            f"Workers of joblib's {backend} may be on other machines and need a storage that "
            'all of them reach: storage="postgresql://..." or, on a disk that they share, a '
            'journal file such as storage="runs/study.log".'
        )
    return Path(folder) / "study.log"


def _refuse_processes() -> None:
    """Raise if workers are processes: each would have its own copy of a storage in memory."""
    if not getattr(get_active_backend()[0], "supports_sharedmem", False):
        raise ValueError(
            "storage is an InMemoryStorage: every worker process would have its own copy. "
            "Leave storage at None, pass the path of a journal, or let workers be "
            'threads: joblib.parallel_config(backend="threading").'
        )


def _usual_pruner(task: Task) -> optuna.pruners.BasePruner:
    warm_up = max_epochs_of(task.base) // 3 if task.by_epoch else 0
    return WorstQuarterPruner(warm_up)
