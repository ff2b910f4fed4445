"""
Find wrong labels
=================

A label that a classifier finds improbable, though it has not been trained on that face, is worth a
look. `find_label_noise` lists such faces, the worst first. It needs
``pip install "fer-sklearn[clean]"``.
"""

# %%
# Mislabelled faces
# -----------------
# One label in twenty is replaced by another one.

import numpy as np

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import find_label_noise, make_faces
from fer_sklearn.plots import FaceGridDisplay

X, y = make_faces(600, image_size=24, noise=0.15, random_state=0, return_X_y=True)
labels = y.copy()
wrong = np.arange(0, 600, 20)
labels[wrong] = np.roll(y, 1)[wrong]
wrong = np.flatnonzero(labels != y)

# %%
# Ask for doubtful labels
# -----------------------
# Each face is judged by a classifier that was trained on the other folds.

clf = FERClassifier(widths=(8, 16), max_epochs=12, random_state=0)
found = find_label_noise(clf, X, labels, cv=3)
found.issues.head().round(3)

# %%
# Here the truth is known. Of the faces at the top of the list, how many are mislabelled, and how
# many of all mislabelled faces are among them?

top = found.issues["row"].head(len(wrong))
print(f"{np.isin(top, wrong).sum()} of {len(top)} are mislabelled; {len(wrong)} are in all")

# %%
# Look at them before you drop any: the suggestion is the title, the label is below.

# sphinx_gallery_alt = "Drawn faces with doubtful labels, and the label suggested for each"
worst = found.issues.head(12)
FaceGridDisplay(
    X[worst["row"]], worst["label"], worst["suggested"], worst["suggested_probability"]
).plot(n_columns=6)
