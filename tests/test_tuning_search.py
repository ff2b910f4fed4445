"""`FERSearchCV`: a scikit-learn search, a study that goes on, splits that never leak."""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from helpers import small_classifier
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import GridSampler
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import (
    FitFailedWarning,
    NotFittedError,
    UnsetMetadataPassedError,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from fer_sklearn import FERClassifier, make_fer_pipeline
from fer_sklearn.tuning import FERSearchCV, HoldOut, plot_study, search_space
from fer_sklearn.tuning import _study as study_module
from fer_sklearn.tuning import _trials as trials_module
from fer_sklearn.tuning._search import _usual_space
from fer_sklearn.tuning._study import Worker, WorstQuarterPruner, open_storage

RATES = {"learning_rate": FloatDistribution(0.005, 0.1, log=True)}
C = {"C": FloatDistribution(0.1, 10.0, log=True)}
RANGE = FloatDistribution(0.0, 0.5)


LOGISTIC = LogisticRegression(max_iter=1000)


def rows(faces):
    """A tenth of the pixels, for estimators that are not about faces."""
    return faces.data.reshape(len(faces.data), -1)[:, ::10] / 255


def search(estimator=None, space=RATES, **params):
    estimator = small_classifier(max_epochs=2) if estimator is None else estimator
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0}
    return FERSearchCV(estimator, space, **{**defaults, **params})


SEARCH = search(LogisticRegression(), C, n_trials=2, error_score="raise")


@parametrize_with_checks([SEARCH])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_it_has_what_grid_search_has(faces):
    grid = GridSearchCV(small_classifier(max_epochs=2), {"learning_rate": [0.01, 0.03]}, cv=2)
    grid.fit(faces.data, faces.target)
    found = search().fit(faces.data, faces.target)
    assert set(grid.cv_results_) <= set(found.cv_results_)
    missing = {name for name in vars(grid) if name.endswith("_")} - set(vars(found))
    assert missing == set()
    assert found.best_score_ == found.cv_results_["mean_test_score"].max()
    assert found.best_params_ == found.cv_results_["params"][found.best_index_]
    assert found.cv_results_["rank_test_score"][found.best_index_] == 1
    assert found.predict(faces.data).shape == (280,)
    assert found.classes_.tolist() == sorted(set(faces.target))
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(faces.data), found.predict(faces.data))


def test_the_same_points_have_the_same_scores_as_in_grid_search(faces):
    values = [0.01, 0.02, 0.05]
    clf = small_classifier(max_epochs=2)
    grid = GridSearchCV(clf, {"learning_rate": values}, cv=3).fit(faces.data, faces.target)
    found = search(
        clf, sampler=GridSampler({"learning_rate": values}, seed=0), pruner=NopPruner(), cv=3
    ).fit(faces.data, faces.target)
    order = np.argsort([params["learning_rate"] for params in found.cv_results_["params"]])
    for name in ("split0_test_score", "split2_test_score", "mean_test_score", "std_test_score"):
        np.testing.assert_allclose(found.cv_results_[name][order], grid.cv_results_[name])
    assert found.best_params_ == grid.best_params_
    np.testing.assert_array_equal(found.predict_proba(faces.data), grid.predict_proba(faces.data))


class Recorder(FERClassifier):
    """Keeps the rows that each fit is given; row i has i in its first pixel."""

    seen: list = []

    def fit(self, X, y, **params):
        valid = params.get("X_val")
        Recorder.seen.append((set(X[:, 0, 0]), None if valid is None else set(valid[:, 0, 0])))
        return super().fit(X, y, **params)


def numbered_faces():
    X = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    X[:, 0, 0] = np.arange(120)
    return X, np.arange(120) % 3


def test_no_row_of_a_validation_fold_ever_trains():
    X, y = numbered_faces()
    shuffled = StratifiedKFold(3, shuffle=True)  # without a random_state: other splits a call
    Recorder.seen = []
    clf = Recorder(widths=(4,), max_epochs=3, random_state=0)
    found = search(clf, cv=shuffled, pruner=NopPruner(), n_trials=4, refit=False).fit(X, y)
    assert len(Recorder.seen) == 12
    folds = [train for train, _ in Recorder.seen[:3]]
    for i, (train, valid) in enumerate(Recorder.seen):
        assert train == folds[i % 3]  # the splits are those of the first trial
        if i % 3 == 0:
            assert not train & valid
            assert train | valid == set(range(120))
        else:
            assert valid is None
    steps = [list(t.intermediate_values) for t in found.study_.trials]
    assert steps == [[0, 1, 2, 3, 4, 5]] * 4  # three epochs, then three folds


