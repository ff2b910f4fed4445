"""`FERClassifier` as a user meets it."""

import copy
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import small_classifier
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback, EpochScoring
from torch import nn

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn.datasets import make_faces


def probabilities(clf, faces):
    return clf.predict_proba(faces.data[:40])


# -- learning -------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["resnet", "cnn"])
def test_it_learns_expressions_that_a_linear_model_does_not(network):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = make_faces(1400, image_size=32, random_state=0, return_X_y=True)
    X_test, y_test = make_faces(700, image_size=32, random_state=1, return_X_y=True)
    clf = FERClassifier(network, widths=(8, 16, 32), max_epochs=12, batch_size=64, random_state=0)
    accuracy = clf.fit(X, y).score(X_test, y_test)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3))
    linear_accuracy = linear.fit(X.reshape(1400, -1), y).score(X_test.reshape(700, -1), y_test)
    assert accuracy > 0.7
    assert accuracy > linear_accuracy + 0.15


def test_training_lowers_the_loss(fitted):
    losses = fitted.history_["train_loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", ["muon", "adam", "adamw", "sgd"])
def test_every_optimizer_trains(optimizer, faces):
    clf = small_classifier(optimizer=optimizer, max_epochs=5).fit(faces.data, faces.target)
    losses = clf.history_["train_loss"]
    assert losses[-1] < losses[0]


def test_schedules_move_the_learning_rate(faces):
    def rates(schedule):
        clf = small_classifier(schedule=schedule, max_epochs=6, learning_rate=1e-3)
        return np.array(clf.fit(faces.data, faces.target).history_["learning_rate"])

    assert (rates(None) == 1e-3).all()
    assert rates("step").tolist() == pytest.approx([1e-3] * 2 + [1e-4] * 2 + [1e-5] * 2)
    assert (np.diff(rates("cosine")) < 0).all()
    one_cycle = rates("one-cycle")
    assert one_cycle.argmax() in (1, 2)
    assert one_cycle[-1] < 1e-4
    assert len(rates("plateau")) == 6


def test_plateau_follows_validation_accuracy(faces):
    """With labels that cannot be learned the rate has to fall."""
    y = np.random.default_rng(0).permutation(faces.target)
    clf = small_classifier(schedule="plateau", max_epochs=14, learning_rate=1e-3)
    clf.fit(faces.data, y)
    assert len(clf.history_["valid_accuracy"]) == 14
    assert clf.history_["learning_rate"][-1] < 1e-3


def test_class_weight_and_sample_weight_mean_the_same(faces):
    X, y = faces.data, faces.target
    by_class = small_classifier(class_weight={"happy": 5.0}).fit(X, y)
    by_sample = small_classifier().fit(X, y, sample_weight=np.where(y == "happy", 5.0, 1.0))
    plain = small_classifier().fit(X, y)
    np.testing.assert_array_equal(probabilities(by_class, faces), probabilities(by_sample, faces))
    happy = plain.classes_.tolist().index("happy")
    assert by_class.predict_proba(X)[:, happy].mean() > plain.predict_proba(X)[:, happy].mean()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_faces_of_weight_zero_are_as_if_absent(early_stopping, faces):
    X, y = faces.data, faces.target
    kept = np.arange(len(y)) % 3 > 0
    params = {"normalize": FaceNormalizer("scale"), "early_stopping": early_stopping}
    weighted = small_classifier(**params).fit(X, y, sample_weight=kept.astype(float))
    removed = small_classifier(**params).fit(X[kept], y[kept])
    np.testing.assert_array_equal(probabilities(weighted, faces), probabilities(removed, faces))


def test_oversampling_raises_the_recall_of_a_rare_class():
    X, y = make_faces(
        600, image_size=24, noise=0.3, class_balance=[1, 0.06, 0, 1, 0, 0, 1],
        random_state=0, return_X_y=True,
    )  # fmt: skip
    X_test, y_test = make_faces(700, image_size=24, noise=0.3, random_state=1, return_X_y=True)

    def recall(**params):
        clf = small_classifier(max_epochs=8, **params).fit(X, y)
        return (clf.predict(X_test[y_test == "disgust"]) == "disgust").mean()

    assert recall(class_balance="oversample") > recall() + 0.1


# -- what it takes --------------------------------------------------------------------


def test_all_forms_of_the_same_faces_give_the_same_classifier(faces, tmp_path):
    X, y = faces.data, faces.target
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


