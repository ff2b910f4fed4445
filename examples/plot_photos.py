"""
Label the faces in a photo
==========================

The package finds the faces in a photo, crops each as the faces of FER-2013 were cropped, and labels
it. The label is a guess at what people who see the face would say, not at what the person feels.
"""

# %%
# The photo comes with the package: NASA's portrait of the astronaut Eileen Collins, which is in the
# public domain.

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_sample_photo
from fer_sklearn.explain import saliency_map
from fer_sklearn.photos import analyze, find_faces

photo = load_sample_photo().image
clf = FERClassifier.from_pretrained("fer2013")
frame = analyze(photo, clf)
frame[["status", "label", "confidence", "x", "y", "width", "angle", "score"]].round(2)

# %%
# The square around the face, the crop that the classifier sees, the parts that speak for the label
# (Grad-CAM), and the probabilities:

# sphinx_gallery_alt = "Portrait with a box and label; the crop, a heat map, probabilities"
face = frame.iloc[0]
seen = find_faces(photo).data
heat = saliency_map(clf, seen)[0]

figure, axes = plt.subplot_mosaic(
    [["photo", "photo", "seen", "heat"], ["photo", "photo", "bars", "bars"]],
    figsize=(10, 5),
    layout="constrained",
)
axes["photo"].imshow(photo)
axes["photo"].add_patch(
    plt.Rectangle((face.x, face.y), face.width, face.height, fill=False, color="white", lw=2)
)
axes["photo"].text(
    face.x,
    face.y - 6,
    f"{face.label} {face.confidence:.0%}",
    color="white",
    backgroundcolor="black",
)
axes["seen"].imshow(seen[0], cmap="gray")
axes["seen"].set_title("what the classifier sees")
axes["heat"].imshow(seen[0], cmap="gray")
axes["heat"].imshow(heat, cmap="magma", alpha=0.5)
axes["heat"].set_title(f"evidence for {face.label}")
axes["bars"].barh(clf.classes_, face[clf.classes_].astype(float))
axes["bars"].invert_yaxis()
axes["bars"].set(xlim=(0, 1), xlabel="probability")
for name in ("photo", "seen", "heat"):
    axes[name].set_axis_off()

# %%
# Several photos give one table: a row for each face, for each photo without a face, and for each
# input that is not a photo. None of them stops the run.

several = Image.fromarray(np.hstack([photo, photo[:, ::-1]]))
dark = (photo * 0.1).astype(np.uint8)
table = analyze([several, dark, photo[200:], b"no photo"], clf)
table[["photo", "face", "status", "label", "confidence", "detail"]].round(2)
