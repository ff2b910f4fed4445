"""ONNX files: what they answer, what they refuse, and that they need no torch."""

import dataclasses
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pandas as pd
import pytest
from helpers import small_classifier
from scipy.special import softmax
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from fer_sklearn import FaceNormalizer, FERClassifier, make_fer_pipeline
from fer_sklearn.model import VIEWS

onnx = pytest.importorskip("onnx", reason="needs the extra [onnx]")
ort = pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")


from fer_sklearn.export import ONNXClassifier, to_onnx  # noqa: E402, which skips without it
from fer_sklearn.export._file import join  # noqa: E402


@pytest.fixture(scope="module")
def path(fitted, tmp_path_factory):
    """The file of `fitted`."""
    path = tmp_path_factory.mktemp("onnx") / "faces.onnx"
    to_onnx(fitted, path)
    return path


@pytest.fixture(scope="module")
def from_file(path):
    """What runs that file; not to be changed."""
    return ONNXClassifier(path)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "target.onnx"


def quick_fit(X, y, **params):
    """A classifier of few weights after one epoch, a fraction of a second."""
    return small_classifier(**{"widths": (4,), "max_epochs": 1, **params}).fit(X, y)


def exported(clf, target, **params):
    to_onnx(clf, target, **params)
    return ONNXClassifier(target)


def assert_agree(got, clf, X):
    np.testing.assert_allclose(got.predict_log_proba(X), clf.predict_log_proba(X), atol=1e-4)


class Own(nn.Module):
    """A network of its user's own."""

    def __init__(self, n_classes: int, image_shape: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 3, 3, 2), nn.ReLU(), nn.Flatten())
        self.logits = nn.LazyLinear(n_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.layers(x))


class OfAttention(Own):
    """Looks at all places at once, for which torch has kernels of its own."""

    def __init__(self, n_classes: int, image_shape: tuple[int, int]) -> None:
        super().__init__(n_classes, image_shape)
        self.attention = nn.TransformerEncoderLayer(3, 1, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        places = self.layers[:2](x).flatten(2).transpose(1, 2)
        return self.logits(self.attention(places).mean(1))


class OfOneLength(Own):
    """Its batches keep the length of the first, when it is followed by the exporter."""

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.layers(x).view(len(x), -1))


