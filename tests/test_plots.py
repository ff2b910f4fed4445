"""Displays: what is drawn is what was computed."""

import copy
import sys
from itertools import pairwise

import numpy as np
import pytest
from helpers import small_classifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn.explain import first_filters, saliency_map
from fer_sklearn.metrics import calibration_bins, expected_calibration_error
from fer_sklearn.plots import (
    AugmentationDisplay,
    EmbeddingDisplay,
    FaceGridDisplay,
    FilterDisplay,
    ReliabilityDisplay,
    SaliencyDisplay,
    TrainingCurvesDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def shown(ax):
    """The last picture that was drawn on the axes."""
    return np.ma.getdata(ax.images[-1].get_array())


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


# -- training ---------------------------------------------------------------------


def test_curves_are_the_history(faces):
    clf = small_classifier(widths=(4,), max_epochs=2, early_stopping=True)
    clf.fit(faces.data[:140], faces.target[:140])
    display = TrainingCurvesDisplay.from_estimator(clf)
    accuracy, loss, rate = display.axes_
    for ax, keys in [
        (accuracy, ["train_accuracy", "valid_accuracy"]),
        (loss, ["train_loss", "valid_loss"]),
        (rate, ["learning_rate"]),
    ]:
        for key, line in zip(keys, ax.lines, strict=False):
            assert_array_equal(line.get_data(), [[1, 2], clf.history_[key]])
    assert texts(loss.get_legend()) == ["training", "validation"]
    assert len({line.get_linestyle() for line in loss.lines}) == 2  # told apart in gray, too
    best = np.argmax(clf.history_["valid_accuracy"])
    assert accuracy.get_title().startswith(f"best validation: {clf.best_validation_score_:.3f}")
    assert accuracy.lines[-1].get_xdata()[0] == best + 1


def test_curves_with_gaps_lie_at_their_epochs():
    train, valid = [0.2, 0.3, 0.4, 0.5], [np.nan, 0.3, 0.2, np.nan]
    history = {"train_accuracy": train, "train_loss": train, "learning_rate": train}
    accuracy = TrainingCurvesDisplay({**history, "valid_accuracy": valid}).plot().axes_[0]
    assert_array_equal(accuracy.lines[1].get_data(), [[1, 2, 3, 4], valid])
    assert accuracy.get_title() == "best validation: 0.300, epoch 2"


def test_without_validation_faces_there_is_one_curve(fitted):
    accuracy, loss, _ = TrainingCurvesDisplay.from_estimator(fitted).axes_
    assert len(accuracy.lines) == len(loss.lines) == 1
    assert accuracy.get_title() == ""


def test_a_classifier_from_a_file_has_no_curves():
    with pytest.raises(ValueError, match="comes from from_pretrained"):
        TrainingCurvesDisplay.from_estimator(FERClassifier.from_pretrained())


def test_curves_are_those_of_a_classifier(faces):
    X = faces.data.reshape(280, -1)
    for estimator in (make_pipeline(PCA(2)), DummyClassifier()):
        with pytest.raises(TypeError, match="Expected a fitted FERClassifier, got"):
            TrainingCurvesDisplay.from_estimator(estimator.fit(X, faces.target))


@pytest.mark.parametrize("wrong", [0, -1, 2.5, None, True])
def test_numbers_of_things_to_draw_are_whole_and_above_0(wrong, fitted, faces):
    X, said = faces.data[:3], "as a whole number of at least 1, got"
    with pytest.raises(ValueError, match=f"n_draws {said}"):
        AugmentationDisplay.from_estimator(fitted, X, n_draws=wrong)
    with pytest.raises(ValueError, match=f"n_columns {said}"):
        FaceGridDisplay.from_estimator(fitted, X, n_columns=wrong)
    for display in (FaceGridDisplay, SaliencyDisplay):
        with pytest.raises(ValueError, match=f"n_faces {said}"):
            display.from_estimator(fitted, X, n_faces=wrong)


def test_the_map_of_faces_needs_a_label_for_each(fitted, faces):
    with pytest.raises(ValueError, match=r"inconsistent .*\[280, 5\]"):
        EmbeddingDisplay.from_estimator(fitted, faces.data, faces.target[:5])
    with pytest.raises(ValueError, match="1 of 280 faces have no label"):
        EmbeddingDisplay.from_estimator(fitted, faces.data, [None, *faces.target[1:]])


# -- faces ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers():
    """Six faces, each all of one gray, with labels, predictions and confidence."""
    X = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((6, 8, 8), dtype=np.uint8)
    y_true = np.array(["a", "a", "a", "b", "b", "b"])
    y_pred = np.array(["a", "b", "b", "b", "a", "b"])
    return X, y_true, y_pred, np.array([0.9, 0.6, 0.8, 0.5, 0.7, 0.95])


def rows_shown(display):
    return display.images[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("select", "expected"), [("worst", [2, 4, 1]), ("unsure", [3, 1, 4, 2, 0, 5])]
)
def test_faces_are_chosen_by_confidence(select, expected, answers):
    display = FaceGridDisplay.from_predictions(*answers, select=select)
    assert rows_shown(display) == expected
    fewer = FaceGridDisplay.from_predictions(*answers, select=select, n_faces=2)
    assert rows_shown(fewer) == expected[:2]
    assert_array_equal(shown(fewer.axes_[0, 0]), answers[0][expected[0]])


def test_faces_without_labels_are_drawn_least_sure_first(fitted, faces, answers):
    X, _, y_pred, confidence = answers
    display = FaceGridDisplay.from_predictions(X, None, y_pred, confidence, n_faces=2)
    assert rows_shown(display) == [3, 1]
    assert [ax.get_title() for ax in display.axes_.flat] == ["b 50%", "b 60%"]
    each = {"select": "per-class", "n_faces": 2, "random_state": 0}
    display = FaceGridDisplay.from_predictions(X, None, y_pred, confidence, **each)
    assert display.y_pred.tolist() == ["a", "b"]
    FaceGridDisplay.from_estimator(fitted, faces.data, n_faces=2)
    with pytest.raises(ValueError, match="'worst' needs labels"):
        FaceGridDisplay.from_estimator(fitted, faces.data, select="worst")


def test_random_faces_are_those_of_the_seed(answers):
    first, again, other = (
        FaceGridDisplay.from_predictions(*answers, select="random", n_faces=4, random_state=seed)
        for seed in (0, 0, 1)
    )
    assert rows_shown(first) == rows_shown(again) != rows_shown(other)
    assert len(set(rows_shown(first))) == 4


def test_each_class_gets_as_many_faces(answers):
    display = FaceGridDisplay.from_predictions(*answers, select="per-class", n_faces=4)
    assert display.y_true.tolist() == ["a", "a", "b", "b"]
    assert len(set(rows_shown(display))) == 4


def test_right_and_wrong_are_told_apart_in_gray_too(answers):
    axes = FaceGridDisplay(*answers).plot(n_columns=4).axes_
    assert axes.shape == (2, 4)
    assert [ax.get_title() for ax in axes[0]] == ["✓ a 90%", "✗ b 60%", "✗ b 80%", "✓ b 50%"]
    assert [ax.get_xlabel() for ax in axes[0]] == ["", "label: a", "label: a", ""]
    right, wrong = (ax.spines["left"].get_linewidth() for ax in axes[0, :2])
    assert wrong > right
    assert not axes[1, 2].axison
    assert not axes[1, 3].images


def test_a_classifier_says_what_its_faces_show(fitted, faces):
    rows = faces.data.reshape(len(faces.data), -1)
    display = FaceGridDisplay.from_estimator(fitted, rows, faces.target, select="unsure", n_faces=3)
    confidence = fitted.predict_proba(faces.data).max(axis=1)
    least = np.argsort(confidence, kind="stable")[:3]
    assert_array_equal(display.images, faces.data[least])
    assert_array_equal(display.y_pred, fitted.predict(faces.data[least]))
    assert_allclose(display.confidence, confidence[least])


def test_faces_that_cannot_be_chosen_are_errors(answers):
    X, y_true, _, confidence = answers
    with pytest.raises(ValueError, match=r"Unknown select 'best'\. Known: worst, unsure"):
        FaceGridDisplay.from_predictions(*answers, select="best")
    with pytest.raises(ValueError, match="No face is classified wrongly"):
        FaceGridDisplay.from_predictions(X, y_true, y_true, confidence)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        FaceGridDisplay.from_predictions(X, y_true[:3], y_true, confidence)
    codes = np.unique(y_true, return_inverse=True)[1]
    with pytest.raises(ValueError, match="labels of one type, got"):  # all would be wrong
        FaceGridDisplay.from_predictions(X, y_true, codes, confidence)
    some = np.where(np.arange(len(X)) == 2, None, y_true)
    with pytest.raises(ValueError, match="y_true contains NaN or None: 1 of"):
        FaceGridDisplay.from_predictions(X, some, y_true, confidence)


# -- augmentation -----------------------------------------------------------------


def test_augmentations_are_the_augmenters_draws(faces):
    augmenter = FaceAugmenter(rotation=30, erase=1)
    display = AugmentationDisplay.from_estimator(
        augmenter, faces.data[:2], n_draws=3, random_state=0
    )
    originals = FaceNormalizer("scale").fit_transform(faces.data[:2])
    draws = augmenter.draw(np.repeat(originals, 3, axis=0), random_state=0)
    assert display.axes_.shape == (2, 4)
    assert_array_equal(shown(display.axes_[1, 0]), originals[1])
    assert_array_equal(shown(display.axes_[0, 2]), draws[1])
    assert_array_equal(shown(display.axes_[1, 1]), draws[3])
    titles = [ax.get_title() for ax in display.axes_[0]]
    assert titles == ["original", "draw 1", "draw 2", "draw 3"]


def test_a_classifier_shows_how_its_own_training_augments(fitted, faces):
    X = faces.data[:1].reshape(1, -1)
    off = small_classifier(augment="off")
    still = AugmentationDisplay.from_estimator(off, X, n_draws=2)
    assert_array_equal(still.draws[0], [still.images[0]] * 2)
    own, stated = (
        AugmentationDisplay.from_estimator(estimator, X, n_draws=2, random_state=1)
        for estimator in (fitted, FaceAugmenter())
    )
    assert_array_equal(own.draws, stated.draws)
    assert not np.array_equal(own.draws[0, 0], own.images[0])
    with pytest.raises(TypeError, match="FaceAugmenter or a FERClassifier, got Pipeline"):
        AugmentationDisplay.from_estimator(make_pipeline(off), X)


# -- calibration ------------------------------------------------------------------


@pytest.fixture(scope="module")
def guesses():
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, 500), rng.dirichlet(np.ones(3), 500)


