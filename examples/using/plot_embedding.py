"""
Embeddings: features for another classifier
===========================================

The features before a network's last layer are useful for other estimators: nearest neighbours, a
support vector machine if you have few labels, or a map of the faces.
"""

# %%
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.embedding import FaceEmbedder
from fer_sklearn.plots import EmbeddingDisplay

X, y = make_faces(800, image_size=24, noise=0.25, random_state=0, return_X_y=True)
X_test, y_test = make_faces(300, image_size=24, noise=0.25, random_state=1, return_X_y=True)
clf = FERClassifier(widths=(16, 32), max_epochs=10, random_state=0).fit(X, y)

# %%
# A map
# -----
# Faces that the network finds similar are close together.

# sphinx_gallery_alt = "Map of 300 faces as points: faces of one expression form clusters"
EmbeddingDisplay.from_estimator(clf, X_test, y_test, random_state=0)

# %%
# Another classifier on the features
# ----------------------------------
# A question that the network was not trained for: are the eyes wide open? They are in drawn faces
# of surprise and fear. Forty labelled faces are enough.

wide, wide_test = (np.isin(labels, ["surprise", "fear"]) for labels in (y, y_test))
for last in (KNeighborsClassifier(5), SVC()):
    model = make_pipeline(FaceEmbedder(FrozenEstimator(clf)), last).fit(X[:40], wide[:40])
    print(f"{type(last).__name__}: accuracy {model.score(X_test, wide_test):.3f}")
print(f"always no: {1 - wide_test.mean():.3f}")
