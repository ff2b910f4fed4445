"""What is said of input that is no faces, no labels, or that others call otherwise."""

import re
from decimal import Decimal
from inspect import getdoc, signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import small_classifier
from PIL import Image

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier, make_fer_pipeline
from fer_sklearn.datasets import (
    clean_faces,
    convert_emotions,
    inspect_faces,
    parse_pixels,
    resize_faces,
)
from fer_sklearn.embedding import FaceEmbedder
from fer_sklearn.explain import saliency_map


def pillows(X, mode="L"):
    return [Image.fromarray(face).convert(mode) for face in X]


def as_text(X):
    return [" ".join(map(str, face.ravel())) for face in X]


# -- faces --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda X: None, "got None"),
        (lambda X: 5, r"got int of shape \(\)"),
        (lambda X: np.array(None), r"got ndarray of shape \(\)"),
        (lambda X: [], r"got list of shape \(0,\)"),
        (lambda X: X[0].ravel(), r"shape \(576,\)\. Reshape your data: one flat face is \[face\]"),
        (lambda X: "a.png", r"got str\. Read the image first: .*resize_faces\(\[PIL.Image.open"),
        (lambda X: Path("a.png"), r"got \w+Path\. Read the image first"),
        (lambda X: ["a.png"], r"begins with 'a\.png'\. If they are names of files: .*Image\.open"),
        (lambda X: [Path("a.png")], "begins with 'a.png'"),
        (lambda X: np.full((2, 576), "a"), "got texts"),
        (lambda X: Image.fromarray(X[0]), r"got Image\. As one face: pass \[image\]"),
        (lambda X: pillows(X, "RGBA"), r"transparency, mode 'RGBA'\. Pass image\.convert\('RGB'\)"),
        (lambda X: pillows(X, "LA"), "transparency"),
        (lambda X: pillows(X, "LAB"), "Pillow in mode 'LAB'. Convert it to RGB or to gray"),
        (lambda X: [X[0], None], "got None in row 1. OpenCV's imread"),
        (lambda X: [X[0], X[1][:20]], r"\(24, 24\) and of \(20, 24\)\. .*resize_faces"),
        (lambda X: as_text(X), r'parse_pixels\(df\["pixels"\]\)'),
        (lambda X: pd.Series(as_text(X), name="gray"), r'parse_pixels\(df\["gray"\]\)'),
        (lambda X: pd.DataFrame({"n": 1, "pixels": as_text(X)}), r'parse_pixels\(df\["pixels"\]\)'),
        (lambda X: pd.Series(list(X)), r"Pass X = list\(X\)"),
        (lambda X: pd.DataFrame({"face": list(X)}), r'list\(df\["face"\]\)'),
        (lambda X: {"data": X}, r"got dict\. .*pass \.data"),
        (lambda X: iter(X), r"Pass list\(X\)"),
        (lambda X: torch.tensor(X / 1.0, requires_grad=True), r"X\.detach\(\)\.cpu\(\)\.float\(\)"),
        (lambda X: list(torch.tensor(X).bfloat16()), r"\[x\.detach\(\).*for x in X\]"),
        (lambda X: torch.tensor(X, device="meta"), "tensors that NumPy cannot read"),
        (lambda X: X.astype(str), r"got texts, .* '\d+'\. Turn them into numbers: .*dtype=float"),
        (
            lambda X: pd.DataFrame(X.reshape(len(X), -1)).assign(label="sad"),
            r"texts in the columns \['label'\], .* 'sad'\. Pass the columns of pixels alone",
        ),
        (
            lambda X: pd.DataFrame({"Usage": "Training", "n": 1, "pixels": as_text(X)}),
            r'parse_pixels\(df\["pixels"\]\)',
        ),
        (lambda X: np.ma.masked_equal(X, X[0, 0, 0]), r"\d+ values are masked\. Pass X\.filled"),
        (lambda X: X.astype("M8[s]"), r"values of dtype datetime64\[s\]"),
    ],
    ids=[
        *("None", "number", "0-d", "no faces", "one flat", "path", "Path", "paths", "Paths"),
        *("strings", "image", "RGBA images", "LA images", "LAB", "unread", "sizes", "pixel texts"),
        *("pixel column", "pixel table", "column of faces", "table of faces", "dict", "iterator"),
        *("gradients", "bfloat16", "meta", "numbers as texts", "table with labels"),
        *("whole table", "masked", "times"),
    ],
)
def test_what_is_no_array_of_faces_is_answered_with_the_line_that_makes_one(
    make, match, fitted, faces
):
    X = make(faces.data[:3])
    with pytest.raises(ValueError, match=match):
        fitted.predict(X)
    for fit in (FERClassifier().fit, make_fer_pipeline().fit):
        with pytest.raises(ValueError, match=match):
            fit(make(faces.data[:3]), faces.target[:3])


