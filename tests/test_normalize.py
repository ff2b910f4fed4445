import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import rankdata

from fer_sklearn import FaceNormalizer
from fer_sklearn.normalize import Normalize, equalize_histograms, standardize_images


def test_scale_maps_black_and_white(faces):
    out = FaceNormalizer("scale").fit_transform(np.array([[0, 255] * 32], dtype=np.uint8))
    assert out.min() == -2
    assert out.max() == 2


def test_dataset_gives_mean_0_and_deviation_1(faces):
    normalizer = FaceNormalizer("dataset").fit(faces.data)
    out = normalizer.transform(faces.data)
    assert abs(out.mean()) < 1e-4
    assert abs(out.std() - 1) < 1e-4
    assert normalizer.mean_ == pytest.approx(faces.data.mean() / 255)
    assert normalizer.scale_ == pytest.approx(faces.data.std() / 255)


def test_image_gives_each_face_mean_0_and_deviation_1(faces):
    out = FaceNormalizer("image").fit_transform(faces.data)
    np.testing.assert_allclose(out.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=(1, 2)), 1, atol=1e-4)


def test_equalize_gives_each_pixel_its_rank(faces):
    equalized = equalize_histograms(torch.tensor(faces.data[:20]).float() / 255).numpy()
    for face, out in zip(faces.data, equalized, strict=False):
        rank = rankdata(face, method="max").reshape(face.shape)
        expected = (rank - rank.min()) / (face.size - rank.min())
        np.testing.assert_allclose(out, expected, atol=1e-6)


def test_blank_faces_become_zero():
    blank = torch.full((2, 1, 8, 8), 0.3)
    assert not standardize_images(blank).any()
    assert not Normalize("equalize")(blank).any()


@pytest.mark.parametrize("method", ["scale", "dataset", "image", "equalize"])
def test_bytes_and_floats_of_either_range_agree(method, faces):
    bytes_ = faces.data
    normalizer = FaceNormalizer(method).fit(bytes_)
    unit = FaceNormalizer(method).fit(bytes_ / 255)
    expected = normalizer.transform(bytes_)
    np.testing.assert_allclose(normalizer.transform(bytes_.astype(float)), expected, atol=1e-4)
    np.testing.assert_allclose(unit.transform(bytes_ / 255), expected, atol=1e-4)
    np.testing.assert_allclose(unit.transform(bytes_), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(-1, 576), (-1, 24, 24), (-1, 24, 24, 1)])
def test_shape_is_kept(shape, faces):
    X = faces.data.reshape(shape)
    assert FaceNormalizer().fit_transform(X).shape == X.shape


def test_images_of_pillow_in_several_modes_are_normalised_as_arrays(faces):
    modes = ["L", "RGB", "P"]
    mixed = [Image.fromarray(faces.data[row]).convert(mode) for row, mode in enumerate(modes)]
    expected = FaceNormalizer().fit_transform(faces.data[:3])
    np.testing.assert_array_equal(FaceNormalizer().fit_transform(mixed), expected)


def test_black_and_white_colours_mean_what_black_and_white_grays_mean(faces):
    white = faces.data > 127
    normalizer = FaceNormalizer("scale").fit(faces.data)
    colours = normalizer.transform(np.stack([white] * 3, axis=-1))
    np.testing.assert_array_equal(colours, normalizer.transform(white))


def test_rgb_becomes_gray_as_pillow_does(faces):
    rgb = np.stack([faces.data, faces.data[::-1], faces.data // 2], axis=-1)
    gray = np.stack([Image.fromarray(image).convert("L") for image in rgb])
    normalizer = FaceNormalizer("scale").fit(rgb)
    np.testing.assert_array_equal(normalizer.transform(rgb), normalizer.transform(gray))


def test_layer_and_transformer_agree(faces):
    normalizer = FaceNormalizer("image").fit(faces.data)
    layer = normalizer.make_layer()
    out = layer(torch.tensor(faces.data).unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(out.numpy(), normalizer.transform(faces.data), atol=1e-6)


def test_bools_are_black_and_white(faces):
    X = faces.data > 128
    expected = FaceNormalizer("scale").fit_transform(X * np.uint8(255))
    np.testing.assert_array_equal(FaceNormalizer("scale").fit_transform(X), expected)
    for seen in (faces.data, faces.data / 255):
        np.testing.assert_array_equal(FaceNormalizer("scale").fit(seen).transform(X), expected)
    with pytest.raises(ValueError, match=r"in \[2, 3\], got values from 0 to 1"):
        FaceNormalizer(pixel_range=(2, 3)).fit(X)


def test_a_stated_range_is_held_to(faces):
    normalizer = FaceNormalizer(pixel_range=(0, 100)).fit(faces.data // 3)
    with pytest.raises(ValueError, match=r"Expected pixel values in \[0, 100\], got"):
        normalizer.transform(faces.data)
    for wrong in ((1, 0), (0, 255, 1), (0, np.inf), (-np.inf, 0), (0, None), ("0", "255")):
        with pytest.raises(ValueError, match="finite numbers with black < white, got"):
            FaceNormalizer(pixel_range=wrong).fit(faces.data)


def test_unknown_method_names_the_known_ones(faces):
    with pytest.raises(ValueError, match="equalize"):
        FaceNormalizer("gamma").fit(faces.data)


def test_bytes_are_not_measured_from_0_to_1():
    X = np.random.default_rng(0).integers(0, 2, (9, 12, 12))
    with pytest.raises(ValueError, match=r"bytes are measured from 0 to 255.*astype\(float\)"):
        FaceNormalizer(pixel_range=(0, 1)).fit(X.astype(np.uint8))
    normalized = FaceNormalizer(pixel_range=(0, 1)).fit_transform(X.astype(float))
    assert np.ptp(normalized) > 1
