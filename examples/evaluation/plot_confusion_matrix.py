"""
Confusion matrix
================

Which expressions are confused with which? scikit-learn's `ConfusionMatrixDisplay` takes a
`FERClassifier` like any classifier. The report of `evaluation_report` draws the same matrix from
its own numbers.
"""

# %%
# scikit-learn's display
# ----------------------
# A row for each label. ``normalize="true"`` shows shares of the row: the diagonal is the recall.

from sklearn.metrics import ConfusionMatrixDisplay

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.metrics import evaluation_report

X, y = make_faces(500, image_size=24, noise=0.3, random_state=0, return_X_y=True)
X_test, y_test = make_faces(700, image_size=24, noise=0.3, random_state=1, return_X_y=True)
clf = FERClassifier(widths=(16, 32), max_epochs=10, random_state=0).fit(X, y)

# sphinx_gallery_alt = "Confusion matrix of seven expressions, as shares of each label"
display = ConfusionMatrixDisplay.from_estimator(
    clf, X_test, y_test, normalize="true", values_format=".2f", cmap="Blues", xticks_rotation=45
)
display.figure_.tight_layout()

# %%
# In numbers
# ----------
# The pairs that are confused most often:

report = evaluation_report(clf, X_test, y_test)
pairs = report.confusion.rename_axis(index="label", columns="prediction").stack()
pairs = pairs[pairs.index.get_level_values(0) != pairs.index.get_level_values(1)]
pairs.sort_values(ascending=False).head(5).to_frame("faces")
