"""What a trained network answers."""

import copy
import pickle
import threading

import numpy as np
import pytest
from helpers import probabilities, small_classifier

from fer_sklearn import FERClassifier


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


def test_in_bfloat16_too_a_faces_logits_do_not_depend_on_the_faces_beside_it(fitted, faces):
    clf = copy.deepcopy(fitted).set_params(precision="bfloat16")
    together = clf.decision_function(faces.data)
    for part in (slice(0, 1), slice(3, 8), slice(9, 80)):
        np.testing.assert_array_equal(clf.decision_function(faces.data[part]), together[part])


def test_in_bfloat16_a_classifier_that_is_trained_further_predicts_with_its_new_weights(faces):
    X, y = faces.data[:60], faces.target[:60]
    clf = small_classifier(precision="bfloat16").fit(X, y)
    for _ in range(2):
        before = clf.predict_proba(X)
        clf.partial_fit(X, y)
        after = clf.predict_proba(X)
        assert not np.array_equal(after, before)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), after)


def test_prediction_ignores_augmentation(fitted, faces):
    np.testing.assert_array_equal(probabilities(fitted, faces), probabilities(fitted, faces))


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
    again = FERClassifier.from_pretrained(tmp_path / "faces.npz")
    plain = again.decision_function(faces.data[:5])
    adjusted = again.set_params(logit_adjustment=1.0).decision_function(faces.data[:5])
    totals = np.where(again.classes_ == "sad", 5, 1)
    np.testing.assert_allclose(plain - adjusted, np.tile(np.log(totals / 11), (5, 1)), rtol=1e-6)


def test_logit_adjustment_without_class_counts_says_what_is_missing(fitted, faces):
    old = copy.deepcopy(fitted).set_params(logit_adjustment=1.0)
    del old.class_count_
    with pytest.raises(ValueError, match="which this file of an older version does not say"):
        old.predict(faces.data)