# -- what it gives --------------------------------------------------------------------


def test_the_outputs_agree_with_each_other(fitted, faces):
    X = faces.data
    logits = fitted.decision_function(X)
    proba = fitted.predict_proba(X)
    assert logits.shape == proba.shape == (280, 7)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(proba), fitted.predict_log_proba(X))
    np.testing.assert_allclose(
        proba, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-9
    )
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[proba.argmax(axis=1)])


def test_two_classes_have_one_decision_value(faces):
    two = np.isin(faces.target, ["happy", "sad"])
    clf = small_classifier().fit(faces.data[two], faces.target[two])
    decision = clf.decision_function(faces.data[two])
    assert decision.shape == (two.sum(),)
    proba = clf.predict_proba(faces.data[two])[:, 1]
    np.testing.assert_allclose(proba, 1 / (1 + np.exp(-decision)))


def test_a_faces_logits_do_not_depend_on_the_faces_beside_it(fitted, faces):
    together = fitted.decision_function(faces.data)
    alone = np.concatenate([fitted.decision_function(faces.data[i : i + 1]) for i in range(70)])
    np.testing.assert_array_equal(together[:70], alone)


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


def test_logit_adjustment_takes_the_classes_frequency_off_the_logits(faces):
    rare = np.r_[np.flatnonzero(faces.target != "sad"), np.flatnonzero(faces.target == "sad")[:6]]
    clf = small_classifier().fit(faces.data[rare], faces.target[rare])
    assert dict(zip(clf.classes_, clf.class_count_, strict=True))["sad"] == 6
    plain = clf.decision_function(faces.data)
    clf.set_params(logit_adjustment=0.5)
    shares = clf.class_count_ / clf.class_count_.sum()
    np.testing.assert_allclose(clf.decision_function(faces.data), plain - 0.5 * np.log(shares))
    found = (clf.predict(faces.data) == "sad").sum()
    assert found > (clf.classes_[plain.argmax(axis=1)] == "sad").sum()


def test_logit_adjustment_knows_weights_and_repetitions(faces):
    rare = np.r_[np.flatnonzero(faces.target != "sad"), np.flatnonzero(faces.target == "sad")[:6]]
    X, y = faces.data[rare], faces.target[rare]

    def taken_off(**params):
        sample_weight, shares = params.pop("sample_weight", None), params.pop("shares", None)
        clf = small_classifier(max_epochs=1, **params)
        clf.fit(X, y, sample_weight, label_distribution=shares)
        plain = clf.decision_function(X)
        return (plain - clf.set_params(logit_adjustment=1.0).decision_function(X))[0]

    equal = np.full(7, np.log(1 / 7))
    balanced = np.where(y == "sad", 40 / 6, 1.0)
    np.testing.assert_allclose(taken_off(class_balance="oversample"), equal)
    np.testing.assert_allclose(taken_off(class_weight="balanced"), equal, rtol=1e-6)
    np.testing.assert_allclose(taken_off(sample_weight=balanced), equal, rtol=1e-6)
    np.testing.assert_allclose(taken_off(shares=np.ones((len(y), 7))), equal, rtol=1e-6)


def test_a_file_knows_what_logit_adjustment_takes_off(faces, tmp_path):
    weights = np.where(faces.target == "sad", 5.0, 1.0)
    clf = small_classifier(max_epochs=1).fit(faces.data, faces.target, sample_weight=weights)
    clf.save_pretrained(tmp_path / "faces.npz")
    again = FERClassifier.from_pretrained(tmp_path / "faces.npz", logit_adjustment=1.0)
    totals = np.where(again.classes_ == "sad", 5, 1)
    np.testing.assert_allclose(again._adjustment(), np.log(totals / 11), rtol=1e-6)


def test_class_counts_are_those_of_the_faces_trained_on(faces):
    clf = small_classifier(max_epochs=1, early_stopping=True).fit(faces.data, faces.target)
    assert clf.class_count_.tolist() == [36] * 7
    clf = small_classifier()
    for part in (slice(0, 100), slice(100, 180)):
        clf.partial_fit(faces.data[part], faces.target[part], classes=np.unique(faces.target))
    counts = pd.Series(faces.target[:180]).value_counts().sort_index()
    assert clf.class_count_.tolist() == counts.tolist()


