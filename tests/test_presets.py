"""The recipes by name."""

import pytest
from sklearn.base import clone

from fer_sklearn import FERClassifier, preset
from fer_sklearn.presets import PRESETS


def test_the_default_is_the_fast_preset():
    assert FERClassifier(**preset("fast")).get_params() == FERClassifier().get_params()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_parameter_values_that_fit_takes(name, faces):
    params = {**preset(name), "widths": (8, 16), "max_epochs": 1, "random_state": 0}
    clf = clone(FERClassifier(**params)).fit(faces.data, faces.target)
    assert clf.predict(faces.data).shape == (280,)


def test_a_preset_shares_nothing_between_classifiers():
    first, second = (FERClassifier(**preset("accurate")) for _ in range(2))
    first.set_params(augment__erase=0.0)
    assert second.augment.erase > 0


def test_an_unknown_preset_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="accurate, fast"):
        preset("slow")
