"""Codes 0 to K-1 for y, as scikit-learn makes them, where a pretrained file knows labels."""

import numpy as np
import pandas as pd
import pytest
from helpers import network_of, small_classifier
from optuna.distributions import IntDistribution
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder

from fer_sklearn import FERClassifier
from fer_sklearn._pretrained import read_pretrained
from fer_sklearn.datasets import convert_emotions
from fer_sklearn.tuning import FERSearchCV

READ = r"labels 0 to 6 are read as places in the sorted labels .* 0 = 'angry', .* 6 = 'surprise'"
THREE = ["angry", "happy", "sad"]


@pytest.fixture(scope="module")
def stored(learned, faces, tmp_path_factory):
    """Write what was learned from `faces` and from three of its expressions, under other labels."""
    folder = tmp_path_factory.mktemp("codes")
    learned.save_pretrained(folder / "names.npz")
    few = np.isin(faces.target, THREE)
    clf = small_classifier(max_epochs=3, batch_size=32)
    clf.fit(faces.data[few], 1 + np.searchsorted(THREE, faces.target[few]))
    clf.save_pretrained(folder / "from 1.npz")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def path(stored):
    return stored["names"]


@pytest.fixture(scope="module")
def codes(faces):
    return LabelEncoder().fit_transform(faces.target)


@pytest.fixture(scope="module")
def by_name(path, faces):
    """The classifier fine-tuned on names."""
    return tuned(path).fit(faces.data, faces.target)


def tuned(path, **params):
    defaults = {"max_epochs": 1, "random_state": 0, "batch_size": 32}
    return FERClassifier(pretrained=path, **{**defaults, **params})


def barely_tuned(path):
    """A classifier whose last layer is what it started with."""
    return tuned(path, learning_rate=1e-12, optimizer="sgd", weight_decay=0)


def assert_same(clf, other, X):
    np.testing.assert_array_equal(clf.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint8, np.float32, "category"])
def test_codes_of_the_files_labels_train_as_the_labels_do(kind, path, faces, codes, by_name):
    with pytest.warns(UserWarning, match=READ) as caught:
        clf = tuned(path).fit(faces.data, pd.Series(codes).astype(kind))
    assert len(caught) == 1
    assert clf.classes_.tolist() == list(range(7))
    assert_same(clf, by_name, faces.data)


def test_the_warning_says_how_fer2013_numbers_are_meant(path, faces, by_name):
    numbers = convert_emotions(faces.target, target="fer2013")
    match = (
        r"4 = 'sad', 5 = 'surprise', 6 = 'neutral'\): for these pass y = fer_sklearn\.datasets\."
    )
    with pytest.warns(UserWarning, match=match):
        tuned(path).fit(faces.data, numbers)
    clf = tuned(path).fit(faces.data, convert_emotions(numbers, source="fer2013"))
    assert_same(clf, by_name, faces.data)


def test_voting_starts_from_the_files_last_layer(path, faces, by_name):
    with pytest.warns(UserWarning, match=READ):
        vote = VotingClassifier([("a", tuned(path))], voting="soft").fit(faces.data, faces.target)
    assert vote.classes_.tolist() == by_name.classes_.tolist()
    assert_same(vote, by_name, faces.data)


def test_stacking_starts_from_the_files_last_layer(path, faces, by_name):
    stack = StackingClassifier([("a", tuned(path))], LogisticRegression(), cv=2)
    with pytest.warns(UserWarning, match=READ):
        stack.fit(faces.data, faces.target)
    assert_same(stack.estimators_[0], by_name, faces.data)
    assert stack.score(faces.data, faces.target) > 0.85


def test_bagging_starts_from_the_files_last_layer(path, faces):
    rows = faces.data.reshape(280, -1)
    bag = BaggingClassifier(barely_tuned(path), 2, random_state=0)
    with pytest.warns(UserWarning, match=READ):
        bag.fit(rows, faces.target)
    expected = barely_tuned(path).fit(rows, faces.target).score(rows, faces.target)
    assert expected > 0.85
    assert bag.score(rows, faces.target) == pytest.approx(expected, abs=0.05)


def test_what_else_encodes_labels_starts_from_the_files_last_layer(path, faces):
    clf, (X, y) = barely_tuned(path), (faces.data, faces.target)
    with pytest.warns(UserWarning, match=READ):
        proba = cross_val_predict(clf, X, y, cv=2, method="predict_proba")
    assert (np.unique(y)[proba.argmax(axis=1)] == y).mean() > 0.85
    calibrated = CalibratedClassifierCV(clf, method="temperature", cv=2, ensemble=False)
    with pytest.warns(UserWarning, match=READ):
        calibrated.fit(X, y)
    assert calibrated.score(X, y) > 0.85


