"""
ONNX export: predict without PyTorch
====================================

`to_onnx` writes a classifier as a file that onnxruntime runs in Python, C++, a browser or a phone.
`ONNXClassifier` runs it with scikit-learn's interface, and imports no torch. It needs
``pip install "fer-sklearn[onnx]"``.
"""

# %%
# Write the file
# --------------
# Normalisation, views and network are one model, which takes gray levels.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.export import ONNXClassifier, to_onnx

X, y = make_faces(420, image_size=24, noise=0.25, random_state=0, return_X_y=True)
X_test, y_test = make_faces(300, image_size=24, noise=0.25, random_state=1, return_X_y=True)
clf = FERClassifier(widths=(16, 32), max_epochs=6, random_state=0).fit(X, y)

folder = tempfile.TemporaryDirectory()
files = {name: Path(folder.name) / f"{name}.onnx" for name in ("float32", "int8")}
to_onnx(clf, files["float32"])
to_onnx(clf, files["int8"], quantize="int8", calibration=X)
print({name: f"{file.stat().st_size / 1000:.0f} kB" for name, file in files.items()})

# %%
# Run it
# ------
# The float32 file predicts the same as the classifier, to about four digits; the int8 file nearly
# the same.

# sphinx_gallery_alt = "Probabilities of two ONNX files against those of the classifier"
expected = clf.predict_proba(X_test)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained", sharey=True)
for ax, (name, file) in zip(axes, files.items(), strict=True):
    found = ONNXClassifier(file).predict_proba(X_test)
    ax.plot([0, 1], [0, 1], color="gray", linewidth=1)
    ax.plot(expected.ravel(), found.ravel(), ".", markersize=3)
    ax.set(xlabel="probability of FERClassifier", aspect="equal")
    ax.set_title(f"{name}: differences up to {abs(found - expected).max():.2g}", size=10)
axes[0].set_ylabel("probability of the ONNX file")
folder.cleanup()
