"""Workers that share a study: signs of life, claims, and the trials of dead workers."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from ._machine import runs, this_machine

#: Seconds between two signs of life of a worker, and without one before it counts as dead.
BEAT, GRACE = 5.0, 60.0
#: Attributes of the study: which trials do not count, and when a worker was last alive.
_VOID, _BEAT = "void:", "worker:"
#: Attributes of a trial: its worker, and the number of its draw of the sampler.
WORKER, DRAW = "worker", "draw"
#: Names of the workers of this process that are working now.
_AT_WORK: set[str] = set()
#: Study and number of trials that a worker of this process began and could not sign.
_UNSIGNED: set[tuple[str, int]] = set()


class Worker:
    """One of the processes or threads that work on a study.

    Parameters
    ----------
    study : optuna.Study
    n_trials : int or None
        How many trials the study should have in total, including those of other workers.
    ends : float or None
        Time after which no new trial begins.
    """

    def __init__(self, study: optuna.Study, n_trials: int | None, ends: float | None) -> None:
        self.study = study
        self.n_trials = n_trials
        self.ends = ends
        self.name = f"{this_machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.claimed: int | None = None
        self.faults: list[Exception] = []  # faults of the storage, in consecutive trials
        self._beats: dict[str, tuple[object, float]] = {}

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Give signs of life while the block runs."""
        stop = threading.Event()

        def beat() -> None:
            while True:
                with suppress(Exception):  # the storage is busy or away: the next sign may succeed
                    self.study.set_user_attr(_BEAT + self.name, time.time())
                if stop.wait(BEAT):
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        _AT_WORK.add(self.name)
        try:
            yield
        finally:
            _AT_WORK.discard(self.name)
            stop.set()
            thread.join()

    def has_work(self) -> bool:
        """Tell whether the study needs another trial; wait while that is undecided.

        It is undecided while others are working: if one dies, its trial has to be run again.
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
        """Tell whether trials are missing, or one is waiting to be run."""
        if self.n_trials is None:
            return True
        return len(self._counted()) < self.n_trials or self._any(TrialState.WAITING)

    def _any(self, state: TrialState) -> bool:
        return any(trial.state == state for trial in self._counted()[: self.n_trials])

    def claim(self, trial: optuna.Trial) -> bool:
        """Sign a trial; False if others were faster and the study has enough trials without it."""
        self.claimed = trial.number
        self._sign(trial)
        ahead = sum(other.number < trial.number for other in self._counted())
        if self.n_trials is None or ahead < self.n_trials:
            return True
        self.give_up(trial, "surplus")
        return False

    def _sign(self, trial: optuna.Trial) -> None:
        try:
            trial.set_user_attr(WORKER, self.name)
            if hasattr(self.study.sampler, "draw_of"):
                trial.set_user_attr(DRAW, self.study.sampler.draw_of(trial.number))
        except Exception:  # for example, a full disk
            _UNSIGNED.add((self.study.study_name, trial.number))
            raise

    def lost_its_trial(self) -> bool:
        """Tell whether others declared this worker dead and gave up its trial."""
        return self.claimed is not None and f"{_VOID}{self.claimed}" in self.study.user_attrs

    def give_up(self, trial: optuna.Trial, why: str) -> None:
        """Mark a trial as not counted, so that another takes its place."""
        self.study.set_user_attr(f"{_VOID}{trial.number}", why)

    def _counted(self) -> list:
        return counted_trials(self.study)

    def _bury(self) -> None:
        """Give up the trials of workers that have died."""
        running = [trial for trial in self._counted() if trial.state == TrialState.RUNNING]
        others = [trial for trial in running if trial.user_attrs.get(WORKER) != self.name]
        attrs = self.study.user_attrs if others else {}
        for trial in others:
            worker = trial.user_attrs.get(WORKER, f"trial {trial.number}")
            unsigned = (self.study.study_name, trial.number) in _UNSIGNED
            if unsigned or not self._is_alive(worker, attrs.get(_BEAT + worker)):
                self.give_up(trial, "its worker died")
                with suppress(UpdateFinishedTrialError):  # another survivor was faster
                    self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def _is_alive(self, worker: str, beat: Any) -> bool:
        """Tell whether a worker's process runs or, if that is unknown, whether its sign changes.

        Clocks of machines differ, so the age of a sign is measured by this machine's clock.
        """
        machine, _, pid = worker.rpartition(":")[0].rpartition(":")
        if machine == this_machine():
            # After an error, a search of this process leaves a trial, but not a dead process.
            if int(pid) == os.getpid():
                return worker in _AT_WORK
            if not runs(int(pid)):
                return False
        known, since = self._beats.get(worker, (None, 0.0))
        if worker not in self._beats or known != beat:
            since = time.monotonic()
            self._beats[worker] = beat, since
        return time.monotonic() - since < GRACE


def counted_trials(study: optuna.Study) -> list:
    """Return the trials without those of dead workers and without surplus ones."""
    attrs = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if f"{_VOID}{trial.number}" not in attrs]


def free_draw(study: optuna.Study, number: int) -> int:
    """Return the draw of the sampler for a new trial: the first that no trial has.

    A trial that does not count leaves its draw to the next trial, which repeats it. Without such
    trials the draw is the trial's number.
    """
    trials = counted_trials(study)
    taken = {trial.user_attrs[DRAW] for trial in trials if DRAW in trial.user_attrs}
    free = (draw for draw in range(len(trials) + 1) if draw not in taken)
    # Others may not have signed their draw yet: the earlier trial takes the earlier draw.
    ahead = sum(trial.number < number and DRAW not in trial.user_attrs for trial in trials)
    return next(draw for i, draw in enumerate(free) if i == ahead)
