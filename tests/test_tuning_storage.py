"""Where a study lives: full disks, damaged and foreign files, locks, databases."""

import os
import resource
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.pruners import NopPruner
from sklearn.linear_model import LogisticRegression
from sqlalchemy.exc import OperationalError
from tuning_helpers import LOGISTIC, C, rows, search

from fer_sklearn.tuning import _storage as storage_module
from fer_sklearn.tuning._machine import this_machine
from fer_sklearn.tuning._storage import Journal, cut_half_line, open_storage, patiently
from fer_sklearn.tuning._study import SeededSampler, open_study

RECORD = {"op_code": 0, "worker_id": "a", "study_name": "a", "directions": [2]}


@contextmanager
def full_disk(n_bytes):
    """Let no file grow beyond `n_bytes`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [50, 1200, 1700, 2500, 4000])
def test_a_study_on_a_disk_that_was_full_continues_to_the_same_result(room, faces, tmp_path):
    params = {"n_trials": 5, "pruner": NopPruner(), "refit": False}
    whole = search(LOGISTIC, C, **params).fit(rows(faces), faces.target)
    found = search(LOGISTIC, C, storage=tmp_path / "study.log", **params)
    with (
        full_disk(room),
        warnings.catch_warnings(action="ignore", category=UserWarning),  # of a trial that is lost
        pytest.raises(OSError, match=r"storage='.*study\.log'.* MB of room"),
    ):
        found.fit(rows(faces), faces.target)
    start = time.perf_counter()
    found.fit(rows(faces), faces.target)
    assert time.perf_counter() - start < 20  # it waits for no dead worker
    assert found.cv_results_["params"] == whole.cv_results_["params"]
    assert found.cv_results_["state"].tolist() == ["complete"] * 5


class BusyDatabase(optuna.storages.InMemoryStorage):
    """Cannot keep the scores of some trials."""

    def __init__(self, refused):
        super().__init__()
        self.refused = refused

    def set_trial_user_attr(self, trial_id, key, value):
        if key == "folds" and self.get_trial(trial_id).number in self.refused:
            raise optuna.exceptions.StorageInternalError("database is locked")
        super().set_trial_user_attr(trial_id, key, value)


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_a_trial_whose_scores_could_not_be_kept_is_run_again(error_score, faces):
    params = {"pruner": NopPruner(), "refit": False, "error_score": error_score}
    whole = search(LOGISTIC, C, **params).fit(rows(faces), faces.target)
    found = search(LOGISTIC, C, storage=BusyDatabase({1}), **params)
    with pytest.warns(UserWarning, match="Trial 1 could not be kept .* database is locked"):
        found.fit(rows(faces), faces.target)
    assert found.cv_results_["trial"].tolist() == [0, 2, 3]
    assert found.cv_results_["params"] == whole.cv_results_["params"]


def test_a_storage_that_fails_again_and_again_ends_the_search(faces):
    found = search(LOGISTIC, C, storage=BusyDatabase({1, 2, 3, 4}))
    with (
        pytest.warns(UserWarning, match="could not be kept"),
        pytest.raises(OSError, match=r"storage='BusyDatabase'.*locked"),
    ):
        found.fit(rows(faces), faces.target)


@pytest.mark.parametrize("tail", [b'{"op_code":3,"worker', b"{", b"\0" * 50])
def test_half_a_record_at_the_end_is_cut_off_with_a_warning(tail, faces, tmp_path):
    path = tmp_path / "study.log"
    search(LOGISTIC, C, n_trials=2, storage=path).fit(rows(faces), faces.target)
    path.write_bytes(path.read_bytes() + tail)
    with pytest.warns(UserWarning, match=f"its last {len(tail)} bytes were cut off"):
        found = search(LOGISTIC, C, storage=path).fit(rows(faces), faces.target)
    assert len(found.study_.trials) == 3


def test_a_record_is_never_appended_to_half_a_record_of_another_process(tmp_path):
    path = tmp_path / "study.log"
    journal = Journal(path, path)
    journal.append_logs([RECORD])
    path.write_bytes(path.read_bytes() + b'{"op_')
    with pytest.warns(UserWarning, match="cut off"):
        journal.append_logs([RECORD])
    assert list(journal.read_logs(0)) == [RECORD, RECORD]


@pytest.mark.parametrize("content", [b"hello", b"hello\nyou", b"[1]\n", b"\x80\0\xff" * 9, b"{}\n"])
def test_a_foreign_file_is_named_and_left_as_it_is(content, faces, tmp_path):
    path = tmp_path / "notes.log"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"storage='.*notes\.log' is not a journal"):
        search(LOGISTIC, C, storage=path).fit(rows(faces), faces.target)
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", [2, 9, -1])
def test_a_damaged_line_of_a_journal_is_named(line, faces, tmp_path):
    path = tmp_path / "study.log"
    search(LOGISTIC, C, n_trials=2, storage=path).fit(rows(faces), faces.target)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b":", b";")
    path.write_bytes(b"".join(lines))
    number = range(1, len(lines) + 1)[line]
    with pytest.raises(ValueError, match=rf"storage='.*study\.log'.*line {number} is not a record"):
        search(LOGISTIC, C, storage=path).fit(rows(faces), faces.target)


def test_records_that_make_no_sense_are_an_error_that_names_the_storage(faces, tmp_path):
    path = tmp_path / "study.log"
    path.write_text('{"op_code":99,"worker_id":"a"}\n')
    with pytest.raises(ValueError, match=r"storage='.*study\.log' is not a journal"):
        search(LOGISTIC, C, storage=path).fit(rows(faces), faces.target)


class Untouched(LogisticRegression):
    """Must not be fitted."""

    def fit(self, X, y):
        raise AssertionError("fitted")


@pytest.mark.parametrize("path", ["file/study.log", "folder.log", "file/runs/study.log"])
def test_a_path_that_cannot_be_written_is_named_before_any_training(path, faces, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.log").mkdir()
    given = str(tmp_path / path)
    with pytest.raises(OSError, match=f"storage='{given}' cannot be written"):
        search(Untouched(), C, storage=given).fit(rows(faces), faces.target)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_named_before_any_training(faces, tmp_path):
    path = tmp_path / "study.log"
    path.touch()
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=f"storage='{path}' cannot be written"):
        search(Untouched(), C, storage=path).fit(rows(faces), faces.target)


def test_a_database_out_of_reach_is_named_before_any_training(faces, tmp_path):
    url = f"sqlite:///{tmp_path}/nowhere/study.db"
    with pytest.raises(OSError, match=f"storage='{url}' cannot be reached"):
        search(Untouched(), C, storage=url).fit(rows(faces), faces.target)


def test_an_error_does_not_show_the_password_of_a_database(faces):
    with pytest.raises(OSError, match=r"storage='nobase://me:\*\*\*@host/db'") as caught:
        search(LOGISTIC, C, storage="nobase://me:secret@host/db").fit(rows(faces), faces.target)
    assert "secret" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named(faces):
    url = "mysql+mysqlconnector://me:secret@host/db"
    with pytest.raises(ImportError, match=r"storage='mysql.*:\*\*\*@host.*No module named 'mysql'"):
        search(LOGISTIC, C, storage=url).fit(rows(faces), faces.target)


def test_a_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    open_storage("~/runs/study.log")
    assert (tmp_path / "runs" / "study.log").exists()


def test_a_home_of_nobody_is_a_name(monkeypatch, tmp_path):
    """It was a RuntimeError; everywhere else it is a name like any other."""
    monkeypatch.chdir(tmp_path)
    open_storage("~nobody-has-this-name/study.log")
    assert (tmp_path / "~nobody-has-this-name" / "study.log").exists()


def leave_lock(path, as_link):
    if as_link:
        path.symlink_to("nowhere")
    else:
        path.touch()


@pytest.mark.parametrize("as_link", [False, True])
def test_a_lock_that_a_killed_process_left_is_told_of_and_broken(as_link, monkeypatch, tmp_path):
    monkeypatch.setattr(storage_module, "TOLD", 0.05)
    monkeypatch.setattr(storage_module, "BROKEN", 0.3)
    path = tmp_path / "study.log"
    journal = Journal(path, path)
    leave_lock(tmp_path / "study.log.lock", as_link)
    with pytest.warns(UserWarning, match=r"Waiting for the lock .*study\.log\.lock"):
        journal.append_logs([RECORD])
    assert list(journal.read_logs(0)) == [RECORD]
    assert not (tmp_path / "study.log.lock").is_symlink()


def test_a_lock_of_a_process_that_is_dead_is_not_waited_for(tmp_path):
    path = tmp_path / "study.log"
    journal = Journal(path, path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    Path(journal._lock.lock).write_text(f"{this_machine()} {ended.pid}")
    start = time.perf_counter()
    journal.append_logs([RECORD])
    assert time.perf_counter() - start < 2


def test_a_lock_of_a_process_that_runs_is_left_to_it(monkeypatch, tmp_path):
    monkeypatch.setattr(storage_module, "TOLD", 0.3)
    path = tmp_path / "study.log"
    holder, other = Journal(path, path)._lock, Journal(path, path)._lock
    holder.acquire()
    threading.Timer(0.6, holder.release).start()
    start = time.perf_counter()
    with pytest.warns(UserWarning, match="Waiting for the lock"):
        other.acquire()
    assert time.perf_counter() - start > 0.5
    other.release()
    assert not os.path.exists(other.lock)


def test_who_was_too_slow_leaves_the_lock_to_its_new_holder(tmp_path):
    path = tmp_path / "study.log"
    slow, fast = Journal(path, path)._lock, Journal(path, path)._lock
    slow.acquire()
    os.unlink(slow.lock)
    fast.acquire()
    path.write_bytes(b"half a li")
    slow.release()
    assert path.read_bytes() == b"half a li"
    assert os.path.exists(fast.lock)


@pytest.mark.parametrize(
    ("content", "kept"), [(b"", b""), (b"a\n", b"a\n"), (b"a\nb\r\nc", b"a\nb\r\n"), (b"ab", b"")]
)
def test_what_is_behind_the_last_line_feed_is_cut_off(content, kept, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert cut_half_line(str(path)) == len(content) - len(kept)
    assert path.read_bytes() == kept


def test_workers_that_start_together_create_a_database_once(tmp_path):
    url, together, opened = f"sqlite:///{tmp_path / 'study.db'}", threading.Barrier(6), []

    def work():
        together.wait()
        opened.append(open_study(url, "a", SeededSampler(0), NopPruner(), "fingerprint"))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6


def failing(error, times):
    """Return a function that raises so often, and then answers."""
    left = [error] * times

    def create():
        if left:
            raise left.pop()
        return "study"

    return create


@pytest.mark.parametrize(
    "error",
    [OperationalError("", {}, Exception("table studies already exists")), AssertionError()],
    ids=["table", "version"],
)
def test_a_race_for_tables_is_run_again(error, monkeypatch):
    monkeypatch.setattr(storage_module, "PAUSES", (0.001, 0.001))
    assert patiently(failing(error, 2), "sqlite:///a.db") == "study"
    with pytest.raises(OSError, match=r"sqlite:///a\.db"):
        patiently(failing(error, 3), "sqlite:///a.db")


def test_another_error_of_a_database_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(storage_module, "PAUSES", (60,))
    error = OperationalError("", {}, Exception("no such host"))
    with pytest.raises(OSError, match="no such host"):
        patiently(failing(error, 1), "sqlite:///a.db")


def test_a_storage_in_memory_is_refused_for_processes(faces):
    found = search(LOGISTIC, C, storage=optuna.storages.InMemoryStorage(), n_jobs=2)
    with pytest.raises(ValueError, match=r"InMemoryStorage.*threads"):
        found.fit(rows(faces), faces.target)


def test_random_pauses_leave_the_global_generator_alone(monkeypatch):
    monkeypatch.setattr(storage_module, "PAUSES", (0.001,))
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    patiently(failing(AssertionError(), 1), "sqlite:///a.db")
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