@pytest.mark.parametrize("search", [GridSearchCV, FERSearchCV])
def test_searches_inside_a_vote_start_from_the_file(search, path, faces):
    inner = barely_tuned(path)
    if search is GridSearchCV:
        found = GridSearchCV(inner, {"freeze": [0, 1]}, cv=2)
    else:
        space = {"freeze": IntDistribution(0, 1)}
        found = FERSearchCV(inner, space, n_trials=2, cv=2, random_state=0)
    with pytest.warns(UserWarning, match=READ):
        vote = VotingClassifier([("a", found)], voting="soft").fit(faces.data, faces.target)
    assert vote.estimators_[0].best_score_ > 0.85
    assert vote.score(faces.data, faces.target) > 0.85


def test_a_search_over_a_vote_and_a_pipeline_in_a_vote_start_from_the_file(path, faces):
    pipeline = make_pipeline(FunctionTransformer(), barely_tuned(path))
    vote = VotingClassifier([("a", pipeline)], voting="soft")
    grid = {"a__ferclassifier__freeze": [0, 1]}
    with pytest.warns(UserWarning, match=READ):
        found = GridSearchCV(vote, grid, cv=2).fit(faces.data.reshape(280, -1), faces.target)
    assert min(found.cv_results_["mean_test_score"]) > 0.85


def test_codes_are_codes_where_some_are_labels_of_the_file_too(stored, faces):
    few = np.isin(faces.target, THREE)
    X, y = faces.data[few], np.searchsorted(THREE, faces.target[few])
    expected = tuned(stored["from 1"]).fit(X, y + 1)
    with pytest.warns(UserWarning, match="labels 0 to 2 are read as .* 0 = 1, 1 = 2, 2 = 3") as got:
        clf = tuned(stored["from 1"]).fit(X, y)
    assert "FER-2013" not in str(got[0].message)
    assert_same(clf, expected, X)


def test_labels_of_the_file_are_never_read_as_codes(path, faces, codes, tmp_path):
    with pytest.warns(UserWarning, match=READ):
        clf = tuned(path).fit(faces.data, codes)
    clf.save_pretrained(tmp_path / "codes.npz")
    again = tuned(tmp_path / "codes.npz").fit(faces.data, codes)  # a warning is an error here
    assert_same(
        again, tuned(tmp_path / "codes.npz").fit(faces.data, codes.astype(float)), faces.data
    )
    with pytest.warns(UserWarning, match="None of the labels 'angry', .* 0, 1, 2, .* random"):
        tuned(tmp_path / "codes.npz").fit(faces.data, faces.target)


@pytest.mark.parametrize(
    "relabel",
    [
        lambda y, codes: np.char.add("my ", y),
        lambda y, codes: np.char.capitalize(y),
        lambda y, codes: codes.astype(str),
        lambda y, codes: codes + 1,
        lambda y, codes: codes * 2,
        lambda y, codes: np.minimum(codes, 5),
        lambda y, codes: np.minimum(codes, 4) + (codes > 4),
        lambda y, codes: codes > 3,
        lambda y, codes: (codes > 3).astype(int),
    ],
    ids=["names", "case", "digits", "from 1", "gaps", "K-1", "K-1 so", "booleans", "two"],
)
def test_where_no_label_is_known_it_says_that_the_last_layer_is_fresh(relabel, path, faces, codes):
    match = r"None of the labels .* among those of pretrained='.*names\.npz', 'angry', .* random"
    with pytest.warns(UserWarning, match=match) as caught:
        clf = barely_tuned(path).fit(faces.data, relabel(faces.target, codes))
    assert len(caught) == 1
    assert 'convert_emotions(y, source="fer2013")' in str(caught[0].message)
    rows = network_of(clf).state_dict()["head.3.weight"].numpy()
    known = read_pretrained(path).weights["head.3.weight"]
    assert np.abs(rows[:, None] - known[None]).max(axis=-1).min() > 1e-3


def test_one_against_the_rest_says_that_the_last_layer_is_fresh(path, faces):
    rows = faces.data[:70].reshape(70, -1)
    with pytest.warns(UserWarning, match="None of the labels 0, 1 is among") as caught:
        OneVsRestClassifier(tuned(path)).fit(rows, faces.target[:70])
    assert len(caught) == 7


@pytest.mark.parametrize("labels", [[0, 1], [False, True], [0, 1, 2, 3]])
def test_numbers_from_0_that_are_labels_in_part_are_pointed_out(labels, stored, faces):
    y = np.resize(labels, 280)
    with pytest.warns(UserWarning, match=r"Of the labels .*, (0|False) are not among .* 1, 2, 3"):
        clf = barely_tuned(stored["from 1"]).fit(faces.data, y)
    row = network_of(clf).state_dict()["head.3.weight"].numpy()[1]
    known = read_pretrained(stored["from 1"]).weights["head.3.weight"][0]
    np.testing.assert_allclose(row, known, atol=1e-6)


def test_numbers_from_0_that_are_the_first_labels_of_the_file_are_pointed_out(
    path, faces, codes, tmp_path
):
    with pytest.warns(UserWarning, match=READ):
        tuned(path).fit(faces.data, codes).save_pretrained(tmp_path / "codes.npz")
    few = codes < 6
    with pytest.warns(UserWarning, match="0, 1, .* read as the same labels .* all 7 classes"):
        tuned(tmp_path / "codes.npz").fit(faces.data[few], codes[few])
    some = np.isin(codes, [0, 2, 6])  # with gaps, as no encoder makes them
    tuned(tmp_path / "codes.npz").fit(faces.data[some], codes[some])


