"""`FERSearchCV` as a scikit-learn search: its contract, what it takes and hands on."""

import numpy as np
import optuna
import pytest
from helpers import small_classifier
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from tuning_helpers import LOGISTIC, C, rows, search

from fer_sklearn import FERClassifier, make_fer_pipeline
from fer_sklearn.tuning import FERSearchCV, search_space
from fer_sklearn.tuning._search import _usual_space

SEARCH = search(LogisticRegression(), C, n_trials=2, error_score="raise")


@parametrize_with_checks([SEARCH])
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_it_can_be_cloned_and_nested(faces):
    inner = search(LOGISTIC, C, n_trials=2)
    assert clone(inner).get_params()["estimator__C"] == 1.0
    scores = cross_val_score(inner, rows(faces), faces.target, cv=KFold(2))
    assert scores.shape == (2,)


def test_without_refit_it_cannot_predict(faces):
    found = search(n_trials=1, refit=False).fit(faces.data, faces.target)
    assert not hasattr(found, "best_estimator_")
    with pytest.raises((AttributeError, NotFittedError)):
        found.predict(faces.data)


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


class Routed(LogisticRegression):
    """Records the numbers of its rows, and their weights."""

    seen: list = []

    def fit(self, X, y, sample_weight=None):
        Routed.seen.append((X[:, 0].astype(int), sample_weight))
        return super().fit(X[:, 1:], y)

    def predict(self, X):
        return super().predict(X[:, 1:])


@pytest.mark.parametrize("request_", [{}, {"sample_weight": False}])
def test_metadata_that_nobody_asked_for_is_refused(request_, faces):
    X, weights = rows(faces), np.ones(len(faces.data))
    with config_context(enable_metadata_routing=True):
        refuses = clone(LOGISTIC).set_fit_request(**request_)
        refuses.set_score_request(sample_weight=False)
        with pytest.raises((UnsetMetadataPassedError, TypeError)):
            search(refuses, C, n_trials=1).fit(X, faces.target, sample_weight=weights)


def test_metadata_is_routed_as_grid_search_routes_it(faces):
    X = rows(faces)
    groups = np.arange(len(X)) // 2
    Routed.seen = []
    with config_context(enable_metadata_routing=True):
        takes = Routed(max_iter=1000).set_fit_request(sample_weight=True)
        takes.set_score_request(sample_weight=False)
        found = search(takes, C, n_trials=1, cv="hold-out", refit=False)
        numbered = np.column_stack([np.arange(len(X)), X])
        found.fit(numbered, faces.target, sample_weight=np.arange(len(X)), groups=groups)
    ((trained, its_weights),) = Routed.seen
    assert found.n_splits_ == 1
    np.testing.assert_array_equal(trained, its_weights)
    assert not set(groups[trained]) & set(np.delete(groups, trained))


def test_optuna_keeps_its_verbosity_and_stays_quiet(faces, capsys):
    before = optuna.logging.get_verbosity()
    search(n_trials=1).fit(faces.data, faces.target)
    assert optuna.logging.get_verbosity() == before
    assert capsys.readouterr().err == ""
