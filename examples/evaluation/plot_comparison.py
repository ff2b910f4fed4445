"""
Compare two classifiers
=======================

Two accuracies differ by one point: is one classifier better, or was it luck? On the same test
faces, `compare_classifiers` counts those that only one of them gets right. McNemar's test and an
interval for the difference follow from these.
"""

# %%
# Three classifiers
# -----------------
# The second one is the first, but it also predicts the mirror image of each face. The third was
# trained for eight epochs instead of ten.

import matplotlib.pyplot as plt

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.metrics import compare_classifiers

X, y = make_faces(400, image_size=24, noise=0.2, random_state=0, return_X_y=True)
X_test, y_test = make_faces(250, image_size=24, noise=0.2, random_state=1, return_X_y=True)
params = {"widths": (16, 32), "predict_augment": None, "random_state": 0}
clf = FERClassifier(**params, max_epochs=10).fit(X, y)
short = FERClassifier(**params, max_epochs=8).fit(X, y)
base = clf.predict(X_test)
others = {
    "mirrored too": clf.set_params(predict_augment="flip").predict(X_test),
    "eight epochs": short.predict(X_test),
}

# %%
# Differences and their intervals
# -------------------------------
# If an interval contains 0, these test faces do not show which of the two is better.

results = {name: compare_classifiers(y_test, base, other) for name, other in others.items()}
for name, result in results.items():
    print(
        f"{name}: {result.difference:+.3f}; only the first is right: {result.only_a}, "
        f"only the other: {result.only_b}; McNemar's p = {result.p_value:.2g}"
    )

# sphinx_gallery_alt = "Difference in accuracy of two pairs, with 95 % intervals, and a line at 0"
figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
for name, result in results.items():
    low, high = result.interval
    ax.plot([low, high], [name, name], color="#0072B2", linewidth=3)
    ax.plot([result.difference], [name], marker="o", color="#0072B2", markersize=10)
ax.axvline(0, color="gray", linestyle="--")
ax.set(xlabel="difference in accuracy, 95 % interval")
ax.margins(y=0.5)