def test_bins_hold_what_lies_in_them(guesses):
    y, proba = guesses
    bins = calibration_bins(y, proba, n_bins=10)
    confidence = proba.max(axis=1)
    inside = (confidence >= 0.5) & (confidence < 0.6)
    hits = proba.argmax(axis=1) == y
    assert bins.loc[5].tolist() == pytest.approx(
        [hits[inside].mean(), confidence[inside].mean(), inside.sum()]
    )
    assert bins.loc[:2, "faces"].tolist() == [0, 0, 0]
    assert bins.loc[:2, "accuracy"].isna().all()
    assert bins["faces"].sum() == 500


def test_reliability_shows_the_bins_and_the_calibration_error(guesses):
    y, proba = guesses
    display = ReliabilityDisplay.from_predictions(y, proba, n_bins=10)
    bins = calibration_bins(y, proba, n_bins=10)
    filled = bins[bins["faces"] > 0]
    upper, lower = display.axes_
    accuracy, gaps = upper.containers
    assert_allclose([bar.get_height() for bar in accuracy], filled["accuracy"])
    assert_allclose([bar.get_x() for bar in accuracy], filled.index / 10)
    ends = [bar.get_y() + bar.get_height() for bar in gaps]
    assert_allclose(ends, filled["confidence"])
    assert [bar.get_height() for bar in lower.patches] == bins["faces"].tolist()
    error = expected_calibration_error(y, proba, n_bins=10)
    assert upper.get_title() == f"expected calibration error {error:.3f}, 500 faces"
    assert set(texts(upper.get_legend())) == {"accuracy", "gap", "perfect calibration"}


