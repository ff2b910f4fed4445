"""What the tests of tuning share."""

import json
import subprocess
import sys
import textwrap

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
    estimator = small_classifier(widths=(8,), max_epochs=2) if estimator is None else estimator
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


WORKER = """
    import json, sys, time
    import numpy as np
    from optuna.distributions import FloatDistribution
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.linear_model import LogisticRegression
    from fer_sklearn.tuning import FERSearchCV

    class Slow(LogisticRegression):
        def fit(self, X, y):
            print("fitting", flush=True)
            time.sleep({pause})
            return super().fit(X, y)

    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    y = (X[:, 0] + rng.normal(size=90) > 0).astype(int)
    space = {{"C": FloatDistribution(1e-3, 1e3, log=True)}}
    print("ready", flush=True)
    sys.stdin.readline()
    search = FERSearchCV(Slow(), space, n_trials=9, cv=3, storage={path!r}, random_state=0)
    search.fit(X, y)
    print("RESULT", json.dumps([search.best_params_, search.best_score_,
                                search.cv_results_["params"]]), flush=True)
"""


def start_worker(path, pause):
    code = textwrap.dedent(WORKER).format(path=str(path), pause=pause)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)


def let_fit(*workers):
    """Let workers begin together, and wait until each has."""
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.stdout.readline() == "fitting\n"


def result(process):
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out.split("RESULT", 1)[1])
