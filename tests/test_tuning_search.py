"""`FERSearchCV` as a scikit-learn search: its contract, what it takes and hands on."""

import numpy as np
import optuna
import pytest
import torch
from helpers import small_classifier
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn
from tuning_helpers import LOGISTIC, RANGE, C, rows, search

from fer_sklearn import FaceAugmenter, FERClassifier, make_fer_pipeline
from fer_sklearn.tuning import FERSearchCV, SearchSpace, search_space
from fer_sklearn.tuning import _space_for as space_module
from fer_sklearn.tuning._space_for import check_names, usual_space

SEARCH = search(LogisticRegression(), C, n_trials=2, error_score="raise")


@parametrize_with_checks([SEARCH])
def test_scikit_learn_check(estimator, check):
    needs_gpu = torch.backends.cuda.is_built() and not torch.cuda.is_available()
    try:
        check(estimator)
    except RuntimeError:
        if not needs_gpu:
            raise
        pytest.skip("scikit-learn's check takes PyTorch's CUDA build for a GPU")


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
    said = r"'learning_rate', got \[0.01, 0.1\].*Categorical"
    with pytest.raises(TypeError, match=said):
        search(space={"learning_rate": [0.01, 0.1]}).fit(faces.data, faces.target)
    with pytest.raises(TypeError, match=said):
        SearchSpace({"learning_rate": [0.01, 0.1]})


@pytest.mark.parametrize("drawn", [None, 0.5])
def test_a_function_that_draws_no_dict_is_told(drawn, faces):
    found = search(LOGISTIC, lambda trial: drawn)
    said = f"Expected a dict of parameters .*got {drawn}"
    with pytest.warns(FitFailedWarning, match=said), pytest.raises(ValueError, match=said):
        found.fit(rows(faces), faces.target)


@pytest.mark.parametrize("returned", [np.nan, -np.inf, {"a": 1}, "high", None])
def test_a_score_that_is_no_finite_number_is_told(returned, faces):
    found = search(LOGISTIC, C, n_trials=1, scoring=lambda *args: returned)
    said = "one finite number from the scorer, got"
    with pytest.warns(FitFailedWarning, match=said), pytest.raises(ValueError, match=said):
        found.fit(rows(faces), faces.target)
    found.set_params(error_score=0.25, scoring=lambda *args: np.array([0.5]))
    assert found.fit(rows(faces), faces.target).best_score_ == 0.5


@pytest.mark.parametrize("where", ["storage", "workers"])
def test_choices_that_no_storage_can_hold_are_told_before_any_trial(where, faces, tmp_path):
    choices = (FaceAugmenter(), FaceAugmenter(rotation=0.0))
    with pytest.warns(UserWarning, match="persistent storage"):  # of Optuna
        space = {"augment": CategoricalDistribution(choices)}
    how = {"n_jobs": 2} if where == "workers" else {"storage": tmp_path / "study.log"}
    with pytest.raises(ValueError, match=r"plain values, got FaceAugmenter\(\) for 'augment'"):
        search(space=space, **how).fit(faces.data, faces.target)
    assert not [*tmp_path.iterdir()]


def test_a_splitter_that_has_no_splits_is_told(faces):
    with pytest.raises(ValueError, match=r"no splits.*list\(cv\)"):
        search(cv=iter(())).fit(faces.data, faces.target)


def test_missing_labels_are_told_before_any_trial(faces):
    y = [None, *faces.target[1:]]
    with pytest.raises(ValueError, match="1 of 280 faces have no label"):
        search().fit(faces.data, y)


def test_epochs_of_other_estimators_may_be_anything(faces):
    class Patient(LogisticRegression):
        def __init__(self, max_epochs=None, C=1.0):
            super().__init__(C=C, max_iter=1000)
            self.max_epochs = max_epochs

    assert search(Patient(), C).fit(rows(faces), faces.target).best_score_ > 0


def test_pruners_that_look_at_a_part_of_the_trials_work(faces):
    clf = small_classifier(widths=(8,), max_epochs=3)
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=3)
    found = search(clf, n_trials=4, pruner=pruner).fit(faces.data, faces.target)
    drawn = {params["learning_rate"] for params in found.cv_results_["params"]}
    assert len(drawn) == 4


@pytest.mark.parametrize(
    ("params", "absent"),
    [
        ({"pretrained": "fer2013"}, {"widths", "depth"}),
        ({"augment": "off"}, {"augment__rotation", "augment__erase"}),
    ],
)
def test_the_usual_space_leaves_out_what_is_fixed(params, absent):
    space = usual_space(FERClassifier(**params))
    assert set(search_space().names) - set(space.names) >= absent
    ratio = space.learning_rates["adam"].low / search_space().learning_rates["adam"].low
    assert ratio == pytest.approx(0.2 if "pretrained" in params else 1)


PIPELINE = make_fer_pipeline(widths=(8,), max_epochs=1, random_state=0)


