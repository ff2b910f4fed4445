"""A study that outlives a process: what continues it, and what is refused."""

import time

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import NopPruner
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from tuning_helpers import LOGISTIC, RANGE, C, rows, search

from fer_sklearn import make_fer_pipeline
from fer_sklearn.tuning import search_space
from fer_sklearn.tuning._storage import open_storage


def test_a_stopped_study_goes_on_as_if_it_had_not_been(faces, tmp_path):
    space = search_space().only("learning_rate", "dropout")
    X, y = faces.data[:140], faces.target[:140]
    whole = search(space=space, n_trials=13, cv=2).fit(X, y)
    path = tmp_path / "runs" / "study.log"
    search(space=space, n_trials=5, storage=path).fit(X, y)
    resumed = search(space=space, n_trials=13, storage=str(path)).fit(X, y)
    assert resumed.cv_results_["params"] == whole.cv_results_["params"]
    np.testing.assert_array_equal(
        resumed.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )
    assert len(resumed.study_.trials) == 13
    done = search(space=space, n_trials=13, storage=path).fit(X, y)
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
    with pytest.raises(ValueError, match="other data, splits, parameters"):
        search(n_trials=2, storage=path).fit(faces.data[:200], faces.target[:200])


def test_a_study_of_other_splits_is_refused_until_it_has_a_name_of_its_own(faces, tmp_path):
    X, path = rows(faces), tmp_path / "study.log"
    search(LOGISTIC, C, n_trials=1, storage=path).fit(X, faces.target)
    with pytest.raises(ValueError, match="other data, splits, parameters"):
        search(LOGISTIC, C, n_trials=2, storage=path, cv=3).fit(X, faces.target)
    search(LOGISTIC, C, n_trials=1, storage=path, cv=3, study_name="b").fit(X, faces.target)


def test_a_path_that_is_no_journal_is_refused(faces, tmp_path):
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


def test_a_study_without_the_weights_is_refused(faces, tmp_path):
    X, path = rows(faces), tmp_path / "study.log"
    search(LOGISTIC, C, n_trials=1, storage=path).fit(X, faces.target)
    with pytest.raises(ValueError, match="other data, splits, parameters"):
        search(LOGISTIC, C, n_trials=2, storage=path).fit(
            X, faces.target, sample_weight=np.ones(len(X))
        )


def test_a_parameter_that_leaves_scores_alone_may_change(faces, tmp_path):
    X, path = rows(faces), tmp_path / "study.log"
    search(LOGISTIC, C, n_trials=1, storage=path).fit(X, faces.target)
    harmless = clone(LOGISTIC).set_params(verbose=1)
    found = search(harmless, C, n_trials=2, storage=path).fit(X, faces.target)
    assert len(found.study_.trials) == 2


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "maximize"]])
def test_a_study_of_another_aim_is_refused(directions, faces):
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="fer_sklearn", directions=directions)
    with pytest.raises(ValueError, match=rf"directions \[{', '.join(directions)}\]"):
        search(LOGISTIC, C, storage=storage).fit(rows(faces), faces.target)


def foreign_trial(value=0.99):
    return optuna.trial.create_trial(params={"C": 1.0}, distributions=C, value=value)


def test_a_study_with_foreign_trials_is_refused(faces):
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="fer_sklearn", direction="maximize")
    study.add_trial(foreign_trial())
    with pytest.raises(ValueError, match=r"did not make \(numbers \[0\]\)"):
        search(LOGISTIC, C, storage=storage).fit(rows(faces), faces.target)


def test_a_study_that_others_added_trials_to_is_refused(faces):
    storage = optuna.storages.InMemoryStorage()
    found = search(LOGISTIC, C, n_trials=2, storage=storage).fit(rows(faces), faces.target)
    found.study_.add_trial(foreign_trial())
    with pytest.raises(ValueError, match=r"did not make \(numbers \[2\]\)"):
        search(LOGISTIC, C, n_trials=4, storage=storage).fit(rows(faces), faces.target)


def test_a_new_study_may_have_trials_that_wait(faces):
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="fer_sklearn", direction="maximize")
    study.enqueue_trial({"C": 3.0})
    found = search(LOGISTIC, C, n_trials=2, storage=storage).fit(rows(faces), faces.target)
    assert found.cv_results_["params"][0] == {"C": 3.0}


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


class Interrupted(LogisticRegression):
    """Meets an error in one of its fits, if it is told which and what."""

    fits, last, error = 0, 5, KeyboardInterrupt

    def fit(self, X, y):
        Interrupted.fits += 1
        if Interrupted.fits == Interrupted.last:
            raise Interrupted.error
        return super().fit(X, y)


def test_a_search_that_was_interrupted_makes_up_for_the_trial_it_lost(faces, tmp_path):
    params = {"n_trials": 4, "storage": tmp_path / "study.log", "pruner": NopPruner()}
    Interrupted.fits, Interrupted.last, Interrupted.error = 0, 5, KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        search(Interrupted(max_iter=1000), C, **params).fit(rows(faces), faces.target)
    found = search(Interrupted(max_iter=1000), C, **params).fit(rows(faces), faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"] * 4
    assert found.cv_results_["trial"].tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("error", "last"),  # before and after TPE's ten random trials
    [(KeyboardInterrupt, 3), (SystemExit, 3), (KeyboardInterrupt, 26), (SystemExit, 33)],
)
def test_a_study_stopped_within_a_trial_is_the_uninterrupted_one(error, last, faces, tmp_path):
    X, params = rows(faces)[:, ::4], {"n_trials": 18, "pruner": NopPruner(), "refit": False}
    Interrupted.fits, Interrupted.last, Interrupted.error = 0, last, error
    whole = search(LOGISTIC, C, **params).fit(X, faces.target)
    found = search(Interrupted(max_iter=1000), C, storage=tmp_path / "study.log", **params)
    with pytest.raises(error):
        found.fit(X, faces.target)
    start = time.perf_counter()
    found.fit(X, faces.target)
    assert time.perf_counter() - start < 30  # a trial that was left running is freed at once
    assert found.cv_results_["params"] == whole.cv_results_["params"]
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )


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


def test_a_time_limit_ends_the_search(faces):
    start = time.perf_counter()
    found = search(n_trials=None, timeout=1, refit=False).fit(faces.data, faces.target)
    assert time.perf_counter() - start < 30
    assert len(found.cv_results_["params"]) >= 1


def test_a_search_without_any_limit_is_refused(faces):
    with pytest.raises(ValueError, match="n_trials or timeout"):
        search(n_trials=None).fit(faces.data, faces.target)