def test_after_every_fold_the_running_mean_is_reported(faces):
    found = search(cv=3, n_trials=1, pruner=NopPruner()).fit(faces.data, faces.target)
    scores = [found.cv_results_[f"split{k}_test_score"][0] for k in range(3)]
    told = list(found.study_.trials[0].intermediate_values.values())
    np.testing.assert_allclose(told[2:], [np.mean(scores[: k + 1]) for k in range(3)])


def test_no_trial_is_pruned_in_the_first_third_of_its_epochs(faces):
    def worse_after_five(trial):
        name, rate = ("usual", 0.03) if trial.number < 5 else ("tiny", 1e-7)
        return {"learning_rate": trial.suggest_float(name, rate, rate)}

    clf = small_classifier(max_epochs=12)
    found = search(clf, worse_after_five, n_trials=7, refit=False).fit(faces.data, faces.target)
    last_steps = [t.last_step for t in found.study_.trials if t.state.name == "PRUNED"]
    assert last_steps == [4, 4]


class PruneAt(BasePruner):
    """Prunes all trials but the first at a step."""

    def __init__(self, step):
        self.step = step

    def prune(self, study, trial):
        return trial.number > 0 and trial.last_step == self.step


@pytest.mark.parametrize(("step", "fits", "folds"), [(1, 1, 0), (3, 1, 1), (4, 2, 2)])
def test_a_trial_is_pruned_between_epochs_or_folds(step, fits, folds):
    X, y = numbered_faces()
    Recorder.seen = []
    clf = Recorder(widths=(4,), max_epochs=3, random_state=0)
    found = search(clf, cv=3, pruner=PruneAt(step), n_trials=3, refit=False).fit(X, y)
    assert found.cv_results_["state"].tolist() == ["complete", "pruned", "pruned"]
    assert len(Recorder.seen) == 3 + 2 * fits
    scores = np.array([found.cv_results_[f"split{k}_test_score"] for k in range(3)])
    assert (~np.isnan(scores)).sum(axis=0).tolist() == [3, folds, folds]
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [False, True, True]
    assert found.best_index_ == 0
    assert found.cv_results_["rank_test_score"].tolist() == [1, 2, 2]


@pytest.mark.parametrize("params", [{"early_stopping": True}, {"schedule": "plateau"}])
def test_the_validation_fold_never_decides_when_a_training_ends(params):
    X, y = numbered_faces()
    Recorder.seen = []
    search(Recorder(widths=(4,), max_epochs=2, **params), n_trials=2, refit=False).fit(X, y)
    assert all(valid is None for _, valid in Recorder.seen)


def test_a_stopped_study_goes_on_as_if_it_had_not_been(faces, tmp_path):
    space = search_space().only("learning_rate", "dropout")
    whole = search(space=space, n_trials=13, cv=2).fit(faces.data, faces.target)
    path = tmp_path / "runs" / "study.log"
    search(space=space, n_trials=5, storage=path).fit(faces.data, faces.target)
    resumed = search(space=space, n_trials=13, storage=str(path)).fit(faces.data, faces.target)
    assert resumed.cv_results_["params"] == whole.cv_results_["params"]
    np.testing.assert_array_equal(
        resumed.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )
    assert len(resumed.study_.trials) == 13
    done = search(space=space, n_trials=13, storage=path).fit(faces.data, faces.target)
    assert done.best_params_ == whole.best_params_


