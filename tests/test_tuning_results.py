"""What a search has found: as `GridSearchCV` shows it, and as pictures."""

import pickle
from itertools import pairwise

import numpy as np
import optuna
import pytest
from helpers import small_classifier
from optuna.pruners import NopPruner
from optuna.samplers import GridSampler
from sklearn.model_selection import GridSearchCV
from tuning_helpers import search

from fer_sklearn.tuning import plot_study, search_space


def test_it_has_what_grid_search_has(faces):
    clf = small_classifier(widths=(8,), max_epochs=1)
    grid = GridSearchCV(clf, {"learning_rate": [0.01, 0.03]}, cv=2)
    grid.fit(faces.data, faces.target)
    found = search(clf).fit(faces.data, faces.target)
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
    clf = small_classifier(widths=(8,), max_epochs=1)
    grid = GridSearchCV(clf, {"learning_rate": values}, cv=3).fit(faces.data, faces.target)
    found = search(
        clf, sampler=GridSampler({"learning_rate": values}, seed=0), pruner=NopPruner(), cv=3
    ).fit(faces.data, faces.target)
    order = np.argsort([params["learning_rate"] for params in found.cv_results_["params"]])
    for name in ("split0_test_score", "split2_test_score", "mean_test_score", "std_test_score"):
        np.testing.assert_allclose(found.cv_results_[name][order], grid.cv_results_[name])
    assert found.best_params_ == grid.best_params_
    np.testing.assert_array_equal(found.predict_proba(faces.data), grid.predict_proba(faces.data))


def test_plots_of_a_study(faces):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    space = search_space().only("learning_rate", "dropout")
    found = search(space=space, n_trials=4, refit=False).fit(faces.data, faces.target)
    axes = plot_study(found)
    assert set(axes) == {"history", "importance", "parallel", "slices"}
    assert axes["history"].get_ylabel() == "accuracy"
    assert [ax.get_ylabel() for ax in axes["slices"]] == ["accuracy", ""]
    assert axes["parallel"].get_xticklabels()[0].get_text() == "accuracy"
    plt.close("all")


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # set_metric_names
def test_scores_are_named_after_what_was_scored():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("dropout", 0, 1), n_trials=2)
    for scoring, name in [("neg_log_loss", "neg_log_loss"), (len, "score")]:
        found = search(scoring=scoring)
        found.study_ = study
        assert plot_study(found, ["history"])["history"].get_ylabel() == name
    assert plot_study(study, ["history"])["history"].get_ylabel() == "score"
    study.set_metric_names(["F1"])
    assert plot_study(study, ["history"])["history"].get_title() == "F1 of each trial"
    plt.close("all")


@pytest.mark.parametrize("limits", [(1e-6, 1.0), (1e-3, 1e-1), (0.02, 0.09), (0.02, 0.03)])
def test_ticks_of_slices_can_be_read(limits):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")

    def objective(trial):
        rate = trial.suggest_float("classify__learning_rate[muon]", *limits, log=True)
        return rate * trial.suggest_int("depth", 1, 3) + trial.suggest_float("dropout", 0, 1)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=10)
    axes = plot_study(study, ["slices"])["slices"]
    figure = axes[0].figure
    figure.draw_without_rendering()
    names = [ax.xaxis.label.get_window_extent() for ax in axes]
    assert all(a.x1 < b.x0 for a, b in pairwise(names))
    for ax in axes:
        low, high = ax.get_xlim()
        places, names = ax.get_xticks(), ax.get_xticklabels()
        names = [name for place, name in zip(places, names, strict=True) if low <= place <= high]
        boxes = [name.get_window_extent() for name in names]
        assert len(boxes) > 1
        assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
        assert not any(text.get_text() for text in ax.get_xticklabels(minor=True))
        if ax is axes[1]:
            assert [name.get_text() for name in names] == ["1", "2", "3"]
    plt.close("all")


def test_plots_of_a_study_leave_the_style_of_others_alone():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("dropout", 0, 1), n_trials=2)
    before = plt.rcParams.copy()
    plot_study(study)
    assert plt.rcParams == before
    plt.close("all")


@pytest.mark.filterwarnings("ignore:Target and region")  # Optuna 5 says that it cannot tell
def test_a_study_of_equal_scores_is_drawn():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    study = optuna.create_study()
    study.optimize(lambda trial: 0 * trial.suggest_float("dropout", 0, 1), n_trials=3)
    assert len(plot_study(study, ["importance"])["importance"].patches) == 1
    plt.close("all")


def test_an_unknown_kind_of_plot_is_named():
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="Unknown kinds"):
        plot_study(None, kinds=["pie"])
