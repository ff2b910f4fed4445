"""The table of what to search, in each of its uses."""

import numpy as np
import optuna
import pytest
import torch
from helpers import small_classifier
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
)

from fer_sklearn import FaceAugmenter, FERClassifier, make_fer_pipeline, preset
from fer_sklearn.networks import NETWORKS
from fer_sklearn.presets import PRESETS
from fer_sklearn.training import OPTIMIZERS
from fer_sklearn.tuning import SearchSpace, search_space
from fer_sklearn.tuning._space_for import usual_space

SPACES = [*PRESETS, "vit"]


def searched_by(name):
    """The classifier that a space is for."""
    clf = FERClassifier(**preset(name)) if name in PRESETS else FERClassifier(name)
    return clf.set_params(augment=clf.augment or FaceAugmenter())


def trials(space, n=60):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space(study.ask()) for _ in range(n)]


@pytest.mark.parametrize("name", SPACES)
def test_every_parameter_exists_and_every_draw_is_valid(name):
    for params in trials(search_space(name)):
        clf = searched_by(name).set_params(**params)
        clf._validate_params()
        clf.augment._validate_params()
        assert isinstance(params["widths"], tuple)


@pytest.mark.parametrize("name", ["hybrid", "vit"])
def test_every_network_in_the_space_of_a_transformer_can_be_built(name):
    grid = ParameterGrid(
        search_space(name).only("widths", "depth", "network_params__heads").to_grid(9)
    )
    assert len(grid) == 30
    for drawn in grid:
        params = {name.removeprefix("network_params__"): value for name, value in drawn.items()}
        with torch.device("meta"):
            NETWORKS[name](7, (48, 48), **params)


def test_arguments_of_a_network_are_searched_as_other_parameters(faces):
    space = search_space("hybrid").only("network_params__heads", "network_params__drop_path")
    clf = small_classifier(network="hybrid", max_epochs=1, network_params={"activation": "relu"})
    search = GridSearchCV(clf, space.to_grid(1), cv=2, error_score="raise")
    search.fit(faces.data, faces.target)
    best = search.best_params_
    assert search.best_estimator_.network_params == {
        "activation": "relu",
        "heads": best["network_params__heads"],
        "drop_path": best["network_params__drop_path"],
    }
    assert clf.network_params == {"activation": "relu"}
    pipeline = make_fer_pipeline(network="hybrid")
    pipeline.set_params(**trials(space.for_step("classify"), 1)[0])
    assert pipeline["classify"].network_params.keys() == {"heads", "drop_path"}


def test_an_argument_that_the_network_lacks_is_refused_with_those_it_has():
    clf = FERClassifier("hybrid")
    with pytest.raises(ValueError, match="'hybrid' has no argument 'heds'; it has widths, depth"):
        clf.set_params(network_params__heds=4)
    assert clf.set_params(network="vit", network_params__patch_size=4).network == "vit"
    clf.set_params(network=lambda **params: None, network_params__anything=1)
    assert clf.network_params == {"patch_size": 4, "anything": 1}


def test_the_space_of_a_pretrained_network_has_no_arguments_of_the_network(faces, tmp_path):
    clf = small_classifier(network="hybrid", widths=(8, 16), max_epochs=1)
    clf.fit(faces.data, faces.target).save_pretrained(tmp_path / "h.npz")
    names = usual_space(FERClassifier.from_pretrained(tmp_path / "h.npz")).names
    assert "dropout" in names
    assert not [name for name in names if name.startswith(("widths", "depth", "network_params"))]
    assert "network_params__heads" in usual_space(FERClassifier("hybrid")).names


def test_every_augmentation_strength_is_in_the_table():
    searched = {name.removeprefix("augment__") for name in search_space().names}
    assert set(FaceAugmenter().get_params()) - {"erase_area"} <= searched