def test_sqlite_is_a_storage_too(faces, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    search(LOGISTIC, C, storage=url).fit(rows(faces), faces.target)
    storage = optuna.storages.RDBStorage(url)
    found = search(LOGISTIC, C, n_trials=4, storage=storage)
    found.fit(rows(faces), faces.target)
    assert len(found.study_.trials) == 4


def test_a_study_of_other_data_is_refused(faces, tmp_path):
    path = tmp_path / "study.log"
    search(n_trials=1, storage=path).fit(faces.data, faces.target)
    refused = pytest.raises(ValueError, match="other data, splits, parameters")
    with refused:
        search(n_trials=2, storage=path).fit(faces.data[:200], faces.target[:200])
    with refused:
        search(n_trials=2, storage=path, cv=3).fit(faces.data, faces.target)
    search(n_trials=1, storage=path, cv=3, study_name="b").fit(faces.data, faces.target)
    with pytest.raises(ValueError, match=r"ends in \.log"):
        search(storage=tmp_path / "study.txt").fit(faces.data, faces.target)


@pytest.mark.parametrize(
    "change",
    [
        {"scoring": "neg_log_loss"},
        {"estimator": LogisticRegression(max_iter=999)},
        {"space": {"C": FloatDistribution(0.1, 20.0, log=True)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_study_whose_scores_mean_something_else_is_refused(change, faces, tmp_path):
    X, path = rows(faces), tmp_path / "study.log"
    search(LOGISTIC, C, n_trials=1, storage=path).fit(X, faces.target)
    found = search(LOGISTIC, C, n_trials=2, storage=path).set_params(**change)
    with pytest.raises(ValueError, match="other data, splits, parameters"):
        found.fit(X, faces.target)
    with pytest.raises(ValueError, match="other data, splits, parameters"):
        search(LOGISTIC, C, n_trials=2, storage=path).fit(
            X, faces.target, sample_weight=np.ones(len(X))
        )
    harmless = clone(LOGISTIC).set_params(verbose=1)
    search(harmless, C, n_trials=2, storage=path).fit(X, faces.target)


def test_a_study_goes_on_on_another_device_and_with_an_equal_generator(faces, tmp_path):
    path, space = tmp_path / "study.log", {"classify__dropout": RANGE}
    for n_trials, device in enumerate(("auto", "cpu"), start=1):
        pipeline = make_fer_pipeline(widths=(4,), max_epochs=1, device=device)
        pipeline.set_params(classify__random_state=np.random.RandomState(0))
        pipeline.set_params(classify__verbose=n_trials - 1)
        params = {"n_trials": n_trials, "storage": path, "refit": False}
        found = search(pipeline, space, **params).fit(faces.data, faces.target)
    assert len(found.cv_results_["params"]) == 2
    pipeline.set_params(classify__depth=2)
    with pytest.raises(ValueError, match="other data, splits, parameters"):
        search(pipeline, space, **params).fit(faces.data, faces.target)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_side_by_side_find_what_one_finds(backend, faces):
    import joblib
    import torch

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


class Interrupted(LogisticRegression):
    """Meets Ctrl-C in its fifth fit."""

    fits = 0

    def fit(self, X, y):
        Interrupted.fits += 1
        if Interrupted.fits == 5:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_a_search_that_was_interrupted_makes_up_for_the_trial_it_lost(faces, tmp_path):
    params = {"n_trials": 4, "storage": tmp_path / "study.log", "pruner": NopPruner()}
    with pytest.raises(KeyboardInterrupt):
        search(Interrupted(max_iter=1000), C, **params).fit(rows(faces), faces.target)
    found = search(Interrupted(max_iter=1000), C, **params).fit(rows(faces), faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"] * 4
    assert found.cv_results_["trial"].tolist() == [0, 1, 3, 4]


WORKER = """
    import json, sys, time
    import numpy as np
    from optuna.distributions import FloatDistribution
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.linear_model import LogisticRegression
    from fer_sklearn.tuning import FERSearchCV

    class Slow(LogisticRegression):
        def fit(self, X, y):
            print("fitting", flush=True)
            time.sleep({pause})
            return super().fit(X, y)

    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    y = (X[:, 0] + rng.normal(size=90) > 0).astype(int)
    space = {{"C": FloatDistribution(1e-3, 1e3, log=True)}}
    search = FERSearchCV(Slow(), space, n_trials=9, cv=3, storage={path!r}, random_state=0)
    search.fit(X, y)
    print("RESULT", json.dumps([search.best_params_, search.best_score_,
                                search.cv_results_["params"]]), flush=True)
"""


def start_worker(path, pause):
    code = textwrap.dedent(WORKER).format(path=str(path), pause=pause)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def result(process):
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out.split("RESULT", 1)[1])


@pytest.mark.parametrize("storage", ["{}/study.log", "sqlite:///{}/study.db"])
def test_identical_processes_share_a_study_and_one_killed_costs_its_trial_only(storage, tmp_path):
    path = storage.format(tmp_path)
    victim = start_worker(path, pause=60)
    assert victim.stdout.readline() == "fitting\n"
    others = [start_worker(path, pause=0.05) for _ in range(2)]
    for other in others:
        assert other.stdout.readline() == "fitting\n"
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


class FailsOnce(LogisticRegression):
    """Cannot be fitted in the first of three folds."""

    fits = 0

    def fit(self, X, y):
        FailsOnce.fits += 1
        if FailsOnce.fits % 3 == 1:
            time.sleep(0.2)
            raise RuntimeError("not this fold")
        return super().fit(X, y)


def test_a_fold_that_always_fails_costs_itself_only(faces):
    params = {"n_trials": 2, "error_score": 0.0, "cv": 3, "refit": False, "pruner": NopPruner()}
    with pytest.warns(FitFailedWarning, match="not this fold"):
        found = search(FailsOnce(max_iter=1000), C, **params).fit(rows(faces), faces.target)
    assert found.cv_results_["split0_test_score"].tolist() == [0, 0]
    assert found.best_score_ > 0
    assert (found.cv_results_["mean_fit_time"] > 0.06).all()
    assert (found.cv_results_["mean_score_time"] < 0.06).all()


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


def test_a_worker_that_was_taken_for_dead_goes_on_with_the_next_trial(faces, tmp_path):
    path = tmp_path / "study.log"
    Buries.fits = 0
    Buries.study = lambda: optuna.load_study(study_name="fer_sklearn", storage=open_storage(path))
    for error_score in (np.nan, "raise"):
        found = search(Buries(max_iter=1000), C, storage=path, cv=2, error_score=error_score)
        found.fit(rows(faces), faces.target)
        assert found.cv_results_["state"].tolist() == ["complete"] * 3
        assert found.cv_results_["trial"].tolist() == [1, 2, 3]
        path.unlink()
        Buries.fits = 0


def test_only_a_sign_that_stays_the_same_tells_that_a_worker_died(monkeypatch):
    study = optuna.create_study()
    worker = Worker(study, 3, None)
    clock = iter([0.0, 30.0, 50.0, 100.0, 111.0, 111.0])
    monkeypatch.setattr(study_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    name = "another machine:1:abc"
    assert worker._is_alive(name, 5e9)  # its clock is far ahead
    assert worker._is_alive(name, 5e9 + 5)
    assert worker._is_alive(name, 5e9 + 5) is False


def test_a_storage_that_is_away_for_a_moment_does_not_silence_a_worker(monkeypatch):
    monkeypatch.setattr(study_module, "BEAT", 0.01)
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


def test_enqueued_trials_are_run_first(faces, tmp_path):
    path = tmp_path / "study.log"
    search(LOGISTIC, C, n_trials=1, storage=path).fit(rows(faces), faces.target)
    study = optuna.load_study(study_name="fer_sklearn", storage=open_storage(path))
    for strength in (3.0, 4.0):
        study.enqueue_trial({"C": strength})
    found = search(LOGISTIC, C, n_trials=3, storage=path, pruner=NopPruner())
    found.fit(rows(faces), faces.target)
    assert [params["C"] for params in found.cv_results_["params"][1:]] == [3.0, 4.0]


def test_a_sampler_of_ones_own_is_left_as_it_was(faces):
    sampler = optuna.samplers.TPESampler(seed=0)
    twice = [
        search(LOGISTIC, C, sampler=sampler, refit=False).fit(rows(faces), faces.target)
        for _ in range(2)
    ]
    assert twice[0].cv_results_["params"] == twice[1].cv_results_["params"]


def test_workers_do_not_draw_the_same_from_a_sampler_of_ones_own(monkeypatch):
    """Each gets a copy of it."""
    monkeypatch.setattr(trials_module, "work", lambda task, study, *rest: drawn.append(study))
    drawn, opening = [], {"name": "a", "pruner": NopPruner(), "fingerprint": ""}
    for _ in range(2):
        opening["sampler"] = optuna.samplers.TPESampler(seed=0)
        trials_module.open_and_work(None, None, opening, 1, None, 0)
    first, second = (study.ask(C).params["C"] for study in drawn)
    assert first != second


def test_the_default_pruner_judges_the_running_mean_not_the_best_epoch():
    study = optuna.create_study(direction="maximize", pruner=WorstQuarterPruner(n_warm_up=1))
    for i in range(5):
        trial = study.ask()
        for step, value in enumerate((0.5, 0.6, 0.6 + i / 100)):
            trial.report(value, step)
        study.tell(trial, 0.6)
    trial = study.ask()
    trial.report(0.1, 0)
    assert not trial.should_prune()  # before the warm-up is over
    trial.report(0.65, 1)
    assert not trial.should_prune()
    trial.report(0.6, 2)
    assert trial.should_prune()  # the quartile is .61


def test_infeasible_parameters_may_be_pruned_by_the_space(faces):
    def space(trial):
        strength = trial.suggest_float("C", 0.1, 10.0)
        if trial.number == 1:
            raise optuna.TrialPruned
        return {"C": strength + trial.number}

    found = search(LOGISTIC, space, pruner=NopPruner()).fit(rows(faces), faces.target)
    assert found.cv_results_["state"].tolist() == ["complete", "pruned", "complete"]
    drawn = [trial.params["C"] for trial in found.study_.trials]
    assert [p["C"] for p in found.cv_results_["params"]] == [drawn[0], drawn[1], drawn[2] + 2]


def test_a_table_with_widths_can_be_searched(faces):
    ranges = search_space().only("widths").distributions()
    ranges["widths"] = optuna.distributions.CategoricalDistribution(("8-16",))
    found = search(space=ranges, n_trials=1).fit(faces.data, faces.target)
    assert found.best_params_ == {"widths": (8, 16)}


def test_the_learning_rates_are_those_of_the_optimizer(faces):
    clf = small_classifier(max_epochs=1, optimizer="adamw")
    found = search(clf, search_space().only("learning_rate"), n_trials=2, refit=False)
    found.fit(faces.data, faces.target)
    assert max(params["learning_rate"] for params in found.cv_results_["params"]) < 0.01


def test_the_context_of_joblib_decides_about_workers(faces):
    import joblib

    found = search(LOGISTIC, C, pruner=NopPruner(), refit=False)
    with joblib.parallel_config(n_jobs=2):
        found.fit(rows(faces), faces.target)
    workers = {trial.user_attrs["worker"] for trial in found.study_.trials}
    assert not any(f":{os.getpid()}:" in worker for worker in workers)


class Routed(LogisticRegression):
    """Records the numbers of its rows, and their weights."""

    seen: list = []

    def fit(self, X, y, sample_weight=None):
        Routed.seen.append((X[:, 0].astype(int), sample_weight))
        return super().fit(X[:, 1:], y)

    def predict(self, X):
        return super().predict(X[:, 1:])


def test_metadata_is_routed_as_grid_search_routes_it(faces):
    X, weights = rows(faces), np.ones(len(faces.data))
    groups = np.arange(len(X)) // 2
    with config_context(enable_metadata_routing=True):
        for refuses in (LOGISTIC, clone(LOGISTIC).set_fit_request(sample_weight=False)):
            refuses = clone(refuses).set_score_request(sample_weight=False)
            with pytest.raises((UnsetMetadataPassedError, TypeError)):
                search(refuses, C, n_trials=1).fit(X, faces.target, sample_weight=weights)
        takes = Routed(max_iter=1000).set_fit_request(sample_weight=True)
        takes.set_score_request(sample_weight=False)
        found = search(takes, C, n_trials=1, cv="hold-out", refit=False)
        numbered = np.column_stack([np.arange(len(X)), X])
        found.fit(numbered, faces.target, sample_weight=np.arange(len(X)), groups=groups)
    ((trained, its_weights),) = Routed.seen
    assert found.n_splits_ == 1
    np.testing.assert_array_equal(trained, its_weights)
    assert not set(groups[trained]) & set(np.delete(groups, trained))


def test_validation_faces_that_were_given_are_not_replaced():
    X, y = numbered_faces()
    Recorder.seen = []
    clf = Recorder(widths=(4,), max_epochs=2, random_state=0)
    search(clf, n_trials=1, refit=False).fit(X, y, X_val=X[:11], y_val=y[:11])
    assert [len(valid) for _, valid in Recorder.seen] == [11, 11]


class Fails(LogisticRegression):
    """Cannot be fitted with a small C."""

    def fit(self, X, y):
        if self.C < 1:
            raise RuntimeError("too small")
        return super().fit(X, y)


def test_a_failing_trial_warns_and_costs_itself_only(faces):
    X = rows(faces)
    with pytest.warns(FitFailedWarning, match="too small"):
        found = search(Fails(max_iter=1000), C, n_trials=8).fit(X, faces.target)
    assert {"fail", "complete"} == set(found.cv_results_["state"])
    assert found.best_params_["C"] >= 1
    assert len(found.cv_results_["params"]) == 8
    with pytest.raises(RuntimeError, match="too small"):
        search(Fails(max_iter=1000), C, n_trials=8, error_score="raise").fit(X, faces.target)
    never = {"C": FloatDistribution(0.1, 0.5)}
    with (
        pytest.warns(FitFailedWarning),
        pytest.raises(ValueError, match=r"No trial has a score.* \(3 fail\).* too small"),
    ):
        search(Fails(max_iter=1000), never).fit(X, faces.target)


def test_a_failing_fold_may_have_a_score(faces):
    X, params = rows(faces), {"n_trials": 8, "error_score": 0.0, "pruner": NopPruner()}
    with pytest.warns(FitFailedWarning, match="too small"):
        found = search(Fails(max_iter=1000), C, **params).fit(X, faces.target)
    failed = found.cv_results_["error"] != ""
    assert 0 < failed.sum() < 8
    assert found.cv_results_["state"].tolist() == ["complete"] * 8
    assert (found.cv_results_["mean_test_score"][failed] == 0).all()
    never = {"C": FloatDistribution(0.1, 0.5)}
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match="every fit failed"):
        search(Fails(max_iter=1000), never, error_score=0.0).fit(X, faces.target)


def test_weights_and_groups_reach_where_they_belong(faces):
    class Weighed(ClassifierMixin, BaseEstimator):
        seen: list = []

        def __init__(self, C=1.0):
            self.C = C

        def fit(self, X, y, sample_weight=None):
            Weighed.seen.append((X[:, 0].copy(), sample_weight))
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.repeat(self.classes_[:1], len(X))

    X = np.arange(60.0)[:, None]
    y, groups = np.arange(60) % 2, np.arange(60) // 6
    search(Weighed(), C, n_trials=2, cv=HoldOut(0.2)).fit(
        X, y, groups=groups, sample_weight=np.arange(60.0)
    )
    for rows, weights in Weighed.seen:
        np.testing.assert_array_equal(rows, weights)
        assert len(rows) == 60 or len(set(groups[rows.astype(int)])) == 8


def test_a_pipeline_can_be_searched(faces):
    space = {
        "classify__dropout": FloatDistribution(0, 0.5),
        "augment__rotation": IntDistribution(0, 9),
    }
    pipeline = make_fer_pipeline(widths=(8,), max_epochs=1, random_state=0)
    found = search(pipeline, space, n_trials=2).fit(faces.data, faces.target)
    assert set(found.best_params_) == set(space)


def test_the_default_space_and_hold_out(faces):
    found = FERSearchCV(small_classifier(), n_trials=1, random_state=0, refit=False)
    space = search_space()
    space.ranges["widths"] = optuna.distributions.CategoricalDistribution(("8-16",))
    found.set_params(space=space).fit(faces.data, faces.target)
    assert found.n_splits_ == 1
    assert set(found.best_params_) == set(search_space().names)


def test_an_objective_may_be_given_as_a_function(faces):
    def draw(trial):
        return {"C": trial.suggest_float("strength", 0.1, 1.0) * 10}

    found = search(LOGISTIC, draw).fit(rows(faces), faces.target)
    assert set(found.best_params_) == {"C"}
    assert found.best_params_["C"] == found.study_.best_trial.params["strength"] * 10


def test_a_hold_out_has_no_copy_on_the_other_side():
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    X = np.concatenate([faces, faces[:30], faces[:20]])
    y = np.concatenate([np.arange(60) % 3, np.arange(30) % 3, np.arange(20) % 3])
    ((train, valid),) = HoldOut(0.2).split(X, y)
    assert sorted([*train, *valid]) == list(range(110))
    assert 10 < len(valid) < 35
    assert not {x.tobytes() for x in X[train]} & {x.tobytes() for x in X[valid]}
    with pytest.raises(ValueError, match="test_size"):
        HoldOut(0.7)


def test_a_time_limit_ends_the_search(faces):
    start = time.perf_counter()
    found = search(n_trials=None, timeout=3, refit=False).fit(faces.data, faces.target)
    assert time.perf_counter() - start < 30
    assert len(found.cv_results_["params"]) >= 1
    with pytest.raises(ValueError, match="n_trials or timeout"):
        search(n_trials=None).fit(faces.data, faces.target)


def test_without_refit_it_cannot_predict(faces):
    found = search(n_trials=1, refit=False).fit(faces.data, faces.target)
    assert not hasattr(found, "best_estimator_")
    with pytest.raises((AttributeError, NotFittedError)):
        found.predict(faces.data)


def test_several_workers_on_one_gpu_warn(faces, monkeypatch):
    import fer_sklearn.tuning._search as module

    monkeypatch.setattr(module, "is_single_gpu", lambda device: True)
    with pytest.warns(UserWarning, match="share one GPU"):
        search(n_trials=1, n_jobs=2, refit=False).fit(faces.data, faces.target)
    pipeline = make_fer_pipeline(widths=(8,), max_epochs=1, random_state=0)
    with pytest.warns(UserWarning, match="share one GPU"):
        search(pipeline, {"classify__dropout": RANGE}, n_trials=1, n_jobs=2, refit=False).fit(
            faces.data, faces.target
        )


def test_a_progress_bar_shows_trials_folds_and_epochs(faces, capsys):
    search(n_trials=2, verbose=1, refit=False).fit(faces.data, faces.target)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "fold=2/2" in shown
    assert "epoch=2" in shown
    assert "best=0." in shown


def test_optuna_keeps_its_verbosity_and_stays_quiet(faces, capsys):
    before = optuna.logging.get_verbosity()
    search(n_trials=1).fit(faces.data, faces.target)
    assert optuna.logging.get_verbosity() == before
    assert capsys.readouterr().err == ""


def test_it_can_be_cloned_and_nested(faces):
    from sklearn.model_selection import cross_val_score

    inner = search(LOGISTIC, C, n_trials=2)
    assert clone(inner).get_params()["estimator__C"] == 1.0
    scores = cross_val_score(inner, rows(faces), faces.target, cv=KFold(2))
    assert scores.shape == (2,)


def test_plots_of_a_study(faces):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    space = search_space().only("learning_rate", "dropout")
    found = search(space=space, n_trials=4, refit=False).fit(faces.data, faces.target)
    axes = plot_study(found)
    assert set(axes) == {"history", "importance", "parallel", "slices"}
    plt.close("all")
    with pytest.raises(ValueError, match="Unknown kinds"):
        plot_study(found, kinds=["pie"])


def test_a_class_that_only_validation_has_scores_as_in_a_grid_search(faces):
    y = faces.target.astype(object)
    y[5] = "rare"
    folds = KFold(3)
    clf = small_classifier(max_epochs=2)
    grid = GridSearchCV(clf, {"learning_rate": [0.02]}, cv=folds, refit=False).fit(faces.data, y)
    one_rate = {"learning_rate": FloatDistribution(0.02, 0.02)}
    found = FERSearchCV(clf, one_rate, n_trials=1, cv=folds, refit=False).fit(faces.data, y)
    assert found.best_score_ == grid.best_score_


def test_values_that_are_no_distributions_are_named(faces):
    with pytest.raises(TypeError, match=r"'learning_rate', got \[0.01, 0.1\].*Categorical"):
        search(space={"learning_rate": [0.01, 0.1]}).fit(faces.data, faces.target)


@pytest.mark.parametrize(
    ("params", "absent"),
    [
        ({"pretrained": "fer2013"}, {"widths", "depth"}),
        ({"augment": "off"}, {"augment__rotation", "augment__erase"}),
    ],
)
def test_the_usual_space_leaves_out_what_is_fixed(params, absent):
    space = _usual_space(FERClassifier(**params))
    assert set(search_space().names) - set(space.names) >= absent
    ratio = space.learning_rates["adam"].low / search_space().learning_rates["adam"].low
    assert ratio == pytest.approx(0.2 if "pretrained" in params else 1)


def test_a_pretrained_network_is_tuned_by_the_usual_space(faces, fitted, tmp_path):
    fitted.save_pretrained(tmp_path / "faces.npz")
    clf = FERClassifier.from_pretrained(tmp_path / "faces.npz", max_epochs=1, random_state=0)
    found = search(clf, None, n_trials=1).fit(faces.data, faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"]