def test_logit_adjustment_without_class_counts_says_what_is_missing(fitted, faces):
    old = copy.deepcopy(fitted).set_params(logit_adjustment=1.0)
    del old.class_count_
    with pytest.raises(ValueError, match="which this file of an older version does not say"):
        old.predict(faces.data)


def test_prediction_ignores_augmentation(fitted, faces):
    np.testing.assert_array_equal(probabilities(fitted, faces), probabilities(fitted, faces))


def test_fitted_attributes(faces):
    clf = small_classifier(max_epochs=4, early_stopping=True).fit(faces.data, faces.target)
    assert clf.classes_.tolist() == sorted(set(faces.target))
    assert clf.n_iter_ == 4
    table = pd.DataFrame(clf.history_)
    assert table.shape == (4, 6)
    assert set(table) == {
        *("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"),
        *("learning_rate", "seconds"),
    }
    assert clf.best_validation_score_ == max(clf.history_["valid_accuracy"])
    assert isinstance(clf.normalizer_, FaceNormalizer)


def test_prediction_from_several_threads(fitted, faces):
    expected = fitted.predict_proba(faces.data)
    results = [None] * 4

    def predict(i):
        results[i] = fitted.predict_proba(faces.data)

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


# -- chance ---------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_classifier_to_the_bit(fitted, faces):
    again = small_classifier().fit(faces.data, faces.target)
    np.testing.assert_array_equal(fitted.decision_function(faces.data),
                                  again.decision_function(faces.data))  # fmt: skip
    other = small_classifier(random_state=1).fit(faces.data, faces.target)
    assert not np.allclose(probabilities(fitted, faces), probabilities(other, faces))


def test_a_random_state_instance_advances(faces):
    rng = np.random.RandomState(0)
    first = small_classifier(random_state=rng, max_epochs=1).fit(faces.data, faces.target)
    second = small_classifier(random_state=rng, max_epochs=1).fit(faces.data, faces.target)
    assert not np.allclose(probabilities(first, faces), probabilities(second, faces))


def test_the_callers_generator_and_threads_are_left_alone(faces):
    torch.manual_seed(5)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    small_classifier(max_epochs=1).fit(faces.data, faces.target).predict(faces.data)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_callers_generator_does_not_matter(fitted, faces):
    torch.manual_seed(123)
    again = small_classifier().fit(faces.data, faces.target)
    np.testing.assert_array_equal(probabilities(fitted, faces), probabilities(again, faces))


