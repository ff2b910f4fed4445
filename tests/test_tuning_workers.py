"""Workers that share a study: side by side, killed, taken for dead."""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import optuna
import pytest
import torch
from helpers import small_classifier
from optuna.distributions import CategoricalDistribution
from optuna.pruners import NopPruner
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from tuning_helpers import LOGISTIC, RANGE, C, let_fit, result, rows, search, start_worker

from fer_sklearn import FERClassifier, make_fer_pipeline, networks
from fer_sklearn.tuning import _search as search_module
from fer_sklearn.tuning import _trials as trials_module
from fer_sklearn.tuning import _workers as workers_module
from fer_sklearn.tuning._storage import open_storage
from fer_sklearn.tuning._workers import Worker


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_side_by_side_find_what_one_finds(backend, faces):
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = search(n_trials=6, pruner=NopPruner()).fit(faces.data, faces.target)
        with joblib.parallel_config(backend=backend, inner_max_num_threads=None):
            both = search(n_trials=6, pruner=NopPruner(), n_jobs=2).fit(faces.data, faces.target)
    finally:
        torch.set_num_threads(torch_threads)
    assert both.cv_results_["params"] == alone.cv_results_["params"]
    np.testing.assert_array_equal(
        both.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    assert both.best_params_ == alone.best_params_


@pytest.mark.parametrize("storage", ["{}/study.log", "sqlite:///{}/study.db"])
def test_identical_processes_share_a_study_and_one_killed_costs_its_trial_only(storage, tmp_path):
    path = storage.format(tmp_path)
    victim = start_worker(path, pause=60)
    let_fit(victim)
    others = [start_worker(path, pause=0.05) for _ in range(2)]
    let_fit(*others)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    first, second = map(result, others)
    assert first == second
    assert len(first[2]) == 9
    study = optuna.load_study(study_name="fer_sklearn", storage=open_storage(path))
    states = [trial.state.name for trial in study.trials]
    assert states.count("COMPLETE") + states.count("PRUNED") >= 9
    assert states.count("RUNNING") == 0
    assert states.count("FAIL") == 1  # the victim's


def test_a_killed_process_of_n_jobs_does_not_end_the_search(faces, tmp_path):
    class KilledOnce(LogisticRegression):  # here, since workers cannot import this module
        """Its process is killed in the first fit of all."""

        def __init__(self, marker="", C=1.0, max_iter=1000):
            super().__init__(C=C, max_iter=max_iter)
            self.marker = marker

        def fit(self, X, y):
            try:
                Path(self.marker).touch(exist_ok=False)
            except FileExistsError:
                return super().fit(X, y)
            os.kill(os.getpid(), signal.SIGKILL)

    clf = KilledOnce(str(tmp_path / "marker"))
    found = search(clf, C, n_trials=4, n_jobs=2, pruner=NopPruner(), refit=False)
    with pytest.warns(UserWarning, match="process of the search was killed"):
        found.fit(rows(faces), faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"] * 4


def test_networks_registered_here_are_known_to_workers(faces, monkeypatch):
    def linear(n_classes, image_shape):  # here, since workers cannot import this module
        n_pixels = image_shape[0] * image_shape[1]
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(n_pixels, n_classes))

    monkeypatch.setattr(networks, "NETWORKS", dict(networks.NETWORKS))
    networks.register_network("linear", linear)
    space = {"network": CategoricalDistribution(["linear"])}
    found = search(FERClassifier(max_epochs=1), space, n_trials=2, n_jobs=2, refit=False)
    found.fit(faces.data, faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"] * 2


class Stumbles(optuna.samplers.RandomSampler):
    """Cannot begin its third trial."""

    def before_trial(self, study, trial):
        if trial.number >= 2:
            raise RuntimeError("no third")


def test_an_error_after_a_lost_trial_is_told(faces, tmp_path):
    path = tmp_path / "study.log"
    Buries.fits = 0
    Buries.study = lambda: optuna.load_study(study_name="fer_sklearn", storage=open_storage(path))
    found = search(Buries(max_iter=1000), C, storage=path, cv=2, sampler=Stumbles(), n_trials=5)
    with pytest.raises(RuntimeError, match="no third"):
        found.fit(rows(faces), faces.target)


class Buries(LogisticRegression):
    """While its second fit runs, another worker takes it for dead."""

    fits = 0

    def fit(self, X, y):
        Buries.fits += 1
        if Buries.fits == 2:
            study = Buries.study()
            Worker(study, 3, None).give_up(study.trials[-1], "its worker died")
            study.tell(study.trials[-1].number, state=optuna.trial.TrialState.FAIL)
        return super().fit(X, y)


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_a_worker_that_was_taken_for_dead_goes_on_with_the_next_trial(error_score, faces, tmp_path):
    path = tmp_path / "study.log"
    Buries.fits = 0
    Buries.study = lambda: optuna.load_study(study_name="fer_sklearn", storage=open_storage(path))
    found = search(Buries(max_iter=1000), C, storage=path, cv=2, error_score=error_score)
    found.fit(rows(faces), faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"] * 3
    assert found.cv_results_["trial"].tolist() == [1, 2, 3]


def test_only_a_sign_that_stays_the_same_tells_that_a_worker_died(monkeypatch):
    study = optuna.create_study()
    worker = Worker(study, 3, None)
    clock = iter([0.0, 30.0, 50.0, 100.0, 111.0, 111.0])
    monkeypatch.setattr(workers_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    name = "another machine:1:abc"
    assert worker._is_alive(name, 5e9)  # its clock is far ahead
    assert worker._is_alive(name, 5e9 + 5)
    assert worker._is_alive(name, 5e9 + 5) is False


def test_a_storage_that_is_away_for_a_moment_does_not_silence_a_worker(monkeypatch):
    monkeypatch.setattr(workers_module, "BEAT", 0.01)
    study = optuna.create_study()
    worker, calls = Worker(study, 1, None), []

    def fails_first(name, value):
        calls.append(name)
        if len(calls) == 1:
            raise OSError("database is locked")

    monkeypatch.setattr(study, "set_user_attr", fails_first)
    with worker.alive():
        deadline = time.monotonic() + 10
        while len(calls) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(calls) >= 3


def test_workers_do_not_draw_the_same_from_a_sampler_of_ones_own(monkeypatch):
    """Each gets a copy of it."""
    monkeypatch.setattr(trials_module, "work", lambda task, study, *rest: drawn.append(study))
    drawn, opening = [], {"name": "a", "pruner": NopPruner(), "fingerprint": ""}
    for _ in range(2):
        opening["sampler"] = optuna.samplers.TPESampler(seed=0)
        trials_module.open_and_work(None, None, opening, 1, None, 0)
    first, second = (study.ask(C).params["C"] for study in drawn)
    assert first != second


def test_the_context_of_joblib_decides_about_workers(faces):
    found = search(LOGISTIC, C, pruner=NopPruner(), refit=False)
    with joblib.parallel_config(n_jobs=2):
        found.fit(rows(faces), faces.target)
    workers = {trial.user_attrs["worker"] for trial in found.study_.trials}
    assert not any(f":{os.getpid()}:" in worker for worker in workers)


@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        (small_classifier(max_epochs=1), {"dropout": RANGE}),
        (
            make_fer_pipeline(widths=(8,), max_epochs=1, random_state=0),
            {"classify__dropout": RANGE},
        ),
    ],
    ids=["classifier", "pipeline"],
)
def test_several_workers_on_one_gpu_warn(estimator, space, faces, monkeypatch):
    monkeypatch.setattr(search_module, "is_single_gpu", lambda device: True)
    with pytest.warns(UserWarning, match="share one GPU"):
        search(estimator, space, n_trials=1, n_jobs=2, refit=False).fit(faces.data, faces.target)


def test_workers_have_the_configuration_of_scikit_learn(faces):
    space = {"logisticregression__C": C["C"]}
    params = {"n_trials": 2, "n_jobs": 2, "error_score": "raise", "refit": False}
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(clone(LOGISTIC).set_fit_request(sample_weight=True))
        scoring = get_scorer("accuracy").set_score_request(sample_weight=False)
        found = search(pipeline, space, scoring=scoring, **params)
        found.fit(rows(faces), faces.target, sample_weight=np.ones(len(faces.data)))
    assert found.cv_results_["state"].tolist() == ["complete"] * 2


def trial(number, state="COMPLETE", **attrs):
    return SimpleNamespace(number=number, state=state, user_attrs=attrs)


@pytest.mark.parametrize(
    ("trials", "void", "draw"),
    [
        ([], [], 0),
        ([trial(0, draw=0), trial(1, draw=1)], [], 2),
        ([trial(0), trial(1)], [], 2),  # of an older version
        ([trial(0, draw=0), trial(1, draw=1)], [1], 1),  # the next one repeats what was lost
        ([trial(0, draw=0), trial(1, draw=1), trial(2, draw=2)], [0], 0),
        ([trial(0, draw=0), trial(1, draw=1), trial(2)], [0], 2),  # its turn comes first
    ],
)
def test_no_two_trials_have_one_draw_and_a_lost_one_is_repeated(trials, void, draw):
    study = SimpleNamespace(
        user_attrs={f"void:{number}": "" for number in void},
        get_trials=lambda deepcopy: [*trials, trial(len(trials))],
    )
    assert workers_module.free_draw(study, len(trials)) == draw
