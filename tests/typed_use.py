"""What a type checker has to say of the public names: mypy reads this file, nothing runs it.

An ignored line has to be an error: mypy reports an ignore without one.
"""

from typing import assert_type

import numpy as np

import fer_sklearn
from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier, make_fer_pipeline, preset
from fer_sklearn.datasets import (
    FaceReport,
    inspect_faces,
    load_expressions,
    load_fer2013,
    load_image_folder,
    make_faces,
    near_pairs,
    resize_faces,
)
from fer_sklearn.embedding import FaceEmbedder
from fer_sklearn.explain import first_filters, saliency_map
from fer_sklearn.metrics import EvaluationReport, evaluation_report, expected_calibration_error
from fer_sklearn.photos import FaceFinder, analyze, contact_sheet, find_faces
from fer_sklearn.plots import FaceGridDisplay, SaliencyDisplay
from fer_sklearn.tuning import FERSearchCV, SearchSpace, search_space


def use(X: np.ndarray, y: list[str]) -> None:
    FERClassifier("cnn", widths=(16, 32), class_weight={"happy": 2}, max_epochs=3)
    FERClassifier(nope=1)  # type: ignore[call-arg]
    FERClassifier(max_epochs="3")  # type: ignore[arg-type]
    FERClassifier("cnn", (16, 32))  # type: ignore[call-arg]
    clf = FERClassifier().fit(X, y, X_val=X, y_val=y)
    assert_type(clf, FERClassifier)
    assert_type(clf.predict_proba(X), np.ndarray)
    assert_type(clf.history_, dict[str, list])
    assert_type(clf.n_iter_, int)
    clf.fit(X, y, epochs=3)  # type: ignore[call-arg]
    assert_type(FERClassifier.from_pretrained(), FERClassifier)
    fer_sklearn.FERClasifier()  # type: ignore[attr-defined]
    fer_sklearn.show_versions("all")  # type: ignore[call-arg]


def use_parts(X: np.ndarray, y: np.ndarray) -> None:
    FaceAugmenter(rotation=15)
    FaceAugmenter(rotations=15)  # type: ignore[call-arg]
    assert_type(FaceAugmenter().fit(X), FaceAugmenter)
    assert_type(FaceAugmenter.off().draw(X, random_state=0), np.ndarray)
    FaceNormalizer("image", pixel_range=(0, 1))
    FaceNormalizer(pixel_range=255)  # type: ignore[arg-type]
    assert_type(FaceNormalizer().fit(X).transform(X), np.ndarray)
    make_fer_pipeline(normalize=FaceNormalizer(), max_epochs=3)
    make_fer_pipeline(normalize="upstream")  # type: ignore[arg-type]
    FERClassifier(**preset("fast"))
    preset(3)  # type: ignore[arg-type]
    assert_type(FaceEmbedder(FERClassifier()).fit(X, y).transform(X), np.ndarray)


def use_faces(X: np.ndarray, y: np.ndarray) -> None:
    load_fer2013("fer2013.csv", usage=["Training", "PublicTest"], return_X_y=True)
    load_fer2013("fer2013.csv", usge="all")  # type: ignore[call-arg]
    load_fer2013(usage="all")  # type: ignore[call-arg]
    load_image_folder("faces", image_size=48, n_jobs=-1)
    load_image_folder("faces", image_size="48")  # type: ignore[arg-type]
    load_expressions("raf-db")  # type: ignore[call-arg]
    make_faces(100, random_state=0)
    make_faces(100, seed=0)  # type: ignore[call-arg]
    assert_type(inspect_faces(X, y), FaceReport)
    inspect_faces(X, y, near="yes")  # type: ignore[arg-type]
    assert_type(near_pairs(X), tuple[np.ndarray, np.ndarray])
    assert_type(resize_faces(X, (48, 64)), np.ndarray)


def use_results(clf: FERClassifier, X: np.ndarray, y: np.ndarray) -> None:
    assert_type(evaluation_report(clf, X, y), EvaluationReport)
    evaluation_report(clf, X)  # type: ignore[call-arg]
    assert_type(evaluation_report(clf, X, y).accuracy, float)
    print(evaluation_report(clf, X, y).acuracy)  # type: ignore[attr-defined]
    assert_type(expected_calibration_error(y, clf.predict_proba(X)), float)
    assert_type(saliency_map(clf, X, "happy"), np.ndarray)
    saliency_map(clf, X, patch=5)  # type: ignore[call-arg]
    first_filters("fer2013")  # type: ignore[arg-type]
    assert_type(FaceGridDisplay.from_estimator(clf, X, y).plot(n_columns=4), FaceGridDisplay)
    SaliencyDisplay.from_estimator(clf, X, n_face=4)  # type: ignore[call-arg]


def use_photos() -> None:
    contact_sheet(analyze("holiday", out="faces.csv"), "faces.html")
    analyze("holiday", fps="5")  # type: ignore[arg-type]
    analyze("holiday", finders=FaceFinder())  # type: ignore[call-arg]
    find_faces("holiday", finder=FaceFinder(min_face=40), n_jobs=2)
    find_faces("holiday", finder=40)  # type: ignore[arg-type]


def use_search(X: np.ndarray, y: np.ndarray) -> None:
    assert_type(search_space("fast"), SearchSpace)
    search = FERSearchCV(FERClassifier(), search_space(), n_trials=20, storage="study.log")
    assert_type(search.fit(X, y), FERSearchCV)
    FERSearchCV(FERClassifier(), n_trials="20")  # type: ignore[arg-type]
    FERSearchCV(FERClassifier(), n_iter=20)  # type: ignore[call-arg]
