"""Weights in a file, and trainings that start from them."""

import copy
import json

import numpy as np
import pytest
from helpers import network_of, small_classifier
from scipy.special import softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from fer_sklearn import FaceNormalizer, FERClassifier, make_fer_pipeline
from fer_sklearn._pretrained import _checksum, read_pretrained
from fer_sklearn.networks import NETWORKS


@pytest.fixture(scope="module")
def path(learned, tmp_path_factory):
    """A file of a classifier that has learned `faces`."""
    path = tmp_path_factory.mktemp("pretrained") / "faces.npz"
    learned.save_pretrained(path, note="drawn faces")
    return path


def fine_tuned(path, faces, **params):
    defaults = {"max_epochs": 1, "random_state": 0, "batch_size": 32}
    return FERClassifier(pretrained=path, **{**defaults, **params}).fit(faces.data, faces.target)


def test_a_file_gives_the_classifier_back(path, learned, faces):
    clf = learned
    again = FERClassifier.from_pretrained(path)
    assert again.classes_.tolist() == clf.classes_.tolist()
    assert again.classes_.dtype.kind == "U"
    assert (again.n_features_in_, again.image_shape_) == (24 * 24, (24, 24))
    expected = clf.predict_proba(faces.data)
    np.testing.assert_allclose(again.predict_proba(faces.data), expected, atol=0.01)
    assert np.abs(again.predict_proba(faces.data) - expected).max() > 0  # half precision
    assert again.class_count_.tolist() == [40] * 7


def test_a_temperature_is_written_into_the_weights(fitted, faces, tmp_path):
    X = faces.data[:40]
    fitted.save_pretrained(tmp_path / "cool.npz", temperature=0.5)
    cool = FERClassifier.from_pretrained(tmp_path / "cool.npz", predict_augment="ten-crop")
    plain = copy.deepcopy(fitted).set_params(predict_augment="ten-crop")
    expected = softmax(2 * plain.decision_function(X), axis=1)
    np.testing.assert_allclose(cool.predict_proba(X), expected, atol=0.01)
    assert np.abs(plain.predict_proba(X) - expected).max() > 0.05
    for wrong in (0, -1.0, np.nan, np.inf, 1e-300, "2"):
        with pytest.raises(ValueError, match="temperature has to be"):
            fitted.save_pretrained(tmp_path / "x.npz", temperature=wrong)
    assert not (tmp_path / "x.npz").exists()


def test_small_weights_are_rounded_whatever_numpy_is_told_to_raise(fitted, tmp_path):
    with np.errstate(all="raise"):
        fitted.save_pretrained(tmp_path / "x.npz")


def test_a_file_is_arrays_and_json_of_about_half_the_size(path, fitted, tmp_path):
    with np.load(path, allow_pickle=False) as archive:
        about = json.loads(archive["about"].tobytes())
        kinds = {archive[name].dtype for name in archive.files if archive[name].ndim == 4}
    assert about["network"] == "resnet"
    assert about["note"] == "drawn faces"
    assert kinds == {np.dtype(np.float16)}


def test_the_activation_is_read_from_the_file_or_is_that_of_format_1(path):
    assert read_pretrained(path).network_params["activation"] == "gelu"
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    about = json.loads(arrays["about"].tobytes())
    del about["network_params"]["activation"], about["sha256"], about["format"]
    weights = {name: array for name, array in arrays.items() if name != "about"}
    stated = {**about, "format": 1, "sha256": _checksum(about, weights)}
    entry = np.frombuffer(json.dumps(stated).encode(), np.uint8)
    older = path.with_name("older.npz")
    np.savez(older, about=entry, **weights)
    assert read_pretrained(older).network_params["activation"] == "relu"


