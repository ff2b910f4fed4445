"""
Fine-tune a pretrained model on your own labels
===============================================

The model that comes with the package knows seven emotions. Your labels may differ: with
``pretrained="fer2013"``, training starts from its weights, and the last layer gets new ones for
your labels. Then a few faces are enough for good results.
"""

# %%
# Your own labels
# ---------------
# Is the mouth open? No emotion says so directly. The faces are drawn, which the pretrained model
# has never seen: it was trained on photographs.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

options = {"noise": 0.2, "return_X_y": True}
X, y = make_faces(56, random_state=0, **options)
X_test, y_test = make_faces(140, random_state=1, **options)
labels, labels_test = (
    np.where(np.isin(each, ["surprise", "fear"]), "open", "closed") for each in (y, y_test)
)

# %%
# Two trainings of four epochs
# ----------------------------
# The warning says what is intended here: none of the labels is one of the file's.

scores = {}
for name, pretrained in {"random weights": None, 'pretrained="fer2013"': "fer2013"}.items():
    clf = FERClassifier(pretrained=pretrained, max_epochs=4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        clf.fit(X, labels, X_val=X_test, y_val=labels_test)
    scores[name] = clf.history_["valid_accuracy"]

# %%
# ``clf.save_pretrained("mine.npz")`` writes the result, and ``pretrained="mine.npz"`` starts from
# it.

# sphinx_gallery_alt = "Test accuracy by epoch, from random and from pretrained weights"
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, values in scores.items():
    ax.plot(range(1, 5), values, marker="o", label=name)
always = max(np.mean(labels_test == label) for label in set(labels))
ax.axhline(always, color="gray", linestyle=":", label="always the frequent label")
ax.set(xlabel="epoch", ylabel="accuracy on test faces", ylim=(0, 1.02), xticks=range(1, 5))
ax.legend()
