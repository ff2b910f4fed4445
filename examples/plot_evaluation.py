"""
Where a classifier is wrong, and how sure it is
===============================================

One number hides which expressions are taken for which, and whether a probability of 80 % is right
in 80 % of cases.
"""

# %%
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.metrics import compare_classifiers, expected_calibration_error
from fer_sklearn.plots import FaceGridDisplay, ReliabilityDisplay

X, y = make_faces(700, image_size=24, noise=0.35, random_state=0, return_X_y=True)
X_valid, y_valid = make_faces(300, image_size=24, noise=0.35, random_state=1, return_X_y=True)
X_test, y_test = make_faces(500, image_size=24, noise=0.35, random_state=2, return_X_y=True)

clf = FERClassifier(widths=(16, 32), max_epochs=12, random_state=0).fit(X, y)

# %%
# The worst mistakes
# ------------------
# Wrong answers, the most confident first:

FaceGridDisplay.from_estimator(clf, X_test, y_test, select="worst", n_faces=12, n_columns=6)

# %%
# Calibration
# -----------
# Label smoothing and little training make a network less confident than it could be.

ReliabilityDisplay.from_estimator(clf, X_test, y_test)

# %%
# One temperature, fitted on faces that were not trained on, mends it and changes no prediction.

calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method="temperature")
calibrated.fit(X_valid, y_valid)
ReliabilityDisplay.from_estimator(calibrated, X_test, y_test)

# %%
for name, each in {"as trained": clf, "calibrated": calibrated}.items():
    error = expected_calibration_error(y_test, each.predict_proba(X_test), labels=clf.classes_)
    print(f"{name}: {error:.3f}")

# %%
# Is another one better?
# ----------------------
# Two classifiers on the same faces are compared face by face; their accuracies alone would say
# less.

short = FERClassifier(widths=(16, 32), max_epochs=6, random_state=0).fit(X, y)
result = compare_classifiers(y_test, short.predict(X_test), clf.predict(X_test))
low, high = result.interval
print(
    f"difference {result.difference:.3f}, within {low:.3f} and {high:.3f}, p {result.p_value:.2g}"
)
