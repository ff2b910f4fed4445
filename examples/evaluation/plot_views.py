"""
Test-time augmentation: several views at prediction
===================================================

A face and its mirror image should get the same answer. With `predict_augment`, a classifier
averages its log-probabilities over several views of a face. It may be changed after `fit`.
"""

# %%
# One training, five ways to predict
# ----------------------------------
# A set of n views takes n times as long.

from time import perf_counter

import matplotlib.pyplot as plt

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

X, y = make_faces(400, noise=0.25, random_state=0, return_X_y=True)
X_test, y_test = make_faces(300, noise=0.25, random_state=1, return_X_y=True)
clf = FERClassifier(widths=(8, 16), max_epochs=14, random_state=0).fit(X, y)

rows = {}
for views in (None, "flip", "scale", "affine", "ten-crop"):
    start = perf_counter()
    accuracy = clf.set_params(predict_augment=views).score(X_test, y_test)
    rows[str(views)] = accuracy, perf_counter() - start

# %%
# More views are not always more accurate. Compare them on your own faces; the benchmark pages have
# measurements on FER-2013.

# sphinx_gallery_alt = "Accuracy against prediction time, for five sets of views"
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, (accuracy, seconds) in rows.items():
    ax.plot(1000 * seconds / len(X_test), accuracy, marker="o", markersize=9)
    ax.annotate(
        name, (1000 * seconds / len(X_test), accuracy), xytext=(8, 4), textcoords="offset points"
    )
ax.set(xlabel="milliseconds a face", ylabel="accuracy")
ax.margins(0.2)
