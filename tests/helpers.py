"""What several test modules use."""

from fer_sklearn import FERClassifier
from fer_sklearn.classifier import predictor_of


def small_classifier(**params):
    """A classifier that trains in less than a second; `faces` are two batches to it."""
    defaults = {"widths": (8, 16), "max_epochs": 3, "batch_size": 140, "random_state": 0}
    return FERClassifier(**{**defaults, **params})


def probabilities(clf, faces):
    """What it says of the first faces."""
    return clf.predict_proba(faces.data[:40])


def model_of(clf):
    """The normaliser, the augmentation and the network of a fitted classifier, as one module."""
    return predictor_of(clf).model


def network_of(clf):
    """The trained torch network of a fitted classifier."""
    return model_of(clf).network
