"""What a classifier takes: faces, labels, weights, validation faces, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from helpers import small_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_validate
from skorch.callbacks import Callback
from torch import nn

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier, make_fer_pipeline


def test_all_forms_of_the_same_faces_give_the_same_classifier(faces, tmp_path):
    X, y = faces.data[:70], faces.target[:70]
    memmap = np.memmap(tmp_path / "x", dtype=np.uint8, mode="w+", shape=X.shape)
    memmap[:] = X
    memmap.flush()
    forms = {
        "rows": X.reshape(len(X), -1),
        "images": X,
        "channel": X[..., None],
        "rgb": np.repeat(X[..., None], 3, axis=-1),
        "whole numbers": X.astype(np.int64),
        "frame": pd.DataFrame(X.reshape(len(X), -1)),
        "list": X.tolist(),
        "fortran": np.asfortranarray(X),
        "memmap": np.memmap(tmp_path / "x", dtype=np.uint8, mode="r", shape=X.shape),
    }
    expected = small_classifier(max_epochs=1).fit(X, y).predict_proba(X)
    for name, form in forms.items():
        clf = small_classifier(max_epochs=1).fit(form, y)
        assert clf.image_shape_ == (24, 24)
        np.testing.assert_array_equal(clf.predict_proba(form), expected, err_msg=name)


def test_floats_in_unit_range_are_the_same_faces(faces):
    X, y = faces.data, faces.target
    exact = {"max_epochs": 1, "precision": "float32", "optimizer": "adam", "learning_rate": 5e-4}
    unit = small_classifier(**exact).fit(X / 255.0, y)
    plain = small_classifier(**exact).fit(X, y)
    np.testing.assert_allclose(unit.predict_proba(X / 255.0), plain.predict_proba(X), atol=1e-3)
    np.testing.assert_allclose(unit.predict_proba(X), unit.predict_proba(X / 255.0), atol=1e-5)


def test_input_is_never_written_to(faces):
    X, y = faces.data.copy(), faces.target.copy()
    small_classifier(max_epochs=1, class_balance="oversample").fit(X, y).predict(X)
    np.testing.assert_array_equal(X, faces.data)
    np.testing.assert_array_equal(y, faces.target)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(["a", "b", "c"], dtype="string"),
        pd.Series(["a", "b", "c"], dtype="category"),
        np.array(["a", "b", "c"], dtype=object),
        np.array([10, 20, 30]),
        np.array([1.0, 2.0, 3.0]),
        [True, False, True],
    ],
    ids=["string", "category", "object", "int", "float", "bool"],
)
def test_labels_of_any_type_come_back(labels, faces):
    y = np.asarray(labels)[np.arange(60) % 3]
    given = pd.Series(labels).take(np.arange(60) % 3) if hasattr(labels, "iloc") else y
    clf = small_classifier(max_epochs=1).fit(faces.data[:60], given)
    predicted = clf.predict(faces.data[:60])
    assert set(predicted) <= set(y)
    assert predicted.dtype == clf.classes_.dtype
    assert 0 <= clf.score(faces.data[:60], given) <= 1


def test_other_sizes_than_48_need_no_parameter(faces):
    X = np.repeat(faces.data, 2, axis=1)[:, :40, :]
    clf = small_classifier(max_epochs=1).fit(X, faces.target)
    assert clf.image_shape_ == (40, 24)
    rows = X.reshape(len(X), -1)
    stated = small_classifier(max_epochs=1, image_shape=(40, 24)).fit(rows, faces.target)
    np.testing.assert_array_equal(stated.predict_proba(rows), clf.predict_proba(X))


def test_column_names_are_kept(faces):
    frame = pd.DataFrame(faces.data.reshape(len(faces.data), -1)).add_prefix("pixel_")
    clf = small_classifier(max_epochs=1).fit(frame, faces.target)
    assert clf.feature_names_in_[0] == "pixel_0"
    assert clf.n_features_in_ == 576
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame.add_prefix("other_"))


def table_of(library, columns):
    """A table of these columns; skips the test where the library is not there."""
    module = pytest.importorskip(library, reason="needs the extra [test]")
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


@pytest.mark.parametrize("asked", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_are_compared_by_name_whatever_the_library(library, asked, faces):
    columns = dict(zip((f"pixel_{i}" for i in range(576)), rows(faces.data[:60]).T, strict=True))
    swapped = table_of(asked, dict(reversed(columns.items())))
    others = table_of(asked, {f"x{name}": column for name, column in columns.items()})
    table, asked = table_of(library, columns), table_of(asked, columns)
    clf = small_classifier(max_epochs=1).fit(table, faces.target[:60])
    assert clf.feature_names_in_.tolist() == list(columns)
    pipeline = make_fer_pipeline(widths=(8,), max_epochs=1).fit(table, faces.target[:60])
    plain = small_classifier(max_epochs=1).fit(rows(faces.data[:60]), faces.target[:60])
    expected = plain.predict_proba(faces.data[:60])
    np.testing.assert_array_equal(clf.predict_proba(asked), expected)
    for estimator in (clf, pipeline):
        estimator.predict(asked)
        with pytest.raises(ValueError, match="must be in the same order"):
            estimator.predict(swapped)
        with pytest.raises(ValueError, match="names unseen at fit time"):
            estimator.predict(others)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_labels_and_texts_of_other_libraries_are_read_as_those_of_pandas(library, faces):
    module = pytest.importorskip(library, reason="needs the extra [test]")
    column = module.array if library == "pyarrow" else module.Series
    clf = small_classifier(max_epochs=1).fit(faces.data, column(faces.target.tolist()))
    assert clf.classes_.tolist() == sorted(faces.target_names)
    with pytest.raises(ValueError, match="1 of 280 faces have no label"):
        clf.fit(faces.data, column([None, *faces.target.tolist()[1:]]))
    with pytest.raises(ValueError, match=r'parse_pixels\(df\["gray"\]\)'):
        clf.fit(table_of(library, {"gray": ["1 2 3"] * 280}), faces.target)


def test_a_table_that_is_not_computed_yet_is_to_be_collected(fitted):
    polars = pytest.importorskip("polars", reason="needs the extra [test]")
    with pytest.raises(ValueError, match=r"got LazyFrame\. Pass X\.collect\(\)"):
        fitted.predict(polars.LazyFrame({"pixel_0": [1, 2]}))


def test_validation_faces_are_set_aside_only_if_needed(fitted, faces):
    assert "valid_accuracy" not in fitted.history_
    assert fitted.best_validation_score_ is None
    clf = small_classifier(max_epochs=1, predict_augment=None).fit(
        faces.data, faces.target, X_val=faces.data, y_val=faces.target
    )
    assert clf.best_validation_score_ == clf.score(faces.data, faces.target)
    with pytest.raises(ValueError, match="X_val came without y_val"):
        clf.fit(faces.data, faces.target, X_val=faces.data)
    with pytest.raises(ValueError, match="y_val came without X_val"):
        clf.fit(faces.data, faces.target, y_val=faces.target)
    strange = np.where(faces.target == "sad", "bored", faces.target)
    with pytest.raises(ValueError, match=r"\['bored'\] are not .* Leave their faces out of X_val"):
        clf.fit(faces.data, faces.target, X_val=faces.data, y_val=strange)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda X, y: (with_hole(X), y), "NaN"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (X[:, :20], y), "Expected faces|has 480 features"),
        (lambda X, y: (X[:0], y[:0]), "0 sample"),
    ],
    ids=["NaN", "lengths", "size", "none"],
)
def test_errors_of_validation_faces_say_that_it_is_these(make, match, faces):
    X_val, y_val = make(faces.data, faces.target)
    with pytest.raises(ValueError, match=rf"X_val and y_val cannot be used\..*({match})"):
        small_classifier().fit(faces.data, faces.target, X_val=X_val, y_val=y_val)


def test_too_few_faces_to_set_some_aside(faces):
    clf = small_classifier(early_stopping=True)
    with pytest.raises(ValueError, match=r"Of 30 faces 10% cannot be set aside .* X_val"):
        clf.fit(faces.data[:30], faces.target[:30])


def rows(X):
    return X.reshape(len(X), -1)


def with_hole(X):
    holes = X.astype(float)
    holes[3, 2, 1] = np.nan
    return holes


class NeverReached(Callback):
    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training has started")


def bad(X, y, error, match, **params):
    clf = small_classifier(callbacks=[NeverReached()], **params)
    with pytest.raises(error, match=match):
        clf.fit(X, y)
    assert not any(name.endswith("_") for name in vars(clf))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda X, y: (with_hole(X), y), "NaN"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples: \\[280, 279\\]"),
        (lambda X, y: (X, np.full(280, "happy")), "only one class, .*'happy'"),
        (lambda X, y: (X * 3.0, y), r"in \[0, 1\] or \[0, 255\], got values from 0 to"),
        (lambda X, y: (X / 255 - 0.5, y), r"in \[0, 1\] or \[0, 255\]"),
        (lambda X, y: (rows(X)[:, :70], y), "70 values are not square images"),
        (lambda X, y: (X[:, None], y), r"pass np.asarray\(X\)\.transpose\(0, 2, 3, 1\)"),
        (lambda X, y: (X[..., None].repeat(2, -1), y), r"an array of shape \(280, 24, 24, 2\)"),
        (lambda X, y: ([*X[:-1], X[0, :20]], y), r"\(24, 24\) and of \(20, 24\)\. .*resize_faces"),
        (lambda X, y: (X[:0], y[:0]), "0 sample"),
        (lambda X, y: (X, np.linspace(0, 1, 280)), "continuous"),
    ],
    ids=[
        *("NaN", "lengths", "one class", "too bright", "negative", "not square"),
        *("channels first", "two channels", "sizes", "none", "continuous"),
    ],
)
def test_bad_arrays_are_refused_before_training(make, match, faces):
    bad(*make(faces.data, faces.target), ValueError, match)


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((10, 10), "has 100 pixels, but X has 576"),
        ((24,), r"\(height, width\), whole numbers of pixels above 0, got \(24,\)"),
        ((-24, -24), "above 0"),
        (("24", "24"), "whole numbers"),
        ((1152, 0.5), "whole numbers"),
    ],
)
def test_a_shape_that_rows_cannot_have_is_refused(shape, match, faces):
    bad(rows(faces.data), faces.target, ValueError, match, image_shape=shape)


def test_another_shape_than_that_of_the_images_is_refused(faces):
    match = r"images of \(24, 24\) pixels .*resize_faces\(X, \(12, 12\)\)"
    bad(faces.data, faces.target, ValueError, match, image_shape=(12, 12))
    small_classifier(max_epochs=1, image_shape=[24, 24]).fit(faces.data, faces.target)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"network": "vgg"}, "Unknown network 'vgg'. Known: cnn, hybrid, resnet, vit"),
        ({"optimizer": "lion"}, "'adam'"),
        ({"schedule": "linear"}, "'one-cycle'"),
        ({"device": "cuda:99"}, "device='cuda:99' is not on this machine. Present: cpu"),
        ({"device": "gpu"}, "device='gpu' is not on this machine"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"augment": "none"}, "augment"),
        ({"class_balance": "smote"}, "oversample"),
        ({"class_weight": "even"}, "balanced"),
        ({"precision": "float16"}, "bfloat16"),
        ({"augment": FaceAugmenter(flip=2)}, "flip"),
        ({"augment": "upstream"}, "expects faces that come straight from a FaceAugmenter"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_parameters_are_refused_before_training(params, match, faces):
    bad(faces.data, faces.target, ValueError, match, **params)


def test_bad_networks_are_refused_before_training(faces):
    X, y = faces.data, faces.target
    bad(X, y, TypeError, "pass the class", network=nn.Linear(2, 2))
    bad(X, y, TypeError, "unexpected keyword", network="cnn", network_params={"colour": 1})
    for strange in (None, "resnet", nn.Linear):
        bad(X, y, TypeError, r"has to return a torch\.nn\.Module, got", network=lambda **_: strange)  # noqa: B023
    fails = r"fails on two faces of shape \(2, 1, 24, 24\): RuntimeError: mat1"
    bad(X, y, ValueError, fails, network=lambda **_: nn.Linear(3, 7))
    bad(X, y, ValueError, r"must return logits of shape \(B, 7\)", network=lambda **_: nn.Flatten())


def test_prediction_refuses_other_faces_than_fit_saw(fitted, faces):
    with pytest.raises(ValueError, match="X has 400 features, but FERClassifier is expecting 576"):
        fitted.predict(faces.data[:, :20, :20])
    with pytest.raises(ValueError, match=r"Expected faces of \(24, 24\) pixels .* got \(16, 36\)"):
        fitted.predict(faces.data.reshape(-1, 16, 36))
    with pytest.raises(ValueError, match=r"Expected pixel values in \[0, 255\]"):
        fitted.predict(faces.data * 2.0)
    for face in (faces.data[0], faces.data[0, ..., None]):
        with pytest.raises(ValueError, match=r"got one of shape \(24, 24.*\)\. Pass \[X\]"):
            fitted.predict(face)
        assert fitted.predict(face[None]) == fitted.predict(faces.data[:1])
    with pytest.warns(UserWarning, match="all but black"):
        fitted.predict(faces.data / 255)
    with pytest.raises(NotFittedError):
        FERClassifier().predict(faces.data)


def test_negative_weights_and_none_left_are_refused(faces):
    for weights, match in (
        (-np.ones(280), "Negative values"),
        # scikit-learn 1.9 is the first to look at that.
        (np.zeros(280), "at least one non-zero|no face a weight above 0"),
        ((faces.target == "sad").astype(float), "Only one class"),
    ):
        with pytest.raises(ValueError, match=match):
            small_classifier().fit(faces.data, faces.target, sample_weight=weights)
    for fit in ("fit", "partial_fit"):
        clf = small_classifier(class_weight={"sad": -1})
        given = {} if fit == "fit" else {"classes": faces.target_names}
        with pytest.raises(ValueError, match=r"class_weight of numbers of at least 0, got \{'sad'"):
            getattr(clf, fit)(faces.data, faces.target, **given)
    with pytest.raises(ValueError, match="no face a weight above 0"):
        small_classifier(class_weight=dict.fromkeys(faces.target_names, 0)).fit(
            faces.data, faces.target
        )


def one_class_a_batch(faces, **params):
    """Return the classifier of one batch for each label, in the order of the labels."""
    weigh = params.pop("weigh", lambda y: None)
    clf = small_classifier(optimizer="sgd", **params)
    for label in faces.target_names:
        batch = faces.target == label
        X, y = faces.data[batch], faces.target[batch]
        clf.partial_fit(X, y, faces.target_names, sample_weight=weigh(y))
    return clf.predict_proba(faces.data)


def test_weights_mean_the_same_in_every_batch(faces):
    plain = one_class_a_batch(faces)
    by_face = one_class_a_batch(faces, weigh=lambda y: np.where(y == "sad", 5.0, 1.0))
    by_class = one_class_a_batch(faces, class_weight={"sad": 5.0})
    np.testing.assert_array_equal(by_face, by_class)
    assert np.abs(by_class - plain).max() > 0.01


def test_a_batch_may_lack_a_weighted_class_or_weigh_nothing(faces):
    clf = small_classifier(class_weight={"sad": 0.0, "happy": 2.0})
    happy, sad = faces.target == "happy", faces.target == "sad"
    with pytest.raises(ValueError, match="first batch needs a face of a weight above 0"):
        clf.partial_fit(faces.data[sad], faces.target[sad], faces.target_names)
    clf.partial_fit(faces.data[happy], faces.target[happy], faces.target_names)
    before = clf.predict_proba(faces.data)
    clf.partial_fit(faces.data[sad], faces.target[sad])
    np.testing.assert_array_equal(clf.predict_proba(faces.data), before)
    clf.set_params(class_weight={"joy": 2.0})
    with pytest.raises(ValueError, match=r"classes that are not in y: \['joy'\]\. The classes are"):
        clf.partial_fit(faces.data[happy], faces.target[happy])


# -- what pixels mean -----------------------------------------------------------------


def just_outside(X, low, high):
    """Faces in [0, 1] with one pixel of each end moved."""
    X = X / 255.0
    X[0, 0, 0], X[1, 1, 1] = low, high
    return X


def scaled_classifier():
    return small_classifier(widths=(8,), max_epochs=1, normalize=FaceNormalizer("scale"))


@pytest.fixture(scope="module")
def fitted_on_exact(faces):
    return scaled_classifier().fit(just_outside(faces.data, 0, 1), faces.target)


@pytest.fixture(scope="module")
def fitted_on_bytes(faces):
    return scaled_classifier().fit(faces.data, faces.target)


@pytest.mark.parametrize("low", [0.0, -1e-9, -1e-4])
@pytest.mark.parametrize("high", [1.0, np.nextafter(1, 2), 1 + 2.4e-7, 1.0009])
def test_rounding_at_the_ends_changes_nothing(low, high, faces, fitted_on_exact, fitted_on_bytes):
    """One pixel a rounding error too bright turned the whole set into [0, 255]: black faces."""
    rounded, exact = just_outside(faces.data, low, high), just_outside(faces.data, 0, 1)
    clf = scaled_classifier().fit(rounded, faces.target)
    assert clf.normalizer_.pixel_range_ == (0, 1)
    np.testing.assert_array_equal(clf.predict_proba(rounded), fitted_on_exact.predict_proba(exact))
    np.testing.assert_array_equal(  # and in [0, 255], where rounding is as large by share
        fitted_on_bytes.predict_proba((exact * 255).clip(0, 255)),
        fitted_on_bytes.predict_proba(exact * 255 + (rounded > 1) * 1e-5 - (rounded < 0) * 1e-5),
    )


@pytest.mark.parametrize("high", [1.01, 1.5, 2.0])
def test_floats_that_belong_to_neither_range_are_refused_with_both_readings(high, faces):
    X = just_outside(faces.data, 0, high)
    with pytest.raises(ValueError, match=r"X\.clip\(0, 1\) .*pixel_range=\(0, 255\)"):
        small_classifier().fit(X, faces.target)
    clf = small_classifier(max_epochs=1, normalize=FaceNormalizer(pixel_range=(0, 255)))
    with pytest.warns(UserWarning, match="all but black"):
        assert clf.fit(X, faces.target).normalizer_.pixel_range_ == (0, 255)
    clf = small_classifier(max_epochs=1).fit(X.clip(0, 1), faces.target)
    with pytest.raises(
        ValueError, match=r"Expected pixel values in \[0, 1\], got values from 0 to"
    ):
        clf.predict(X)


@pytest.mark.parametrize("scale", [lambda X: X / 127.5 - 1, lambda X: X / 255 * 3 - 0.2])
def test_standardised_faces_are_refused(scale, faces):
    with pytest.raises(ValueError, match=r"in \[0, 1\] or \[0, 255\], got values from -"):
        small_classifier().fit(scale(faces.data), faces.target)


def test_an_error_of_range_does_not_round_away_what_it_speaks_of(faces):
    clf = small_classifier(max_epochs=1).fit(faces.data / 255, faces.target)
    with pytest.raises(ValueError, match=r"to 1\.00123\."):
        clf.predict(just_outside(faces.data, 0, 1.00123))


def test_the_same_array_means_the_same_everywhere(faces):
    """In fit, in predict, as validation faces, in the folds of a cross-validation."""
    X = just_outside(faces.data, -1e-7, 1 + 1e-7)
    clf = small_classifier(max_epochs=1, predict_augment=None)
    clf.fit(X, faces.target, X_val=X, y_val=faces.target)
    assert clf.best_validation_score_ == clf.score(X, faces.target)
    for row in (slice(0, 1), slice(1, 2), slice(5, 6)):
        np.testing.assert_array_equal(clf.predict_proba(X)[row], clf.predict_proba(X[row]))
    scores = cross_validate(clf, X, faces.target, cv=3, return_estimator=True)
    assert {fold.normalizer_.pixel_range_ for fold in scores["estimator"]} == {(0.0, 1.0)}
    normalized = FaceNormalizer().fit(X).transform(X)
    assert normalized.max() <= FaceNormalizer().fit(X).transform(X.clip(0, 1)).max()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16])
def test_floats_rounded_to_whole_numbers_bring_a_warning(dtype, faces):
    black = (faces.data / 255).astype(dtype)
    with pytest.warns(UserWarning, match="whole numbers of at most 1, where 255 is white"):
        small_classifier(max_epochs=1).fit(black, faces.target)


def test_rows_of_plain_features_are_not_clipped():
    X = np.random.default_rng(0).normal(size=(60, 10))
    with pytest.warns(UserWarning, match="plain features"):
        clf = small_classifier(widths=(4,), max_epochs=1).fit(X, np.arange(60) % 2)
    assert not np.allclose(clf.decision_function(X * 3), clf.decision_function(X * 2))
