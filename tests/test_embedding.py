import numpy as np
import pytest
from helpers import network_of, small_classifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from torch import nn

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces
from fer_sklearn.embedding import FaceEmbedder


@pytest.fixture(scope="module")
def embedder(fitted):
    return FaceEmbedder(FrozenEstimator(fitted)).fit(None)


def test_the_last_layer_makes_logits_of_the_features(fitted, embedder, faces):
    fitted = small_classifier(predict_augment=None).fit(faces.data, faces.target)
    features = FaceEmbedder(FrozenEstimator(fitted)).fit(None).transform(faces.data)
    last = network_of(fitted).head[-1]
    logits = features @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    assert_allclose(logits, fitted.decision_function(faces.data), atol=1e-5)


def test_features_of_mirror_images_are_averaged(fitted, embedder, faces):
    mirrored = faces.data[:, :, ::-1]
    assert_allclose(embedder.transform(faces.data), embedder.transform(mirrored), atol=1e-5)


def test_a_frozen_classifier_is_not_trained_and_not_changed(fitted, embedder, faces):
    before = fitted.predict_proba(faces.data)
    assert embedder.estimator_ is fitted
    embedder.transform(faces.data)
    assert_array_equal(fitted.predict_proba(faces.data), before)


def test_a_classifier_is_cloned_and_trained(faces):
    classifier = small_classifier()
    embedder = FaceEmbedder(classifier).fit(faces.data, faces.target)
    assert not hasattr(classifier, "classes_")
    assert embedder.estimator_.n_iter_ == 3


def test_features_have_names(embedder, faces):
    names = embedder.get_feature_names_out()
    assert len(names) == embedder.transform(faces.data[:2]).shape[1] == 16
    assert names[0] == "faceembedder0"


def test_features_tell_more_than_pixels_to_other_estimators():
    faces = make_faces(140, noise=0.3, random_state=5)
    pixels = faces.data.reshape(len(faces.data), -1)
    on_pixels = cross_val_score(KNeighborsClassifier(), pixels, faces.target).mean()
    features = FaceEmbedder().fit_transform(pixels)  # needs no labels: the network is trained
    on_features = cross_val_score(KNeighborsClassifier(), features, faces.target).mean()
    assert on_features > on_pixels + 0.1


def test_features_can_be_clustered(embedder, faces):
    clusters = make_pipeline(embedder, KMeans(3, random_state=0)).fit_predict(faces.data)
    assert len(np.unique(clusters)) == 3


def test_without_a_classifier_the_network_that_comes_along_is_used():
    faces = make_faces(70, random_state=0)
    pipeline = make_pipeline(FaceEmbedder(), SVC()).fit(faces.data, faces.target)
    assert pipeline[0].transform(faces.data[:2]).shape == (2, 256)
    assert pipeline.score(faces.data, faces.target) > 0.5


def test_features_of_a_network_without_linear_layer_are_refused(faces):
    def network(n_classes, image_shape):
        return nn.Sequential(nn.Conv2d(1, n_classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    with pytest.raises(ValueError, match=r"Sequential has no nn\.Linear layer"):
        FaceEmbedder(small_classifier(network=network, widths=None)).fit(faces.data, faces.target)


def test_another_estimator_is_refused(faces):
    with pytest.raises(TypeError, match=r"to be a FERClassifier.* got KNeighborsClassifier\(\)"):
        FaceEmbedder(KNeighborsClassifier()).fit(faces.data, faces.target)


def test_a_frozen_classifier_has_to_be_fitted(faces):
    with pytest.raises(NotFittedError, match="FERClassifier instance is not fitted yet"):
        FaceEmbedder(FrozenEstimator(FERClassifier())).fit(faces.data)


def test_unlabelled_faces_cannot_train(faces):
    with pytest.raises(ValueError, match="requires y"):
        FaceEmbedder(FERClassifier(max_epochs=1)).fit(faces.data)


def test_weights_are_routed_to_the_classifier(faces):
    weights = np.where(faces.target == "sad", 5.0, 1.0)
    with config_context(enable_metadata_routing=True):
        classifier = small_classifier().set_fit_request(sample_weight=True)
        neighbours = KNeighborsClassifier()
        pipe = make_pipeline(FaceEmbedder(classifier), neighbours)
        pipe.fit(faces.data, faces.target, sample_weight=weights)
    weighted = small_classifier().fit(faces.data, faces.target, sample_weight=weights)
    expected = FaceEmbedder(FrozenEstimator(weighted)).fit(None).transform(faces.data)
    assert_array_equal(pipe[:-1].transform(faces.data), expected)
