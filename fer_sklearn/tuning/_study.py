"""Studies that several processes share and that outlive them."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

#: Seconds between two signs of life of a worker, and without one until it counts as dead.
BEAT, GRACE = 5.0, 60.0
#: Attributes of the study: that a trial does not count, and when a worker was last alive.
_VOID, _BEAT = "void:", "worker:"
#: Attribute of a trial: who works on it.
_WORKER = "worker"


def open_storage(storage) -> BaseStorage | str | None:
    """Return what Optuna takes: a path becomes a journal file; a URL or an object stays.

    Raises
    ------
    ValueError
        If it is a path of another kind than ``.log`` or ``.journal``.
    """
    if storage is None or isinstance(storage, BaseStorage) or "://" in str(storage):
        return storage
    path = Path(storage)
    if path.suffix not in (".log", ".journal"):
        raise ValueError(
            f"storage={str(storage)!r}: expected the path of a journal file that ends in .log or "
            ".journal, a URL such as 'sqlite:///study.db', or an Optuna storage."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def open_study(storage, name: str, sampler, pruner, fingerprint: str) -> optuna.Study:
    """Create the study, or open the one that is there.

    Raises
    ------
    ValueError
        If the study that is there is one of another search.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        sampler=sampler,
        pruner=pruner,
        direction="maximize",
        load_if_exists=True,
    )
    known = study.user_attrs.get("fingerprint")
    if known is None:
        study.set_user_attr("fingerprint", fingerprint)
    elif known != fingerprint:
        raise ValueError(
            f"The study {name!r} in this storage is one of other data, splits, parameters of the "
            "estimator, scoring or space, so that its scores are others. Set a study_name of its "
            "own, or delete the storage to start anew. A cv that draws its splits at random needs "
            "a random_state."
        )
    return study


def in_memory(study: optuna.Study) -> optuna.Study:
    """Return a copy that needs no file."""
    copy = optuna.create_study(study_name=study.study_name, direction="maximize")
    for name, value in study.user_attrs.items():
        copy.set_user_attr(name, value)
    copy.add_trials(study.get_trials(deepcopy=False))
    return copy


@contextmanager
def quiet():
    """Keep Optuna from reporting every study and trial: results and warnings say it too."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.ERROR))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


class SeededSampler(BaseSampler):
    """TPE whose draws depend on the seed and the number of the trial alone.

    So a study that was stopped goes on as if it had not been, and processes that share a
    study and a seed do not draw the same points.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._inner: dict[int, BaseSampler] = {}

    def _of(self, trial) -> BaseSampler:
        if trial.number not in self._inner:
            seed = (self.seed + 1_000_003 * (trial.number + 1)) % 2**32
            self._inner[trial.number] = TPESampler(seed=seed)
        return self._inner[trial.number]

    def infer_relative_search_space(self, study, trial):
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study, trial, state, values):
        self._inner.pop(trial.number, None)


class WorstQuarterPruner(BasePruner):
    """Ends trials that are now among the worst quarter of the finished ones at the same step.

    Optuna's `PercentilePruner` takes a trial's best value so far for it, in which one lucky
    epoch hides a bad mean over folds.

    Parameters
    ----------
    n_warm_up : int, default=0
        Steps before which no trial is ended.
    n_startup : int, default=5
        Trials that have to be finished first.
    """

    def __init__(self, n_warm_up: int = 0, n_startup: int = 5) -> None:
        self.n_warm_up = n_warm_up
        self.n_startup = n_startup

    def prune(self, study, trial) -> bool:
        step = trial.last_step
        if step is None or step < self.n_warm_up:
            return False
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        values = [t.intermediate_values[step] for t in done if step in t.intermediate_values]
        if len(values) < self.n_startup:
            return False
        value = trial.intermediate_values[step]
        return bool(np.isnan(value) or value < np.nanquantile(values, 0.25))