def test_the_lines_of_the_errors_work(fitted, faces):
    X = faces.data[:3]
    expected = fitted.predict_proba(X)
    for line in (
        list(pd.Series(list(X))),
        list(pd.Series(pillows(X, "P"))),
        parse_pixels(pd.DataFrame({"pixels": as_text(X)})["pixels"]),
        torch.tensor(X / 1.0, requires_grad=True).detach().cpu().float().numpy(),
        [image.convert("RGB") for image in pillows(X, "RGBA")],
    ):
        np.testing.assert_array_equal(fitted.predict_proba(line), expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "CMYK"])
def test_images_of_pillow_are_read_as_their_gray_levels(mode, fitted, faces):
    np.testing.assert_array_equal(
        fitted.predict_proba(pillows(faces.data[:3], mode)),
        fitted.predict_proba(faces.data[:3]),
    )


@pytest.mark.parametrize("mode", ["P", "YCbCr", "HSV", "1"])
def test_numbers_that_are_no_gray_levels_are_not_taken_for_such(mode, faces):
    """A palette's places, or other colours than RGB."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).convert(mode)
    gray = np.asarray(photo.convert("RGB").convert("L"))
    np.testing.assert_array_equal(resize_faces([photo], 24)[0], gray)
    normalizer = FaceNormalizer("scale").fit(gray[None])
    np.testing.assert_array_equal(normalizer.transform([photo]), normalizer.transform(gray[None]))


def test_a_palette_with_transparency_is_refused(faces):
    image = Image.fromarray(faces.data[0]).convert("P")
    image.info["transparency"] = 0
    with pytest.raises(ValueError, match="transparency"):
        resize_faces([image])


# -- colour -------------------------------------------------------------------------


def test_one_colour_image_is_refused_wherever_faces_are_taken(fitted, faces):
    photo = np.zeros((280, 40, 3), dtype=np.uint8)  # as many rows as there are labels
    for take in (
        *(fitted.predict, FaceAugmenter().fit, FaceNormalizer().fit, resize_faces),
        *(lambda X: FERClassifier().fit(X, faces.target), FaceAugmenter().draw, inspect_faces),
        *(lambda X: saliency_map(fitted, X), lambda X: FaceEmbedder().fit(X).transform(X)),
        lambda X: FERClassifier().fit(faces.data, faces.target, X_val=X, y_val=faces.target),
    ):
        with pytest.raises(ValueError, match=r"one RGB image of .*\(280, 40, 3\).* pass \[image\]"):
            take(photo)
        with pytest.raises(ValueError, match=r"one RGBA image .* pass \[image\[\.\.\., :3\]\]"):
            take(np.zeros((280, 40, 4), dtype=np.uint8))


def test_an_alpha_channel_is_to_be_left_out(fitted, faces):
    X = faces.data[:3, ..., None]
    opaque = np.full_like(X, 255)
    rgba = np.concatenate([X, X, X, opaque], axis=-1)
    with pytest.raises(ValueError, match=r"alpha channel out: pass X\[\.\.\., :3\]"):
        fitted.predict(rgba)
    with pytest.raises(ValueError, match=r"alpha, leave it out: pass X\[\.\.\., :1\]"):
        fitted.predict(rgba[..., 2:])
    rows = rgba.reshape(3, -1)
    for flat in (rows, pd.DataFrame(rows)):
        with pytest.raises(ValueError, match=r"RGBA\. .*X\.reshape\(-1, h, w, 4\)\[\.\.\., :3\]"):
            FERClassifier().fit(flat, [0, 1, 0])
    expected = fitted.predict_proba(X)
    for line in (rgba[..., :3], rgba[..., 2:][..., :1], rows.reshape(-1, 24, 24, 4)[..., :3]):
        np.testing.assert_array_equal(fitted.predict_proba(line), expected)


def test_flat_rows_of_colours_are_to_be_images(fitted, faces):
    rows = faces.data[:3, ..., None].repeat(3, -1).reshape(3, -1)
    with pytest.raises(ValueError, match=r"X has 1728 .* X\.reshape\(-1, 24, 24, 3\)\."):
        fitted.predict(rows)
    with pytest.raises(ValueError, match=r"not square images .* X\.reshape\(-1, h, w, 3\)"):
        FERClassifier().fit(rows, [0, 1, 0])
    with pytest.raises(ValueError, match=r"576 pixels, but X has 1728 .*reshape\(-1, h, w, 3\)"):
        FERClassifier(image_shape=(24, 24)).fit(rows, [0, 1, 0])
    with pytest.raises(ValueError, match=r"state image_shape=\(h, w\)\.$"):
        FERClassifier().fit(rows[:, :1000], [0, 1, 0])


# -- sizes --------------------------------------------------------------------------


def test_faces_of_another_size_are_answered_with_the_line_that_resizes(fitted, faces):
    small = faces.data[:3, :20, :20]
    pipeline = make_fer_pipeline(widths=(8,), max_epochs=1).fit(faces.data, faces.target)
    for estimator, name in (
        (fitted, "FERClassifier"),
        (pipeline, "FaceNormalizer"),
        (FaceAugmenter().fit(faces.data), "FaceAugmenter"),
    ):
        ask = getattr(estimator, "predict", getattr(estimator, "transform", None))
        said = rf"^X has 400 features, but {name} is expecting 576 features as input\. They are "
        said += r"faces of 20 x 20 pixels, those of fit were 24 x 24\. Resize them: X = "
        with pytest.raises(ValueError, match=said + r"fer_sklearn\.datasets\.resize_faces\(X, 24"):
            ask(small)
        with pytest.raises(ValueError, match=said + r".*\(X\.reshape\(-1, 20, 20\), 24\)"):
            ask(small.reshape(3, -1))
    assert len(fitted.predict(resize_faces(small, 24))) == 3


def test_sizes_that_are_not_square_are_named_by_height_and_width(faces):
    X = faces.data[:, :16]
    clf = small_classifier(max_epochs=1).fit(X, faces.target)
    with pytest.raises(ValueError, match=r"24 x 24 pixels.* 16 x 24\..*resize_faces\(X, \(16, 24"):
        clf.predict(faces.data)
    with pytest.raises(ValueError, match=r"got \(24, 16\)\. .*resize_faces\(X, \(16, 24\)\)"):
        clf.predict(X.transpose(0, 2, 1))
    with pytest.raises(ValueError, match=r"has 385 features, but .* as input\.$"):
        clf.predict(np.zeros((3, 385)))


# -- labels -------------------------------------------------------------------------


@pytest.mark.parametrize("votes", [False, True])
def test_a_column_for_each_class_is_answered_with_argmax_and_label_distribution(votes, faces):
    columns = (faces.target[:, None] == faces.target_names) * (5 if votes else 1)
    said = r"shape \(280, 7\) instead\. .*np\.argmax\(y, axis=1\).*label_distribution=y"
    for y in (columns, pd.DataFrame(columns), columns.tolist()):
        with pytest.raises(ValueError, match=said):
            FERClassifier().fit(faces.data, y)
    with pytest.raises(ValueError, match=said):
        FERClassifier().fit(faces.data, faces.target, X_val=faces.data, y_val=columns)
    codes = np.argmax(columns, axis=1)
    small_classifier(max_epochs=1).fit(faces.data, codes, label_distribution=columns)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("form", [list, np.array, pd.Series, "string", "category"])
def test_missing_labels_are_counted(missing, form, faces):
    y = faces.target.astype(object)
    y[[3, 5]] = missing
    y = pd.Series(y, dtype=form) if isinstance(form, str) else form(y)
    said = r"y contains NaN or None: 2 of 280 .* row 3\. .*pandas\.notna\(y\)"
    with pytest.raises(ValueError, match=said):
        FERClassifier().fit(faces.data, y)
    with pytest.raises(ValueError, match=said):
        FERClassifier().partial_fit(faces.data, y, faces.target_names)


def test_masked_labels_are_missing(faces):
    codes = np.ma.masked_equal(np.unique(faces.target, return_inverse=True)[1], 2)
    with pytest.raises(ValueError, match="40 of 280 faces have no label"):
        FERClassifier().fit(faces.data, codes)


def test_texts_of_a_dtype_that_scikit_learn_does_not_know_are_to_be_converted(faces):
    y = faces.target.astype(np.dtypes.StringDType())
    with pytest.raises(ValueError, match=r"Pass y\.astype\(str\)"):
        FERClassifier().fit(faces.data, y)


def test_texts_beside_numbers_are_no_labels(faces):
    y = [3, *faces.target[1:]]
    for labels in (y, np.array(y, dtype=object), pd.Series(y)):
        with pytest.raises(ValueError, match=r"one type in y, got 'sad' and 3\. .*str\(label\)"):
            FERClassifier().fit(faces.data, labels)
        for check in (clean_faces, inspect_faces):
            with pytest.raises(ValueError, match="one type in y, got 'sad' and 3"):
                check(faces.data, labels)
    with pytest.raises(ValueError, match="one type in classes, got 'sad' and 3"):
        FERClassifier().partial_fit(faces.data, faces.target, [3, "sad"])


def test_bytes_beside_texts_are_to_be_decoded(faces):
    y = [faces.target[0].encode(), *faces.target[1:]]
    with pytest.raises(ValueError, match=r"and b'\w+'\. .* else label\.decode\(\) for label in y"):
        FERClassifier().fit(faces.data, y)


def test_digits_beside_numbers_are_not_converted():
    with pytest.raises(ValueError, match="one type in labels, got '1' and 0"):
        convert_emotions(np.array([0, "1"], dtype=object), source="fer2013")


@pytest.mark.parametrize("kind", [bool, int, float])
def test_numbers_as_objects_are_answered_with_the_line_that_converts_them(kind, faces):
    """They are what is left of a column from which rows without a label were dropped."""
    codes = np.unique(faces.target, return_inverse=True)[1]
    y = pd.Series(codes.astype(kind).tolist(), dtype=object)
    with pytest.raises(ValueError, match=r"objects, .* type \w+\. Pass y = np\.array\(y\.tolist"):
        FERClassifier().fit(faces.data, y)
    clf = FERClassifier(widths=(2,), max_epochs=1).fit(faces.data, np.array(y.tolist()))
    assert clf.classes_.dtype == np.dtype(kind)


def test_other_objects_are_no_labels(faces):
    for y in ([Decimal(len(name)) for name in faces.target], [["sad"], ["sad", "happy"]] * 140):
        with pytest.raises(ValueError, match=r"Pass y = \[str\(label\) for label in y\]"):
            FERClassifier().fit(faces.data, pd.Series(y))


def test_labels_without_an_order_are_refused(faces):
    for y in (map(str, faces.target), set(faces.target), dict.fromkeys(faces.target)):
        with pytest.raises(ValueError, match=r"an array of labels, got \w+\. Pass a list"):
            FERClassifier().fit(faces.data, y)


def test_a_weight_for_a_class_that_there_is_not(faces):
    X, y = faces.data, faces.target
    weights = {"sad": 2.0, "joy": 3.0, 0: 1.0}
    said = r"classes that are not in y: \['joy', 0\]\. The classes are \['angry', .*, 'surprise'\]"
    with pytest.raises(ValueError, match=said):
        FERClassifier(class_weight=weights).fit(X, y)
    with pytest.raises(ValueError, match=said):
        FERClassifier(class_weight=weights).partial_fit(X, y, faces.target_names)
    for strange in ("two", np.nan, np.inf):
        with pytest.raises(ValueError, match="class_weight of numbers of at least 0"):
            FERClassifier(class_weight={"sad": strange}).fit(X, y)
    fold = (y == "sad") | (y == "happy")  # lacks classes that all have a weight
    all_weights = dict.fromkeys(faces.target_names, 2.0)
    small_classifier(class_weight=all_weights, max_epochs=1).fit(X[fold], y[fold])


# -- names of others ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "here"),
    [
        *(("lr", "learning_rate"), ("epochs", "max_epochs"), ("max_iter", "max_epochs")),
        *(("validation_data", "X_val and y_val of fit"), ("seed", "random_state")),
    ],
)
def test_parameters_of_others_are_answered_with_the_name_here(name, here):
    for make in (FERClassifier, make_fer_pipeline, FERClassifier.from_pretrained):
        with pytest.raises(TypeError, match=f"no argument '{name}': here it is {here}"):
            make(**{name: 1})


def test_arguments_of_others_fits_are_answered_with_the_name_here(faces):
    for name in ("validation_data", "eval_set"):
        with pytest.raises(TypeError, match=rf"fit\(\) has no argument '{name}': .* X_val and y_v"):
            FERClassifier().fit(faces.data, faces.target, **{name: (faces.data, faces.target)})
    with pytest.raises(TypeError, match=r"here it is max_epochs of FERClassifier"):
        FERClassifier().fit(faces.data, faces.target, epochs=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        FERClassifier().fit(faces.data, faces.target, nonsense=3)


def test_the_signatures_are_the_functions_own():
    assert list(signature(FERClassifier.fit).parameters)[:4] == ["self", "X", "y", "sample_weight"]
    assert set(signature(FERClassifier).parameters) == FERClassifier().get_params().keys()


def test_parameters_are_documented_group_by_group_in_the_order_of_the_signature():
    groups, described = getdoc(FERClassifier).split("\nParameters\n----------\n")
    groups = re.findall(r"^- (\w+): (.*?)\.$", groups, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in groups] == ["Network", "Data", "Training", "Prediction", "Running"]
    grouped = [name for _, members in groups for name in re.findall(r"`(\w+)`", members)]
    described = described.split("\nAttributes\n")[0]
    described = re.findall(r"^(\w+) : ", described, re.MULTILINE)
    assert grouped == described == list(signature(FERClassifier).parameters)
    assert described == list(FERClassifier._parameter_constraints)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"augment": True}, r"FaceAugmenter\(\) .*'off' to train without.*Got True"),
        ({"augment": False}, "Got False"),
        ({"augment": {"rotation": 5}}, r"FaceAugmenter\(rotation=15\.0\)"),
        ({"augment": FaceAugmenter}, r"must be FaceAugmenter\(\)"),
        ({"augment": np.zeros(3)}, r"must be FaceAugmenter\(\)"),
        ({"normalize": True}, r"must be FaceNormalizer\(\)"),
        ({"normalize": "image"}, r"FaceNormalizer\('image'\)"),
        ({"normalize": "off"}, "normalize"),
        ({"widths": (0,)}, r"whole numbers of at least 1, .*Got \(0,\)"),
        ({"widths": (8.5,)}, "whole numbers"),
        ({"widths": ()}, "one stage or more"),
        ({"widths": 8}, r"such as \(32, 64\)\. Got 8"),
        ({"network_params": {"n_classes": 3}}, "are those of the faces. Got 'n_classes'"),
        ({"network_params": {1: 3}}, "Got 1 as a name"),
        ({"callbacks": ["lr"]}, r"list of skorch callbacks, .*Got 'lr' in it"),
        ({"callbacks": ("lr", "timer")}, "Got 'lr' in it"),
    ],
    ids=str,
)
def test_parts_that_are_none_are_answered_with_what_may_be_passed(params, match, faces):
    with pytest.raises(ValueError, match=match):
        FERClassifier(**params).fit(faces.data, faces.target)


@pytest.mark.parametrize("optimizer", ["muon", "adam", "adamw", "sgd"])
def test_steps_beyond_all_numbers_are_a_training_that_diverged(optimizer, faces):
    clf = small_classifier(optimizer=optimizer, learning_rate=1e308)
    with pytest.raises(ValueError, match=r"diverged\. Lower learning_rate \(it is 1e\+308\)"):
        clf.fit(faces.data, faces.target)
    assert not hasattr(clf, "classes_")


def test_arrays_of_objects_are_read_if_these_are_numbers(fitted, faces):
    X = faces.data[:3]
    np.testing.assert_array_equal(
        fitted.predict_proba(X.astype(object)), fitted.predict_proba(X.astype(float))
    )
