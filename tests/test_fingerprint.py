"""What counts as the same fit, or the same search: a killed one continues only as itself."""

import importlib
import os
import string
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import small_classifier
from optuna.distributions import FloatDistribution
from sklearn.metrics import f1_score, make_scorer
from torch import nn

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn._fingerprint import _Description, fingerprint
from fer_sklearn.datasets import make_faces
from fer_sklearn.networks import NETWORKS, ResNet
from fer_sklearn.tuning import FERSearchCV

_SCRIPT = """
from torch import nn
DROPOUT = {dropout}

class Block(nn.Sequential):
    kernel = {kernel}
    def __init__(self, n):
        super().__init__(nn.Flatten(), nn.LazyLinear(n), nn.{activation}())

class Net(nn.Sequential):
    def __init__(self, n_classes, image_shape):
        super().__init__(Block(8), nn.Dropout(DROPOUT), nn.Linear(8, n_classes))

def build(n_classes, image_shape):
    if image_shape in {{(16, 16), (24, 24), (48, 48)}}:
        return Net(n_classes, image_shape)

class Factory:
    def __init__(self, width):
        self.width = width
    def __call__(self, n_classes, image_shape):
        return Net(n_classes, image_shape)

def maker(width):
    return lambda n_classes, image_shape: nn.LazyLinear(width)
"""
_USUAL = {"dropout": 0.1, "kernel": 3, "activation": "ReLU"}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return a function that imports a module of the user as it was last edited."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(**changes):
        (tmp_path / "mynets.py").write_text(_SCRIPT.format(**{**_USUAL, **changes}))
        sys.modules.pop("mynets", None)
        importlib.invalidate_caches()
        return importlib.import_module("mynets")

    yield write
    sys.modules.pop("mynets", None)


def of(part):
    return fingerprint([part], set(), None)


@pytest.mark.parametrize("name", ["Net", "build"])
@pytest.mark.parametrize("change", [{"dropout": 0.2}, {"kernel": 5}, {"activation": "GELU"}])
def test_an_edited_network_is_another_one(written, name, change):
    """Functions and classes were known by name alone: a killed study went on with other scores."""
    before = of(FERClassifier(network=getattr(written(), name)))
    assert of(FERClassifier(network=getattr(written(), name))) == before
    assert of(FERClassifier(network=getattr(written(**change), name))) != before


def test_the_values_that_a_network_was_made_with_count(written):
    nets = written()
    pairs = [
        (nets.maker(8), nets.maker(16)),
        (nets.Factory(8), nets.Factory(16)),
        (partial(nets.build, image_shape=(8, 8)), partial(nets.build, image_shape=(9, 9))),
        (nets.Factory(8).__call__, nets.Factory(16).__call__),
    ]
    for one, other in pairs:
        assert of(FERClassifier(network=one)) != of(FERClassifier(network=other))
    assert of(nets.maker(8)) == of(nets.maker(8))


def test_a_registered_name_stands_for_its_network(written, monkeypatch):
    names = set()
    for activation in ("ReLU", "GELU", "ReLU"):
        monkeypatch.setitem(NETWORKS, "mine", written(activation=activation).build)
        names.add(of(FERClassifier(network="mine")))
    assert len(names) == 2


def test_the_metric_of_a_scorer_counts():
    scorers = [make_scorer(lambda y, p: np.mean(y == p)), make_scorer(lambda y, p: np.sum(y == p))]
    assert of(scorers[0]) != of(scorers[1])


def test_functions_of_packages_count_by_name():
    """Or an upgrade of Python or scikit-learn would end every study."""
    described = _Description(set()).of
    assert described([f1_score, ResNet]) == ["f1_score", "ResNet"]
    assert described(string.Formatter()) == "<string.Formatter object>"
    assert described(make_scorer(f1_score)) == repr(make_scorer(f1_score))


def test_a_function_that_calls_itself_ends(written):
    def build(depth):
        return build(depth - 1) if depth else nn.Identity()

    assert of(build) == of(build)


def test_a_fingerprint_is_the_same_in_every_process(written, tmp_path):
    """Sets of texts have another order in each, and functions another address."""
    written()
    program = (
        "import mynets; from fer_sklearn import FERClassifier\n"
        "from fer_sklearn._fingerprint import fingerprint\n"
        "parts = [mynets.Net, mynets.build, mynets.Factory(3), mynets.maker(3),\n"
        "         lambda name: name in {'a', 'b', 'c', 'd'}]\n"
        "print(*[fingerprint([FERClassifier(network=part)], set(), None) for part in parts])"
    )
    here = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": here, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(printed) == 1
    assert len(set(printed.pop().split())) == 5


def test_old_fingerprints_stay():
    """Of what has no functions of the user, as an earlier version described it."""
    clf = FERClassifier(widths=(8, 16), augment=FaceAugmenter(rotation=5.0), random_state=0)
    assert of([clf, {"learning_rate": FloatDistribution(0.01, 0.1)}]) == OLD


OLD = "f9d1dd5aee0ecd00927fb8993ceb050d"


def test_a_search_with_an_edited_lambda_does_not_continue_the_study(tmp_path):
    X, y = make_faces(70, image_size=16, random_state=0, return_X_y=True)

    def search(network):
        clf = small_classifier(network=network, widths=None, max_epochs=1)
        space = {"learning_rate": FloatDistribution(0.01, 0.1)}
        how = {"n_trials": 1, "refit": False, "storage": tmp_path / "study.log"}
        return FERSearchCV(clf, space, **how).fit(X, y)

    flat = nn.Flatten
    search(lambda n_classes, image_shape: nn.Sequential(flat(), nn.Linear(256, n_classes)))
    with pytest.raises(ValueError, match="is one of other data, splits, parameters"):
        search(lambda n_classes, image_shape: nn.Sequential(flat(), nn.Tanh(), nn.Linear(256, 7)))
