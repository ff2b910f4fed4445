"""
Train and evaluate
==================

Train a classifier, use it and evaluate it, like any classifier of scikit-learn.
"""

# %%
# Faces come as an array of bytes, (n, height, width), and labels of any kind.

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.metrics import evaluation_report
from fer_sklearn.plots import FaceGridDisplay

X, y = make_faces(1000, image_size=24, noise=0.25, random_state=0, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

clf = FERClassifier(widths=(16, 32), max_epochs=10, random_state=0)
clf = clf.fit(X_train, y_train)

# %%
# Some faces of each expression, with the predicted label and its probability:

FaceGridDisplay.from_estimator(
    clf, X_test, y_test, select="per-class", n_faces=14, n_columns=7, random_state=0
)

# %%
# All scores in one report, including those of each class:

report = evaluation_report(clf, X_test, y_test, train=X_train)
print(report)

# %%
figure, ax = plt.subplots(layout="constrained")
report.plot(ax=ax)
