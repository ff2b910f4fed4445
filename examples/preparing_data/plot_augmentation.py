"""
Data augmentation: see what it does
===================================

Training changes every face a little, differently each time it is shown. Look at the result: the
expression has to stay recognisable.
"""

# %%
# What the defaults do
# --------------------
# The unchanged faces are on the left.

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.plots import AugmentationDisplay

faces = make_faces(4, noise=0.2, random_state=0).data
# sphinx_gallery_alt = "Four drawn faces, and eight mild augmentations of each"
AugmentationDisplay.from_estimator(FaceAugmenter(), faces, random_state=0)

# %%
# Too much
# --------
# A wide turn makes a raised brow a lowered one, and a large hole takes the mouth away.

# sphinx_gallery_alt = "The same faces, turned too far, shifted and with large holes"
strong = FaceAugmenter(rotation=60, shift=0.3, erase=1.0)
AugmentationDisplay.from_estimator(strong, faces, random_state=0)

# %%
# One at a time
# -------------
# A strength of 0 disables that change. A classifier shows what it would train on.

# sphinx_gallery_alt = "The same faces, only brighter, darker or with another contrast"
clf = FERClassifier(
    augment=FaceAugmenter(rotation=0, scale=0, shift=0, brightness=0.3, contrast=0.3, erase=0)
)
AugmentationDisplay.from_estimator(clf, faces, random_state=0)