def test_the_learning_rate_has_the_range_of_the_optimizer():
    drawn = trials(search_space().only("optimizer", "learning_rate"), 200)
    rates = {name: [d["learning_rate"] for d in drawn if d["optimizer"] == name]
             for name in ("muon", "adamw", "sgd")}  # fmt: skip
    assert min(rates["muon"]) >= 0.01
    assert max(rates["adamw"]) <= 0.01
    assert max(rates["sgd"]) > 0.1
    alone = trials(search_space().only("learning_rate"))
    assert all(0.01 <= d["learning_rate"] <= 0.1 for d in alone)
    assert all(set(d) == {"learning_rate"} for d in alone)


def test_every_optimizer_has_a_range_of_learning_rates():
    assert set(search_space().learning_rates) == set(OPTIMIZERS)


def test_the_space_of_a_step_has_its_names():
    space = search_space().only("optimizer", "learning_rate", "widths", "augment__flip")
    inside = space.for_step("classify", augment="augment")
    assert set(inside.names) == {
        *("classify__optimizer", "classify__learning_rate", "classify__widths"),
        "augment__flip",
    }
    nested = inside.for_step("outer").only("outer__classify__widths", "outer__augment__flip")
    assert nested.names == ["outer__classify__widths", "outer__augment__flip"]
    assert space.for_step("estimator").names[-2:] == [
        "estimator__augment__flip",
        "estimator__learning_rate",
    ]


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "sgd"])
def test_the_space_of_a_step_draws_what_the_plain_one_draws(optimizer):
    space = search_space().for_optimizer(optimizer)
    plain, inside = trials(space), trials(space.for_step("a"))
    assert inside == [{f"a__{name}": value for name, value in row.items()} for row in plain]
    assert space.for_step("a").only("a__learning_rate").to_grid(2) == [
        {f"a__{name}": values for name, values in space.only("learning_rate").to_grid(2)[0].items()}
    ]


def test_the_space_of_a_step_suits_scikit_learns_searches():
    space = search_space().only("optimizer", "learning_rate", "dropout").for_step("classify")
    assert [table["classify__optimizer"] for table in space.to_grid()] == [
        *(["muon"], ["adamw"], ["sgd"])
    ]
    assert set(space.distributions()) == {"classify__dropout", "classify__learning_rate"}
    (draw,) = ParameterSampler(space.to_scipy(), 1, random_state=0)
    make_fer_pipeline().set_params(**draw)


def test_a_study_takes_the_distributions():
    table = search_space().only("learning_rate", "dropout", "depth").distributions()
    trial = optuna.create_study().ask(fixed_distributions=table)
    assert set(trial.params) == {"learning_rate", "dropout", "depth"}


