"""`FERClassifier`: learning, chance, stopping, and networks of the user's own."""

import copy
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import network_of, probabilities, small_classifier
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EpochScoring
from torch import nn

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn.datasets import make_faces


@pytest.mark.parametrize("network", ["resnet", "cnn"])
def test_it_learns_expressions_that_a_linear_model_does_not(network):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    drawn = {"image_size": 32, "noise": 0.2, "return_X_y": True}
    X, y = make_faces(700, random_state=0, **drawn)
    X_test, y_test = make_faces(350, random_state=1, **drawn)
    clf = FERClassifier(network, widths=(8, 16, 32), max_epochs=7, batch_size=32, random_state=0)
    accuracy = clf.fit(X, y).score(X_test, y_test)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3))
    linear_accuracy = linear.fit(X.reshape(700, -1), y).score(X_test.reshape(350, -1), y_test)
    assert accuracy > 0.7
    assert accuracy > linear_accuracy + 0.15


def test_training_lowers_the_loss(fitted):
    losses = fitted.history_["train_loss"]
    assert losses[-1] < losses[0]


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


def test_class_counts_are_those_of_the_faces_trained_on(faces):
    clf = small_classifier(max_epochs=1, early_stopping=True).fit(faces.data, faces.target)
    assert clf.class_count_.tolist() == [36] * 7
    clf = small_classifier()
    for part in (slice(0, 100), slice(100, 180)):
        clf.partial_fit(faces.data[part], faces.target[part], classes=np.unique(faces.target))
    counts = pd.Series(faces.target[:180]).value_counts().sort_index()
    assert clf.class_count_.tolist() == counts.tolist()


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


class Small(FERClassifier):
    """Has fewer parameters than its parent."""

    def __init__(self, max_epochs=1):
        super().__init__(max_epochs=max_epochs, widths=(8, 16), batch_size=140, random_state=0)


def test_a_subclass_may_fix_parameters(faces):
    clf = clone(Small(max_epochs=3)).fit(faces.data, faces.target)
    plain = small_classifier().fit(faces.data, faces.target)
    for fitted in (clf, plain):
        fitted.partial_fit(faces.data, faces.target)
    answers = probabilities(plain, faces)
    np.testing.assert_array_equal(probabilities(pickle.loads(pickle.dumps(clf)), faces), answers)


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
    assert network_of(fits[0]).layers[2].out_features == 5
    np.testing.assert_array_equal(*(probabilities(clf, faces) for clf in fits))


def test_scores_of_training_batches_know_weighted_faces(faces):
    score = EpochScoring("accuracy", lower_is_better=False, on_train=True, name="hits")
    clf = small_classifier(max_epochs=2, callbacks=[score])
    weights = np.where(faces.target == "sad", 3.0, 1.0)
    assert clf.fit(faces.data, faces.target, sample_weight=weights).n_iter_ == 2


# -- parameters of the parts ------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("augment", "rotation", 5.0), ("augment", "flip", 0), ("normalize", "method", "image")],
)
def test_parameters_of_a_part_can_be_set_where_it_is_none(part, name, value):
    clf = FERClassifier().set_params(**{f"{part}__{name}": value})
    made = {"augment": FaceAugmenter, "normalize": FaceNormalizer}[part]
    assert repr(getattr(clf, part)) == repr(made(**{name: value}))
    again = clf.set_params(**{part: None, f"{part}__{name}": value})
    assert repr(getattr(again, part)) == repr(made(**{name: value}))


def test_a_grid_reaches_the_parts_of_a_classifier_of_defaults(faces):
    grid = {"augment__rotation": [0, 15], "normalize__method": ["image"]}
    search = GridSearchCV(small_classifier(max_epochs=1), grid, cv=2)
    search.fit(faces.data, faces.target)
    assert {row["augment__rotation"] for row in search.cv_results_["params"]} == {0, 15}
    assert search.best_estimator_.normalizer_.method == "image"


def test_a_part_that_is_a_name_says_that_it_has_no_parameters():
    with pytest.raises(ValueError, match=r"augment='off' has no parameters, got augment__rotation"):
        FERClassifier(augment="off").set_params(augment__rotation=5)
    with pytest.raises(ValueError, match=r"Set normalize to None or to FaceNormalizer\(\) too"):
        FERClassifier(normalize="upstream").set_params(normalize__method="image")
    clf = FERClassifier(augment="off").set_params(augment=None, augment__rotation=5)
    assert clf.augment.rotation == 5


def test_a_misspelt_parameter_of_a_part_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="Invalid parameter 'angle' for estimator FaceAugmenter"):
        FERClassifier().set_params(augment__angle=5)


def test_parts_of_a_pretrained_network_are_set_as_it_needs_them(faces, tmp_path):
    clf = small_classifier(normalize=FaceNormalizer("image"), max_epochs=1)
    clf.fit(faces.data, faces.target).save_pretrained(tmp_path / "image.npz")
    unit = FERClassifier.from_pretrained(tmp_path / "image.npz", normalize__pixel_range=(0, 1))
    assert unit.normalize.method == "image"
    np.testing.assert_allclose(
        unit.predict_proba(faces.data / 255), clf.predict_proba(faces.data), atol=0.02
    )
    tuned = FERClassifier(pretrained=tmp_path / "image.npz")
    assert tuned.set_params(normalize__pixel_range=(0, 1)).normalize.method == "image"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("predict_augment", "mirror"),
        ("logit_adjustment", np.nan),
        ("logit_adjustment", "balanced"),
        ("logit_adjustment", -1.0),
        ("precision", "float16"),
    ],
)
def test_a_parameter_of_the_prediction_is_checked_when_it_is_used(
    name, value, fitted, faces, tmp_path
):
    """Set after fit, some were ignored, made all probabilities NaN, or were a KeyError."""
    clf = copy.deepcopy(fitted).set_params(**{name: value})
    with pytest.raises(ValueError, match=f"The '{name}' parameter of FERClassifier must be"):
        clf.predict(faces.data[:4])
    with pytest.raises(ValueError, match=f"The '{name}' parameter of FERClassifier must be"):
        clf.save_pretrained(tmp_path / "a.npz")
