"""scikit-learn's own callbacks travel through searches into every epoch."""

import numpy as np
import pytest
from helpers import small_classifier
from optuna.distributions import FloatDistribution
from sklearn.model_selection import GridSearchCV

from fer_sklearn import FERClassifier
from fer_sklearn.tuning import FERSearchCV

pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")


class Listener:
    """Writes down what it is told, and stops a fit after an epoch if asked to."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.told = []
        self.scores = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.told.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X, y))
            assert fitted_estimator.n_iter_ == context.task_id + 1
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


def test_a_fit_is_a_task_and_every_epoch_one_below(faces):
    listener = Listener()
    clf = small_classifier().set_callbacks(listener).fit(faces.data, faces.target)
    epoch = ["begin epoch", "end epoch"]
    assert listener.told == ["setup", "begin fit", *epoch * 3, "end fit", "teardown"]
    assert listener.scores[-1] == clf.score(faces.data, faces.target)
    silent = small_classifier().fit(faces.data, faces.target)
    np.testing.assert_array_equal(silent.predict_proba(faces.data), clf.predict_proba(faces.data))


def test_a_callback_may_stop_a_fit_early(faces):
    clf = small_classifier(max_epochs=5).set_callbacks(Listener(stop_after=2))
    assert clf.fit(faces.data, faces.target).n_iter_ == 2


def test_callbacks_are_torn_down_when_a_fit_fails(faces):
    listener = Listener()
    clf = FERClassifier(freeze=99, max_epochs=1).set_callbacks(listener)
    with pytest.raises(ValueError, match="freeze=99"):
        clf.fit(faces.data, faces.target)
    assert listener.told == ["setup", "begin fit", "teardown"]


def test_grid_search_hands_them_down(faces):
    listener = Listener()
    search = GridSearchCV(small_classifier(), {"dropout": [0.0, 0.2]}, cv=2)
    search.set_callbacks(listener).fit(faces.data, faces.target)
    assert listener.told.count("end epoch") == 3 * (2 * 2 + 1)
    assert listener.told.count("setup") == listener.told.count("teardown") == 1


def test_a_score_monitor_sees_every_epoch(faces):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    small_classifier().set_callbacks(monitor).fit(faces.data, faces.target)
    assert len(monitor.get_logs(select="most_recent").data) >= 3


def test_our_search_hands_them_down_too(faces):
    listener = Listener()
    space = {"dropout": FloatDistribution(0.0, 0.5)}
    search = FERSearchCV(small_classifier(), space, n_trials=2, cv=2, random_state=0)
    search.set_callbacks(listener).fit(faces.data, faces.target)
    assert listener.told.count("begin trial") == listener.told.count("end trial") == 2
    assert listener.told.count("end epoch") == 3 * (2 * 2 + 1)
    assert listener.told[0] == "setup"
    assert listener.told[-1] == "teardown"