class Worker:
    """One of the processes or threads that work on a study.

    Parameters
    ----------
    study : optuna.Study
    n_trials : int or None
        How many trials the study shall have in all, those of other workers included.
    ends : float or None
        Time after which no trial begins.
    """

    def __init__(self, study: optuna.Study, n_trials: int | None, ends: float | None) -> None:
        self.study = study
        self.n_trials = n_trials
        self.ends = ends
        self.name = f"{_machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.claimed: int | None = None
        self._beats: dict[str, tuple[object, float]] = {}

    @contextmanager
    def alive(self):
        """Give signs of life while the block runs."""
        stop = threading.Event()

        def beat():
            while True:
                with suppress(Exception):  # a storage that is busy, or away: the next may pass
                    self.study.set_user_attr(_BEAT + self.name, time.time())
                if stop.wait(BEAT):
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def has_work(self) -> bool:
        """Tell whether the study needs another trial; wait while that may yet turn out.

        It may while others are at work: one that dies leaves its trial to us.
        """
        while self.ends is None or time.time() < self.ends:
            self._bury()
            if self._needs_one():
                is_exhausted = getattr(self.study.sampler, "is_exhausted", lambda study: False)
                return not is_exhausted(self.study)
            if not self._any(TrialState.RUNNING):
                return False
            time.sleep(0.2)
        return False

    def _needs_one(self) -> bool:
        """Tell whether a trial is missing, or waits for somebody to run it."""
        if self.n_trials is None:
            return True
        return len(self._counted()) < self.n_trials or self._any(TrialState.WAITING)

    def _any(self, state: TrialState) -> bool:
        return any(trial.state == state for trial in self._counted()[: self.n_trials])

    def claim(self, trial: optuna.Trial) -> bool:
        """Sign a trial; False if others were faster and the study has enough without it."""
        self.claimed = trial.number
        trial.set_user_attr(_WORKER, self.name)
        ahead = sum(other.number < trial.number for other in self._counted())
        if self.n_trials is None or ahead < self.n_trials:
            return True
        self.give_up(trial, "surplus")
        return False

    def lost_its_trial(self) -> bool:
        """Tell whether others took this worker for dead, and gave up what it works on."""
        return self.claimed is not None and f"{_VOID}{self.claimed}" in self.study.user_attrs

    def give_up(self, trial, why: str) -> None:
        """Let a trial count for nothing, so that another takes its place."""
        self.study.set_user_attr(f"{_VOID}{trial.number}", why)

    def _counted(self) -> list:
        return counted_trials(self.study)

    def _bury(self) -> None:
        """Give up the trials of workers that have died."""
        running = [trial for trial in self._counted() if trial.state == TrialState.RUNNING]
        others = [trial for trial in running if trial.user_attrs.get(_WORKER) != self.name]
        attrs = self.study.user_attrs if others else {}
        for trial in others:
            worker = trial.user_attrs.get(_WORKER, f"trial {trial.number}")
            if not self._is_alive(worker, attrs.get(_BEAT + worker)):
                self.give_up(trial, "its worker died")
                with suppress(UpdateFinishedTrialError):  # another survivor was faster
                    self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def _is_alive(self, worker: str, beat) -> bool:
        """Tell whether a worker's process runs or, if that cannot be seen, its sign changes.

        Clocks of machines differ: only this one's tells how long a sign has been the same.
        """
        machine, _, pid = worker.rpartition(":")[0].rpartition(":")
        if machine == _machine() and not _runs(int(pid)):
            return False
        known, since = self._beats.get(worker, (None, 0.0))
        if worker not in self._beats or known != beat:
            since = time.monotonic()
            self._beats[worker] = beat, since
        return time.monotonic() - since < GRACE


def counted_trials(study: optuna.Study) -> list:
    """Return the trials but those that a dead worker left, or that were too many."""
    attrs = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if f"{_VOID}{trial.number}" not in attrs]


@cache
def _machine() -> str:
    """Return a name of what process numbers belong to: this boot and, in a container, its own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return socket.gethostname()


def _runs(pid: int) -> bool:
    if os.name == "nt":  # there a signal of 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
