"""
Data quality: duplicates, contradicting labels, blanks
======================================================

All three are common in datasets of faces from the web. `inspect_faces` finds them, and
`clean_faces` drops them by rules that you choose.
"""

# %%
# Faces with faults
# -----------------
# Drawn faces have none, so some are added: exact copies, one of them with another label, darker
# copies, and a blank.

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from fer_sklearn.datasets import clean_faces, duplicate_groups, inspect_faces, make_faces

X, y = make_faces(400, random_state=0, return_X_y=True)
darker = (0.7 * X[10:14]).astype(np.uint8)
blank = np.full((1, 48, 48), 128, dtype=np.uint8)
X = np.concatenate([X, X[:6], darker, blank])
y = np.concatenate([y, ["happy", *y[1:6]], y[10:14], ["sad"]])

# %%
# What is found
# -------------

report = inspect_faces(X, y)
print(report)

# %%
# Each finding is a DataFrame of row numbers; `plot` shows examples.

report.near_duplicates.head()

# %%
# sphinx_gallery_alt = "Four pairs of drawn faces: each with a darker copy of it"
report.plot("near_duplicates")

# %%
# What to do
# ----------
# Either drop faces, and keep the log of what was dropped and why,

cleaned = clean_faces(X, y, near=True)
print(cleaned.log["reason"].value_counts().to_string())

# %%
# or keep them, and split so that all copies of a face are on one side:

groups = duplicate_groups(X, near=True)
folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(X, y, groups)
train, test = next(folds)
print("groups on both sides:", len(np.intersect1d(groups[train], groups[test])))
