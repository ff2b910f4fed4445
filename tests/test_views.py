"""Views of a face at prediction."""

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import small_classifier
from scipy import ndimage
from torch import nn

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn._pretrained import read_pretrained, write_pretrained
from fer_sklearn.model import VIEWS, Faces
from fer_sklearn.model._views import Warp, ask, mean, mean_log_probability

CPU = torch.device("cpu")


def test_prediction_averages_a_face_and_its_mirror_image_if_training_mirrored(faces):
    clf = small_classifier().fit(faces.data, faces.target)
    mirrored = clf.decision_function(faces.data)
    plain, image = (
        clf.set_params(predict_augment=None).predict_log_proba(X)
        for X in (faces.data, faces.data[:, :, ::-1])
    )
    np.testing.assert_allclose(mirrored, (plain + image) / 2, atol=1e-5)
    never = small_classifier(augment=FaceAugmenter(flip=0), max_epochs=1)
    never.fit(faces.data, faces.target)
    expected = never.predict_proba(faces.data)
    never.set_params(predict_augment=None)
    np.testing.assert_array_equal(never.predict_proba(faces.data), expected)
    never.set_params(predict_augment="flip")
    assert not np.allclose(never.predict_proba(faces.data), expected)


def test_ten_crop_averages_shifted_faces_and_their_mirror_images(fitted, faces):
    clf = copy.deepcopy(fitted)
    X = faces.data[:40]
    padded = np.pad(X, ((0, 0), (1, 1), (1, 1)), mode="edge")
    crops = [padded[:, i : i + 24, j : j + 24] for i, j in ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2))]
    clf.set_params(predict_augment=None)
    views = [clf.predict_log_proba(view) for crop in crops for view in (crop, crop[:, :, ::-1])]
    clf.set_params(predict_augment="ten-crop")
    np.testing.assert_allclose(clf.decision_function(X), np.mean(views, axis=0), atol=1e-5)


