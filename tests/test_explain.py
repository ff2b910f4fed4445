"""Saliency maps and filters: by hand, by symmetry, and by what must not change."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import model_of, network_of, small_classifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from torch import nn

from fer_sklearn.explain import first_filters, saliency_map

METHODS = ("grad-cam", "occlusion")


@pytest.fixture(scope="module")
def plain(fitted):
    """`fitted`, that looks at no mirror images."""
    return copy.deepcopy(fitted).set_params(predict_augment=None)


@pytest.fixture(scope="module")
def trained(faces):
    """A classifier that has learned its faces well."""
    clf = small_classifier(widths=(16, 32), max_epochs=8, batch_size=32, augment="off")
    return clf.fit(faces.data, faces.target)


def randomized(classifier):
    """A copy with fresh weights."""
    clf = copy.deepcopy(classifier)
    torch.manual_seed(1)
    for weights in network_of(clf).parameters():
        if weights.ndim > 1:
            nn.init.kaiming_normal_(weights)
    return clf


@pytest.mark.parametrize("method", METHODS)
def test_there_is_a_map_for_each_face_however_faces_are_passed(method, fitted, faces):
    maps = saliency_map(fitted, faces.data[:6], method=method)
    assert maps.shape == (6, 24, 24)
    assert maps.dtype == np.float32
    rows = faces.data[:6].reshape(6, -1)
    assert_array_equal(saliency_map(fitted, rows, method=method), maps)
    # as bytes, a patch's gray is a whole number
    assert_allclose(saliency_map(fitted, rows.astype(float), method=method), maps, atol=0.01)


def test_grad_cam_of_averaged_features_is_their_sum_weighted_by_the_last_layer(plain, faces):
    model = model_of(plain)
    codes = plain.decision_function(faces.data[:5]).argmax(axis=1)
    with torch.no_grad():
        channels = model.network.features(model.normalize(torch.tensor(faces.data[:5, None])))
        weights = model.network.head[-1].weight[codes, :, None, None] / channels[0, 0].numel()
        sums = (weights * channels).sum(dim=1, keepdim=True).relu()
        expected = F.interpolate(sums, (24, 24), mode="bilinear")[:, 0].numpy()
    assert expected.max() > 0
    assert_allclose(saliency_map(plain, faces.data[:5]), expected, atol=1e-6)


def test_a_patch_as_large_as_the_face_takes_all_evidence_away(plain, faces):
    X = faces.data[:4]
    covered = np.empty_like(X)
    covered[:] = X.mean(axis=(1, 2), keepdims=True).astype(np.uint8)
    column = int(np.flatnonzero(plain.classes_ == "happy")[0])
    drops = (plain.predict_log_proba(X) - plain.predict_log_proba(covered))[:, column]
    maps = saliency_map(plain, X, "happy", method="occlusion", patch_size=24)
    assert_allclose(maps, np.broadcast_to(drops[:, None, None], maps.shape), atol=1e-5)


def test_a_pixel_counts_the_mean_over_the_patches_that_cover_it(plain, faces):
    X = faces.data[:1]
    base, code = plain.predict_log_proba(X)[0], plain.predict_log_proba(X)[0].argmax()
    drops = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        covered = X.copy()
        top, left = 6 * np.array(place)
        covered[0, top : top + 12, left : left + 12] = np.uint8(X.mean())
        drops[place] = (base - plain.predict_log_proba(covered)[0])[code]
    found = saliency_map(plain, X, method="occlusion", patch_size=12, stride=6)[0]
    assert_allclose(found[0, 0], drops[0, 0], atol=1e-5)
    assert_allclose(found[8, 0], drops[:2, 0].mean(), atol=1e-5)
    assert_allclose(found[12, 12], drops[1:, 1:].mean(), atol=1e-5)


def test_occlusion_finds_that_eyes_and_mouth_matter_more_than_the_border(trained, faces):
    assert trained.score(faces.data, faces.target) > 0.7
    maps = saliency_map(trained, faces.data[:30], faces.target[:30], method="occlusion")
    mean = maps.mean(axis=0)
    border = np.ones((24, 24), dtype=bool)
    border[2:-2, 2:-2] = False
    eyes, mouth = mean[4:12, 4:18], mean[16:22, 8:15]
    assert eyes.mean() > 2 * mean[border].mean()
    assert mouth.mean() > 2 * mean[border].mean()


@pytest.mark.parametrize("method", METHODS)
def test_maps_change_when_the_weights_are_randomized(method, trained, faces):
    X, y = faces.data[:30], faces.target[:30]
    before = saliency_map(trained, X, y, method=method).reshape(30, -1)
    after = saliency_map(randomized(trained), X, y, method=method).reshape(30, -1)
    alike = [
        np.corrcoef(pair)[0, 1]
        for pair in zip(before, after, strict=True)
        if all(map(np.ptp, pair))
    ]
    assert np.mean(alike) < 0.4


@pytest.mark.parametrize("method", METHODS)
def test_maps_of_a_face_do_not_depend_on_the_faces_beside_it(method, fitted, faces):
    X = faces.data[:70] if method == "grad-cam" else faces.data[:5]
    maps = saliency_map(fitted, X, method=method)
    for i in (0, len(X) - 1):
        alone = saliency_map(fitted, X[i : i + 1], method=method)
        assert_allclose(alone[0], maps[i], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_mirror_images_have_mirrored_maps(method, fitted, faces):
    maps = saliency_map(fitted, faces.data[:5], method=method)
    mirrored = saliency_map(fitted, faces.data[:5, :, ::-1], method=method)
    assert_allclose(mirrored[:, :, ::-1], maps, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_classifier_and_the_random_state_of_torch_stay_as_they_are(method, fitted, faces):
    before = fitted.predict_proba(faces.data)
    grads = [(p.requires_grad, p.grad) for p in model_of(fitted).parameters()]
    rng = torch.get_rng_state()
    first = saliency_map(fitted, faces.data[:5], method=method)
    assert_array_equal(saliency_map(fitted, faces.data[:5], method=method), first)
    assert_array_equal(torch.get_rng_state(), rng)
    for weights, (wants_grad, grad) in zip(model_of(fitted).parameters(), grads, strict=True):
        assert weights.requires_grad == wants_grad
        assert weights.grad is grad
    assert not any(layer._forward_hooks for layer in model_of(fitted).modules())
    assert_array_equal(fitted.predict_proba(faces.data), before)


def test_faces_can_be_predicted_in_other_threads_meanwhile(fitted, faces):
    X = faces.data[:140]
    expected = fitted.predict_proba(X)
    maps = saliency_map(fitted, X)
    with ThreadPoolExecutor(4) as pool:
        explained = [pool.submit(saliency_map, fitted, X) for _ in range(4)]
        predicted = [pool.submit(fitted.predict_proba, X) for _ in range(8)]
    for future in explained:
        assert_array_equal(future.result(), maps)
    for future in predicted:
        assert_array_equal(future.result(), expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_target_is_explained_instead_of_the_prediction(method, fitted, faces):
    X = faces.data[:6]
    predicted = fitted.predict(X)
    maps = saliency_map(fitted, X, method=method)
    assert_array_equal(saliency_map(fitted, X, predicted, method=method), maps)
    sad = saliency_map(fitted, X, "sad", method=method)
    for each in (["sad"] * 6, [["sad"]] * 6):
        assert_array_equal(saliency_map(fitted, X, each, method=method), sad)
    assert not np.array_equal(sad[predicted != "sad"], maps[predicted != "sad"])


class Stageless(nn.Module):
    """A network that does not say what its stages are, and works in place."""

    def __init__(self, n_classes, image_shape):
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Linear(4, n_classes)

    def forward(self, x):
        return self.last(self.relu(self.convolution(x)).mean(dim=(2, 3)))


class Dense(nn.Sequential):
    """A network without convolutions."""

    def __init__(self, n_classes, image_shape):
        super().__init__(nn.Flatten(), nn.Linear(image_shape[0] * image_shape[1], n_classes))


def test_of_a_network_without_stages_the_last_convolution_is_looked_at(faces):
    clf = small_classifier(network=Stageless, widths=None, max_epochs=1)
    maps = saliency_map(clf.fit(faces.data, faces.target), faces.data[:5])
    assert maps.shape == (5, 24, 24)
    assert maps.max() > 0
    assert first_filters(clf).shape == (4, 3, 3)


def test_a_network_without_convolution_is_left_to_occlusion(faces):
    clf = small_classifier(network=Dense, widths=None, max_epochs=1).fit(faces.data, faces.target)
    for look in (first_filters, lambda clf: saliency_map(clf, faces.data[:2])):
        with pytest.raises(ValueError, match=r"Dense has no nn\.Conv2d.*method='occlusion'"):
            look(clf)
    assert saliency_map(clf, faces.data[:2], method="occlusion").any()


def test_the_cnn_can_be_explained_too(faces):
    clf = small_classifier(network="cnn", max_epochs=1).fit(faces.data, faces.target)
    assert saliency_map(clf, faces.data[:3]).max() > 0
    weights = network_of(clf).features[0][0].weight.detach().numpy()
    assert_array_equal(first_filters(clf), weights[:, 0])


def test_unfolded_filters_answer_to_pixels_as_the_first_layer_does(fitted, faces):
    x = model_of(fitted).normalize(torch.tensor(faces.data[:3, None]))
    filters = torch.tensor(first_filters(fitted))
    assert filters.shape == (8, 6, 6)
    fold, block = network_of(fitted).features[:2]
    expected = block[0](fold(x))
    assert_allclose(
        F.conv2d(x, filters[:, None], stride=2, padding=2).numpy(),
        expected.detach().numpy(),
        atol=1e-5,
    )


def test_filters_over_other_channels_are_no_pictures(faces):
    def network(n_classes, image_shape):
        stem = nn.PixelUnshuffle(2)
        return nn.Sequential(stem, nn.Conv2d(4, 8, 3), nn.Flatten(), nn.LazyLinear(n_classes))

    clf = small_classifier(network=network, widths=None, max_epochs=1)
    with pytest.raises(ValueError, match="Sequential sees 4 channels, not gray pixels"):
        first_filters(clf.fit(faces.data, faces.target))


def test_what_cannot_be_explained_is_refused(fitted, faces):
    X = faces.data[:3]
    with pytest.raises(NotFittedError):
        saliency_map(small_classifier(), X)
    with pytest.raises(ValueError, match="'classifier' parameter of saliency_map must be"):
        saliency_map(make_pipeline(fitted), X)
    with pytest.raises(ValueError, match="'method' parameter of saliency_map must be"):
        saliency_map(fitted, X, method="guess")
    match = r"labels \['bored'\] are not among .* Pass one of these as `target`"
    with pytest.raises(ValueError, match=match):
        saliency_map(fitted, X, "bored")
    with pytest.raises(ValueError, match="one for each of 3 faces, got 2"):
        saliency_map(fitted, X, ["sad", "happy"])
    with pytest.raises(ValueError, match="patch_size=25 is larger than the faces"):
        saliency_map(fitted, X, method="occlusion", patch_size=25)
    with pytest.raises(ValueError, match="expecting 576 features"):
        saliency_map(fitted, X[:, :20, :20])


def test_a_target_may_be_a_number(faces):
    codes = np.unique(faces.target, return_inverse=True)[1]
    clf = small_classifier(widths=(4,), max_epochs=1).fit(faces.data, codes)
    of_two = saliency_map(clf, faces.data[:2], codes.dtype.type(2))
    assert_array_equal(of_two, saliency_map(clf, faces.data[:2], [2, 2]))


def test_a_target_may_be_a_label_as_the_classifier_has_it(faces):
    clf = small_classifier(max_epochs=1).fit(faces.data, faces.target == "happy")
    expected = saliency_map(clf, faces.data[:2], np.array([True, True]))
    for target in (clf.classes_[1], True):
        assert_array_equal(saliency_map(clf, faces.data[:2], target), expected)


def test_a_stride_beyond_the_patch_is_an_error(fitted, faces):
    with pytest.raises(ValueError, match="stride=6 leaves pixels between"):
        saliency_map(fitted, faces.data[:1], method="occlusion", patch_size=3, stride=6)
    covered = saliency_map(fitted, faces.data[:1], method="occlusion", patch_size=3, stride=3)
    assert np.isfinite(covered).all()
