"""The recipes by name."""

import pytest
from helpers import small_classifier
from sklearn.base import clone

from fer_sklearn import FERClassifier, preset
from fer_sklearn.networks import NETWORKS
from fer_sklearn.presets import OF_THE_NETWORK, PRESETS


def test_the_default_is_the_fast_preset():
    assert FERClassifier(**preset("fast")).get_params() == FERClassifier().get_params()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_parameter_values_that_fit_takes(name, faces):
    params = {**preset(name), "widths": (8, 16), "max_epochs": 1, "random_state": 0}
    clf = clone(FERClassifier(**params)).fit(faces.data, faces.target)
    assert clf.predict(faces.data).shape == (280,)


def test_the_report_s_network_has_its_parts_and_no_others():
    """Convolution, batch norm, ReLU, max-pooling, fully connected layers with dropout."""
    clf = FERClassifier(**preset("report"))
    network = NETWORKS[clf.network](7, (48, 48), widths=clf.widths, dropout=clf.dropout)
    parts = {type(part).__name__.removesuffix("2d") for part in network.modules()}
    assert parts - {"CNN", "Sequential", "Chain", "Head", "Logits"} == {
        *("Conv3x3", "BatchNorm", "ReLU", "MaxPool", "Flatten", "Dropout", "Linear")
    }
    assert (clf.optimizer, clf.mixup) == ("adam", 0)
    assert (clf.augment.flip, clf.augment.erase) == (0.5, 0)


def test_the_transformer_s_preset_is_the_accurate_one_with_another_network():
    params, accurate = preset("hybrid"), preset("accurate")
    assert {name for name in params if repr(params[name]) != repr(accurate.get(name))} == {
        *("network", "depth", "weight_decay")
    }
    built = NETWORKS[params["network"]](7, (48, 48), widths=params["widths"], depth=params["depth"])
    usual = NETWORKS["hybrid"](7, (48, 48))
    assert [part.shape for part in built.parameters()] == [p.shape for p in usual.parameters()]


@pytest.mark.parametrize("name", PRESETS)
def test_without_the_network_a_preset_fits_every_file(name, faces, tmp_path):
    file = tmp_path / "cnn.npz"
    small_classifier(network="cnn", max_epochs=1).fit(faces.data, faces.target).save_pretrained(
        file
    )
    kept = {key: value for key, value in preset(name).items() if key not in OF_THE_NETWORK}
    clf = FERClassifier(**{**kept, "network": "cnn", "pretrained": file, "max_epochs": 1})
    clf.fit(faces.data, faces.target)


def test_a_preset_shares_nothing_between_classifiers():
    first, second = (FERClassifier(**preset("accurate")) for _ in range(2))
    first.set_params(augment__erase=0.0)
    assert second.augment.erase > 0


def test_an_unknown_preset_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="accurate, fast, hybrid, report, small"):
        preset("slow")