class Mark(nn.Module):
    """A model whose answer is the sum of each view's left half, and its number of rows."""

    def forward(self, x):
        return torch.stack([x[..., : x.shape[-1] // 2].flatten(1).sum(1), torch.ones(len(x))], 1)


def asked(faces, name, **options):
    whole = Faces(faces.data, pixel_range=None, device=CPU)
    return ask(Mark(), whole, VIEWS[name], **options)


@pytest.mark.parametrize("name", VIEWS)
def test_a_set_of_views_has_as_many_as_it_says(name, faces):
    batch = torch.tensor(faces.data[:2, None], dtype=torch.float32)
    views = list(VIEWS[name].of(batch))
    assert len(views) == len(VIEWS[name])
    assert torch.equal(views[0], batch) == (name != "blur")
    assert len(torch.unique(torch.stack(views).flatten(1), dim=0)) == len(views)


def test_a_set_with_mirror_images_answers_alike_for_a_face_and_its_mirror_image(faces):
    mirrored = SimpleNamespace(data=faces.data[:, :, ::-1].copy())
    for name in set(VIEWS) - {None}:
        np.testing.assert_allclose(
            asked(faces, name, merge=mean), asked(mirrored, name, merge=mean), rtol=1e-6
        )


def test_blurred_and_warped_views_are_what_scipy_makes_of_a_face():
    face = ndimage.gaussian_filter(np.random.default_rng(0).random((48, 48)), 2)
    batch = torch.tensor(face[None, None], dtype=torch.float32)
    blurred, _ = VIEWS["blur"].of(batch)
    np.testing.assert_allclose(
        blurred[0, 0], ndimage.gaussian_filter(face, 0.5, mode="nearest"), atol=1e-6
    )
    larger, turned = Warp(scale=1.07)(batch)[0, 0], Warp(rotation=6)(batch)[0, 0]
    cos, sin = np.cos(np.pi / 30), np.sin(np.pi / 30)
    for view, matrix in ((larger, np.eye(2) / 1.07), (turned, [[cos, sin], [-sin, cos]])):
        offset = 23.5 - np.array(matrix) @ (23.5, 23.5)
        expected = ndimage.affine_transform(face, matrix, offset, order=1, mode="nearest")
        np.testing.assert_allclose(view, expected, atol=1e-5)


def test_bytes_and_numbers_of_the_same_faces_get_the_same_views(faces):
    batch = torch.tensor(faces.data[:2, None])
    for name in set(VIEWS) - {None, "flip", "ten-crop"}:
        ours, theirs = VIEWS[name].of(batch), VIEWS[name].of(batch.float() / 255)
        for view, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(view, other, rtol=0, atol=1e-6)


def test_auto_is_what_a_file_was_saved_with(fitted, faces, tmp_path):
    X, path = faces.data[:4], tmp_path / "small.npz"
    soft = copy.deepcopy(fitted).set_params(predict_augment="blur")
    soft.save_pretrained(path)
    clf = FERClassifier.from_pretrained(path)
    assert clf.predict_augment == "auto"
    wanted = FERClassifier.from_pretrained(path, predict_augment="blur").predict_proba(X)
    plain = FERClassifier.from_pretrained(path, predict_augment="flip").predict_proba(X)
    assert not np.array_equal(wanted, plain)
    for same in (clf, pickle.loads(pickle.dumps(clf))):
        np.testing.assert_array_equal(same.predict_proba(X), wanted)
    clf.save_pretrained(path)
    np.testing.assert_array_equal(FERClassifier.from_pretrained(path).predict_proba(X), wanted)


def test_fine_tuning_without_mirror_images_forgets_views_that_have_them(fitted, faces, tmp_path):
    copy.deepcopy(fitted).set_params(predict_augment="blur").save_pretrained(tmp_path / "soft.npz")
    start = {"pretrained": tmp_path / "soft.npz", "max_epochs": 1, "batch_size": 128}
    for params, views in (({}, "blur"), ({"augment": FaceAugmenter(flip=0)}, None)):
        clf = FERClassifier(**start, **params).fit(faces.data, faces.target)
        auto = clf.predict_proba(faces.data[:4])
        stated = clf.set_params(predict_augment=views).predict_proba(faces.data[:4])
        np.testing.assert_array_equal(auto, stated)


def test_a_file_whose_views_are_not_known_says_so(fitted, tmp_path):
    fitted.save_pretrained(tmp_path / "small.npz")
    newer = replace(read_pretrained(tmp_path / "small.npz"), views="thirty-crop")
    write_pretrained(tmp_path / "newer.npz", newer)
    with pytest.raises(ValueError, match=r"thirty-crop.*knows flip, blur.*Upgrade"):
        FERClassifier.from_pretrained(tmp_path / "newer.npz")


@pytest.mark.parametrize("name", VIEWS)
def test_the_answer_to_a_face_does_not_depend_on_its_neighbours(name, fitted, faces):
    clf = copy.deepcopy(fitted).set_params(predict_augment=name)
    whole = clf.decision_function(faces.data[:70])
    for size in (1, 7, 64):
        parts = [
            clf.decision_function(faces.data[i : min(i + size, 70)]) for i in range(0, 70, size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("n_views", [2, 6, 10])
@pytest.mark.parametrize("merge", [mean, mean_log_probability])
def test_views_are_merged_to_the_same_bits_whatever_the_number_of_faces(n_views, merge):
    """Of six views or more, `Tensor.mean` added up those of some faces in another order."""
    views = torch.randn((n_views, 70, 7), generator=torch.Generator().manual_seed(0))
    whole = merge(views)
    for size in (1, 4, 6, 64):
        assert torch.equal(torch.cat([merge(part) for part in views.split(size, dim=1)]), whole)
    torch.testing.assert_close(mean(views), views.mean(0))


class OfManyRows(nn.Module):
    """Answers in other bits to some rows of larger batches; keeps the number of rows of each."""

    def __init__(self, off):
        super().__init__()
        self.off, self.rows = off, []

    def forward(self, x):
        self.rows.append(len(x))
        off = torch.zeros(len(x), 1)
        if len(x) > 10:
            self.off(off)
        return x.float().mean((1, 2, 3))[:, None] + off


@pytest.mark.parametrize("name", ["flip", "affine"])
def test_each_place_of_a_batch_is_compared_before_views_are_merged(name, faces):
    """The first face, and the average of its views, often have the same bits by chance."""

    def turn_opposite(off):  # the average of a face and its mirror image stays
        off[: len(off) // 2] += 0.5
        off[len(off) // 2 :] -= 0.5

    def turn_last(off):
        off[-1] += 0.5

    some, views = Faces(faces.data[:80], pixel_range=(0, 255), device=CPU), VIEWS[name]
    for off in (turn_opposite, turn_last):
        model, known = OfManyRows(off), {}
        ask(model, some, views, merge=mean, known=known)
        model.rows.clear()
        ask(model, some, views, merge=mean, known=known)
        assert set(model.rows) == {4 if name == "flip" else 10}
    model, known = OfManyRows(lambda off: None), {}
    ask(model, some, views, merge=mean, known=known)
    assert max(model.rows) > 10


@pytest.mark.parametrize("n", [1, 3, 4, 5, 63, 64, 65, 130])
def test_every_face_gets_its_own_answer_whatever_their_number(n, faces):
    some = SimpleNamespace(data=faces.data[:n])
    answers = asked(some, None)
    assert answers.shape == (n, 2)
    np.testing.assert_array_equal(answers[:, 0], faces.data[:n, :, :12].sum(axis=(1, 2)))


class Kernels(nn.Module):
    """Answers in other bits, it may be, where batches have few rows, or many."""

    def __init__(self, fewest=1, most=128):
        super().__init__()
        self.fewest, self.most, self.rows = fewest, most, []

    def forward(self, x):
        self.rows.append(len(x))
        level = x.float().mean((1, 2, 3)) / 255
        usual = self.fewest <= len(x) <= self.most
        return torch.stack([level, level * 0 + (not usual)], dim=1)


def test_faces_are_asked_alone_only_where_that_gives_them_the_same_bits(faces):
    whole = Faces(faces.data[:5], pixel_range=(0, 255), device=CPU)
    for views, fewest, rows in (
        ("flip", 1, [4, 4, 2]),
        ("flip", 3, [4, 4, 4]),
        (None, 1, [4, 1]),
        (None, 2, [4, 2]),
        (None, 3, [4, 4]),
    ):
        model, known = Kernels(fewest), {}
        first = ask(model, whole, VIEWS[views], known=known)
        model.rows.clear()
        np.testing.assert_array_equal(ask(model, whole, VIEWS[views], known=known), first)
        assert sorted(model.rows, reverse=True) == rows  # in threads they come in any order


def test_many_faces_are_asked_in_large_batches_where_these_give_the_same_bits(faces, monkeypatch):
    whole = Faces(faces.data, pixel_range=(0, 255), device=CPU)
    expected = ask(Kernels(), whole, VIEWS[None])
    for threads, most, rows in (
        (1, 128, [128, 128, 16, 4, 4]),
        (1, 64, [*[64] * 4, 16, 4, 4]),
        (1, 4, [4] * 70),
        (2, 128, [*[64] * 4, 16, 4, 4]),
        (4, 128, [*[16] * 17, 4, 4]),
        (16, 128, [4] * 70),
    ):
        monkeypatch.setattr("fer_sklearn.model._views.own_threads", lambda n=threads: n)
        model, known = Kernels(most=most), {}
        for _ in range(2):  # the second time, nothing is tested
            model.rows.clear()
            answers = ask(model, whole, VIEWS[None], known=known)
            np.testing.assert_array_equal(answers, expected)
        assert sorted(model.rows, reverse=True) == sorted(rows, reverse=True)


@pytest.mark.parametrize(("verbose", "patience", "shown"), [(1, 0, True), (0, 0, False), (1, 9, 0)])
def test_a_long_prediction_shows_a_bar_if_asked_for(
    verbose, patience, shown, fitted, faces, monkeypatch, capsys
):
    monkeypatch.setattr("fer_sklearn.model._views._PATIENCE", patience)
    copy.deepcopy(fitted).set_params(verbose=verbose).predict(faces.data[:70])
    assert ("70/70" in capsys.readouterr().err) == shown
