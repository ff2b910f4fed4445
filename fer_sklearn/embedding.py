"""Features of faces for other estimators: the embeddings before a network's last layer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from .classifier import FERClassifier, asked_about, predictor_of

__all__ = ["FaceEmbedder"]


class FaceEmbedder(
    ClassNamePrefixFeaturesOutMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator
):
    """Turn faces into embeddings: the input features of a classifier's last layer.

    Use them for nearest neighbours, support vector machines or clustering, or if there are too few
    labels to train a network.

    Parameters
    ----------
    estimator : FERClassifier, FrozenEstimator or None, default=None
        - None: the pretrained model; `fit` trains nothing and needs no y.
        - `FERClassifier`: a clone of it is trained in `fit`.
        - ``FrozenEstimator(clf)`` with a fitted `FERClassifier`: it is used unchanged.

    Attributes
    ----------
    estimator_ : FERClassifier
        Fitted. The features are a mean over the views of a face in its `predict_augment`.
    n_features_in_ : int
        Pixels per face.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if the classifier has seen them.

    See Also
    --------
    fer_sklearn.FERClassifier : The classifier that is trained.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from fer_sklearn.datasets import make_faces
    >>> from fer_sklearn.embedding import FaceEmbedder
    >>> faces = make_faces(28, random_state=0)
    >>> knn = make_pipeline(FaceEmbedder(), KNeighborsClassifier())
    >>> knn = knn.fit(faces.data, faces.target)
    >>> knn[:-1].transform(faces.data).shape
    (28, 256)
    """

    _parameter_constraints = {"estimator": [HasMethods(["fit", "predict_proba"]), None]}

    def __init__(self, estimator: FERClassifier | FrozenEstimator | None = None) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: ArrayLike | None = None, **fit_params: Any) -> Self:
        """Train the classifier, unless it is already trained.

        Parameters
        ----------
        X : array-like, shaped as in `FERClassifier.fit`
            Faces.
        y : array-like of shape (n_samples,) or None, default=None
            Labels; required if the classifier has to be trained.
        **fit_params
            Passed to `FERClassifier.fit`, unless metadata routing says otherwise.

        Returns
        -------
        self : FaceEmbedder

        Raises
        ------
        TypeError
            If `estimator` is not a `FERClassifier`.
        """
        self._validate_params()
        if _routing_enabled():
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        self.estimator_ = self._fitted_classifier(X, y, fit_params)
        self.n_features_in_ = self.estimator_.n_features_in_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        self._n_features_out = predictor_of(self.estimator_).n_features
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the features of each face.

        Parameters
        ----------
        X : array-like, shaped as in `fit`

        Returns
        -------
        features : ndarray of float32 of shape (n_samples, n_features)
            The input of the network's last linear layer: 256 values with the default network.
        """
        check_is_fitted(self)
        predictor, faces = asked_about(self.estimator_, X)
        return predictor.features(faces)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the metadata routing: requests come from the classifier that is trained."""
        trained = FERClassifier() if self.estimator is None else self.estimator
        mapping = MethodMapping().add(caller="fit", callee="fit")
        mapping.add(caller="fit_transform", callee="fit")  # scikit-learn 1.8 does not infer it
        return MetadataRouter(owner=self).add(estimator=trained, method_mapping=mapping)

    def _fitted_classifier(self, X: Any, y: Any, fit_params: dict[str, Any]) -> FERClassifier:
        if self.estimator is None:
            return FERClassifier.from_pretrained()
        frozen = isinstance(self.estimator, FrozenEstimator)
        classifier = self.estimator.estimator if frozen else self.estimator
        if not isinstance(classifier, FERClassifier):
            raise TypeError(
                "Expected estimator to be a FERClassifier, or a FrozenEstimator around a fitted "
                f"one, got {classifier!r}."
            )
        if not frozen:
            return clone(classifier).fit(X, y, **fit_params)
        check_is_fitted(classifier)
        return classifier

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator or FERClassifier()).input_tags
        tags.target_tags.required = not isinstance(self.estimator, FrozenEstimator | None)
        tags.transformer_tags.preserves_dtype = []
        return tags
