"""Batches, order, weights and randomness of the training loop."""

import itertools
import os
import pickle
import sys
import threading
import tracemalloc

import numpy as np
import pytest
import torch
from helpers import small_classifier
from skorch.callbacks import Callback
from torch import nn

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn._globals import build_seeded, global_state_preserved
from fer_sklearn.datasets import make_faces
from fer_sklearn.model import Faces
from fer_sklearn.training._batches import Batches

CPU = torch.device("cpu")
META = torch.device("meta")  # behaves as a GPU would, but holds nothing


def numbered(n, codes=None):
    """Faces whose first pixel is their number."""
    images = np.zeros((n, 2, 2), dtype=np.uint8)
    images[:, 0, 0] = np.arange(n)
    codes = np.zeros(n, dtype=np.int64) if codes is None else codes
    return Faces(images, codes, pixel_range=(0.0, 255.0), device=CPU)


def epoch(batches):
    return [x[:, 0, 0, 0].tolist() for x, _ in batches]


def joined(batches):
    return list(itertools.chain.from_iterable(batches))


def test_an_epoch_shows_every_face_once_in_even_batches():
    batches = Batches(numbered(65), 32, np.random.default_rng(0))
    shown = epoch(batches)
    assert [len(batch) for batch in shown] == [22, 22, 21]
    assert len(batches) == 3
    assert sorted(joined(shown)) == list(range(65))


def test_no_batch_has_a_single_face_unless_there_is_but_one():
    for n_faces in range(2, 20):
        for size in (2, 3, 4):
            shown = epoch(Batches(numbered(n_faces), size))
            assert min(map(len, shown)) > 1
            assert max(map(len, shown)) <= max(size, 3)
    assert epoch(Batches(numbered(1), 2)) == [[0]]


def test_the_order_is_fresh_every_epoch_and_kept_without_rng():
    batches = Batches(numbered(50), 10, np.random.default_rng(0))
    assert epoch(batches) != epoch(batches)
    assert joined(epoch(Batches(numbered(50), 16))) == list(range(50))


def test_oversampling_makes_classes_equal_and_shows_every_face():
    codes = np.repeat([0, 1, 2], [40, 7, 1])
    batches = Batches(numbered(48, codes), 16, np.random.default_rng(0), oversample=True)
    for _ in range(2):
        numbers = np.array(joined(epoch(batches)), dtype=int)
        assert np.bincount(codes[numbers]).tolist() == [40, 40, 40]
        times = np.bincount(numbers)
        assert set(times[:40]) == {1}
        assert set(times[40:47]) == {5, 6}  # as even as 40 / 7 can be
        assert times[47] == 40


def test_an_index_selects_rows_without_copying_the_images():
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1)
    faces = Faces(
        images, np.arange(10), np.arange(10.0, dtype=np.float32), np.array([7, 2]),
        pixel_range=(0.0, 255.0), device=CPU,
    )  # fmt: skip
    assert faces.images is images
    assert len(faces) == 2
    assert faces.pixels(np.array([0, 1])).flatten().tolist() == [7, 2]
    codes, weights, shares = faces.targets(np.array([1]))
    assert shares is None
    assert (codes.tolist(), weights.tolist()) == ([2], [2.0])


