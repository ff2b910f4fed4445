"""
Class imbalance: oversampling, class weights, logit adjustment
==============================================================

Where most faces are happy and few show disgust, a classifier learns to say "happy". Three
parameters of `FERClassifier` help the rare expressions, and each costs some accuracy on the
frequent ones.
"""

# %%
# Imbalanced faces
# ----------------
# The shares of FER-2013: happiness is 16 times as frequent as disgust.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.metrics import recall_score

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

options = {"image_size": 24, "noise": 0.2, "return_X_y": True}
X, y = make_faces(500, class_balance="fer2013", random_state=0, **options)
X_test, y_test = make_faces(420, random_state=1, **options)
pd.Series(y).value_counts()

# %%
# Three ways to help
# ------------------
# Logit adjustment works at prediction: it needs no second training, so a fitted classifier is
# changed. The test faces are balanced: every bar is computed from 60 faces.

clf = FERClassifier(widths=(8, 16), max_epochs=12, random_state=0)
recall = pd.DataFrame(index=sorted(set(y)))
for name, params in {
    "no correction": {},
    'class_weight="balanced"': {"class_weight": "balanced"},
    'class_balance="oversample"': {"class_balance": "oversample"},
}.items():
    predicted = FERClassifier(**{**clf.get_params(), **params}).fit(X, y).predict(X_test)
    recall[name] = recall_score(y_test, predicted, average=None)
adjusted = clf.fit(X, y).set_params(logit_adjustment=0.5)
recall["logit_adjustment=0.5"] = recall_score(y_test, adjusted.predict(X_test), average=None)

# sphinx_gallery_alt = "Bars: recall of each expression, for four ways to treat imbalance"
order = pd.Series(y).value_counts(ascending=True).index
ax = recall.loc[order].plot.bar(figsize=(8, 4), width=0.8, rot=0)
ax.set(xlabel="from the rarest to the most frequent expression", ylabel="recall", ylim=(0, 1))
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
plt.tight_layout()

# %%
# The mean of these bars is the balanced accuracy:

recall.mean().round(3)
