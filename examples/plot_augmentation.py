"""
Look at the augmentation
========================

Training changes every face a little, in another way each time it is shown. Strengths that leave
the expression recognisable are a matter of looking.
"""

# %%
# What the defaults do
# --------------------
# The faces as they are stand on the left.

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.plots import AugmentationDisplay

faces = make_faces(4, noise=0.2, random_state=0).data
AugmentationDisplay.from_estimator(FaceAugmenter(), faces, random_state=0)

# %%
# Too much
# --------
# A wide turn makes a raised brow a lowered one, and a large hole takes the mouth away.

strong = FaceAugmenter(rotation=60, shift=0.3, erase=1.0)
AugmentationDisplay.from_estimator(strong, faces, random_state=0)

# %%
# One at a time
# -------------
# A strength of 0 switches that change off. A classifier shows what it would train on.

clf = FERClassifier(
    augment=FaceAugmenter(rotation=0, scale=0, shift=0, brightness=0.3, contrast=0.3, erase=0)
)
AugmentationDisplay.from_estimator(clf, faces, random_state=0)