class OfOneKind(Own):
    """Decides by values, of which the exporter sees those of its example."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits if x[0].mean() < 0 else logits * 2


@pytest.mark.parametrize("views", [*VIEWS])
def test_a_file_answers_as_its_classifier(fitted, faces, target, views):
    clf = clone_with(fitted, predict_augment=views)
    for choice in ("auto", views):
        assert_agree(exported(clf, target, views=choice), clf, faces.data[:40])


def clone_with(clf, **params):
    """A fitted copy that is asked in another way."""
    return pickle.loads(pickle.dumps(clf)).set_params(**params)


def test_views_may_differ_from_the_classifiers(fitted, faces, target):
    got = exported(fitted, target, views="ten-crop")
    assert_agree(got, clone_with(fitted, predict_augment="ten-crop"), faces.data[:40])


def test_a_file_has_the_attributes_of_its_classifier(fitted, from_file, faces):
    np.testing.assert_array_equal(from_file.classes_, fitted.classes_)
    assert from_file.classes_.dtype == fitted.classes_.dtype
    assert from_file.image_shape_ == (24, 24)
    assert from_file.n_features_in_ == 24 * 24
    assert not hasattr(from_file, "feature_names_in_")
    assert from_file.score(faces.data, faces.target) == fitted.score(faces.data, faces.target)


def as_rgb(X):
    return np.repeat(X[..., None], 3, axis=3)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.reshape(len(X), -1),
        lambda X: X[..., None],
        as_rgb,
        lambda X: X.astype(np.float32),
        lambda X: X.astype(int).tolist(),
        lambda X: list(X),
    ],
    ids=["rows", "gray", "rgb", "float", "list", "list of arrays"],
)
def test_faces_come_in_all_forms_that_the_classifier_takes(fitted, from_file, faces, form):
    X = faces.data[:5]
    np.testing.assert_allclose(from_file.decision_function(form(X)), from_file.decision_function(X))
    assert_agree(from_file, fitted, form(X))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda X: X[:, :20], "expecting 576 features"),
        (lambda X: X[0], "Pass \\[X\\]"),
        (lambda X: X.astype(float) + 1000, "Expected pixel values in"),
        (lambda X: X[:0], "minimum of 1"),
        (lambda X: np.where(X > 100, np.nan, X), "NaN"),
    ],
)
def test_what_are_no_faces_is_refused_in_the_classifiers_words(
    fitted, from_file, faces, wrong, words
):
    for clf in (fitted, from_file):
        with pytest.raises(ValueError, match=words):
            clf.predict(wrong(faces.data[:3]))


@pytest.mark.parametrize("method", ["scale", "image", "equalize"])
def test_normalisation_is_in_the_file(faces, target, method):
    clf = quick_fit(faces.data[:70], faces.target[:70], normalize=FaceNormalizer(method))
    assert_agree(exported(clf, target), clf, faces.data[70:90])


def test_a_classifier_fitted_on_floats_takes_floats_and_bytes(faces, target):
    clf = quick_fit(faces.data[:70] / 255, faces.target[:70])
    got = exported(clf, target)
    assert_agree(got, clf, faces.data[70:90] / 255)
    assert_agree(got, clf, faces.data[70:90])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        got.predict(faces.data[70:90].astype(float))


def test_normalised_faces_stay_as_they_are(faces, target):
    X = FaceNormalizer().fit_transform(faces.data[:70])
    clf = quick_fit(X, faces.target[:70], normalize="upstream")
    from_file = exported(clf, target)
    assert_agree(from_file, clf, X)
    with pytest.raises(ValueError, match="got pixels of dtype uint8"):
        from_file.predict(faces.data)


def test_rows_that_are_no_images_can_be_written(target):
    X = np.random.default_rng(0).normal(size=(40, 9))
    clf = quick_fit(X, X[:, 0] > 0)
    got = exported(clf, target)
    assert_agree(got, clf, X * 1.5)


def test_a_pipeline_is_written_as_one(faces, target):
    pipeline = make_fer_pipeline(
        normalize=FaceNormalizer("image"), widths=(4,), max_epochs=1, random_state=0
    )
    pipeline.fit(faces.data[:70], faces.target[:70])
    assert_agree(exported(pipeline, target), pipeline, faces.data[70:90])


def test_what_is_no_such_classifier_is_refused(fitted, faces, target):
    twice = make_fer_pipeline(widths=(4,), max_epochs=1, random_state=0)
    twice.fit(faces.data[:70], faces.target[:70])
    twice.steps[-1] = ("classify", fitted)
    with pytest.raises(ValueError, match="once more"):
        to_onnx(twice, target)
    for other in (None, FaceNormalizer(), VotingClassifier([])):
        with pytest.raises(TypeError, match="best_estimator_"):
            to_onnx(other, target)
    with pytest.raises(NotFittedError):
        to_onnx(FERClassifier(), target)
    assert not target.exists()


def test_two_classes_and_logit_adjustment(faces, target):
    y = np.arange(70) % 5 > 0
    clf = quick_fit(faces.data[:70], y, logit_adjustment=1.0)
    got = exported(clf, target)
    X = faces.data[70:90]
    assert got.decision_function(X).shape == (20,)
    np.testing.assert_allclose(got.decision_function(X), clf.decision_function(X), atol=1e-4)
    assert got.predict(X).dtype == bool
    clf.set_params(logit_adjustment=0.0)
    assert abs(got.decision_function(X) - clf.decision_function(X)).min() > 1


@pytest.mark.parametrize("dtype", ["int16", "float64", "bool", object])
def test_labels_keep_their_type(faces, target, dtype):
    labels = np.array([0, 1]) if dtype in ("int16", "float64", "bool") else np.array(["no", "yes"])
    clf = quick_fit(faces.data[:20], labels.astype(dtype)[np.arange(20) % 2])
    got = exported(clf, target)
    assert got.classes_.dtype == clf.classes_.dtype
    np.testing.assert_array_equal(got.predict(faces.data), clf.predict(faces.data))


def test_labels_that_json_cannot_hold_are_refused(faces, target):
    days = np.array(["2026-11-26", "2026-11-27"], dtype="datetime64[D]")
    clf = quick_fit(faces.data[:20], days[np.arange(20) % 2])
    with pytest.raises(ValueError, match=r"str, int, float or bool, got datetime"):
        to_onnx(clf, target)


def test_names_of_columns_are_kept(faces, target):
    X = pd.DataFrame(faces.data[:40].reshape(40, -1)).add_prefix("pixel")
    clf = quick_fit(X, faces.target[:40])
    got = exported(clf, target)
    assert_agree(got, clf, X)
    with pytest.raises(ValueError, match="feature names should match"):
        got.predict(X[X.columns[::-1]])


def test_names_of_columns_are_those_of_the_first_step(faces, target):
    X = pd.DataFrame(faces.data[:40].reshape(40, -1)).add_prefix("pixel")
    pipeline = make_fer_pipeline(widths=(4,), max_epochs=1, random_state=0)
    pipeline.fit(X, faces.target[:40])
    with pytest.raises(ValueError, match="feature names should match"):
        to_onnx(pipeline, target, quantize="int8", calibration=X[X.columns[::-1]])
    to_onnx(pipeline, target, quantize="int8", calibration=X)  # without a warning
    assert ONNXClassifier(target).feature_names_in_.tolist() == X.columns.tolist()


@pytest.mark.parametrize("network", [Own, OfAttention])
def test_an_own_network_is_written(faces, target, network):
    clf = quick_fit(faces.data[:70], faces.target[:70], network=network, widths=None)
    assert_agree(exported(clf, target), clf, faces.data[70:90])


@pytest.mark.parametrize("network", [OfOneLength, OfOneKind])
def test_what_answers_otherwise_than_the_classifier_is_not_written(faces, path, target, network):
    clf = quick_fit(faces.data[:70], faces.target[:70], network=network, widths=None)
    target.write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"write x.shape\[0\], not len\(x\)"):
        to_onnx(clf, target)
    assert target.read_bytes() == path.read_bytes()
    assert [*target.parent.iterdir()] == [target]


def test_int8_finds_nearly_the_same(fitted, faces, path, target):
    got = exported(fitted, target, quantize="int8", calibration=faces.data[::2])
    assert (got.predict(faces.data) == fitted.predict(faces.data)).mean() > 0.85
    assert abs(got.predict_proba(faces.data) - fitted.predict_proba(faces.data)).max() > 1e-4
    stored = ort.InferenceSession(target).get_modelmeta().custom_metadata_map["fer_sklearn"]
    assert json.loads(stored)["quantized"] == "int8"


@pytest.mark.parametrize("network", ["resnet", "cnn"])
def test_all_convolutions_of_int8_are_computed_in_8_bits(faces, target, network):
    clf = quick_fit(faces.data[:70], faces.target[:70], network=network)
    to_onnx(clf, target, quantize="int8", calibration=faces.data[:70])
    options, optimized = ort.SessionOptions(), target.with_name("optimized.onnx")
    options.optimized_model_filepath, options.log_severity_level = str(optimized), 3
    ort.InferenceSession(target, options)
    kinds = [node.op_type for node in onnx.load(optimized).graph.node]
    assert "QLinearConv" in kinds
    assert "Conv" not in kinds


def test_weights_of_int8_are_small_enough_for_sums_of_16_bits(fitted, faces, target):
    """255 * 64 * 2 < 2 ** 15: two products are added in 16 bits where there is no VNNI."""
    to_onnx(fitted, target, quantize="int8", calibration=faces.data[::2])
    stored = map(onnx.numpy_helper.to_array, onnx.load(target).graph.initializer)
    weights = [weight for weight in stored if weight.dtype == np.int8 and weight.ndim > 1]
    assert weights
    assert all(abs(weight.astype(int)).max() <= 64 for weight in weights)


class OfWideRange(Own):
    """Adds numbers to the pixels, and takes them off later: beside them 8 bits see no pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 100) - super().forward(0 * x + 100)


