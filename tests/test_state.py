"""Pickles: their content, their size, other processes, other versions."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from helpers import small_classifier
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier, make_fer_pipeline
from fer_sklearn._state import STATE_FORMAT, unpack_state
from fer_sklearn.datasets import make_faces
from fer_sklearn.networks import NETWORKS, register_network

PICKLES = Path(__file__).parent / "pickles"


def n_bytes_of_weights(clf):
    return sum(array.nbytes for array in clf.__getstate__()["weights"].values())


def test_a_pickle_is_about_the_size_of_the_weights(faces):
    clf = small_classifier(widths=(16, 32), max_epochs=1).fit(faces.data, faces.target)
    clf.partial_fit(faces.data, faces.target)  # has an optimiser in memory
    assert len(pickle.dumps(clf)) < n_bytes_of_weights(clf) + 15_000


def test_a_pickle_holds_no_torch_object(fitted):
    state = fitted.__getstate__()
    assert state["state_format"] == STATE_FORMAT
    assert {type(array) for array in state["weights"].values()} == {np.ndarray}
    assert b"torch" not in pickle.dumps(fitted)
    assert b"skorch" not in pickle.dumps(fitted)


def test_a_new_process_without_a_gpu_predicts_the_same_to_the_bit(faces, tmp_path):
    small = {"widths": (8,), "max_epochs": 1, "random_state": 0}
    models = {
        "classifier": FERClassifier(**small),
        "pipeline": make_fer_pipeline(**small),
        "search": GridSearchCV(FERClassifier(**small), {"batch_size": [64]}, cv=2),
    }
    for name, model in models.items():
        joblib.dump(model.fit(faces.data, faces.target), tmp_path / f"{name}.joblib")
    np.save(tmp_path / "X.npy", faces.data)
    code = (
        "import joblib, numpy, pathlib, sys; folder = pathlib.Path(sys.argv[1]);"
        "X = numpy.load(folder / 'X.npy');"
        "found = {p.stem: joblib.load(p).predict_proba(X) for p in folder.glob('*.joblib')};"
        "numpy.savez(folder / 'found.npz', **found)"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        check=True,
        env={"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"},
    )
    found = np.load(tmp_path / "found.npz")
    for name, model in models.items():
        np.testing.assert_array_equal(found[name], model.predict_proba(faces.data), err_msg=name)


def test_a_classifier_trained_on_a_missing_gpu_loads_on_the_cpu(fitted, faces):
    state = fitted.__getstate__()
    state["attributes"]["device"] = "cuda:7"
    loaded = FERClassifier.__new__(FERClassifier)
    loaded.__setstate__(state)
    np.testing.assert_array_equal(
        loaded.predict_proba(faces.data), fitted.predict_proba(faces.data)
    )


def test_a_loaded_classifier_can_go_on_training(fitted, faces):
    loaded = pickle.loads(pickle.dumps(fitted))
    assert loaded.history_ == fitted.history_
    loaded.partial_fit(faces.data, faces.target)
    assert loaded.n_iter_ == fitted.n_iter_ + 1
    loaded.set_params(warm_start=True).fit(faces.data, faces.target)
    assert loaded.n_iter_ == fitted.n_iter_ + 4


def test_an_unfitted_classifier_survives_too():
    clf = FERClassifier(max_epochs=7)
    assert pickle.loads(pickle.dumps(clf)).get_params() == clf.get_params()


def test_parameters_changed_after_fit_do_not_break_loading(fitted, faces):
    clf = pickle.loads(pickle.dumps(fitted)).set_params(widths=(4,), network="cnn")
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(
        loaded.predict_proba(faces.data), fitted.predict_proba(faces.data)
    )


def test_a_memory_mapped_joblib_file_loads(fitted, faces, tmp_path):
    joblib.dump(fitted, tmp_path / "m.joblib")
    loaded = joblib.load(tmp_path / "m.joblib", mmap_mode="r")
    np.testing.assert_array_equal(loaded.predict(faces.data), fitted.predict(faces.data))


def test_parameters_that_an_older_pickle_lacks_have_their_defaults(fitted):
    state = fitted.__getstate__()
    del state["attributes"]["label_smoothing"]
    loaded = FERClassifier.__new__(FERClassifier)
    loaded.__setstate__(state)
    assert loaded.label_smoothing == FERClassifier().label_smoothing
    assert clone(loaded).label_smoothing == FERClassifier().label_smoothing


def test_a_newer_format_is_refused(fitted):
    state = {**fitted.__getstate__(), "state_format": STATE_FORMAT + 1}
    with pytest.raises(ValueError, match=f"stored in format {STATE_FORMAT + 1}; .* Upgrade it"):
        FERClassifier.__new__(FERClassifier).__setstate__(state)


@pytest.mark.parametrize("number", range(1, STATE_FORMAT + 1))
def test_frozen_pickles_of_every_format_load(number):
    """Written by `python tests/pickles/freeze.py`, never again for the same number."""
    frozen = joblib.load(PICKLES / f"format-{number}.joblib")
    clf, X = frozen["classifier"], frozen["X"]
    np.testing.assert_allclose(clf.predict_proba(X), frozen["probabilities"], atol=1e-5)
    np.testing.assert_array_equal(clf.predict(X), frozen["labels"])


def test_a_pickle_of_format_1_keeps_its_activation():
    clf = joblib.load(PICKLES / "format-1.joblib")["classifier"]
    X, y = make_faces(60, image_size=16, random_state=0, return_X_y=True)
    assert clf.network_params == {"activation": "relu"}
    assert clf.partial_fit(X, y).n_iter_ == 4


def test_format_1_of_a_classifier_whose_network_was_changed_after_fit():
    recipe = {"network": "resnet", "params": {"widths": (4,)}}
    attributes = {"network": "cnn", "network_params": None, "_recipe": recipe}
    old = {"state_format": 1, "attributes": attributes, "weights": None}
    upgraded, _ = unpack_state(old, {})
    assert upgraded["network_params"] is None
    assert upgraded["_recipe"]["params"] == {"activation": "relu", "widths": (4,)}


def last_in_line(n_classes, image_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(image_shape[0] * image_shape[1], n_classes))


def test_a_registered_network_travels_with_its_classifier(faces, tmp_path, monkeypatch):
    """Another process does not know its name: it is registered where the pickle arrives."""
    monkeypatch.setattr("fer_sklearn.networks.NETWORKS", dict(NETWORKS))
    monkeypatch.setattr(last_in_line, "__module__", "__main__")  # as in a script
    register_network("last in line", last_in_line)
    clf = small_classifier(network="last in line", widths=None, max_epochs=1, optimizer="adam")
    joblib.dump((clf.fit(faces.data, faces.target), faces.data), tmp_path / "model.joblib")
    code = "import joblib, sys; clf, X = joblib.load(sys.argv[1]); print(*clf.predict(X[:5]))"
    answered = subprocess.check_output(
        [sys.executable, "-c", code, str(tmp_path / "model.joblib")], text=True
    )
    assert answered.split() == clf.predict(faces.data[:5]).tolist()


OURS = {
    "fer_sklearn.classifier.FERClassifier",
    "fer_sklearn.normalize.FaceNormalizer",
    "fer_sklearn.augment.FaceAugmenter",
}


def test_skops_loads_it_trusting_only_our_classes(faces, tmp_path):
    clf = small_classifier(normalize=FaceNormalizer("image")).fit(faces.data, faces.target)
    skops.io.dump(clf, tmp_path / "m.skops")
    untrusted = skops.io.get_untrusted_types(file=tmp_path / "m.skops")
    assert set(untrusted) <= OURS
    loaded = skops.io.load(tmp_path / "m.skops", trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict_proba(faces.data), clf.predict_proba(faces.data))


@pytest.mark.parametrize("widths", [[8], np.array([8])])
def test_training_goes_on_whatever_kind_of_sequence_the_widths_are(faces, widths, tmp_path):
    clf = small_classifier(widths=widths, max_epochs=1, warm_start=True)
    clf.fit(faces.data, faces.target).save_pretrained(tmp_path / "weights.npz")
    old = clf.__getstate__()
    old["attributes"]["_recipe"]["params"]["widths"] = widths  # pickles kept them as they came
    again = FERClassifier.__new__(FERClassifier)
    again.__setstate__(old)
    assert again.fit(faces.data, faces.target).n_iter_ == 2
    nested = small_classifier(widths=None, network_params={"widths": widths}, max_epochs=1)
    nested.fit(faces.data, faces.target).save_pretrained(tmp_path / "weights.npz")


PARTS = [
    (part, name)
    for part in (FaceAugmenter(), FaceNormalizer())
    for name in part.get_params(deep=False)
]


@pytest.mark.parametrize(("part", "name"), PARTS, ids=[name for _, name in PARTS])
def test_a_part_of_an_older_pickle_gets_the_default_of_a_parameter_that_it_lacks(
    part, name, fitted, faces
):
    """As if the parameter had been added to the part after the pickle was written."""
    step = "augment" if isinstance(part, FaceAugmenter) else "normalize"
    stored = clone(part)
    delattr(stored, name)
    clf = copy.deepcopy(fitted)
    setattr(clf, step, stored)
    loaded = pickle.loads(pickle.dumps(clf))
    assert clone(loaded).get_params()[f"{step}__{name}"] == part.get_params()[name]
    assert repr(getattr(loaded, step)) == repr(part)
    assert loaded.partial_fit(faces.data, faces.target).n_iter_ == fitted.n_iter_ + 1
