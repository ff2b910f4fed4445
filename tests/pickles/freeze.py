"""Write the frozen pickle of the present format, once, when the format is new.

Run it as ``python tests/pickles/freeze.py``.
"""

from pathlib import Path

import joblib

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn._state import STATE_FORMAT
from fer_sklearn.datasets import make_faces


def main():
    file = Path(__file__).parent / f"format-{STATE_FORMAT}.joblib"
    if file.exists():
        raise SystemExit(f"{file.name} exists: a frozen pickle is never written again.")
    X, y = make_faces(120, image_size=16, noise=0.2, random_state=0, return_X_y=True)
    clf = FERClassifier(
        widths=(4, 8),
        normalize=FaceNormalizer("image"),
        augment=FaceAugmenter(rotation=5),
        max_epochs=3,
        batch_size=32,
        random_state=0,
    ).fit(X, y)
    frozen = {
        "classifier": clf,
        "X": X[:20],
        "probabilities": clf.predict_proba(X[:20]),
        "labels": clf.predict(X[:20]),
    }
    joblib.dump(frozen, file, compress=3)


if __name__ == "__main__":
    main()