def test_fits_in_threads_equal_serial_fits(fitted, faces):
    state = torch.random.get_rng_state()
    fits = {}

    def fit(seed):
        fits[seed] = small_classifier(random_state=seed).fit(faces.data, faces.target)

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in (0, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(probabilities(fits[0], faces), probabilities(fitted, faces))
    serial = small_classifier(random_state=2).fit(faces.data, faces.target)
    np.testing.assert_array_equal(probabilities(fits[2], faces), probabilities(serial, faces))
    assert torch.equal(torch.random.get_rng_state(), state)


# -- going on, stopping, failing ------------------------------------------------------


def test_warm_start_goes_on_from_the_last_weights(faces):
    clf = small_classifier(warm_start=True).fit(faces.data, faces.target)
    first = clf.history_["train_loss"]
    clf.fit(faces.data, faces.target)
    assert clf.n_iter_ == 6
    assert clf.history_["train_loss"][:3] == first
    assert clf.history_["train_loss"][3] < first[0]
    clf.set_params(widths=(4,))
    with pytest.raises(ValueError, match="training cannot go on"):
        clf.fit(faces.data, faces.target)
    with pytest.raises(ValueError, match="not among the classes"):
        clf.set_params(widths=(8, 16)).fit(faces.data, np.where(faces.target == "sad", "x", "y"))


def test_epochs_without_validation_faces_are_nan_in_the_history(faces):
    X, y = faces.data[:140], faces.target[:140]
    clf = small_classifier(widths=(4,), max_epochs=2, warm_start=True).fit(X, y)
    clf.fit(X, y, X_val=X, y_val=y)
    best = clf.best_validation_score_
    clf.partial_fit(X, y)
    table = pd.DataFrame(clf.history_)
    assert table.shape == (5, 6)
    assert clf.n_iter_ == 5
    for column in ("valid_accuracy", "valid_loss"):
        assert table[column].isna().tolist() == [True, True, False, False, True]
    assert clf.best_validation_score_ == best == table["valid_accuracy"].max()
    assert table["train_loss"].notna().all()


def test_without_warm_start_fit_starts_anew(fitted, faces):
    clf = small_classifier().fit(faces.data[:100], faces.target[:100])
    clf.fit(faces.data, faces.target)
    np.testing.assert_array_equal(probabilities(clf, faces), probabilities(fitted, faces))


@pytest.mark.parametrize("params", [{}, {"optimizer": "adam", "learning_rate": 1e-3}])
def test_partial_fit_learns_from_batches(params, faces):
    clf = small_classifier(augment="off", widths=(16, 32), **params)
    for _ in range(10):
        for start in range(0, 280, 70):
            batch = slice(start, start + 70)
            clf.partial_fit(faces.data[batch], faces.target[batch], classes=faces.target_names)
    assert clf.n_iter_ == len(clf.history_["train_loss"]) == 40
    assert np.mean(clf.history_["train_loss"][-4:]) < np.mean(clf.history_["train_loss"][:4])
    assert clf.score(faces.data, faces.target) > 2 / 7


def test_partial_fit_needs_all_classes_first(faces):
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small_classifier().partial_fit(faces.data, faces.target)
    clf = small_classifier().partial_fit(faces.data[:9], faces.target[:9], faces.target_names)
    with pytest.raises(ValueError, match=r"\['joy'\] are not among the classes"):
        clf.partial_fit(faces.data[:2], ["joy", "sad"])
    with pytest.raises(ValueError, match="balanced"):
        clf.set_params(class_weight="balanced").partial_fit(faces.data, faces.target)
    with pytest.raises(ValueError, match=r"classes has only one class, \['sad'\]"):
        small_classifier().partial_fit(faces.data[:2], ["sad", "sad"], classes=["sad"])


def test_partial_fit_keeps_the_optimizers_state(faces):
    clf = small_classifier(optimizer="adam")
    clf.partial_fit(faces.data, faces.target, faces.target_names)
    clf.partial_fit(faces.data, faces.target)
    steps = {float(state["step"]) for state in clf._kept[0].optimizer_.state.values()}
    assert steps == {2.0 * 5}


def test_partial_fit_follows_changed_parameters(faces):
    clf = small_classifier(learning_rate=0.01)
    clf.partial_fit(faces.data, faces.target, faces.target_names)
    first = clf._kept[0].optimizer_
    clf.set_params(learning_rate=1e-12, batch_size=70)
    clf.partial_fit(faces.data, faces.target)
    assert clf.history_["learning_rate"] == [0.01, 1e-12]
    assert clf._kept[0].batch_size == 70
    clf.set_params(optimizer="sgd", weight_decay=0.1, augment=FaceAugmenter(flip=0))
    clf.partial_fit(faces.data, faces.target)
    assert type(clf._kept[0].optimizer_) is not type(first)
    assert clf._kept[0].optimizer_.param_groups[0]["weight_decay"] == 0.1
    assert not clf._mirrored


@pytest.mark.parametrize(
    "params", [{"widths": (4,)}, {"network": "cnn"}, {"network_params": {"activation": "relu"}}]
)
def test_partial_fit_refuses_another_network_than_the_fitted_one(params, faces):
    clf = small_classifier().partial_fit(faces.data, faces.target, faces.target_names)
    with pytest.raises(ValueError, match="training cannot go on"):
        clf.set_params(**params).partial_fit(faces.data, faces.target)


def test_automatic_batches_of_partial_fit_are_those_of_fit(faces):
    sizes = []

    class Size(Callback):
        def on_batch_begin(self, net, batch, training, **kwargs):
            sizes.append(len(batch[0]))

    clf = small_classifier(batch_size="auto", callbacks=[Size()], max_epochs=1)
    clf.fit(faces.data[:60], faces.target[:60])
    first = sizes.copy()
    clf.partial_fit(faces.data[:60], faces.target[:60])
    assert max(first) <= 16
    assert sizes == 2 * first


def test_partial_fit_goes_on_after_fit(fitted, faces):
    clf = small_classifier().fit(faces.data, faces.target)
    clf.partial_fit(faces.data[:70], faces.target[:70])
    assert clf.n_iter_ == 4
    assert not np.allclose(probabilities(clf, faces), probabilities(fitted, faces))


def test_early_stopping_restores_the_best_weights(faces):
    X, y = faces.data, faces.target
    X_val, y_val = make_faces(100, image_size=24, random_state=3, return_X_y=True)
    clf = small_classifier(
        early_stopping=True, n_iter_no_change=2, max_epochs=60, schedule=None, learning_rate=0.02,
        predict_augment=None,
    )  # fmt: skip
    clf.fit(X, y, X_val=X_val, y_val=y_val)
    assert clf.n_iter_ < 60
    assert clf.history_["valid_accuracy"].index(clf.best_validation_score_) == clf.n_iter_ - 3
    assert clf.score(X_val, y_val) == clf.best_validation_score_


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


class Interrupt(Callback):
    """Ctrl-C in the second epoch, in mid-batch."""

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_stopped_fit_leaves_the_classifier_as_it_was(warm_start, faces):
    clf = small_classifier(warm_start=warm_start).fit(faces.data, faces.target)
    before, proba = dict(vars(clf)), probabilities(clf, faces)
    clf.callbacks = before["callbacks"] = [Interrupt()]
    with pytest.raises(KeyboardInterrupt):
        clf.fit(faces.data[:, :20, :20] if not warm_start else faces.data, faces.target)
    assert vars(clf) == before
    np.testing.assert_array_equal(probabilities(clf, faces), proba)


def test_a_stopped_first_fit_leaves_it_unfitted(faces):
    clf = small_classifier(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(faces.data, faces.target)
    assert vars(clf) == clf.get_params(deep=False)
    with pytest.raises(NotFittedError):
        clf.predict(faces.data)


class InterruptNow(Callback):
    def on_batch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def test_a_stopped_partial_fit_leaves_the_classifier_as_it_was(faces):
    clf = small_classifier().partial_fit(faces.data, faces.target, faces.target_names)
    twin = small_classifier().partial_fit(faces.data, faces.target, faces.target_names)
    clf.callbacks = [InterruptNow()]
    with pytest.raises(KeyboardInterrupt):
        clf.partial_fit(faces.data, faces.target)
    clf.callbacks = None
    clf.partial_fit(faces.data, faces.target)
    twin.partial_fit(faces.data, faces.target)
    np.testing.assert_array_equal(probabilities(clf, faces), probabilities(twin, faces))


def test_a_diverged_fit_is_an_error(faces):
    clf = small_classifier(optimizer="sgd", learning_rate=1e30, schedule=None)
    with pytest.raises(ValueError, match=r"diverged\. Lower learning_rate"):
        clf.fit(faces.data, faces.target)


# -- callbacks and output -------------------------------------------------------------


class StopAfterTwo(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt  # skorch's way to stop


def test_skorch_callbacks_are_told(faces):
    scoring = EpochScoring("f1_macro", lower_is_better=False, name="f1")
    clf = small_classifier(callbacks=[("f1", scoring), StopAfterTwo()], early_stopping=True)
    clf.fit(faces.data, faces.target)
    assert clf.n_iter_ == 2
    assert 0 < scoring.best_score_ <= 1


def test_verbose_shows_loss_accuracy_and_time_left(faces, capsys):
    small_classifier(verbose=2, early_stopping=True).fit(faces.data, faces.target)
    shown = "".join(capsys.readouterr())
    assert "epoch 3/3" in shown
    assert "loss" in shown
    assert "accuracy" in shown
    assert "validation" in shown
    assert "<" in shown  # tqdm's time left
    small_classifier(max_epochs=1).fit(faces.data, faces.target)
    assert not "".join(capsys.readouterr())


# -- bad input ------------------------------------------------------------------------


class NeverReached(Callback):
    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training has started")


def bad(X, y, error, match, **params):
    clf = small_classifier(callbacks=[NeverReached()], **params)
    with pytest.raises(error, match=match):
        clf.fit(X, y)
    assert not any(name.endswith("_") for name in vars(clf))


def test_bad_arrays_are_refused_before_training(faces):
    X, y = faces.data, faces.target
    holes = X.astype(float)
    holes[3, 2, 1] = np.nan
    bad(holes, y, ValueError, "NaN")
    bad(X, y[:-1], ValueError, "inconsistent numbers of samples: \\[280, 279\\]")
    bad(X, np.full(280, "happy"), ValueError, "only one class, .*'happy'")
    bad(X * 3.0, y, ValueError, r"in \[0, 1\] or \[0, 255\], got values from 0 to")
    bad(X / 255 - 0.5, y, ValueError, r"in \[0, 1\] or \[0, 255\]")
    bad(X[:, :3].reshape(280, -1)[:, :70], y, ValueError, "70 values are not square images")
    bad(X.reshape(280, 1, 24, 24), y, ValueError, r"X.transpose\(0, 2, 3, 1\)")
    bad(X[..., None].repeat(2, -1), y, ValueError, r"got an array of shape \(280, 24, 24, 2\)")
    bad(X.reshape(280, -1), y, ValueError, "has 100 pixels, but X has 576", image_shape=(10, 10))
    bad(X.reshape(280, -1), y, ValueError, r"be \(height, width\), got \(24,\)", image_shape=(24,))
    mixed = [*X[:-1], X[0, :20]]
    bad(mixed, y, ValueError, r"\(24, 24\) and of \(20, 24\)\. Resize .*resize_faces")
    bad(X[:0], y[:0], ValueError, "0 sample")
    bad(X, np.linspace(0, 1, 280), ValueError, "continuous")


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"network": "vgg"}, "Unknown network 'vgg'. Known: cnn, resnet"),
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
    bad(X, y, ValueError, r"must return logits of shape \(B, 7\)", network=lambda **_: nn.Flatten())


def test_prediction_refuses_other_faces_than_fit_saw(fitted, faces):
    with pytest.raises(ValueError, match="X has 400 features, but FERClassifier is expecting 576"):
        fitted.predict(faces.data[:, :20, :20])
    with pytest.raises(ValueError, match=r"Expected faces of \(24, 24\) pixels .* got \(16, 36\)"):
        fitted.predict(faces.data.reshape(-1, 16, 36))
    with pytest.raises(ValueError, match=r"Expected pixel values in \[0, 255\]"):
        fitted.predict(faces.data * 2.0)
    for face in (faces.data[0], faces.data[0, ..., None], faces.data[0, ..., None].repeat(3, 2)):
        with pytest.raises(ValueError, match=r"got one of shape \(24, 24.*\)\. Pass X\[None\]"):
            fitted.predict(face)
        assert fitted.predict(face[None]) == fitted.predict(faces.data[:1])
    with pytest.warns(UserWarning, match="all but black"):
        fitted.predict(faces.data / 255)
    with pytest.raises(NotFittedError):
        FERClassifier().predict(faces.data)


def test_negative_weights_and_none_left_are_refused(faces):
    for weights, match in (
        (-np.ones(280), "Negative values"),
        (np.zeros(280), "at least one non-zero"),
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


# -- networks of the user's own ---------------------------------------------------------


class Tiny(nn.Module):
    """A user's network, with torch's own dropout."""

    def __init__(self, n_classes, image_shape, units=8):
        super().__init__()
        height, width = image_shape
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(height * width, units), nn.ReLU(),
            nn.Linear(units, n_classes),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


def test_a_network_of_the_users_own(faces):
    fits = [
        small_classifier(network=Tiny, widths=None, network_params={"units": 5}).fit(
            faces.data, faces.target
        )
        for _ in range(2)
    ]
    assert fits[0]._model.network.layers[2].out_features == 5
    np.testing.assert_array_equal(*(probabilities(clf, faces) for clf in fits))


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
    with pytest.raises(ValueError, match="not in class_weight"):
        clf.partial_fit(faces.data[happy], faces.target[happy])


def test_too_few_faces_to_set_some_aside(faces):
    clf = small_classifier(early_stopping=True)
    with pytest.raises(ValueError, match=r"Of 30 faces 10% cannot be set aside .* X_val"):
        clf.fit(faces.data[:30], faces.target[:30])


def test_a_training_that_goes_on_keeps_its_normaliser(faces):
    clf = small_classifier(max_epochs=1, warm_start=True).fit(faces.data, faces.target)
    clf.fit(faces.data, faces.target)
    clf.set_params(normalize=FaceNormalizer("image"))
    for fit in (clf.fit, clf.partial_fit):
        with pytest.raises(ValueError, match=r"normalised by 'dataset', .* now say 'image'"):
            fit(faces.data, faces.target)
    clf.set_params(normalize="upstream")
    with pytest.raises(ValueError, match="now say 'upstream'"):
        clf.fit(faces.data, faces.target)


def test_scores_of_training_batches_know_weighted_faces(faces):
    score = EpochScoring("accuracy", lower_is_better=False, on_train=True, name="hits")
    clf = small_classifier(max_epochs=2, callbacks=[score])
    weights = np.where(faces.target == "sad", 3.0, 1.0)
    assert clf.fit(faces.data, faces.target, sample_weight=weights).n_iter_ == 2
