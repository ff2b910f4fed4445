"""
Calibrated probabilities and temperature
========================================

Is a prediction with a probability of 0.8 right in 80 % of cases? A reliability diagram shows it,
and one number, the temperature, corrects it.
"""

# %%
# As trained
# ----------
# Label smoothing and a short training make a network less confident than it could be: the accuracy
# of most bins is higher than their confidence.

from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.metrics import expected_calibration_error
from fer_sklearn.plots import ReliabilityDisplay

options = {"image_size": 24, "noise": 0.35, "return_X_y": True}
X, y = make_faces(700, random_state=0, **options)
X_valid, y_valid = make_faces(300, random_state=1, **options)
X_test, y_test = make_faces(700, random_state=2, **options)
clf = FERClassifier(widths=(16, 32), max_epochs=12, random_state=0).fit(X, y)

# sphinx_gallery_alt = "Reliability diagram: accuracy above confidence in most bins"
ReliabilityDisplay.from_estimator(clf, X_test, y_test, n_bins=10)

# %%
# With a temperature
# ------------------
# It is fitted on faces that were not trained on, and changes no prediction.

calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method="temperature")
calibrated.fit(X_valid, y_valid)

# sphinx_gallery_alt = "Reliability diagram after calibration: accuracy close to confidence"
ReliabilityDisplay.from_estimator(calibrated, X_test, y_test, n_bins=10)

# %%
for name, each in {"as trained": clf, "calibrated": calibrated}.items():
    y_proba = each.predict_proba(X_test)
    error = expected_calibration_error(y_test, y_proba, labels=clf.classes_, n_bins=10)
    print(f"{name}: {error:.3f}, accuracy {each.score(X_test, y_test):.3f}")