def test_fit_goes_on_from_the_file(path, faces):
    scratch = small_classifier(max_epochs=1).fit(faces.data, faces.target)
    tuned = fine_tuned(path, faces)
    assert tuned.score(faces.data, faces.target) > scratch.score(faces.data, faces.target) + 0.3
    first = tuned.predict_proba(faces.data)
    np.testing.assert_array_equal(
        tuned.fit(faces.data, faces.target).predict_proba(faces.data), first
    )
    loaded = FERClassifier.from_pretrained(path, max_epochs=1, random_state=0, batch_size=32)
    loaded.fit(faces.data, faces.target)
    np.testing.assert_array_equal(loaded.predict_proba(faces.data), first)


def test_the_file_knows_the_shape_of_flat_rows(tmp_path):
    faces = np.random.default_rng(0).integers(0, 256, (40, 12, 27), dtype=np.uint8)
    rows, y = faces.reshape(40, -1), np.arange(40) % 2  # of 18 x 18 pixels, they look like
    small_classifier(max_epochs=1).fit(faces, y).save_pretrained(tmp_path / "wide.npz")
    clf = FERClassifier(pretrained=tmp_path / "wide.npz", max_epochs=1).fit(rows, y)
    assert clf.image_shape_ == clf.partial_fit(rows, y).image_shape_ == (12, 27)


def test_partial_fit_goes_on_from_the_file(path, faces):
    loaded = FERClassifier.from_pretrained(path, random_state=0)
    before = loaded.score(faces.data, faces.target)
    assert before > 0.8
    loaded.partial_fit(faces.data[:64], faces.target[:64])
    assert loaded.score(faces.data, faces.target) > before - 0.2
    fresh = FERClassifier(pretrained=path, random_state=0)
    fresh.partial_fit(faces.data[:64], faces.target[:64], classes=np.unique(faces.target))
    np.testing.assert_array_equal(fresh.predict_proba(faces.data), loaded.predict_proba(faces.data))


def test_a_clone_starts_from_the_file_in_searches_too(path, faces):
    loaded = FERClassifier.from_pretrained(path, max_epochs=1, random_state=0)
    search = GridSearchCV(clone(loaded), {"freeze": [0, 2]}, cv=2).fit(faces.data, faces.target)
    assert min(search.cv_results_["mean_test_score"]) > 0.7


def test_known_labels_keep_their_weights_and_new_ones_get_fresh_ones(path, faces):
    start = read_pretrained(path)
    y = np.where(faces.target == "happy", "laughing", faces.target)
    clf = FERClassifier(
        pretrained=path, learning_rate=1e-12, random_state=0, max_epochs=1, optimizer="sgd"
    )
    clf.fit(faces.data, y)
    assert len(clf.classes_) == 7
    rows = network_of(clf).state_dict()["head.3.weight"].numpy()
    stored = start.weights["head.3.weight"]
    for label in set(start.classes) - {"happy"}:
        row = clf.classes_.tolist().index(label)
        np.testing.assert_allclose(rows[row], stored[start.classes.index(label)], atol=1e-6)
    few = np.isin(faces.target, ["sad", "happy"])
    two = FERClassifier(pretrained=path, max_epochs=1, random_state=0)
    two.fit(faces.data[few], faces.target[few])
    assert two.score(faces.data[few], faces.target[few]) > 0.9


def test_frozen_stages_stay_as_they_are_and_the_others_learn(path, faces):
    stored = read_pretrained(path).weights
    clf = fine_tuned(path, faces, freeze=1)
    after = {k: v.numpy() for k, v in network_of(clf).state_dict().items()}
    first_stage = [name for name in stored if name.split(".")[1] in ("1", "2")]
    assert any("running_mean" in name for name in first_stage)
    for name in stored:
        same = np.array_equal(after[name], stored[name])
        assert same == (name in first_stage), name


@pytest.mark.parametrize("network", ["cnn", "resnet"])
def test_freeze_counts_the_stages_of_a_network(network, faces):
    clf = small_classifier(network=network, freeze=2, max_epochs=1)
    clf.fit(faces.data, faces.target)
    with pytest.raises(ValueError, match=r"freeze=3, but .* has 2 stages"):
        clf.set_params(freeze=3).fit(faces.data, faces.target)


