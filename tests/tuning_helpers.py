"""What the tests of tuning share."""

import numpy as np
from helpers import small_classifier
from optuna.distributions import FloatDistribution
from sklearn.linear_model import LogisticRegression

from fer_sklearn import FERClassifier
from fer_sklearn.tuning import FERSearchCV

RATES = {"learning_rate": FloatDistribution(0.005, 0.1, log=True)}
C = {"C": FloatDistribution(0.1, 10.0, log=True)}
RANGE = FloatDistribution(0.0, 0.5)
LOGISTIC = LogisticRegression(max_iter=1000)


def rows(faces):
    """A tenth of the pixels, for estimators that are not about faces."""
    return faces.data.reshape(len(faces.data), -1)[:, ::10] / 255


def search(estimator=None, space=RATES, **params):
    estimator = small_classifier(max_epochs=2) if estimator is None else estimator
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0}
    return FERSearchCV(estimator, space, **{**defaults, **params})


class Recorder(FERClassifier):
    """Keeps the rows that each fit is given; row i has i in its first pixel."""

    seen: list = []

    def fit(self, X, y, **params):
        valid = params.get("X_val")
        Recorder.seen.append((set(X[:, 0, 0]), None if valid is None else set(valid[:, 0, 0])))
        return super().fit(X, y, **params)


def numbered_faces():
    X = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    X[:, 0, 0] = np.arange(120)
    return X, np.arange(120) % 3
