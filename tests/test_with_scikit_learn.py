"""Inside scikit-learn's meta-estimators, searches and metrics."""

import numpy as np
import optuna
import pytest
import sklearn
from helpers import small_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier

from fer_sklearn import FaceAugmenter, make_fer_pipeline


@pytest.fixture
def clf():
    return small_classifier(widths=(8,), max_epochs=1, augment=FaceAugmenter(rotation=5))


def test_cross_val_score(clf, faces):
    scores = cross_val_score(clf, faces.data, faces.target, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()


def test_cross_val_predict_gives_probabilities(clf, faces):
    proba = cross_val_predict(clf, faces.data, faces.target, cv=2, method="predict_proba")
    assert proba.shape == (280, 7)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_grid_search_reaches_all_parts_and_processes_give_the_same(clf, faces):
    grid = {"augment__rotation": [0.0, 20.0], "widths": [(4,), (4, 8)]}
    serial = GridSearchCV(clf, grid, cv=2).fit(faces.data, faces.target)
    loky = GridSearchCV(clf, grid, cv=2, n_jobs=2).fit(faces.data, faces.target)
    assert len(serial.cv_results_["params"]) == 4
    assert serial.best_estimator_.predict(faces.data[:3]).shape == (3,)
    # Workers have fewer threads, which may change the last digits of a float32 sum.
    np.testing.assert_allclose(
        serial.cv_results_["mean_test_score"], loky.cv_results_["mean_test_score"], atol=0.05
    )


def test_grid_search_over_the_pipeline(faces):
    pipeline = make_fer_pipeline(widths=(8,), max_epochs=1, random_state=0)
    grid = {
        "augment__rotation": [0, 10],
        "normalize__method": ["scale", "image"],
        "classify__learning_rate": [1e-3],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(faces.data, faces.target)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_halving_search_over_epochs(clf, faces):
    search = HalvingGridSearchCV(
        clf, {"learning_rate": [1e-3, 3e-3, 1e-2]}, resource="max_epochs", max_resources=4,
        min_resources=1, factor=2, cv=2, random_state=0,
    ).fit(faces.data, faces.target)  # fmt: skip
    assert search.n_resources_ == [1, 2]
    assert search.best_estimator_.max_epochs == 2


def test_calibration_by_temperature(clf, faces):
    calibrated = CalibratedClassifierCV(clf, method="temperature", cv=2, ensemble=False)
    calibrated.fit(faces.data, faces.target)
    proba = calibrated.predict_proba(faces.data)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    plain = calibrated.calibrated_classifiers_[0].estimator
    np.testing.assert_array_equal(proba.argmax(axis=1), plain.predict_proba(faces.data).argmax(1))


def test_soft_voting_averages_probabilities(faces):
    members = [(f"seed{s}", small_classifier(random_state=s, max_epochs=1)) for s in (0, 1)]
    voting = VotingClassifier(members, voting="soft").fit(faces.data, faces.target)
    mean = np.mean([member.predict_proba(faces.data) for member in voting.estimators_], axis=0)
    np.testing.assert_allclose(voting.predict_proba(faces.data), mean)


def test_stacking(clf, faces):
    stack = StackingClassifier([("cnn", clf)], LogisticRegression(), cv=2)
    assert stack.fit(faces.data, faces.target).predict(faces.data).shape == (280,)


def test_bagging_on_rows(clf, faces):
    rows = faces.data.reshape(280, -1)
    bag = BaggingClassifier(clf, n_estimators=2, random_state=0).fit(rows, faces.target)
    assert bag.predict_proba(rows).shape == (280, 7)


def test_learning_curve(clf, faces):
    sizes, train, test = learning_curve(
        clf, faces.data, faces.target, train_sizes=[0.5, 1.0], cv=2, shuffle=True, random_state=0
    )
    assert sizes.tolist() == [70, 140]
    assert train.shape == test.shape == (2, 2)
    assert np.isfinite(test).all()


def test_one_against_the_rest(clf, faces):
    one = OneVsRestClassifier(clf).fit(faces.data.reshape(280, -1), faces.target)
    assert one.decision_function(faces.data.reshape(280, -1)).shape == (280, 7)


def test_metadata_routing_carries_weights(faces):
    clf = small_classifier(widths=(8,), max_epochs=4, batch_size=32, learning_rate=0.2)
    weights = np.where(faces.target == "happy", 50.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clf.set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        weighted = cross_validate(
            routed, faces.data, faces.target, cv=2, params={"sample_weight": weights},
            return_estimator=True,
        )  # fmt: skip
        plain = cross_validate(routed, faces.data, faces.target, cv=2, return_estimator=True)
    happy = plain["estimator"][0].classes_.tolist().index("happy")
    first = [result["estimator"][0].predict_proba(faces.data)[:, happy].mean()
             for result in (weighted, plain)]  # fmt: skip
    assert first[0] > first[1] + 0.1


def test_classification_report(fitted, faces):
    predicted = fitted.predict(faces.data)
    how = {"output_dict": True, "zero_division": 0}
    report = classification_report(faces.target, predicted, **how)
    assert set(faces.target_names) < set(report)
    # scikit-learn puts these names on the sorted labels.
    named = classification_report(faces.target, predicted, target_names=faces.target_names, **how)
    assert named == report
    assert np.isfinite(log_loss(faces.target, fitted.predict_proba(faces.data)))


def test_an_optuna_study_tunes_it(faces):
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        clf = small_classifier(
            max_epochs=1, learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        )
        return cross_val_score(clf, faces.data, faces.target, cv=2).mean()

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=3, n_jobs=2)
    serial = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    serial.enqueue_trial(study.best_params)
    serial.optimize(objective, n_trials=1)
    assert serial.best_value == study.best_value  # threads change nothing
