"""
Freeze the first stages
=======================

When you fine-tune on few faces, ``freeze=n`` keeps the first n stages of the network as they were
trained. Frozen stages do not forget what they have learned, and the training takes less time.
"""

# %%
# A network to start from
# -----------------------
# It is trained on four expressions. `save_pretrained` writes its weights.

import tempfile
import warnings
from pathlib import Path
from time import process_time

import matplotlib.pyplot as plt
import numpy as np

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

options = {"image_size": 32, "noise": 0.25, "return_X_y": True}
X, y = make_faces(900, random_state=0, **options)
known = np.isin(y, ["happy", "sad", "surprise", "angry"])
source = FERClassifier(widths=(8, 16, 32), max_epochs=10, random_state=0).fit(X[known], y[known])

folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "four.npz"
source.save_pretrained(file)

# %%
# Three new expressions, from 60 faces
# ------------------------------------
# 0 trains everything, 3 only the last layer. The warning would say that the labels are new.

X_new, y_new = X[~known][:60], y[~known][:60]
X_test, y_test = make_faces(420, random_state=1, **options)
test = ~np.isin(y_test, source.classes_)

rows = []
for freeze in range(4):
    clf = FERClassifier(
        pretrained=file, freeze=freeze, max_epochs=10, learning_rate=0.02, random_state=0
    )
    start = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        clf.fit(X_new, y_new)
    rows.append((clf.score(X_test[test], y_test[test]), process_time() - start))
folder.cleanup()

# %%
# The number of frozen stages is a parameter like others: let a search choose it on your faces.

# sphinx_gallery_alt = "Bars: accuracy and seconds of fine-tuning, by number of frozen stages"
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for ax, values, name in zip(axes, zip(*rows, strict=True), ("accuracy", "seconds"), strict=True):
    ax.bar(range(4), values)
    ax.set(xlabel="frozen stages", ylabel=name, xticks=range(4))
