import sys

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, cross_val_predict

from fer_sklearn.datasets import find_label_noise


@pytest.fixture(scope="module")
def mislabelled():
    """Images that a linear model tells apart, their labels, and which of these are wrong."""
    X, truth = load_digits(return_X_y=True)
    X, truth = X[:600] / 16, np.array([f"digit {code}" for code in truth[:600]])
    wrong = np.random.default_rng(0).choice(600, 25, replace=False)
    y = truth.copy()
    y[wrong] = np.roll(np.unique(truth), 3)[np.unique(truth, return_inverse=True)[1][wrong]]
    return X, y, wrong, truth


def test_wrong_labels_are_found_and_the_right_ones_suggested(mislabelled):
    X, y, wrong, truth = mislabelled
    issues = find_label_noise(LogisticRegression(max_iter=1000), X, y).issues
    worst = issues[:20]
    assert np.isin(worst["row"], wrong).mean() > 0.8
    assert np.isin(wrong, issues["row"]).mean() > 0.8
    assert (worst["label"] == y[worst["row"]]).all()
    assert (worst["suggested"] == truth[worst["row"]]).mean() > 0.8
    assert issues["probability"].is_monotonic_increasing


@pytest.mark.parametrize("cv", [3, np.int64(3)])
@pytest.mark.parametrize("routing", [False, True])
def test_probabilities_are_of_folds_that_keep_copies_together(cv, routing, mislabelled):
    X, y, *_ = mislabelled
    X, y = np.concatenate([X[:140], X[:140]]), np.concatenate([y[:140], y[:140]])

    class Recorder(LogisticRegression):
        def fit(self, X, y):
            self.seen_ = {row.tobytes() for row in X}
            return super().fit(X, y)

        def predict_proba(self, X):
            assert not self.seen_ & {row.tobytes() for row in X}
            return super().predict_proba(X)

    with config_context(enable_metadata_routing=routing):
        found = find_label_noise(Recorder(max_iter=1000), X, y, cv=cv)
    assert found.y_proba.shape == (280, 10)


def test_a_splitter_of_ones_own_is_used(mislabelled):
    X, y, *_ = mislabelled
    cv = KFold(3, shuffle=True, random_state=7)
    found = find_label_noise(LogisticRegression(max_iter=1000), X, y, cv=cv)
    expected = cross_val_predict(
        LogisticRegression(max_iter=1000), X, y, cv=cv, method="predict_proba"
    )
    np.testing.assert_allclose(found.y_proba, expected)


def test_a_splitter_of_ones_own_gets_the_groups(mislabelled):
    X, y, *_ = mislabelled
    groups = np.arange(600) % 7
    with config_context(enable_metadata_routing=True):
        found = find_label_noise(
            LogisticRegression(max_iter=1000), X, y, cv=GroupKFold(2), groups=groups
        )
    folds = list(GroupKFold(2).split(X, y, groups))
    expected = cross_val_predict(
        LogisticRegression(max_iter=1000), X, y, cv=folds, method="predict_proba"
    )
    np.testing.assert_allclose(found.y_proba, expected)


def test_the_classifier_sees_the_labels_as_they_are(mislabelled):
    X, y, *_ = mislabelled
    weighted = LogisticRegression(max_iter=1000, class_weight={"digit 3": 2.0})
    found = find_label_noise(weighted, X, y, cv=2)
    assert found.y_proba.shape == (600, 10)


def test_a_splitter_that_does_not_judge_all_faces_is_refused(mislabelled):
    X, y, *_ = mislabelled
    with pytest.raises(ValueError, match="each face into one test fold"):
        find_label_noise(LogisticRegression(), X, y, cv=ShuffleSplit(2, random_state=0))


def test_without_cleanlab_the_error_says_what_to_install(mislabelled, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(ImportError, match=r'pip install "fer-sklearn\[clean\]"'):
        find_label_noise(LogisticRegression(max_iter=1000), *mislabelled[:2])


def test_a_package_that_is_broken_is_not_called_missing(mislabelled, monkeypatch, tmp_path):
    (tmp_path / "cleanlab.py").write_text("import libgl_is_not_here")
    monkeypatch.delitem(sys.modules, "cleanlab", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"installed but cannot be imported.*libgl"):
        find_label_noise(LogisticRegression(), *mislabelled[:2])