def test_int8_that_agrees_too_seldom_is_not_written(faces, target):
    X, y = faces.data[:70], faces.target[:70]
    clf = quick_fit(X, y, network=OfWideRange, widths=None)
    with pytest.raises(ValueError, match="% of the calibration faces get the classifier's label"):
        to_onnx(clf, target, quantize="int8", calibration=X)
    assert not target.exists()


def test_faces_that_say_nothing_of_others_calibrate_nothing(fitted, faces, target):
    """The file agreed with the classifier on them, and on no other faces."""
    X = faces.data
    levels = (np.arange(len(X)) % 256).astype(np.uint8)
    useless = {
        "one face": np.repeat(X[:1], 100, axis=0),
        "few faces": np.tile(X[:15], (10, 1, 1)),
        "black": np.zeros_like(X),
        "other units": X / 255,
        "blank": np.broadcast_to(levels[:, None, None], X.shape),
    }
    for calibration in useless.values():
        with pytest.raises(ValueError, match="are different and not blank, expected at least 16"):
            to_onnx(fitted, target, quantize="int8", calibration=calibration)
    assert not target.exists()


def test_a_file_of_others_is_not_replaced(fitted, path, target):
    """As by save_pretrained: such as the weights that the file is made from."""
    fitted.save_pretrained(target)
    before = target.read_bytes()
    with pytest.raises(FileExistsError, match="was not written by to_onnx"):
        to_onnx(fitted, target)
    assert target.read_bytes() == before
    for content in (b"", path.read_bytes()):
        target.write_bytes(content)
        to_onnx(fitted, target)


