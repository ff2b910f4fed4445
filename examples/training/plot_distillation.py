"""
Knowledge distillation: a small network learns from a large one
===============================================================

A small network predicts faster. If it learns from a larger one, it can be more accurate than alone,
because probabilities say more about a face than its label does.
"""

# %%
# The teacher
# -----------

import matplotlib.pyplot as plt

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

options = {"image_size": 24, "noise": 0.25, "return_X_y": True}
X, y = make_faces(500, random_state=0, **options)
X_test, y_test = make_faces(700, random_state=1, **options)

teacher = FERClassifier(widths=(16, 32), max_epochs=12, random_state=0).fit(X, y)

# %%
# The student, alone and taught
# -----------------------------
# `teacher` is an argument of `fit`; `teacher_weight` is its share of the loss.

student = {"widths": (8, 16), "max_epochs": 12, "random_state": 0}
alone = FERClassifier(**student).fit(X, y)
taught = FERClassifier(**student, teacher_weight=0.7).fit(X, y, teacher=teacher)

# %%
# One seed on drawn faces proves nothing; the benchmark pages have measurements on FER-2013.

# sphinx_gallery_alt = "Bars: test accuracy of the student alone, the student taught, the teacher"
scores = {
    "student alone": alone.score(X_test, y_test),
    "student taught": taught.score(X_test, y_test),
    "teacher": teacher.score(X_test, y_test),
}
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
bars = ax.barh(list(scores), scores.values(), color=["#56B4E9", "#0072B2", "#999999"])
ax.bar_label(bars, fmt="{:.3f}", padding=3)
ax.set(xlabel="accuracy on test faces", xlim=(0, 1))
ax.invert_yaxis()