def test_every_bin_says_how_many_faces_it_has(guesses):
    y, proba = guesses
    for repeats, rotation in [(1, 0), (100, 90)]:  # upright where numbers are wider than bins
        display = ReliabilityDisplay.from_predictions(
            *(np.repeat(each, repeats, axis=0) for each in (y, proba))
        )
        counts = display.axes_[1].texts
        assert [text.get_text() for text in counts] == [str(n) if n else "" for n in display.faces]
        assert {text.get_rotation() for text in counts} == {rotation}
        display.figure_.draw_without_rendering()
        boxes = [text.get_window_extent() for text in counts if text.get_text()]
        assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))
        inside = display.axes_[1].get_window_extent()
        assert all(box.y1 <= inside.y1 for box in boxes)


def test_reliability_of_a_classifier_is_that_of_its_probabilities(fitted, faces):
    display = ReliabilityDisplay.from_estimator(fitted, faces.data, faces.target, n_bins=5)
    error = expected_calibration_error(faces.target, fitted.predict_proba(faces.data), n_bins=5)
    assert display.calibration_error == error
    without = ReliabilityDisplay(display.accuracy, display.confidence, display.faces).plot()
    assert without.axes_[0].get_title() == "280 faces"


# -- filters ----------------------------------------------------------------------


