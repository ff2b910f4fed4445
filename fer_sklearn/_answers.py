"""Classifiers' outputs from logits: labels, probabilities and decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin


class LogitsClassifierMixin(ClassifierMixin):
    """scikit-learn's methods of a classifier that computes logits.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the logits.
    """

    classes_: np.ndarray

    def _logits(self, X: Any) -> np.ndarray:
        """Return the logits in float64, (n_samples, n_classes)."""
        raise NotImplementedError

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute the logits of each face.

        Parameters
        ----------
        X : array-like, shaped as in `FERClassifier.fit`

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            For two classes, the logit of ``classes_[1]`` minus that of ``classes_[0]``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Estimate the probability of each expression.

        Parameters
        ----------
        X : array-like, shaped as in `FERClassifier.fit`

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Estimate the logarithm of the probability of each expression.

        Parameters
        ----------
        X : array-like, shaped as in `FERClassifier.fit`

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        return log_softmax(self._logits(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the expression of each face.

        Parameters
        ----------
        X : array-like, shaped as in `FERClassifier.fit`

        Returns
        -------
        labels : ndarray of shape (n_samples,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the faces have another size, or values beyond the pixel range.
        """
        codes = self._logits(X).argmax(axis=1)
        return self.classes_[codes]