@pytest.mark.parametrize("weights", [{"happy": 30.0}, {"happy": 30.0, "sad": 0}, {3: 30.0}])
def test_class_weight_by_name_weights_the_codes(weights, path, faces, codes):
    named = {"happy" if key == 3 else key: weight for key, weight in weights.items()}
    expected = tuned(path, class_weight=named).fit(faces.data, faces.target)
    clf = tuned(path, class_weight=weights)
    with pytest.warns(UserWarning, match=READ):
        clf.fit(faces.data, codes)
    assert clf.class_weight == weights
    assert_same(clf, expected, faces.data)
    plain = tuned(path).fit(faces.data, faces.target)
    assert np.abs(plain.predict_proba(faces.data) - clf.predict_proba(faces.data)).max() > 0.01


def test_class_weight_of_an_unknown_name_is_an_error(path, faces, codes):
    for weights in ({"joy": 2.0}, {"happy": 2.0, 0: 1.0}):
        with pytest.raises(ValueError, match="class_weight"):
            tuned(path, class_weight=weights).fit(faces.data, codes)


def test_class_weight_that_can_be_read_both_ways_is_an_error(stored, faces):
    few = np.isin(faces.target, THREE)
    X, y = faces.data[few], np.searchsorted(THREE, faces.target[few])
    with pytest.raises(ValueError, match=r"labels of the pretrained file, 1, 2, 3, or the codes 0"):
        tuned(stored["from 1"], class_weight={1: 9.0}).fit(X, y)
    expected = tuned(stored["from 1"], class_weight={1: 9.0}).fit(X, y + 1)
    for weights in ({1: 9.0, 2: 1.0, 3: 1.0}, {0: 9.0, 1: 1.0, 2: 1.0}):
        clf = tuned(stored["from 1"], class_weight=weights)
        with pytest.warns(UserWarning, match="labels 0 to 2 are read"):
            clf.fit(X, y)
        assert_same(clf, expected, X)
    with pytest.warns(UserWarning, match="labels 0 to 2 are read"):
        tuned(stored["from 1"], class_weight={}).fit(X, y)


def test_columns_of_a_label_distribution_are_those_of_the_sorted_labels(path, faces, codes):
    shares = 0.8 * np.eye(7)[codes] + 0.2 * np.eye(7)[(codes + 1) % 7]
    expected = tuned(path).fit(faces.data, faces.target, label_distribution=shares)
    clf = tuned(path)
    with pytest.warns(UserWarning, match=READ):
        clf.fit(faces.data, codes, label_distribution=shares)
    assert_same(clf, expected, faces.data)


def test_partial_fit_reads_codes_in_its_classes(path, faces, codes):
    params = {"class_weight": {"happy": 3.0}, "warm_start": True}
    expected, clf = tuned(path, **params), tuned(path, **params)
    for batch in (slice(0, 64), slice(64, 128)):
        expected.partial_fit(faces.data[batch], faces.target[batch], np.unique(faces.target))
    with pytest.warns(UserWarning, match=READ):
        clf.partial_fit(faces.data[:64], codes[:64], classes=range(7))
    clf.partial_fit(faces.data[64:128], codes[64:128], classes=range(7))
    assert_same(clf, expected, faces.data)
    for one, y in ((clf, codes), (expected, faces.target)):
        one.fit(faces.data, y)
    assert_same(clf, expected, faces.data)


@pytest.mark.parametrize("kind", [int, float])
def test_continuing_with_codes_says_how_to_decode_them(kind, path, faces, codes):
    y = codes.astype(kind)
    clf = FERClassifier.from_pretrained(path, max_epochs=1, random_state=0, warm_start=True)
    match = (
        r"not among the classes .* codes 0 to 6, .* y = clf\.classes_\[y\]\. "
        r"FER-2013 has its own numbers"
    )
    for continued in (clf.fit, clf.partial_fit):
        with pytest.raises(ValueError, match=match):
            continued(faces.data, y)
    with pytest.raises(ValueError, match=match):
        clf.partial_fit(faces.data, y, classes=range(7))
    clf.fit(faces.data, clf.classes_[codes])
    with pytest.raises(ValueError, match="not among the classes") as other:
        clf.fit(faces.data, np.where(faces.target == "sad", "x", "y"))
    assert "codes" not in str(other.value)


def test_validation_labels_are_in_the_words_of_y(path, faces, codes):
    match = r"codes 0 to 6, .* pass the labels: y_val = classes\[y_val\]"
    with pytest.raises(ValueError, match=match):
        tuned(path).fit(faces.data, faces.target, X_val=faces.data, y_val=codes)
    with pytest.raises(ValueError, match="may be codes of an encoder: pass these labels through"):
        tuned(path).fit(faces.data, codes, X_val=faces.data, y_val=faces.target)