def test_the_normalisation_is_that_of_the_file(path, faces):
    start = read_pretrained(path)
    dark = faces.data // 2
    clf = FERClassifier(pretrained=path, max_epochs=1).fit(dark, faces.target)
    assert clf.normalizer_.mean_ == start.normalization["mean"]
    own = FERClassifier(pretrained=path, max_epochs=1, normalize=FaceNormalizer())
    assert own.fit(dark, faces.target).normalizer_.mean_ < start.normalization["mean"] / 1.5
    pipeline = make_fer_pipeline(pretrained=path, max_epochs=1).fit(faces.data, faces.target)
    assert pipeline.score(faces.data, faces.target) > 0.7


def test_a_stated_pixel_range_leaves_the_normalisation_that_of_the_file(path, faces):
    X = faces.data[:40]
    clf = FERClassifier.from_pretrained(path)
    expected = clf.predict_proba(X)
    for pixel_range, given in {(0, 1): X / 255, (-1, 1): X / 127.5 - 1, "auto": X}.items():
        stated = FaceNormalizer(pixel_range=pixel_range)
        ranged = FERClassifier.from_pretrained(path, normalize=stated)
        np.testing.assert_allclose(ranged.predict_proba(given), expected, atol=1e-5)
        assert ranged.normalizer_.scale_ == clf.normalizer_.scale_
    unit = FERClassifier.from_pretrained(path, normalize=FaceNormalizer(pixel_range=(0, 1)))
    np.testing.assert_array_equal(unit.predict_proba(X), expected)
    for other in (FaceNormalizer("image"), "upstream"):
        with pytest.raises(ValueError, match="faces by method 'dataset', got normalize="):
            FERClassifier.from_pretrained(path, normalize=other)


class HeadFirst(nn.Module):
    """Its last layer comes first in its state."""

    def __init__(self, n_classes, image_shape, bias=True, hidden_units=None):
        super().__init__()
        units = hidden_units or 4
        self.head = nn.Linear(units, n_classes, bias=bias)
        convolution = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU())
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        hidden = nn.Linear(4, units) if hidden_units else nn.Identity()
        self.body = nn.Sequential(convolution, pool, hidden)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.fixture
def own_network(monkeypatch):
    monkeypatch.setitem(NETWORKS, "head first", HeadFirst)
    return {"network": "head first", "max_epochs": 1, "random_state": 0}


@pytest.mark.parametrize("bias", [True, False])
def test_the_last_layer_is_found_wherever_a_network_declares_it(bias, own_network, faces, tmp_path):
    params = {**own_network, "network_params": {"bias": bias}, "predict_augment": None}
    clf = FERClassifier(**params).fit(faces.data, faces.target)
    clf.save_pretrained(tmp_path / "warm.npz", temperature=2)
    warm = FERClassifier.from_pretrained(tmp_path / "warm.npz", predict_augment=None)
    logits = clf.decision_function(faces.data)
    np.testing.assert_allclose(warm.decision_function(faces.data), logits / 2, atol=0.01)
    y = np.where(faces.target == "happy", "laughing", faces.target)
    tuned = FERClassifier(**params, pretrained=tmp_path / "warm.npz", learning_rate=1e-12)
    tuned.set_params(optimizer="sgd").fit(faces.data, y)
    last = network_of(tuned).head
    assert (last.bias is not None) == bias
    stored = read_pretrained(tmp_path / "warm.npz")
    sad = tuned.classes_.tolist().index("sad"), stored.classes.index("sad")
    np.testing.assert_allclose(
        last.weight[sad[0]].detach(), stored.weights["head.weight"][sad[1]], atol=1e-6
    )


def test_a_network_whose_last_linear_layer_gives_no_logits_is_an_error(
    own_network, faces, tmp_path
):
    clf = FERClassifier(**own_network, network_params={"hidden_units": 5})
    clf.fit(faces.data, faces.target).save_pretrained(tmp_path / "plain.npz")
    again = FERClassifier.from_pretrained(tmp_path / "plain.npz")
    assert again.score(faces.data, faces.target) > 0
    match = "last nn.Linear of HeadFirst .* gives the 7 logits, got 'body.2' with 5 outputs"
    with pytest.raises(ValueError, match=match):
        clf.save_pretrained(tmp_path / "warm.npz", temperature=2)
    few = np.isin(faces.target, ["sad", "happy"])
    with pytest.raises(ValueError, match=r"gives the 2 logits"):
        again.fit(faces.data[few], faces.target[few])


