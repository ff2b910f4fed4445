"""
Data augmentation: see what it does
===================================

Training changes every face slightly, in a different way each time. Look at the result: the
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
# A large rotation turns a raised brow into a lowered one, and a large hole hides the mouth.

# sphinx_gallery_alt = "The same faces, turned too far, shifted and with large holes"
strong = FaceAugmenter(rotation=60, shift=0.3, erase=1.0)
AugmentationDisplay.from_estimator(strong, faces, random_state=0)

# %%
# One at a time
# -------------
# A strength of 0 disables that change. For a classifier, the display shows its training faces.

# sphinx_gallery_alt = "The same faces, only brighter, darker or with another contrast"
clf = FERClassifier(
    augment=FaceAugmenter(rotation=0, scale=0, shift=0, brightness=0.3, contrast=0.3, erase=0)
)
AugmentationDisplay.from_estimator(clf, faces, random_state=0)