@pytest.mark.parametrize(
    ("estimator", "step", "augment"),
    [
        (PIPELINE, "classify", "augment"),
        (make_pipeline(PIPELINE), "pipeline__classify", "pipeline__augment"),
        (make_pipeline(FERClassifier()), "ferclassifier", "ferclassifier__augment"),
        (make_pipeline(FaceAugmenter(), FERClassifier()), "ferclassifier", "faceaugmenter"),
        (CalibratedClassifierCV(FERClassifier()), "estimator", "estimator__augment"),
    ],
)
def test_the_usual_space_of_a_pipeline_has_its_names(estimator, step, augment):
    plain = search_space().names
    expected = {
        f"{augment}__{name.removeprefix('augment__')}"
        if name.startswith("augment__")
        else f"{step}__{name}"
        for name in plain
    }
    assert set(usual_space(estimator).names) == expected


def linear(n_classes, image_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(image_shape[0] * image_shape[1], n_classes))


def test_a_network_of_ones_own_is_asked_for_its_arguments_only():
    def deep(n_classes, image_shape, *, dropout=0.0, depth=2):
        return linear(n_classes, image_shape)

    of_the_network = {"widths", "depth", "dropout"}
    for network, expected in ((linear, set()), (deep, {"dropout", "depth"})):
        names = usual_space(FERClassifier(network)).names
        assert set(names) & of_the_network == expected
        assert "learning_rate" in names


@pytest.mark.parametrize("network", ["hybrid", "vit"])
def test_the_usual_space_of_a_transformer_is_its_own(network):
    space = usual_space(FERClassifier(network, augment=FaceAugmenter()))
    assert space.ranges == search_space(network).ranges
    inside = usual_space(make_fer_pipeline(network=network)).ranges
    assert inside["classify__widths"] == space.ranges["widths"]


@pytest.mark.parametrize("augment", ["off", "upstream"])
def test_strengths_that_nothing_takes_are_not_in_the_usual_space(augment):
    names = usual_space(make_pipeline(FERClassifier(augment=augment))).names
    assert not any("augment__" in name for name in names)


def test_a_pipeline_is_tuned_by_the_usual_space(faces, monkeypatch):
    small = search_space().only("learning_rate", "dropout", "augment__rotation")
    monkeypatch.setattr(space_module, "search_space", lambda preset: small)
    found = search(PIPELINE, None, n_trials=2).fit(faces.data, faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"] * 2
    assert set(found.best_params_) == {
        *("classify__learning_rate", "classify__dropout"),
        "augment__rotation",
    }


def test_the_augmentation_within_a_classifier_in_a_pipeline_can_be_searched(faces):
    pipeline = make_pipeline(small_classifier(max_epochs=1))
    space = search_space().only("augment__rotation").for_step("ferclassifier")
    found = search(pipeline, space, n_trials=1).fit(faces.data, faces.target)
    assert found.cv_results_["state"].tolist() == ["complete"]


def test_the_learning_rates_of_a_step_are_those_of_its_optimizer(faces):
    pipeline = make_pipeline(small_classifier(max_epochs=1, optimizer="adamw"))
    space = search_space().only("learning_rate").for_step("ferclassifier")
    found = search(pipeline, space, n_trials=2, refit=False).fit(faces.data, faces.target)
    rates = [params["ferclassifier__learning_rate"] for params in found.cv_results_["params"]]
    assert max(rates) < 0.01


@pytest.mark.parametrize(
    ("estimator", "space", "message"),
    [
        (FERClassifier(), {"learning_rat": RANGE}, r"'learning_rat' \(near: 'learning_rate'"),
        (FERClassifier(), {"augment__rotatoin": RANGE}, r"near: 'augment__rotation'"),
        (PIPELINE, {"dropout": RANGE}, r"'dropout' \(near: 'classify__dropout'\)"),
        (PIPELINE, search_space(), r"space\.for_step\('classify'\)"),
        (LOGISTIC, {"x": RANGE, "C": RANGE, "q": RANGE}, r"LogisticRegression: 'x'; 'q'\.$"),
    ],
)
def test_names_that_are_no_parameters_are_told_before_the_first_trial(
    estimator, space, message, faces
):
    with pytest.raises(ValueError, match=message):
        search(estimator, space).fit(faces.data, faces.target)


TWO = VotingClassifier([("a", FERClassifier()), ("b", FERClassifier())])


@pytest.mark.parametrize("estimator", [LOGISTIC, TWO])
def test_there_is_no_usual_space_without_one_classifier(estimator, faces):
    with pytest.raises(ValueError, match=r"one FERClassifier, got .* with [02] of them"):
        search(estimator, None).fit(rows(faces), faces.target)


def test_parameters_of_a_part_that_is_searched_too_are_no_mistake(faces):
    pipeline = Pipeline([("scale", "passthrough"), ("classify", LOGISTIC)])
    space = {
        "scale": optuna.distributions.CategoricalDistribution(["passthrough"]),
        "scale__with_mean": optuna.distributions.CategoricalDistribution([True]),
    }
    check_names(space, pipeline)
    with pytest.raises(ValueError, match="'scale__with_mean'"):
        check_names({"scale__with_mean": space["scale__with_mean"]}, pipeline)


def test_a_pretrained_network_is_tuned_by_theusual_space(faces, fitted, tmp_path):
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


def test_a_class_is_no_estimator(faces):
    search = FERSearchCV(FERClassifier, {"depth": IntDistribution(1, 2)})
    with pytest.raises(TypeError, match="instance of scikit-learn estimator instead of a class"):
        search.fit(faces.data, faces.target)