@pytest.mark.parametrize("name", SPACES)
def test_what_a_study_stored_becomes_parameters(name):
    space = search_space(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    stored = study.ask(fixed_distributions=space.distributions()).params
    called = study.ask()
    drawn = space(called)
    assert isinstance(stored["widths"], str)
    assert any("[" in name for name in called.params)
    assert space.params(called.params) == drawn
    for params in (space.params(stored), drawn):
        assert isinstance(params["widths"], tuple)
        searched_by(name).set_params(**params)._validate_params()


def test_the_learning_rate_follows_the_optimizer_that_is_set():
    space = search_space().only("learning_rate").for_optimizer("adamw")
    assert max(params["learning_rate"] for params in trials(space)) <= 0.01
    assert space.to_grid(2) == [{"learning_rate": [0.0005, 0.01]}]
    assert space.distributions()["learning_rate"].high == 0.01
    with pytest.raises(ValueError, match="No range of learning rates for optimizer='lion'"):
        space.for_optimizer("lion")


def test_a_space_that_searches_the_optimizer_needs_no_usual_one():
    rates = {"adamw": FloatDistribution(1e-3, 1e-2), "sgd": FloatDistribution(0.1, 0.2)}
    optimizers = optuna.distributions.CategoricalDistribution(("adamw", "sgd"))
    space = SearchSpace({"optimizer": optimizers}, rates)
    assert {d["optimizer"] for d in trials(space.for_optimizer("muon"))} == {"adamw", "sgd"}
    with pytest.raises(ValueError, match="No range of learning rates for optimizer='muon'"):
        space.distributions()


def test_a_space_of_ones_own_kind_keeps_it():
    class Coarse(SearchSpace):
        def __call__(self, trial):
            return {name: round(value, 1) for name, value in super().__call__(trial).items()}

    space = Coarse({"dropout": FloatDistribution(0, 0.5)}).for_optimizer("sgd")
    assert {d["dropout"] for d in trials(space)} <= {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}


def test_steps_and_logarithms_of_ranges_are_kept():
    space = SearchSpace(
        {
            "batch_size": IntDistribution(32, 256, step=32),
            "max_epochs": IntDistribution(1, 1000, log=True),
            "dropout": FloatDistribution(0.0, 0.5, step=0.25),
            "mixup": FloatDistribution(0.0, 2.0, step=1.0),
        }
    )
    (grid,) = space.to_grid(4)
    assert grid["batch_size"] == [32, 96, 192, 256]
    assert grid["max_epochs"] == [1, 10, 100, 1000]
    assert grid["dropout"] == [0.0, 0.25, 0.5]
    draws = list(ParameterSampler(space.to_scipy(), 200, random_state=0))
    assert {params["batch_size"] for params in draws} == set(range(32, 257, 32))
    assert {params["dropout"] for params in draws} == {0.0, 0.25, 0.5}
    assert {params["mixup"] for params in draws} == {0.0, 1.0, 2.0}
    epochs = np.array([params["max_epochs"] for params in draws])
    assert epochs.min() >= 1
    assert epochs.max() <= 1000
    assert np.median(epochs) < 100  # about 32 by logarithm, 500 otherwise


def test_scikit_learns_searches_take_it(faces):
    space = search_space().only("learning_rate", "augment__rotation")
    clf = small_classifier(max_epochs=1, augment=FaceAugmenter())
    grid = GridSearchCV(clf, space.to_grid(2), cv=2, refit=False).fit(faces.data, faces.target)
    assert len(grid.cv_results_["params"]) == 4
    draws = RandomizedSearchCV(clf, space.to_scipy(), n_iter=2, cv=2, random_state=0)
    draws.fit(faces.data, faces.target)
    assert 0.01 <= draws.best_params_["learning_rate"] <= 0.1


@pytest.mark.parametrize("name", SPACES)
def test_random_draws_stay_in_the_ranges(name):
    space = search_space(name)
    for params in ParameterSampler(space.to_scipy(), 100, random_state=0):
        for name, value in params.items():
            if name in ("widths", "optimizer", "learning_rate"):
                continue
            assert space.ranges[name]._contains(space.ranges[name].to_internal_repr(value))


def test_a_grid_covers_the_ends():
    grid = search_space().only("depth", "dropout", "optimizer", "learning_rate").to_grid(3)
    assert [table["optimizer"] for table in grid] == [["muon"], ["adamw"], ["sgd"]]
    assert grid[0]["depth"] == [1, 2]
    assert grid[0]["dropout"] == [0.0, 0.25, 0.5]
    np.testing.assert_allclose(grid[0]["learning_rate"], [0.01, 0.0316228, 0.1])


def test_ranges_of_ones_own():
    space = SearchSpace({"max_epochs": IntDistribution(2, 9), "dropout": FloatDistribution(0, 0.3)})
    assert space.names == ["max_epochs", "dropout"]
    assert all(2 <= params["max_epochs"] <= 9 for params in trials(space))
    assert space.to_grid(2) == [{"max_epochs": [2, 9], "dropout": [0.0, 0.3]}]


def test_unknown_names_are_errors():
    with pytest.raises(ValueError, match="Not in the space: \\['speed'\\]"):
        search_space().only("speed")
    with pytest.raises(ValueError, match="accurate, fast"):
        search_space("slow")
