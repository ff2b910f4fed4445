"""The trained networks that the package contains: names, sizes, answers."""

from pathlib import Path

import numpy as np
import pytest
from helpers import small_classifier

import fer_sklearn
from fer_sklearn import FERClassifier
from fer_sklearn.datasets import FER2013_NAMES, load_fer2013, make_faces
from fer_sklearn.export import ONNXClassifier, to_onnx

FOLDER = Path(fer_sklearn.__file__).parent / "pretrained"
SMALL = "fer2013-small"
for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason="needs the extra [onnx]")


@pytest.fixture(scope="module")
def drawn():
    return make_faces(70, random_state=0)


@pytest.mark.parametrize("name", ["fer2013", SMALL])
def test_a_network_knows_seven_expressions_of_small_faces(name, drawn):
    clf = FERClassifier.from_pretrained(name)
    assert clf.classes_.tolist() == sorted(FER2013_NAMES)
    assert clf.image_shape_ == (48, 48)
    assert clf.predict_proba(drawn.data).shape == (70, 7)


def test_the_files_are_small():
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sizes["fer2013.npz"] < 5e6
    assert sizes[f"{SMALL}.npz"] + sizes[f"{SMALL}.onnx"] < 2e6


def test_the_file_of_8_bits_is_the_small_network(drawn):
    clf, of_8_bits = FERClassifier.from_pretrained(SMALL), ONNXClassifier(SMALL)
    assert of_8_bits.get_params()["path"] == SMALL
    assert of_8_bits.classes_.tolist() == clf.classes_.tolist()
    assert np.mean(of_8_bits.predict(drawn.data) == clf.predict(drawn.data)) > 0.9
    gap = abs(of_8_bits.predict_proba(drawn.data) - clf.predict_proba(drawn.data))
    assert gap.mean() < 0.02


def test_the_networks_know_real_faces(fer2013):
    faces = load_fer2013(fer2013, usage="PublicTest")
    X, y = faces.data[:1000], faces.target[:1000]
    assert FERClassifier.from_pretrained("fer2013", predict_augment="flip").score(X, y) > 0.65
    assert FERClassifier.from_pretrained(SMALL).score(X, y) > 0.6
    assert ONNXClassifier(SMALL).score(X, y) > 0.6


def test_a_name_that_is_not_known_is_an_error_that_says_which_are():
    with pytest.raises(FileNotFoundError, match=r"pretrained='small'.*fer2013, fer2013-small"):
        FERClassifier.from_pretrained("small")
    with pytest.raises(FileNotFoundError, match=r"path='fer2013'.*\(fer2013-small\)"):
        ONNXClassifier("fer2013")


def test_a_file_cannot_take_the_name_of_one_of_the_package(drawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clf = small_classifier(max_epochs=1).fit(drawn.data, drawn.target)
    with pytest.raises(ValueError, match=r"write 'fer2013\.npz'"):
        clf.save_pretrained("fer2013")
    with pytest.raises(ValueError, match=r"write 'fer2013-small\.onnx'"):
        to_onnx(clf, SMALL)
    assert not list(tmp_path.iterdir())