def test_faces_with_targets_are_moved_to_a_gpu_in_pieces():
    images = np.random.default_rng(0).uniform(0, 255, (20_000, 8, 8)).astype(np.float32)
    images.flags.writeable = False
    tracemalloc.start()
    training = Faces(
        images, np.zeros(20_000, dtype=np.int64), pixel_range=(0.0, 255.0), device=META
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert training.images.shape == (20_000, 8, 8)
    assert training.images.dtype == torch.float32
    assert training.pixels(np.array([3, 1])).shape == (2, 1, 8, 8)
    assert peak < images.nbytes / 2


@pytest.mark.parametrize("index", [None, np.arange(2999, 0, -2)])
@pytest.mark.parametrize("pixel_range", [(0.0, 255.0), (0.0, 300.0), None])
def test_moved_faces_are_the_same_faces(index, pixel_range):
    images = np.random.default_rng(0).integers(0, 256, (3000, 2, 2), dtype=np.uint8)
    codes = np.zeros(3000, dtype=np.int64)
    faces = Faces(images, codes, index=index, pixel_range=pixel_range, device=CPU)
    at = np.arange(len(faces))
    moved = faces._moved()
    assert moved.dtype == faces.pixels(at).dtype
    assert torch.equal(moved.unsqueeze(1), faces.pixels(at))


def test_faces_to_predict_are_moved_to_a_gpu_batch_by_batch():
    images = np.zeros((10, 8, 8), dtype=np.uint8)
    faces = Faces(images, pixel_range=(0.0, 255.0), device=META)
    assert faces.images is images
    assert faces.pixels(np.arange(4)).device == META


class Recorder(Callback):
    """Keeps what the network was given."""

    def initialize(self):
        self.seen_ = []
        return self

    def on_train_begin(self, net, **kwargs):
        net.module_.network.register_forward_pre_hook(self._record)

    def _record(self, module, args):
        if module.training:
            self.seen_.append(args[0].clone())


def network_input(faces, **params):
    """What the network sees in each epoch of one face repeated, (epochs, 64, 1, h, w)."""
    recorder = Recorder()
    X = np.repeat(faces.data[:1], 64, axis=0)
    y = np.arange(64) % 2
    small_classifier(callbacks=[recorder], max_epochs=2, **params).fit(X, y)
    return torch.stack(recorder.seen_)


def test_augmentation_is_fresh_for_every_face_of_every_epoch(faces):
    seen = network_input(faces)
    flat = seen.flatten(0, 1).flatten(1)
    assert len(torch.unique(flat, dim=0)) == 128


def test_augmentation_off_shows_the_faces_as_they_are(faces):
    for augment in ("off", FaceAugmenter.off()):
        seen = network_input(faces, augment=augment)
        assert len(torch.unique(seen.flatten(0, 1).flatten(1), dim=0)) == 1


def test_repetitions_of_oversampled_faces_are_augmented_differently(faces):
    recorder = Recorder()
    X = np.concatenate([np.repeat(faces.data[:1], 31, axis=0), faces.data[1:2]])
    y = np.array(["common"] * 31 + ["rare"])
    small_classifier(callbacks=[recorder], max_epochs=1, class_balance="oversample").fit(X, y)
    shown = torch.cat(recorder.seen_).flatten(1)
    assert len(shown) == 62
    assert len(torch.unique(shown, dim=0)) == 62


def test_the_global_generator_is_restored_when_the_last_of_several_fits_ends():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, second = global_state_preserved(CPU), global_state_preserved(CPU)
    first.__enter__()
    torch.manual_seed(2)
    second.__enter__()
    first.__exit__(None, None, None)
    torch.manual_seed(3)
    second.__exit__(None, None, None)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_fit_on_the_cpu_leaves_gpus_alone(faces, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: pytest.fail("CUDA was initialised"))
    monkeypatch.setattr(torch.cuda, "_lazy_call", lambda *a, **k: pytest.fail("CUDA was seeded"))
    clf = small_classifier(device="cpu", max_epochs=1).fit(faces.data, faces.target)
    pickle.loads(pickle.dumps(clf))


def test_a_fit_on_a_gpu_seeds_and_restores_that_gpu_alone(monkeypatch):
    gpus = torch.Generator(), torch.Generator()
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "default_generators", gpus)
    before = [gpu.get_state() for gpu in gpus]
    device = torch.device("cuda:1")
    with global_state_preserved(device):
        build_seeded(nn.Identity, 5, device)
        assert [gpu.initial_seed() == 5 for gpu in gpus] == [False, True]
    assert all(torch.equal(gpu.get_state(), old) for gpu, old in zip(gpus, before, strict=True))


def test_fits_on_a_gpu_in_several_threads_restore_cudnn(monkeypatch):
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "default_generators", [torch.Generator()])
    cudnn = torch.backends.cudnn
    for name, value in {"benchmark": True, "deterministic": False}.items():
        monkeypatch.setattr(cudnn, name, value)
    gpu = torch.device("cuda:0")
    first, second = global_state_preserved(gpu), global_state_preserved(gpu)
    for change in (first.__enter__, second.__enter__, lambda: first.__exit__(None, None, None)):
        change()
        assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
    second.__exit__(None, None, None)
    assert (cudnn.benchmark, cudnn.deterministic) == (True, False)


def test_unpickling_waits_while_another_thread_draws_the_weights_of_its_fit(fitted):
    stored = pickle.dumps(fitted)
    loader = threading.Thread(target=pickle.loads, args=(stored,))

    def build():
        loader.start()
        loader.join(0.5)
        assert loader.is_alive()
        return nn.Linear(3, 3)

    drawn = build_seeded(build, 0, CPU)
    loader.join()
    alone = build_seeded(lambda: nn.Linear(3, 3), 0, CPU)
    assert torch.equal(drawn.weight, alone.weight)


