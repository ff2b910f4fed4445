"""
Would more faces help? A learning curve
=======================================

scikit-learn's `LearningCurveDisplay` trains on more and more of the faces. Where the curve of the
validation accuracy still rises at its end, more faces of the same kind would help.
"""

# %%
from sklearn.model_selection import LearningCurveDisplay

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

X, y = make_faces(450, image_size=24, noise=0.1, random_state=0, return_X_y=True)
clf = FERClassifier(widths=(8, 16), max_epochs=10, random_state=0)

# sphinx_gallery_alt = "Training and validation accuracy by number of training faces"
display = LearningCurveDisplay.from_estimator(
    clf,
    X,
    y,
    train_sizes=[50, 100, 200, 300],
    cv=3,
    score_type="both",
    score_name="accuracy",
    line_kw={"marker": "o"},
)
display.ax_.set(xlabel="training faces", ylim=(0, 1))

# %%
# The band is one standard deviation of the folds. A training accuracy far above the validation
# accuracy is overfitting: use more augmentation, more dropout, or a smaller network.
