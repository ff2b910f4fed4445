"""Workers that share a study: signs of life, claims, and the trials of dead workers."""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import contextmanager, suppress

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from ._machine import runs, this_machine

#: Seconds between two signs of life of a worker, and without one until it counts as dead.
BEAT, GRACE = 5.0, 60.0
#: Attributes of the study: that a trial does not count, and when a worker was last alive.
_VOID, _BEAT = "void:", "worker:"
#: Attributes of a trial: who works on it, and which of the sampler's seeds is its own.
WORKER, DRAW = "worker", "draw"
#: Names of the workers of this process that are at work now.
_AT_WORK: set[str] = set()
#: Study and number of trials that a worker of this process began and could not sign.
_UNSIGNED: set[tuple[str, int]] = set()


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
        self.name = f"{this_machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.claimed: int | None = None
        self.faults: list[Exception] = []  # of the storage, in trials one after another
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
        _AT_WORK.add(self.name)
        try:
            yield
        finally:
            _AT_WORK.discard(self.name)
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
        except Exception:  # a full disk, say
            _UNSIGNED.add((self.study.study_name, trial.number))
            raise

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
        others = [trial for trial in running if trial.user_attrs.get(WORKER) != self.name]
        attrs = self.study.user_attrs if others else {}
        for trial in others:
            worker = trial.user_attrs.get(WORKER, f"trial {trial.number}")
            unsigned = (self.study.study_name, trial.number) in _UNSIGNED
            if unsigned or not self._is_alive(worker, attrs.get(_BEAT + worker)):
                self.give_up(trial, "its worker died")
                with suppress(UpdateFinishedTrialError):  # another survivor was faster
                    self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)

    def _is_alive(self, worker: str, beat) -> bool:
        """Tell whether a worker's process runs or, if that cannot be seen, its sign changes.

        Clocks of machines differ: only this one's tells how long a sign has been the same.
        """
        machine, _, pid = worker.rpartition(":")[0].rpartition(":")
        if machine == this_machine():
            # A search of this process that ended in an error leaves a trial, not a dead process.
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
    """Return the trials but those that a dead worker left, or that were too many."""
    attrs = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if f"{_VOID}{trial.number}" not in attrs]


def free_draw(study: optuna.Study, number: int) -> int:
    """Return which draw of the sampler a trial is to have: the first that no trial has.

    A trial that does not count leaves its draw to the next one, which so repeats it; without
    such trials it is the trial's number.
    """
    trials = counted_trials(study)
    taken = {trial.user_attrs[DRAW] for trial in trials if DRAW in trial.user_attrs}
    free = (draw for draw in range(len(trials) + 1) if draw not in taken)
    # Others that have not signed theirs yet: the earlier trial takes the earlier draw.
    ahead = sum(trial.number < number and DRAW not in trial.user_attrs for trial in trials)
    return next(draw for i, draw in enumerate(free) if i == ahead)
