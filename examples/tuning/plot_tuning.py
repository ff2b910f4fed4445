"""
Tuning with Optuna
==================

`FERSearchCV` is used like `GridSearchCV`. Trials that fall behind are pruned after an epoch or a
fold, and Optuna's own plots show what was found.
"""

# %%
# The search
# ----------
# Drawn faces, a small network, three parameters of the table that `search_space` returns.

import pandas as pd

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.tuning import FERSearchCV, plot_study, search_space

faces = make_faces(560, image_size=24, noise=0.2, random_state=0)
clf = FERClassifier(widths=(8, 16), max_epochs=5, random_state=0)
space = search_space().only("learning_rate", "dropout", "augment__rotation")
search = FERSearchCV(clf, space, n_trials=12, random_state=0)
search = search.fit(faces.data, faces.target)
print(f"{search.best_score_:.3f}")
print({name: round(value, 3) for name, value in search.best_params_.items()})

# %%
# Every trial is a row of `cv_results_`; pruned ones have no mean.
results = pd.DataFrame(search.cv_results_)
print(results[["param_learning_rate", "mean_test_score", "state"]].to_string())

# %%
# What was found
# --------------
# The score of each trial, and the best so far:

# sphinx_gallery_alt = "Accuracy of each trial, and the best one so far"
axes = plot_study(search, kinds=("history",))

# %%
# How much each parameter matters:

# sphinx_gallery_alt = "Bars: how much each parameter matters"
axes = plot_study(search, kinds=("importance",))

# %%
# The score by parameter:

# sphinx_gallery_alt = "Accuracy by value, a scatter plot for each parameter"
axes = plot_study(search, kinds=("slices",))
