"""
Where a classifier is wrong
===========================

One number hides which expressions are confused with which. Two looks at the errors: the scores of
each class, and the faces themselves.
"""

# %%
from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.metrics import evaluation_report
from fer_sklearn.plots import FaceGridDisplay

X, y = make_faces(700, image_size=24, noise=0.35, random_state=0, return_X_y=True)
X_test, y_test = make_faces(500, image_size=24, noise=0.35, random_state=2, return_X_y=True)

clf = FERClassifier(widths=(16, 32), max_epochs=12, random_state=0).fit(X, y)

# %%
# The worst mistakes
# ------------------
# Wrong predictions, the most confident first. The title is the prediction, the label is below.

# sphinx_gallery_alt = "Drawn faces that are classified wrongly, with prediction and label"
FaceGridDisplay.from_estimator(clf, X_test, y_test, select="worst", n_faces=12, n_columns=6)

# %%
# All scores in one call
# ----------------------
# With ``train=``, a second column has the scores of the faces without an exact copy in the training
# data.

evaluation_report(clf, X_test, y_test, train=X)
