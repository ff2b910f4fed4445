"""What stands in the process does not change results, and stays as it is."""

import os
import pickle
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers import small_classifier

from fer_sklearn import FaceAugmenter, FaceNormalizer
from fer_sklearn._globals import build_aside, threads_for, undisturbed
from fer_sklearn.classifier import predictor_of
from fer_sklearn.explain import saliency_map

FORK_IS_THERE = hasattr(os, "fork")


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    yield
    assert torch.get_default_dtype() == torch.float64
    torch.set_default_dtype(torch.float32)


@contextmanager
def default_device():
    torch.set_default_device("meta")
    yield
    assert torch.get_default_device().type == "meta"
    torch.set_default_device(None)


@contextmanager
def low_precision():
    """Matrices may be multiplied in bfloat16, and on GPUs in TF32."""
    torch.set_float32_matmul_precision("medium")
    yield
    assert torch.get_float32_matmul_precision() == "medium"
    torch.set_float32_matmul_precision("highest")


SETTINGS = {
    "default dtype": default_dtype,
    "default device": default_device,
    "matmul precision": low_precision,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
}


def everything(faces):
    """Probabilities of a fit, of it loaded, continued; a map; an augmentation; a normalisation."""
    clf = small_classifier(max_epochs=1, normalize=FaceNormalizer("equalize"), precision="float32")
    X, y = faces.data[:70], faces.target[:70]
    clf.fit(X, y)
    loaded = pickle.loads(pickle.dumps(clf))
    results = [clf.predict_proba(X), loaded.predict_proba(X)]
    results.append(loaded.partial_fit(X, y).predict_proba(X))
    results += [saliency_map(clf, X[:3], method=m) for m in ("grad-cam", "occlusion")]
    normalized = clf.normalizer_.transform(X[:3])
    return [*results, FaceAugmenter(erase=1).draw(normalized, random_state=0), normalized]


@pytest.fixture(scope="module")
def expected(faces):
    return everything(faces)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_set_in_the_process_changes_no_result_and_stays(name, faces, expected):
    with SETTINGS[name]():
        results = everything(faces)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="needs torch 2.9")
def test_float32_is_multiplied_as_float32_on_gpus_too(faces):
    """cuDNN's default is TF32, which keeps ten bits."""
    seen = []

    class Watch(torch.nn.Module):
        def __init__(self, n_classes, image_shape):
            super().__init__()
            self.head = torch.nn.Linear(image_shape[0] * image_shape[1], n_classes)

        def forward(self, x):
            backends = torch.backends
            seen.append((backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision))
            return self.head(x.flatten(1))

    before = torch.backends.cudnn.conv.fp32_precision
    clf = small_classifier(network=Watch, widths=None, max_epochs=1, optimizer="adam")
    clf.fit(faces.data, faces.target)
    n_seen = len(seen)
    clf.predict(faces.data)
    assert len(seen) > n_seen
    assert set(seen) == {("ieee", "ieee")}
    assert torch.backends.cudnn.conv.fp32_precision == before


FORK = """
import os, sys
import torch
from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

X, y = make_faces(70, image_size=24, random_state=0, return_X_y=True)
clf = FERClassifier(widths=(8,), max_epochs=1, batch_size=64, random_state=0).fit(X, y)
expected = clf.predict_proba(X)
torch.randn(600, 600) @ torch.randn(600, 600)  # OpenMP's threads are there now
child = os.fork()
if child == 0:
    same = (clf.predict_proba(X) == expected).all()
    fitted = clf.fit(X, y).predict_proba(X)
    os._exit(0 if same and (fitted == expected).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), torch.get_num_threads())
"""


LOAD_IN_CHILD = """
import os
import torch
from fer_sklearn import FERClassifier

torch.randn(600, 600) @ torch.randn(600, 600)  # by torch alone
child = os.fork()
if child == 0:
    os._exit(len(FERClassifier.from_pretrained().predict([[[0] * 48] * 48])) - 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), torch.get_num_threads())
"""


@pytest.mark.skipif(not FORK_IS_THERE, reason="the system cannot fork")
@pytest.mark.parametrize("script", [FORK, LOAD_IN_CHILD], ids=["after a fit", "after torch"])
def test_a_forked_child_predicts_and_fits(script):
    """As gunicorn --preload has it. OpenMP's threads are the parent's, and the child waited."""
    answered = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert answered.stdout.split() == ["0", "2"]


@pytest.mark.skipif(not FORK_IS_THERE, reason="the system cannot fork")
def test_a_fork_waits_for_what_another_thread_builds():
    """A lock that is held while the process is copied is held in the child for ever."""
    began, ended = threading.Event(), threading.Event()

    def build():
        began.set()
        ended.wait(1)
        return torch.nn.Identity()

    builder = threading.Thread(target=build_aside, args=(build,))
    builder.start()
    began.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        child = os.fork()
    if child == 0:
        os._exit(0 if _free_lock() else 1)
    ended.set()
    builder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _free_lock():
    done = threading.Event()
    threading.Thread(target=lambda: (build_aside(torch.nn.Identity), done.set())).start()
    return done.wait(10)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_small_batches_take_one_thread_and_large_ones_all(two_threads):
    cpu = torch.device("cpu")
    with threads_for(30 * 48 * 48 * 1.9e6, cpu):
        assert torch.get_num_threads() == 1
    with threads_for(128 * 48 * 48 * 1.9e6, cpu):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 2


def test_a_thread_that_starts_beside_a_small_batch_has_all_threads_too(two_threads):
    cpu, seen = torch.device("cpu"), []

    def work():
        with threads_for(128 * 48 * 48 * 1.9e6, cpu):
            seen.append(torch.get_num_threads())

    with threads_for(0, cpu):
        other = threading.Thread(target=work)
        other.start()
        other.join()
        assert torch.get_num_threads() == 1
    assert seen == [2]
    assert torch.get_num_threads() == 2


def test_a_fit_restores_its_settings_while_another_thread_predicts(faces):
    """Under steady predictions there is never a moment without one."""
    predicting, fitted = threading.Event(), threading.Event()

    def predict():
        with undisturbed():
            predicting.set()
            fitted.wait(60)

    other = threading.Thread(target=predict)
    other.start()
    predicting.wait()
    state = torch.get_rng_state()
    small_classifier(max_epochs=1).fit(faces.data[:70], faces.target[:70])
    restored = torch.equal(torch.get_rng_state(), state)
    fitted.set()
    other.join()
    assert restored


def test_a_small_fit_and_predictions_are_the_same_with_any_number_of_threads(
    two_threads, fitted, faces
):
    twin = small_classifier().fit(faces.data, faces.target)
    np.testing.assert_array_equal(twin.predict_proba(faces.data), fitted.predict_proba(faces.data))
    torch.set_num_threads(1)
    np.testing.assert_array_equal(twin.predict_proba(faces.data), fitted.predict_proba(faces.data))


def test_an_error_in_one_of_several_batches_comes_through(two_threads, fitted, faces, monkeypatch):
    def fails(self, x):
        if (x[0] == 7).all():
            raise MemoryError("in a worker")
        return torch.zeros(len(x), 7)

    monkeypatch.setattr(type(predictor_of(fitted).model), "forward", fails)
    X = faces.data.copy()
    X[200:] = 7
    assert fitted.predict_proba(faces.data).shape == (280, 7)
    with pytest.raises(MemoryError, match="in a worker"):
        fitted.predict_proba(X)
    assert torch.get_num_threads() == 2
