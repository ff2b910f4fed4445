"""The splits of a search: drawn once, without leaks, with groups and weights."""

import numpy as np
import pytest
from helpers import small_classifier
from optuna.distributions import FloatDistribution
from optuna.pruners import NopPruner
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from tuning_helpers import C, Recorder, numbered_faces, search

from fer_sklearn.tuning import FERSearchCV, HoldOut


def test_no_row_of_a_validation_fold_ever_trains():
    X, y = numbered_faces()
    shuffled = StratifiedKFold(3, shuffle=True)  # without a random_state: other splits a call
    Recorder.seen = []
    clf = Recorder(widths=(4,), max_epochs=3, random_state=0)
    found = search(clf, cv=shuffled, pruner=NopPruner(), n_trials=4, refit=False).fit(X, y)
    assert len(Recorder.seen) == 12
    folds = [train for train, _ in Recorder.seen[:3]]
    for i, (train, valid) in enumerate(Recorder.seen):
        assert train == folds[i % 3]  # the splits are those of the first trial
        if i % 3 == 0:
            assert not train & valid
            assert train | valid == set(range(120))
        else:
            assert valid is None
    steps = [list(t.intermediate_values) for t in found.study_.trials]
    assert steps == [[0, 1, 2, 3, 4, 5]] * 4  # three epochs, then three folds


def test_a_hold_out_has_no_copy_on_the_other_side():
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    X = np.concatenate([faces, faces[:30], faces[:20]])
    y = np.concatenate([np.arange(60) % 3, np.arange(30) % 3, np.arange(20) % 3])
    ((train, valid),) = HoldOut(0.2).split(X, y)
    assert sorted([*train, *valid]) == list(range(110))
    assert 10 < len(valid) < 35
    assert not {x.tobytes() for x in X[train]} & {x.tobytes() for x in X[valid]}


def test_a_hold_out_of_more_than_half_is_refused():
    with pytest.raises(ValueError, match="test_size"):
        HoldOut(0.7)


def test_weights_and_groups_reach_where_they_belong(faces):
    class Weighed(ClassifierMixin, BaseEstimator):
        seen: list = []

        def __init__(self, C=1.0):
            self.C = C

        def fit(self, X, y, sample_weight=None):
            Weighed.seen.append((X[:, 0].copy(), sample_weight))
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.repeat(self.classes_[:1], len(X))

    X = np.arange(60.0)[:, None]
    y, groups = np.arange(60) % 2, np.arange(60) // 6
    search(Weighed(), C, n_trials=2, cv=HoldOut(0.2)).fit(
        X, y, groups=groups, sample_weight=np.arange(60.0)
    )
    for rows, weights in Weighed.seen:
        np.testing.assert_array_equal(rows, weights)
        assert len(rows) == 60 or len(set(groups[rows.astype(int)])) == 8


def test_a_class_that_only_validation_has_scores_as_in_a_grid_search(faces):
    y = faces.target.astype(object)
    y[5] = "rare"
    folds = KFold(3)
    clf = small_classifier(max_epochs=2)
    grid = GridSearchCV(clf, {"learning_rate": [0.02]}, cv=folds, refit=False).fit(faces.data, y)
    one_rate = {"learning_rate": FloatDistribution(0.02, 0.02)}
    found = FERSearchCV(clf, one_rate, n_trials=1, cv=folds, refit=False).fit(faces.data, y)
    assert found.best_score_ == grid.best_score_
