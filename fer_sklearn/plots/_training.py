"""Training curves, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._axes import BLUE, GRAY, VERMILLION, new_grid

if TYPE_CHECKING:
    from ..classifier import FERClassifier

_STYLES = {
    "train": {"label": "training", "color": BLUE, "linestyle": "--"},
    "valid": {"label": "validation", "color": VERMILLION, "linestyle": "-"},
}


class TrainingCurvesDisplay:
    """Accuracy, loss and learning rate of each epoch of a training.

    Create one with `from_estimator`.

    Parameters
    ----------
    history : dict of {str: sequence of float}
        `FERClassifier.history_`: "train_accuracy", "train_loss", "learning_rate" and, if there
        were validation faces, "valid_accuracy" and "valid_loss"; one value per epoch, or NaN.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (3,)
        Accuracy, loss and learning rate.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from fer_sklearn.plots import TrainingCurvesDisplay
    >>> history = {
    ...     "train_accuracy": [0.4, 0.6],
    ...     "train_loss": [1.5, 1.1],
    ...     "learning_rate": [0.03, 0.01],
    ... }
    >>> display = TrainingCurvesDisplay(history).plot()
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['accuracy', 'loss (nats)', 'learning rate']
    """

    def __init__(self, history: Mapping[str, Sequence[float]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: FERClassifier, *, ax: Any = None) -> Self:
        """Draw the curves of a fitted classifier.

        Parameters
        ----------
        estimator : FERClassifier
            Fitted.
        ax : matplotlib Axes or None, default=None
            Three axes replace it; None makes a figure.

        Returns
        -------
        display : TrainingCurvesDisplay

        Raises
        ------
        TypeError
            If `estimator` has no history of a training.
        ValueError
            If the classifier comes from `from_pretrained` and has not been trained since.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise TypeError(
                f"Expected a fitted FERClassifier, got {type(estimator).__name__}. Pass the step "
                "of a Pipeline, or the best_estimator_ of a search, that is one."
            )
        if not estimator.history_:
            raise ValueError(
                "Expected a classifier with the history of its training, but history_ is empty: "
                "it comes from from_pretrained. Call fit or partial_fit first."
            )
        return cls(estimator.history_).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Three axes replace it; None makes a figure.

        Returns
        -------
        self : TrainingCurvesDisplay
        """
        self.axes_ = new_grid(self, ax, (1, 3), (10, 3.2))[0]
        self.figure_ = self.axes_[0].figure
        accuracy, loss, rate = self.axes_
        self._draw(accuracy, "accuracy")
        self._draw(loss, "loss")
        self._mark_best(accuracy)
        accuracy.set_ylabel("accuracy")
        loss.set_ylabel("loss (nats)")
        loss.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
        epochs = self._epochs("learning_rate")
        rate.plot(epochs, self.history["learning_rate"], color="black", marker=".")
        rate.set_ylabel("learning rate")
        for ax in self.axes_:
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.grid(alpha=0.3)
        return self

    def _draw(self, ax: Any, quantity: str) -> None:
        for part, style in _STYLES.items():
            key = f"{part}_{quantity}"
            if key in self.history:
                ax.plot(self._epochs(key), self.history[key], marker=".", **style)

    def _mark_best(self, ax: Any) -> None:
        scores = self.history.get("valid_accuracy")
        if scores is None:
            return
        best = int(np.nanargmax(scores))
        ax.axvline(best + 1, color=GRAY, linestyle=":", zorder=0)
        ax.set_title(f"best validation: {scores[best]:.3f}, epoch {best + 1}", size=10)

    def _epochs(self, key: str) -> np.ndarray:
        return np.arange(1, len(self.history[key]) + 1)