def test_a_file_that_says_too_little_is_refused(target):
    says_classes_alone = dataclasses.make_dataclass("Less", ["classes"])(["a", "b"])
    target.write_bytes(join(b"", says_classes_alone))
    with pytest.raises(ValueError, match="is damaged"):
        ONNXClassifier(target)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"quantize": "int8"}, "200 to 500 faces"),
        ({"quantize": "int4", "calibration": [[0]]}, "None or 'int8', got 'int4'"),
        ({"calibration": [[0]]}, "Pass both, or neither"),
        (
            {"views": "all"},
            "'auto', None, 'flip', 'blur', 'scale', 'affine', 'ten-crop', got 'all'",
        ),
        ({"quantize": "int8", "calibration": [[0] * 9] * 2}, "expecting 576 features"),
    ],
)
def test_wrong_parameters_are_refused(fitted, target, params, words):
    with pytest.raises(ValueError, match=words):
        to_onnx(fitted, target, **params)
    assert not target.exists()


def test_a_faces_answer_does_not_depend_on_the_others(from_file, faces):
    X = faces.data[:100]
    together = from_file.decision_function(X)
    alone = [from_file.decision_function(X[[i]])[0] for i in range(100)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, from_file.decision_function(X[::-1])[::-1])


def test_threads_change_no_bit(from_file, path, faces):
    expected = from_file.decision_function(faces.data)
    threaded = ONNXClassifier(path, n_threads=3)
    np.testing.assert_array_equal(threaded.decision_function(faces.data), expected)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(threaded.decision_function, np.array_split(faces.data, 8)))
    np.testing.assert_array_equal(np.concatenate(answers), expected)


def test_few_faces_are_computed_side_by_side_too(path, faces, monkeypatch):
    clf = ONNXClassifier(path, n_threads=2)
    expected = clf.decision_function(faces.data[:2])
    run, both = type(clf._file).run, Barrier(2, timeout=20)
    monkeypatch.setattr(type(clf._file), "run", lambda *args: both.wait() < 2 and run(*args))
    np.testing.assert_array_equal(clf.decision_function(faces.data[:2]), expected)


def test_errors_of_threads_arrive(path, faces, monkeypatch):
    clf = ONNXClassifier(path, n_threads=2)
    monkeypatch.setattr(type(clf._file), "run", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clf.predict(faces.data)


def test_other_programs_can_run_the_file(fitted, path, faces):
    session = ort.InferenceSession(path)
    about = json.loads(session.get_modelmeta().custom_metadata_map["fer_sklearn"])
    assert about["input"] == "gray levels, 0 is black and 255 is white"
    assert about["image_shape"] == [24, 24]
    assert about["views"] == "flip"
    (logits,) = session.run(["logits"], {"faces": faces.data[:7].astype(np.float32)})
    labels = np.array(about["classes"])[logits.argmax(1)]
    np.testing.assert_array_equal(labels, fitted.predict(faces.data[:7]))
    np.testing.assert_allclose(
        softmax(logits, axis=1), fitted.predict_proba(faces.data[:7]), atol=1e-5
    )


WITHOUT_TORCH = """
import os
import sys


class Refusing:
    asked = set()

    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "skorch", "optuna", "onnx"):
            self.asked.add(name)
            raise ImportError(name)


sys.meta_path.insert(0, Refusing())

import pickle
import numpy as np
from sklearn.base import clone
from fer_sklearn.export import ONNXClassifier

X = np.load(sys.argv[1])
clf = ONNXClassifier(sys.argv[2], n_threads=2)
np.save(sys.argv[3], [clf.predict_proba(X), pickle.load(open(sys.argv[4], "rb")).predict_proba(X)])
assert clone(clf).predict(X).tolist() == clf.predict(X).tolist()
assert not Refusing.asked
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        os._exit(int(clf.predict_proba(X).tolist() != np.load(sys.argv[3])[0].tolist()))
    assert os.waitpid(child, 0)[1] == 0
"""


def test_running_a_file_needs_no_torch(from_file, path, faces, tmp_path):
    X, pickled, answers = tmp_path / "X.npy", tmp_path / "clf.pickle", tmp_path / "answers.npy"
    np.save(X, faces.data[:40])
    pickled.write_bytes(pickle.dumps(from_file))
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, X, path, answers, pickled], check=True)
    for answer in np.load(answers):
        np.testing.assert_array_equal(answer, from_file.predict_proba(faces.data[:40]))


