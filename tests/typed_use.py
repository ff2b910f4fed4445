"""What a type checker has to say of the public names: mypy reads this file, nothing runs it.

An ignored line has to be an error: mypy reports an ignore without one.
"""

from typing import assert_type

import numpy as np

import fer_sklearn
from fer_sklearn import FERClassifier


def use(X: np.ndarray, y: list[str]) -> None:
    FERClassifier("cnn", widths=(16, 32), class_weight={"happy": 2}, max_epochs=3)
    FERClassifier(nope=1)  # type: ignore[call-arg]
    FERClassifier(max_epochs="3")  # type: ignore[arg-type]
    FERClassifier("cnn", (16, 32))  # type: ignore[call-arg]
    clf = FERClassifier().fit(X, y, X_val=X, y_val=y)
    assert_type(clf, FERClassifier)
    assert_type(clf.predict_proba(X), np.ndarray)
    clf.fit(X, y, epochs=3)  # type: ignore[call-arg]
    assert_type(FERClassifier.from_pretrained(), FERClassifier)
    fer_sklearn.FERClasifier()  # type: ignore[attr-defined]
    fer_sklearn.show_versions("all")  # type: ignore[call-arg]
