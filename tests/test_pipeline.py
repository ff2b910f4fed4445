import pickle

import numpy as np
import pytest
from helpers import small_classifier
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from test_training import Recorder

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier, make_fer_pipeline
from fer_sklearn.embedding import FaceEmbedder

SMALL = {"widths": (8, 16), "max_epochs": 2, "batch_size": 64, "random_state": 0}


def test_the_steps_have_the_names_of_the_design():
    pipeline = make_fer_pipeline()
    assert list(pipeline.named_steps) == ["normalize", "augment", "classify"]
    assert isinstance(pipeline[0], FaceNormalizer)
    assert isinstance(pipeline[1], FaceAugmenter)
    assert isinstance(pipeline[2], FERClassifier)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"augment": "off"}, r"FaceAugmenter\.off\(\).*got 'off'"),
        ({"normalize": "image"}, "'image'"),
    ],
)
def test_the_steps_are_no_texts_as_those_of_the_classifier_may_be(wrong, match):
    with pytest.raises(TypeError, match=match):
        make_fer_pipeline(**wrong)


def test_the_pipeline_learns_what_the_classifier_learns(faces):
    pipeline = make_fer_pipeline(**SMALL).fit(faces.data, faces.target)
    clf = small_classifier(**SMALL).fit(faces.data, faces.target)
    np.testing.assert_allclose(
        pipeline.predict_proba(faces.data), clf.predict_proba(faces.data), atol=2e-2
    )


def seen_by(pipeline, faces):
    recorder = Recorder()
    pipeline.set_params(classify__callbacks=[recorder])
    pipeline.fit(np.repeat(faces.data[:1], 64, axis=0), np.arange(64) % 2)
    return np.unique(np.concatenate([np.asarray(x).reshape(len(x), -1) for x in recorder.seen_]),
                     axis=0)  # fmt: skip


def test_its_augmentation_is_fresh_and_its_parameters_reach_it(faces):
    assert len(seen_by(make_fer_pipeline(**SMALL), faces)) == 128
    off = make_fer_pipeline(augment=FaceAugmenter.off(), **SMALL)
    assert len(seen_by(off, faces)) == 1
    assert len(seen_by(clone(off).set_params(augment__rotation=20), faces)) == 128


def test_a_literal_pipeline_around_a_plain_classifier_uses_its_augmenter_too(faces):
    pipeline = Pipeline(
        [
            ("augment", FaceAugmenter.off().set_params(flip=0.5)),
            ("classify", FERClassifier(**SMALL)),
        ]
    )
    assert len(seen_by(pipeline, faces)) == 2


LOST = "expects faces that come straight from a FaceAugmenter"


def test_a_step_in_between_that_drops_the_settings_is_an_error(faces):
    pipeline = make_fer_pipeline(**SMALL)
    pipeline.steps.insert(2, ("copy", FunctionTransformer(lambda X: np.array(X))))
    with pytest.raises(ValueError, match=LOST):
        pipeline.fit(faces.data, faces.target)


@pytest.mark.parametrize("output", ["pandas", "polars"])
@pytest.mark.parametrize("flat", [False, True], ids=["images", "rows"])
def test_tables_as_output_of_transformers_do_not_reach_the_faces(output, flat, faces):
    pytest.importorskip(output, reason="needs the extra [test]")
    X = faces.data.reshape(280, -1) if flat else faces.data
    off = make_fer_pipeline(**SMALL, augment=FaceAugmenter.off()).fit(X, faces.target)
    plain = make_fer_pipeline(**SMALL).fit(X, faces.target).predict_proba(X)
    assert not np.array_equal(off.predict_proba(X), plain)
    with config_context(transform_output=output):
        pipeline = make_fer_pipeline(**SMALL).fit(X, faces.target)
        np.testing.assert_array_equal(pipeline.predict_proba(X), plain)
        embedder = FaceEmbedder(FrozenEstimator(pipeline[-1])).fit(pipeline[:-1].transform(X))
        features = embedder.transform(pipeline[:-1].transform(X))
    assert type(features).__module__.startswith(output)
    assert features.shape == (280, 16)


def test_asking_the_pipeline_for_tables_is_refused_before_training():
    for output in ("pandas", "polars"):
        with pytest.raises(ValueError, match=r"for FaceNormalizer.* `set_output` is not available"):
            make_fer_pipeline(**SMALL).set_output(transform=output)


def test_a_memory_stores_the_settings_with_the_faces(faces, tmp_path):
    def probabilities():
        pipeline = make_fer_pipeline(**SMALL, augment=FaceAugmenter(rotation=40.0))
        pipeline.set_params(memory=str(tmp_path)).fit(faces.data, faces.target)
        return pipeline.predict_proba(faces.data)

    computed = probabilities()
    np.testing.assert_array_equal(probabilities(), computed)


def test_the_settings_of_an_augmenter_reach_other_processes(faces):
    augmented = FaceAugmenter(rotation=40.0).fit_transform(faces.data)
    assert pickle.loads(pickle.dumps(augmented)).augmenter.rotation == 40.0
    here, there = (
        cross_val_predict(
            FERClassifier(**SMALL), augmented, faces.target, cv=2, n_jobs=n, method="predict_proba"
        )
        for n in (None, 2)
    )
    np.testing.assert_array_equal(there, here)


def test_without_a_normalizer_bytes_are_taken_as_they_are_only_on_request(faces):
    """The classifier behind a normaliser needs normalize="upstream" to take its floats."""
    pipeline = Pipeline([("normalize", FaceNormalizer()), ("classify", FERClassifier(**SMALL))])
    with pytest.raises(ValueError, match="normalize='upstream'"):
        pipeline.fit(faces.data, faces.target)


@pytest.mark.parametrize("scale", [1, 255, 1.0], ids=["bytes", "unit", "floats"])
def test_validation_faces_that_no_step_has_normalised_are_refused(scale, faces):
    X = faces.data if scale == 1 else faces.data / scale
    pipeline = make_fer_pipeline(**SMALL)
    with pytest.raises(ValueError, match="X_val has values from 0 to"):
        pipeline.fit(X, faces.target, classify__X_val=X, classify__y_val=faces.target)
    normalized = FaceNormalizer().fit(X).transform(X)
    pipeline.fit(X, faces.target, classify__X_val=normalized, classify__y_val=faces.target)
    assert pipeline["classify"].history_["valid_loss"][-1] < 4


def test_bytes_that_no_step_has_normalised_are_refused(faces):
    pipeline = make_fer_pipeline(**SMALL).fit(faces.data, faces.target)
    with pytest.raises(ValueError, match="got pixels of dtype uint8"):
        pipeline["classify"].predict(faces.data)
    with pytest.raises(ValueError, match="got pixels of dtype uint8"):
        FERClassifier(normalize="upstream", **SMALL).fit(faces.data, faces.target)