def test_a_pickle_needs_no_file(fitted, faces, target):
    to_onnx(fitted, target)
    clf = ONNXClassifier(target)
    pickled = pickle.dumps(clf)
    target.unlink()
    for copied in (pickle.loads(pickled), clone(clf)):
        np.testing.assert_array_equal(copied.predict(faces.data), clf.predict(faces.data))
        assert copied.get_params() == {"path": target, "n_threads": 1}


def test_parameters_can_be_set(from_file, faces, path, target):
    clf = clone(from_file).set_params(n_threads=2)
    assert from_file.n_threads == 1
    to_onnx(quick_fit(faces.data[:20], np.arange(20) % 2), target)
    assert clf.set_params(path=target).classes_.tolist() == [0, 1]
    for wrong in ({"path": path.parent / "none.onnx"}, {"n_threads": 0}):
        with pytest.raises((FileNotFoundError, ValueError)):
            clf.set_params(**wrong)
        assert clf.get_params() == {"path": target, "n_threads": 2}


def test_meta_estimators_take_it_frozen(fitted, from_file, faces):
    with pytest.raises(NotImplementedError, match="FrozenEstimator"):
        from_file.fit(faces.data, faces.target)
    rows = faces.data.reshape(len(faces.data), -1)
    both = [("torch", FrozenEstimator(fitted)), ("onnx", FrozenEstimator(from_file))]
    vote = VotingClassifier(both, voting="soft").fit(rows, faces.target)
    np.testing.assert_allclose(vote.predict_proba(rows), fitted.predict_proba(rows), atol=1e-5)


def test_damaged_files_are_refused(path, target):
    content = path.read_bytes()
    damaged = [content[:-1], content[:-400], content[: len(content) // 2], content[100:], b""]
    flipped = np.random.default_rng(0).integers(0, len(content), 40)
    damaged += [change(content, at) for at in (0, len(content) - 1, *flipped)]
    for broken in damaged:
        target.write_bytes(broken)
        with pytest.raises(ValueError, match=r"target.onnx (is damaged|is not a file|has format)"):
            ONNXClassifier(target)


def change(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_foreign_and_newer_files_are_refused(path, target):
    content = path.read_bytes()
    target.write_bytes(content[: content.rindex(b"fer_sklearn") - 5])  # without what it says
    ort.InferenceSession(target)
    with pytest.raises(ValueError, match=r"is not a file of fer_sklearn\.export\.to_onnx"):
        ONNXClassifier(target)
    target.write_bytes(content.replace(b'{"format": 1', b'{"format": 2'))
    with pytest.raises(ValueError, match="Upgrade it: pip install --upgrade fer-sklearn"):
        ONNXClassifier(target)
    with pytest.raises(FileNotFoundError):
        ONNXClassifier(target.with_name("none.onnx"))


def test_without_the_extra_an_error_names_it(path, fitted, monkeypatch, target):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for call in (lambda: ONNXClassifier(path), lambda: to_onnx(fitted, target)):
        with pytest.raises(ImportError, match=r"needs onnxruntime.*fer-sklearn\[onnx\]"):
            call()


def test_an_unknown_name_of_the_room_is_an_error():
    import fer_sklearn.export

    assert dir(fer_sklearn.export) == ["ONNXClassifier", "to_onnx"]
    with pytest.raises(AttributeError, match="nonsense"):
        fer_sklearn.export.nonsense  # noqa: B018
