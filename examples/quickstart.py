"""Train, evaluate, store and load a facial expression classifier; needs no download.

    python examples/quickstart.py

The faces are drawn by `make_faces`; `examples/train_fer2013.py` does the same with real ones.
"""

import argparse
import tempfile
from pathlib import Path

import joblib
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces


def main():
    args = parse_arguments()
    X, y = make_faces(args.faces, random_state=0, return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

    clf = FERClassifier(widths=(32, 64, 128), max_epochs=args.epochs, random_state=0, verbose=1)
    clf.fit(X_train, y_train)
    print(classification_report(y_test, clf.predict(X_test), zero_division=0))

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "faces.joblib"
        joblib.dump(clf, file)
        print(f"stored: {file.name}, {file.stat().st_size / 1e6:.1f} MB")
        loaded = joblib.load(file)

    probabilities = loaded.predict_proba(X_test[:1])[0]
    best = probabilities.argmax()
    print(f"loaded: the first test face is {loaded.classes_[best]} ({probabilities[best]:.0%})")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=2000, help="how many to draw")
    parser.add_argument("--epochs", type=int, default=8, help="passes over them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
