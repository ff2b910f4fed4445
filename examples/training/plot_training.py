"""
Training curves
===============

`history_` has one entry for each epoch, and `TrainingCurvesDisplay` draws it.
"""

# %%
# With `early_stopping`, a part of the faces is set aside to validate on.

import pandas as pd

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.plots import FilterDisplay, TrainingCurvesDisplay

X, y = make_faces(800, image_size=24, noise=0.25, random_state=0, return_X_y=True)

# sphinx_gallery_alt = "Accuracy, loss and learning rate of twelve epochs"
clf = FERClassifier(widths=(16, 32), max_epochs=12, early_stopping=True, random_state=0)
clf = clf.fit(X, y)
TrainingCurvesDisplay.from_estimator(clf)

# %%
# Training accuracy is that of augmented faces, which are harder: it may lie below the validation
# accuracy.

pd.DataFrame(clf.history_).round(3).drop(columns="seconds").tail()

# %%
# The filters of the first convolution of the pretrained model:

# sphinx_gallery_alt = "Filters of the first layer of the pretrained model, red and blue"
FilterDisplay.from_estimator(FERClassifier.from_pretrained("fer2013"))
