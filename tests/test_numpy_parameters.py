"""Parameters that are NumPy's numbers, as grids made of arrays hold them, and what is no number."""

import joblib
import numpy as np
import pytest
from helpers import probabilities, small_classifier
from optuna.distributions import CategoricalDistribution
from sklearn.model_selection import GridSearchCV
from tuning_helpers import search

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.datasets import make_faces

PARAMS = {
    "max_epochs": np.int64(2),
    "batch_size": np.int8(100),
    "learning_rate": np.float32(0.01),
    "depth": np.int64(1),
    "dropout": np.float32(0.5),
    "mixup": np.float16(0.5),
    "network_params": {"activation": np.str_("relu")},
}


def test_numpys_numbers_train_as_pythons_and_the_network_can_be_stored(faces, tmp_path):
    clf = small_classifier(**PARAMS).fit(faces.data, faces.target)
    same = {name: getattr(value, "item", lambda v=value: v)() for name, value in PARAMS.items()}
    assert type(same["max_epochs"]) is int
    expected = small_classifier(**same).fit(faces.data, faces.target)
    np.testing.assert_array_equal(probabilities(clf, faces), probabilities(expected, faces))
    assert clf.max_epochs is PARAMS["max_epochs"]  # parameters stay as they were given
    clf.save_pretrained(tmp_path / "n.npz")
    assert FERClassifier.from_pretrained(tmp_path / "n.npz").score(faces.data, faces.target) > 0
    joblib.dump(clf, tmp_path / "n.joblib")
    joblib.load(tmp_path / "n.joblib").save_pretrained(tmp_path / "n.npz")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16])
def test_a_batch_size_of_few_bits_does_not_overflow(faces, dtype):
    params = {"max_epochs": 1, "widths": (8,)}
    clf = small_classifier(batch_size=dtype(100), **params).fit(faces.data, faces.target)
    expected = small_classifier(batch_size=100, **params).fit(faces.data, faces.target)
    np.testing.assert_array_equal(probabilities(clf, faces), probabilities(expected, faces))


def test_a_grid_may_be_arrays(faces):
    grid = {"max_epochs": np.arange(1, 3), "early_stopping": [True], "n_iter_no_change": [1]}
    found = GridSearchCV(small_classifier(widths=(8,)), grid, cv=2, error_score="raise")
    found.fit(faces.data, faces.target)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


def test_choices_of_a_stored_study_may_be_an_array(faces, tmp_path):
    with pytest.warns(UserWarning, match="persistent storage"):  # of Optuna
        space = {"batch_size": CategoricalDistribution(tuple(np.array([70, 140])))}
    found = search(space=space, n_trials=2, storage=tmp_path / "study.log")
    found.fit(faces.data, faces.target)
    assert found.best_params_["batch_size"] in (70, 140)


@pytest.mark.parametrize(
    "name", ["max_epochs", "n_iter_no_change", "learning_rate", "mixup", "depth"]
)
def test_true_is_no_number(name, faces):
    """Python counts it as 1: `mixup=True` would train with a strength that nobody chose."""
    with pytest.raises(ValueError, match=rf"'{name}' parameter of FERClassifier .* Got True"):
        small_classifier(**{name: True}).fit(faces.data, faces.target)


@pytest.mark.parametrize("name", ["flip", "erase", "rotation"])
def test_true_is_no_strength_of_an_augmentation(name, faces):
    with pytest.raises(ValueError, match=rf"'{name}' parameter of FaceAugmenter .* Got True"):
        FaceAugmenter(**{name: True}).fit(faces.data)


def test_true_is_no_number_of_faces():
    with pytest.raises(ValueError, match=r"'n_samples' parameter of make_faces .* Got True"):
        make_faces(True)
