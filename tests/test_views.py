"""Views of a face at prediction."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import small_classifier
from torch import nn

from fer_sklearn import FaceAugmenter
from fer_sklearn.model import VIEWS, Faces
from fer_sklearn.model._views import ask, mean


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
    whole = Faces(faces.data, pixel_range=None, device=torch.device("cpu"))
    return ask(Mark(), whole, VIEWS[name], **options)


@pytest.mark.parametrize("name", VIEWS)
def test_a_set_of_views_has_as_many_as_it_says(name, faces):
    batch = torch.tensor(faces.data[:2, None], dtype=torch.float32)
    views = list(VIEWS[name].of(batch))
    assert len(views) == len(VIEWS[name])
    assert torch.equal(views[0], batch)
    assert len(torch.unique(torch.stack(views).flatten(1), dim=0)) == len(views)


def test_a_set_with_mirror_images_answers_alike_for_a_face_and_its_mirror_image(faces):
    mirrored = SimpleNamespace(data=faces.data[:, :, ::-1].copy())
    for name in ("flip", "ten-crop"):
        np.testing.assert_allclose(
            asked(faces, name, merge=mean), asked(mirrored, name, merge=mean)
        )


@pytest.mark.parametrize("n", [1, 3, 4, 5, 63, 64, 65, 130])
def test_every_face_gets_its_own_answer_whatever_their_number(n, faces):
    some = SimpleNamespace(data=faces.data[:n])
    answers = asked(some, None)
    assert answers.shape == (n, 2)
    np.testing.assert_array_equal(answers[:, 0], faces.data[:n, :, :12].sum(axis=(1, 2)))
