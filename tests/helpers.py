"""What several test modules use."""

from fer_sklearn import FERClassifier


def small_classifier(**params):
    """A classifier that trains in about a second."""
    defaults = {"widths": (8, 16), "max_epochs": 3, "batch_size": 64, "random_state": 0}
    return FERClassifier(**{**defaults, **params})