def test_every_filter_is_drawn_on_its_own_scale(fitted):
    display = FilterDisplay.from_estimator(fitted)
    filters = first_filters(fitted)
    sheet = shown(display.ax_)
    assert display.ax_.get_title() == "8 filters of 6 x 6 pixels"
    assert_allclose(sheet[:6, 7:13], filters[1] / np.abs(filters[1]).max())
    assert np.nanmax(np.abs(sheet)) == 1
    assert np.isfinite(sheet).sum() == filters.size


# -- embedding --------------------------------------------------------------------


def test_each_label_has_its_colour_and_its_marker():
    y = np.repeat(list("gfedcba"), 3)
    points = np.arange(42.0).reshape(21, 2)
    ax = EmbeddingDisplay(points, y).plot().ax_
    assert texts(ax.get_legend()) == [f"{label} (3)" for label in "abcdefg"]
    groups = ax.collections
    assert_array_equal(groups[0].get_offsets(), points[-3:])
    assert len({tuple(group.get_facecolor()[0]) for group in groups}) == 7
    assert len({group.get_paths()[0].vertices.tobytes() for group in groups}) == 7


def test_the_map_of_faces_is_that_of_the_seed_and_keeps_classes_together(learned, faces):
    X, y = faces.data[:50], faces.target[:50]
    options = {"perplexity": 5, "random_state": 0}
    first = EmbeddingDisplay.from_estimator(learned, X, y, **options)
    again = EmbeddingDisplay.from_estimator(learned, X, y, **options)
    assert_array_equal(first.points, again.points)
    assert first.points.shape == (50, 2)
    assert sum(len(group.get_offsets()) for group in first.ax_.collections) == 50
    distances = np.linalg.norm(first.points[:, None] - first.points, axis=2)
    np.fill_diagonal(distances, np.inf)
    neighbour = first.y[distances.argmin(axis=1)]
    assert (neighbour == first.y).mean() > 0.5  # chance is 1 in 7


# -- saliency ---------------------------------------------------------------------


def test_maps_lie_over_their_faces(fitted, faces):
    X = faces.data[:5]
    display = SaliencyDisplay.from_estimator(fitted, X, n_faces=3)
    maps = saliency_map(fitted, X)
    assert display.axes_.shape == (3, 2)
    predicted = fitted.predict(X)
    assert [ax.get_title() for ax in display.axes_[:, 0]] == [
        f"prediction: {label}" for label in predicted[:3]
    ]
    assert [ax.get_title() for ax in display.axes_[:, 1]] == [
        f"for {label}" for label in predicted[:3]
    ]
    assert [ax.get_xlabel() for ax in display.axes_[:, 0]] == ["", "", ""]
    for i, (face, overlaid) in enumerate(display.axes_):
        assert_array_equal(shown(face), X[i])
        assert_array_equal(overlaid.images[0].get_array(), X[i])
        assert_allclose(shown(overlaid), maps[i] / maps[i].max())
        assert_allclose(overlaid.images[1].get_alpha(), 0.75 * shown(overlaid))
        assert overlaid.get_xlabel() == f"strongest {maps[i].max():.2g}"


