"""scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn.embedding import FaceEmbedder

ESTIMATORS = [
    # Narrow and few epochs, for time: neither is part of the contract. The rate makes up for it.
    FERClassifier(widths=(16,), max_epochs=4, learning_rate=0.3),
    FERClassifier(network="cnn", widths=(4, 8), max_epochs=4, precision="float32"),
    FERClassifier("hybrid", widths=(16,), depth=1, max_epochs=4, learning_rate=0.1),
    *(FaceNormalizer(method) for method in ("dataset", "scale", "image", "equalize")),
    FaceAugmenter(),
    FaceEmbedder(FERClassifier(widths=(8,), max_epochs=1, random_state=0)),
]


def expected_failures(estimator):
    if not isinstance(estimator, FERClassifier):
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "minibatch SGD: repeated rows change the batches, weights do not"
        )
    }


@pytest.mark.filterwarnings("default", "ignore:Rows of .* plain features")  # what checks pass
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("estimator", [FaceNormalizer(), FaceAugmenter()])
def test_no_check_of_a_transformer_is_skipped(estimator):
    results = check_estimator(estimator, on_skip=None)
    assert len(results) > 40
    assert {result["status"] for result in results} == {"passed"}


def test_no_tag_switches_checks_off():
    for estimator in ESTIMATORS:
        tags = estimator.__sklearn_tags__()
        assert tags.input_tags.two_d_array
        assert not any((tags.no_validation, tags.non_deterministic, tags._skip_test))
        assert tags.classifier_tags is None or not tags.classifier_tags.poor_score
