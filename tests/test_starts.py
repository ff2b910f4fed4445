"""Where a training begins: anew, with the last weights, with the next batch."""

import numpy as np
import pandas as pd
import pytest
from helpers import probabilities, small_classifier
from skorch.callbacks import Callback

from fer_sklearn import FaceAugmenter, FaceNormalizer


def test_warm_start_goes_on_from_the_last_weights(faces):
    clf = small_classifier(warm_start=True).fit(faces.data, faces.target)
    first = clf.history_["train_loss"]
    clf.fit(faces.data, faces.target)
    assert clf.n_iter_ == 6
    assert clf.history_["train_loss"][:3] == first
    assert clf.history_["train_loss"][3] < first[0]
    clf.set_params(widths=(4,))
    with pytest.raises(ValueError, match="training cannot continue"):
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
    clf.set_params(normalize=FaceNormalizer(pixel_range=(0, 1)))
    for fit in (clf.fit, clf.partial_fit):
        with pytest.raises(ValueError, match=r"white at \(0.0, 255.0\), .* now say \(0, 1\)"):
            fit(faces.data / 255, faces.target)
    clf.set_params(normalize__pixel_range=(0, 255)).fit(faces.data, faces.target)


@pytest.mark.parametrize("params", [{}, {"optimizer": "adam", "learning_rate": 1e-3}])
def test_partial_fit_learns_from_batches(params, faces):
    clf = small_classifier(augment="off", batch_size=35, **params)
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


class Watch(Callback):
    """Keeps the optimiser and the batch size of the last training."""

    def on_train_end(self, net, **kwargs):
        self.optimizer, self.batch_size = net.optimizer_, net.batch_size


def test_partial_fit_keeps_the_optimizers_state(faces):
    watch = Watch()
    clf = small_classifier(optimizer="adam", callbacks=[watch])
    clf.partial_fit(faces.data, faces.target, faces.target_names)
    clf.partial_fit(faces.data, faces.target)
    steps = {float(state["step"]) for state in watch.optimizer.state.values()}
    assert steps == {2.0 * 2}


def test_partial_fit_follows_changed_parameters(faces):
    watch = Watch()
    clf = small_classifier(learning_rate=0.01, callbacks=[watch])
    clf.partial_fit(faces.data, faces.target, faces.target_names)
    first = watch.optimizer
    clf.set_params(learning_rate=1e-12, batch_size=70)
    clf.partial_fit(faces.data, faces.target)
    assert clf.history_["learning_rate"] == [0.01, 1e-12]
    assert watch.batch_size == 70
    clf.set_params(optimizer="sgd", weight_decay=0.1)
    clf.partial_fit(faces.data, faces.target)
    assert type(watch.optimizer) is not type(first)
    assert watch.optimizer.param_groups[0]["weight_decay"] == 0.1


def test_partial_fit_without_mirror_images_predicts_without_them(faces):
    clf = small_classifier().partial_fit(faces.data, faces.target, faces.target_names)
    clf.set_params(augment=FaceAugmenter(flip=0)).partial_fit(faces.data, faces.target)
    expected = clf.decision_function(faces.data)
    clf.set_params(predict_augment=None)
    np.testing.assert_array_equal(clf.decision_function(faces.data), expected)


@pytest.mark.parametrize(
    "params", [{"widths": (4,)}, {"network": "cnn"}, {"network_params": {"activation": "relu"}}]
)
def test_partial_fit_refuses_another_network_than_the_fitted_one(params, faces):
    clf = small_classifier().partial_fit(faces.data, faces.target, faces.target_names)
    with pytest.raises(ValueError, match="training cannot continue"):
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


@pytest.mark.parametrize("rate", [1e20, 1e30])
def test_a_last_step_that_ruins_the_network_is_an_error_and_changes_nothing(rate, faces):
    """The loss of an epoch is that before its last step."""
    clf = small_classifier(batch_size=280)
    clf.partial_fit(faces.data, faces.target, faces.target_names)
    before = clf.predict_proba(faces.data)
    clf.set_params(optimizer="sgd", learning_rate=rate)
    with pytest.raises(ValueError, match=r"diverged in its last step: .* Lower learning_rate"):
        clf.partial_fit(faces.data, faces.target)
    np.testing.assert_array_equal(clf.predict_proba(faces.data), before)
    clf.set_params(learning_rate=1e-3).partial_fit(faces.data, faces.target)
    assert np.isfinite(clf.predict_proba(faces.data)).all()
    alone = small_classifier(optimizer="sgd", learning_rate=rate, batch_size=280, max_epochs=1)
    with pytest.raises(ValueError, match="diverged"):
        alone.set_params(schedule=None).fit(faces.data, faces.target)