def test_the_mean_map_of_each_expression_is_drawn():
    images = np.arange(4.0)[:, None, None] * np.ones((4, 8, 8))
    maps = np.zeros((4, 8, 8))
    maps[0, 2, 3], maps[2, 2, 3], maps[1, 5, 5] = 2, 4, -3
    display = SaliencyDisplay(images, maps, ["sad", "happy", "sad", "fear"]).plot(kind="mean")
    fear, happy, sad = display.axes_[0]
    assert [ax.get_title() for ax in (fear, happy, sad)] == [
        "for fear\n1 face",
        "for happy\n1 face",
        "for sad\n2 faces",
    ]
    assert_array_equal(sad.images[0].get_array(), images[1])
    assert sad.get_xlabel() == "strongest 3"
    assert happy.get_xlabel() == "strongest -3"
    assert (shown(happy)[5, 5], shown(sad)[2, 3]) == (-1, 1)
    assert not shown(fear).any()


def test_maps_say_which_word_is_the_label_and_which_the_prediction(fitted, faces):
    X, y = faces.data[:3], faces.target[:3]
    face, overlaid = SaliencyDisplay.from_estimator(fitted, X, "sad", y=y).axes_[0]
    assert face.get_title() == f"prediction: {fitted.predict(X)[0]}"
    assert face.get_xlabel() == f"label: {y[0]}"
    assert overlaid.get_title() == "for sad"
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SaliencyDisplay.from_estimator(fitted, X, y=y[:2])


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ({"y_pred": ["sad", "fear"]}, "prediction:"),
        ({"y_pred": ["sad", "sad"], "y_true": ["sad", "fear"]}, "label:"),
        ({"y_pred": ["sad", "sad"], "y_true": ["fear", "fear"]}, "for"),
    ],
)
def test_means_say_whether_they_are_those_of_labels_or_of_predictions(known, word):
    display = SaliencyDisplay(np.ones((2, 8, 8)), np.ones((2, 8, 8)), ["sad", "fear"], **known)
    titles = [ax.get_title() for ax in display.plot(kind="mean").axes_.flat]
    assert titles == [f"{word} fear\n1 face", f"{word} sad\n1 face"]


def test_only_maps_with_a_sign_get_a_scale_with_one():
    images, maps = np.ones((1, 8, 8)), np.eye(8)[None]
    limits = [
        SaliencyDisplay(images, signed, ["sad"]).plot().axes_[0, 1].images[1].get_clim()
        for signed in (maps, -maps)
    ]
    assert limits == [(0, 1), (-1, 1)]


def test_saliency_explains_the_target_by_the_method_that_is_asked_for(fitted, faces):
    options = {"method": "occlusion", "patch_size": 12, "stride": 6}
    display = SaliencyDisplay.from_estimator(fitted, faces.data[:2], "sad", kind="mean", **options)
    assert_array_equal(display.maps, saliency_map(fitted, faces.data[:2], "sad", **options))
    assert display.axes_[0, 0].get_title() == "for sad\n2 faces"
    with pytest.raises(ValueError, match="Unknown kind 'median'"):
        display.plot(kind="median")


# -- all --------------------------------------------------------------------------


@pytest.fixture
def displays(answers):
    images = np.random.default_rng(0).random((2, 8, 8))
    history = {"train_loss": [2, 1], "train_accuracy": [0, 1], "learning_rate": [1, 1]}
    return [
        TrainingCurvesDisplay(history),
        FaceGridDisplay(*answers),
        AugmentationDisplay(images, images[:, None]),
        ReliabilityDisplay([0.5], [0.6], [3]),
        FilterDisplay(images),
        EmbeddingDisplay(images[:, 0, :2], ["a", "b"]),
        SaliencyDisplay(images, images, ["a", "b"]),
    ]


def test_displays_fit_into_given_axes_and_return_themselves(displays):
    for display in displays:
        figure, (left, right) = plt.subplots(1, 2, figsize=(20, 5), layout="constrained")
        assert display.plot(ax=left) is display
        assert display.figure_ is figure
        figure.draw_without_rendering()
        for ax in getattr(display, "axes_", np.array([left])).flat:
            assert ax.figure is figure
            assert ax.get_position().x1 <= right.get_position().x0


