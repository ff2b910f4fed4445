"""
Grad-CAM and occlusion: where the network looks
===============================================

Saliency maps show which parts of a face spoke for an expression. A map is a hint at what went
wrong, not a proof of what went right.
"""

# %%
# Grad-CAM
# --------
# It is fast, and as coarse as the network's last stage. A happy drawn face has narrow eyes, and a
# mouth with raised corners. With `y`, the labels are shown below the faces.

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.plots import SaliencyDisplay

X, y = make_faces(800, noise=0.2, random_state=0, return_X_y=True)
clf = FERClassifier(widths=(16, 32), max_epochs=5, random_state=0).fit(X, y)
X_test, y_test = make_faces(60, noise=0.2, random_state=1, return_X_y=True)
happy = y_test == "happy"
X_happy, y_happy = X_test[happy][:3], y_test[happy][:3]

# sphinx_gallery_alt = "Three happy drawn faces, and heat maps of Grad-CAM over each"
SaliencyDisplay.from_estimator(clf, X_happy, "happy", y=y_happy)

# %%
# Occlusion
# ---------
# It is slower and finer, and works for any network: how much less probable is the expression when
# this part is covered? Blue parts speak against it.

# sphinx_gallery_alt = "The same faces, with heat maps of occlusion"
SaliencyDisplay.from_estimator(clf, X_happy, "happy", y=y_happy, method="occlusion")

# %%
# The mean of each expression
# ---------------------------
# Without a target, the predicted expression is explained. The means show what the network looks
# at in general.

# sphinx_gallery_alt = "Mean heat map of each predicted expression over its mean face"
SaliencyDisplay.from_estimator(clf, X_test, kind="mean")
