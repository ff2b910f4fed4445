"""
Where the network looks
=======================

Saliency maps show which parts of a face spoke for an expression. A map is a hint at what went
wrong, and no proof of what went right.
"""

# %%
# Grad-CAM
# --------
# Quick, and as coarse as the network's last stage. A drawn face that is happy has a mouth with its
# corners up, and narrow eyes.

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.plots import SaliencyDisplay

X, y = make_faces(800, noise=0.2, random_state=0, return_X_y=True)
clf = FERClassifier(widths=(16, 32), max_epochs=5, random_state=0).fit(X, y)
X_test, y_test = make_faces(60, noise=0.2, random_state=1, return_X_y=True)
happy = X_test[y_test == "happy"][:3]
SaliencyDisplay.from_estimator(clf, happy, "happy")

# %%
# Occlusion
# ---------
# Slower, finer and true for any network: how much less probable is the expression when this part
# is covered? Blue parts speak against it.

SaliencyDisplay.from_estimator(clf, happy, "happy", method="occlusion")