def test_without_matplotlib_the_error_says_what_to_install(displays, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for display in displays:
        with pytest.raises(
            ImportError, match=rf'{type(display).__name__}\.plot .*install "fer-sklearn\[plot\]"'
        ):
            display.plot()


def test_displays_leave_their_data_as_it_is(displays):
    for display in displays:
        before = copy.deepcopy(vars(display))
        display.plot()
        for name, value in before.items():
            assert_array_equal(vars(display)[name], value)


def test_a_grid_takes_the_place_of_axes_that_were_put_anywhere(fitted, faces):
    ax = plt.figure().add_axes((0.1, 0.2, 0.5, 0.6))
    display = FaceGridDisplay.from_estimator(
        fitted, faces.data, faces.target, select="random", n_faces=4, n_columns=2, ax=ax
    )
    boxes = [ax.get_position(original=True) for ax in display.axes_.flat]
    assert display.figure_ is ax.figure
    assert_allclose([min(box.x0 for box in boxes), max(box.x1 for box in boxes)], [0.1, 0.6])
    assert_allclose([min(box.y0 for box in boxes), max(box.y1 for box in boxes)], [0.2, 0.8])


@pytest.mark.parametrize("n_faces", [3, 7, 20])
def test_no_more_faces_of_each_class_than_asked_for(n_faces, fitted, faces):
    display = FaceGridDisplay.from_estimator(
        fitted, faces.data, faces.target, select="per-class", n_faces=n_faces
    )
    assert len(display.images) == {3: 3, 7: 7, 20: 14}[n_faces]


def test_a_grid_of_no_face_is_an_error(fitted, faces):
    with pytest.raises(ValueError, match="n_faces as a whole number of at least 1, got 0"):
        FaceGridDisplay.from_estimator(fitted, faces.data, faces.target, n_faces=0)


def test_faces_are_augmented_in_the_units_of_the_classifier(faces):
    X = faces.data[:2].astype(np.int32) * 16
    clf = FERClassifier(normalize=FaceNormalizer(pixel_range=(0, 4095)))
    twelve_bits = AugmentationDisplay.from_estimator(clf, X, n_draws=2, random_state=0)
    eight_bits = AugmentationDisplay.from_estimator(
        FERClassifier(), faces.data[:2], n_draws=2, random_state=0
    )
    assert_allclose(twelve_bits.draws, eight_bits.draws, atol=0.02)
    upstream = FERClassifier(normalize="upstream", augment="off", image_shape=(18, 32))
    normalized = FaceNormalizer().fit_transform(faces.data[:2]).reshape(2, -1)
    display = AugmentationDisplay.from_estimator(upstream, normalized, n_draws=1)
    assert_array_equal(display.images, normalized.reshape(2, 18, 32))


# -- names of classes -------------------------------------------------------------

NAMES = {
    "formulas": [r"$\frac{1}$", "a $ b $ c_{", "_hidden"],
    "long": ["a long name " + letter * 48 for letter in "abc"],
    "Arabic": ["غاضب", "سعيد", "حزين"],
    "many": [f"class {i} " + "n" * 50 for i in range(30)],
}


@pytest.mark.parametrize("kind", NAMES)
def test_any_names_of_classes_are_drawn(kind):
    labels = np.array(NAMES[kind])
    images = np.zeros((len(labels), 8, 8))
    confidence = np.linspace(0.5, 1, len(labels))
    for y_true in (labels[::-1], None):
        grid = FaceGridDisplay(images, y_true, labels, confidence).plot()
        grid.figure_.draw_without_rendering()
    EmbeddingDisplay(images[:, 0, :2], labels).plot().figure_.draw_without_rendering()
    maps = SaliencyDisplay(images, images, labels, y_pred=labels, y_true=labels)
    for drawn in ("faces", "mean"):
        maps.plot(kind=drawn, n_faces=2).figure_.draw_without_rendering()


def test_names_are_shown_as_they_are_and_long_ones_shortened():
    labels = np.array(["_a$b$", "x" * 60])
    display = EmbeddingDisplay(np.zeros((2, 2)), labels).plot()
    assert texts(display.ax_.get_legend()) == ["_a$b$ (1)", "x" * 19 + "… (1)"]
    grid = FaceGridDisplay(np.zeros((2, 8, 8)), None, labels, [0.5, 1.0]).plot()
    assert [ax.get_title() for ax in grid.axes_.flat] == ["_a$b$ 50%", "x" * 10 + "… 100%"]


def test_thirty_classes_differ_in_colour_or_marker():
    display = EmbeddingDisplay(np.zeros((30, 2)), np.arange(30)).plot()
    looks = {
        (*points.get_facecolor()[0], len(points.get_paths()[0].vertices), str(points.get_paths()))
        for points in display.ax_.collections
    }
    assert len(looks) == 30