def test_unpickling_moves_no_generator_in_the_middle_of_a_fit(fitted):
    stored = pickle.dumps(fitted)
    with global_state_preserved(CPU):
        before = torch.get_rng_state()
        pickle.loads(stored)
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(
    sys.platform != "linux" or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="the allocator is glibc's",
)
def test_a_step_takes_its_memory_from_the_step_before(monkeypatch):
    """glibc would return it to the kernel: thousands of page faults a step."""
    resource = pytest.importorskip("resource")
    for name in ("MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):  # which `fit` leaves alone
        monkeypatch.delenv(name, raising=False)
    X, y = make_faces(64, image_size=96, random_state=0, return_X_y=True)  # a few large tensors

    def page_faults(steps):
        clf = FERClassifier(widths=(8, 16), batch_size=64, max_epochs=steps, precision="float32")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        clf.fit(X, y)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    page_faults(1)
    assert page_faults(6) - page_faults(2) < 4 * 1000


def test_augmentation_stays_in_float32(faces):
    """In bfloat16 the sampling grid itself would be rounded to a tenth of a pixel."""
    exact, low = (
        network_input(faces, augment=FaceAugmenter(erase=0.5), precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert torch.equal(exact[0], low[0])


def test_bfloat16_and_float32_train_alike(faces):
    losses = {
        precision: small_classifier(precision=precision, max_epochs=5)
        .fit(faces.data, faces.target)
        .history_["train_loss"]
        for precision in ("float32", "bfloat16")
    }
    assert losses["float32"] != losses["bfloat16"]
    assert losses["float32"] == pytest.approx(losses["bfloat16"], rel=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_fits_and_predicts_like_the_cpu(faces):
    fits = {
        device: small_classifier(device=device, precision="float32", augment="off", max_epochs=5)
        .fit(faces.data, faces.target)
        for device in ("cpu", "cuda")
    }  # fmt: skip
    again = small_classifier(device="cuda").fit(faces.data, faces.target)
    twin = small_classifier(device="cuda").fit(faces.data, faces.target)
    np.testing.assert_array_equal(again.predict_proba(faces.data), twin.predict_proba(faces.data))
    assert fits["cuda"].history_["train_loss"][0] == pytest.approx(
        fits["cpu"].history_["train_loss"][0], rel=0.05
    )


class Watch(nn.Module):
    """A network that keeps what it was shown in training."""

    seen: list = []

    def __init__(self, n_classes, image_shape):
        super().__init__()
        self.head = nn.Linear(image_shape[0] * image_shape[1], n_classes)

    def forward(self, x):
        if self.training:
            Watch.seen.append(x.detach().clone())
        return self.head(x.flatten(1))


def watched(n_epochs, sample_weight=None, **params):
    """What a network saw of 32 black and 32 white faces, epoch by epoch; and the fit."""
    X = np.repeat(np.array([0, 255], dtype=np.uint8), 32)[:, None].repeat(64, axis=1)
    y = np.repeat(["black", "white"], 32)
    Watch.seen = []
    clf = small_classifier(
        network=Watch,
        widths=None,
        max_epochs=n_epochs,
        normalize=FaceNormalizer("scale"),
        augment="off",
        batch_size=16,
        optimizer="adam",
        **params,
    )
    clf.fit(X, y, sample_weight)
    return torch.cat(Watch.seen).view(n_epochs, 64, 64), clf


def test_mixup_blends_faces_of_a_batch_but_each_stays_the_larger_part():
    plain, _ = watched(2)
    assert set(plain.unique().tolist()) == {-2.0, 2.0}
    mixed, _ = watched(2, mixup=1.0)
    values = mixed[:, :, 0]
    assert len(values.unique()) > 6
    assert values.abs().min() > 0  # 0 would be half of each
    assert (values > 0).sum() == (values < 0).sum()  # the larger part is the face itself


def test_mixup_blends_the_labels_as_it_blends_the_faces():
    _, clf = watched(60, mixup=1.0, label_smoothing=0.0, learning_rate=0.05, schedule=None)
    gray = clf.predict_proba(np.full((1, 64), 191, dtype=np.uint8))  # three quarters white
    assert 0.65 < gray[0, 1] < 0.85
    _, clf = watched(60, label_smoothing=0.0, learning_rate=0.05, schedule=None)
    assert clf.predict_proba(np.full((1, 64), 191, dtype=np.uint8))[0, 1] > 0.95


def test_mixup_takes_weights():
    gray = np.full((1, 64), 127, dtype=np.uint8)
    chances = []
    for weight in (1.0, 0.01):
        weights = np.r_[np.full(32, weight), np.ones(32)]
        _, clf = watched(40, mixup=1.0, learning_rate=0.05, sample_weight=weights)
        chances.append(clf.predict_proba(gray)[0, 1])
    assert 0.3 < chances[0] < 0.7
    assert chances[1] > 0.8


def test_the_last_epochs_are_plain():
    mixed, _ = watched(4, mixup=1.0, plain_fraction=0.5)
    gray = (mixed.abs() < 2).any(dim=(1, 2))
    assert gray.tolist() == [True, True, False, False]
    whole = FaceAugmenter.off().set_params(erase=1.0)
    erased = recorded_fit(augment=whole, max_epochs=4, plain_fraction=0.25)
    assert erased == [True, True, True, False]


def recorded_fit(**params):
    """Whether some faces had a hole, epoch by epoch."""
    Watch.seen = []
    X = np.random.default_rng(0).integers(0, 256, (32, 64), dtype=np.uint8)
    clf = FERClassifier(Watch, batch_size=32, random_state=0, optimizer="adam", **params)
    clf.fit(X, np.arange(32) % 2)
    whole = set(clf.normalizer_.transform(X).sum(axis=1).round(2).tolist())
    return [not set(x.flatten(1).sum(1).numpy().round(2).tolist()) <= whole for x in Watch.seen]


def test_a_single_face_that_batch_norm_cannot_do_with_is_an_error_that_says_so():
    X = np.random.default_rng(0).integers(0, 256, (5, 4), dtype=np.uint8)
    clf = FERClassifier(widths=(4,), batch_size=2, max_epochs=1, random_state=0)
    clf.fit(X, np.arange(5) % 2)
    with pytest.raises(ValueError, match=r"on one face alone .* Pass two or more\."):
        clf.partial_fit(X[:1], [0])


def test_a_single_face_of_usual_size_can_be_trained_on(fitted, faces):
    clf = pickle.loads(pickle.dumps(fitted))
    assert clf.partial_fit(faces.data[:1], faces.target[:1]).n_iter_ == fitted.n_iter_ + 1


def test_a_fit_that_goes_on_sees_another_order_and_other_draws(faces):
    """Every training of an int seed replayed those of the first one."""
    recorder = Recorder()
    clf = small_classifier(callbacks=[recorder], max_epochs=1, warm_start=True)
    seen = []
    for _ in range(3):
        clf.fit(faces.data, faces.target)
        seen.append(torch.cat(recorder.seen_))
        recorder.seen_ = []
    assert len({shown.sum().item() for shown in seen}) == 3


def test_partial_fit_after_loading_sees_another_order_and_other_draws(faces):
    recorder = Recorder()
    clf = small_classifier().partial_fit(faces.data, faces.target, faces.target_names)
    seen = []
    for _ in range(2):
        clf = pickle.loads(pickle.dumps(clf)).set_params(callbacks=[recorder])
        clf.partial_fit(faces.data, faces.target)
        seen.append(torch.cat(recorder.seen_).sum().item())
        clf.callbacks = None
    assert seen[0] != seen[1]


def test_a_second_partial_fit_copies_no_callbacks(faces, capsys):
    class Locked(Callback):
        lock = None

        def on_train_begin(self, net, **kwargs):
            self.lock = threading.Lock()  # cannot be copied

    clf = small_classifier(callbacks=[Locked()], verbose=1)
    for _ in range(2):
        clf.partial_fit(faces.data, faces.target, faces.target_names)
    assert clf.n_iter_ == 2


def test_a_users_layer_may_have_a_part_called_generator(faces):
    class Network(nn.Module):
        def __init__(self, n_classes, image_shape):
            super().__init__()
            self.generator = nn.Linear(24 * 24, n_classes)

        def forward(self, x):
            return self.generator(x.flatten(1))

    clf = FERClassifier(Network, max_epochs=1, random_state=0).fit(faces.data, faces.target)
    assert clf.predict(faces.data[:2]).shape == (2,)
