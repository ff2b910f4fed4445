"""What stands in the process does not change results, and stays as it is."""

import pickle
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers import small_classifier

from fer_sklearn import FaceAugmenter, FaceNormalizer
from fer_sklearn.explain import saliency_map


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
    clf.fit(faces.data, faces.target)
    loaded = pickle.loads(pickle.dumps(clf))
    results = [clf.predict_proba(faces.data), loaded.predict_proba(faces.data)]
    results.append(loaded.partial_fit(faces.data, faces.target).predict_proba(faces.data))
    results += [saliency_map(clf, faces.data[:3], method=m) for m in ("grad-cam", "occlusion")]
    normalized = clf.normalizer_.transform(faces.data[:3])
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