def test_an_array_of_widths_can_be_stored(faces, tmp_path):
    clf = small_classifier(widths=np.array([4, 8]), max_epochs=1).fit(faces.data, faces.target)
    clf.save_pretrained(tmp_path / "widths.npz")
    assert read_pretrained(tmp_path / "widths.npz").network_params["widths"] == (4, 8)


def test_training_does_not_go_on_with_another_network_than_the_files(path, faces):
    clf = FERClassifier.from_pretrained(path).set_params(widths=(4, 4))
    with pytest.raises(ValueError, match="training cannot continue"):
        clf.partial_fit(faces.data, faces.target)


def test_what_does_not_fit_the_file_is_an_error_that_says_what_it_has(path, faces):
    with pytest.raises(ValueError, match=r"\(24, 24\) pixels .* got \(12, 12\)"):
        FERClassifier(pretrained=path).fit(faces.data[:, ::2, ::2], faces.target)
    for params in ({"widths": (8, 32)}, {"network": "cnn"}):
        with pytest.raises(ValueError, match="parameters say"):
            FERClassifier(pretrained=path, **params).fit(faces.data, faces.target)
        with pytest.raises(ValueError, match="parameters say"):
            FERClassifier.from_pretrained(path, **params)
    fine_tuned(path, faces, widths=[8, 16], dropout=0.5)
    with pytest.raises(FileNotFoundError, match="neither a file nor the name"):
        FERClassifier.from_pretrained("nothing")


def test_a_damaged_file_is_an_error(path, tmp_path):
    content = bytearray(path.read_bytes())
    bad = tmp_path / "bad.npz"
    bad.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged"):
        FERClassifier.from_pretrained(bad)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["head.3.bias"] = arrays["head.3.bias"] + 1
    np.savez(bad, **arrays)
    with pytest.raises(ValueError, match="checksum does not match"):
        FERClassifier.from_pretrained(bad)
    about = json.loads(arrays["about"].tobytes())
    newer = json.dumps({**about, "format": 99}).encode()
    np.savez(bad, **{**arrays, "about": np.frombuffer(newer, np.uint8)})
    with pytest.raises(ValueError, match="Upgrade it"):
        FERClassifier.from_pretrained(bad)


def test_what_a_file_cannot_hold_is_an_error(faces, tmp_path, fitted):
    upstream = small_classifier(normalize="upstream", max_epochs=1)
    upstream.fit(FaceNormalizer().fit_transform(faces.data), faces.target)
    with pytest.raises(ValueError, match="normalize='upstream'"):
        upstream.save_pretrained(tmp_path / "x.npz")

    def network(n_classes, image_shape):
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(image_shape[0] * image_shape[1], n_classes))

    own = FERClassifier(network, max_epochs=1).fit(faces.data, faces.target)
    with pytest.raises(TypeError, match="register_network"):
        own.save_pretrained(tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_writing_that_is_stopped_leaves_the_old_file_and_nothing_else(
    fitted, tmp_path, monkeypatch
):
    path = tmp_path / "x.npz"
    fitted.save_pretrained(path)
    old = path.read_bytes()

    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted.save_pretrained(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == old


def test_a_device_that_is_not_there_is_named(path):
    with pytest.raises(ValueError, match="device='gpu' is not on this machine"):
        FERClassifier.from_pretrained(path, device="gpu")


def test_a_note_that_could_not_be_read_again_is_not_written(fitted, tmp_path):
    with pytest.raises(ValueError, match=r"a file holds up to 1,048,576\. Shorten them"):
        fitted.save_pretrained(tmp_path / "a.npz", note="x" * 2**20)
    assert not any(tmp_path.iterdir())
