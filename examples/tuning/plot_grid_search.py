"""
GridSearchCV over a Pipeline
============================

`FERClassifier` is a scikit-learn estimator, so scikit-learn's own searches tune it: alone or, as
here, as the last step of a Pipeline.
"""

# %%
# The Pipeline
# ------------
# Normalisation, augmentation and network are steps; two underscores name the parameters of each.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV

from fer_sklearn import make_fer_pipeline
from fer_sklearn.datasets import make_faces
from fer_sklearn.tuning import HoldOut

X, y = make_faces(280, image_size=24, noise=0.1, random_state=0, return_X_y=True)
pipeline = make_fer_pipeline(widths=(8, 16), max_epochs=10, random_state=0)
print(" -> ".join(pipeline.named_steps))

# %%
# The search
# ----------
# Six combinations, each validated on a quarter of the faces; ``cv=5`` would take five folds.
# `HoldOut` keeps copies of a face on one side of the split.

grid = {
    "augment__rotation": [0.0, 30.0],
    "classify__learning_rate": [0.01, 0.03, 0.1],
}
search = GridSearchCV(pipeline, grid, cv=HoldOut(0.25)).fit(X, y)
print(search.best_params_)

# %%
# The result
# ----------
# `best_estimator_` is a Pipeline that was trained on all faces. The scores of all combinations:

# sphinx_gallery_alt = "Heat map: validation accuracy by learning rate and rotation"
results = pd.DataFrame(search.cv_results_)
scores = results.pivot_table(
    "mean_test_score", "param_augment__rotation", "param_classify__learning_rate"
)
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
picture = ax.imshow(scores, cmap="viridis", aspect="auto")
for (row, column), score in np.ndenumerate(scores):
    ax.text(column, row, f"{score:.3f}", ha="center", va="center", backgroundcolor="white")
ax.set_xticks(range(3), scores.columns)
ax.set_yticks(range(2), scores.index)
ax.set(xlabel="classify__learning_rate", ylabel="augment__rotation")
figure.colorbar(picture, label="accuracy")
