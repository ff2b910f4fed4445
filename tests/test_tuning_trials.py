"""One trial: what it reports, when it is pruned, what a failure costs."""

import time
from contextlib import suppress

import numpy as np
import optuna
import pytest
from helpers import small_classifier
from optuna.distributions import FloatDistribution
from optuna.pruners import BasePruner, NopPruner
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import EarlyStopping
from tuning_helpers import LOGISTIC, C, Recorder, numbered_faces, rows, search

from fer_sklearn.tuning._study import WorstQuarterPruner


def test_after_every_fold_the_running_mean_is_reported(faces):
    found = search(cv=3, n_trials=1, pruner=NopPruner()).fit(faces.data, faces.target)
    scores = [found.cv_results_[f"split{k}_test_score"][0] for k in range(3)]
    told = list(found.study_.trials[0].intermediate_values.values())
    np.testing.assert_allclose(told[2:], [np.mean(scores[: k + 1]) for k in range(3)])


def test_no_trial_is_pruned_in_the_first_third_of_its_epochs(faces):
    def worse_after_five(trial):
        name, rate = ("usual", 0.03) if trial.number < 5 else ("tiny", 1e-7)
        return {"learning_rate": trial.suggest_float(name, rate, rate)}

    clf = small_classifier(max_epochs=12, batch_size=64)
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


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True},
        {"schedule": "plateau"},
        {"callbacks": [("stop", EarlyStopping("recall", lower_is_better=False))]},
    ],
)
def test_the_validation_fold_never_decides_when_a_training_ends(params):
    X, y = numbered_faces()
    Recorder.seen = []
    clf = Recorder(widths=(4,), max_epochs=2, **params)
    with suppress(ValueError):  # that no faces of its own can be monitored
        search(clf, n_trials=2, refit=False, error_score="raise").fit(X, y)
    assert Recorder.seen
    assert all(valid is None for _, valid in Recorder.seen)


def test_the_checkpoint_is_for_the_last_fit(tmp_path):
    X, y = numbered_faces()
    path = tmp_path / "fit.checkpoint"
    clf = small_classifier(widths=(4,), max_epochs=3, checkpoint=path)
    prune = PruneAt(1)  # an epoch later than the first checkpoint
    found = search(clf, pruner=prune, n_trials=4, error_score="raise").fit(X, y)
    assert found.cv_results_["state"].tolist() == ["complete", "pruned", "pruned", "pruned"]
    assert found.best_estimator_.checkpoint == path
    assert not path.exists()


def test_validation_faces_that_were_given_are_not_replaced():
    X, y = numbered_faces()
    Recorder.seen = []
    clf = Recorder(widths=(4,), max_epochs=2, random_state=0)
    search(clf, n_trials=1, refit=False).fit(X, y, X_val=X[:11], y_val=y[:11])
    assert [len(valid) for _, valid in Recorder.seen] == [11, 11]


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


def test_a_failing_trial_may_end_the_search(faces):
    with pytest.raises(RuntimeError, match="too small"):
        search(Fails(max_iter=1000), C, n_trials=8, error_score="raise").fit(
            rows(faces), faces.target
        )


def test_trials_that_all_fail_are_an_error_with_their_reason(faces):
    X = rows(faces)
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


def test_folds_that_all_fail_are_an_error_although_they_have_scores(faces):
    X = rows(faces)
    never = {"C": FloatDistribution(0.1, 0.5)}
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match="every fit failed"):
        search(Fails(max_iter=1000), never, error_score=0.0).fit(X, faces.target)


def test_a_progress_bar_shows_trials_folds_and_epochs(faces, capsys):
    search(n_trials=2, verbose=1, refit=False).fit(faces.data, faces.target)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "fold=2/2" in shown
    assert "epoch=2" in shown
    assert "best=0." in shown
