"""Do labels that `find_label_noise` doubts deserve it? FER+'s ten taggers are the judges.

    python examples/benchmarks/label_noise.py data/fer2013.csv data/fer2013new.csv

Judges FER-2013's Training split by out-of-fold probabilities and counts, among the faces in doubt
and among all, those whose label is not the emotion that most of the ten taggers chose. The
probabilities are kept in ``runs/``.
"""

import argparse
from pathlib import Path

import joblib
import numpy as np
from _common import describe_machine, fingerprint

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import find_label_noise, load_fer2013, load_ferplus
from fer_sklearn.plots import FaceGridDisplay


def main():
    args = parse_arguments()
    print(describe_machine("torch", "scikit-learn", "cleanlab"), flush=True)
    X, y = load_fer2013(args.fer2013, usage="Training", return_X_y=True)
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    path = args.folder / f"label_noise-{args.folds}-{fingerprint(clf, X)}.joblib"
    if not path.exists():
        args.folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(find_label_noise(clf, X, y, cv=args.folds), path)
    found = joblib.load(path)
    chosen = taggers_choice(args, y)
    known = chosen != ""
    disputed = y != chosen
    print(f"out-of-fold accuracy {(np.unique(y)[found.y_proba.argmax(axis=1)] == y).mean():.3f}")
    print(f"labels that the taggers dispute: {disputed[known].mean():.3f} of {known.sum()}")
    rows = found.issues["row"].to_numpy()
    for n in (100, 500, 1000, 2000, len(rows)):
        judged = rows[:n][known[rows[:n]]]
        print(f"of the {n} worst: {disputed[judged].mean():.3f} of {len(judged)} judged")
    agreed = (chosen[rows] == found.issues["suggested"])[known[rows]].mean()
    print(f"the suggested label is the taggers' choice in {agreed:.3f} of those in doubt")
    if args.plot:
        plot(X, found.issues.head(32), args.plot)


def taggers_choice(args, y):
    """Return the emotion with most votes of each face, "" where none has a vote."""
    faces = load_ferplus(args.fer2013, args.votes, usage="Training", target="votes")
    chosen = np.full(len(y), "", dtype=object)
    chosen[faces.rows] = faces.target
    return chosen


def plot(X, worst, path):
    """Draw faces with their label, and what the classifier takes them for."""
    display = FaceGridDisplay(
        X[worst["row"]], worst["label"], worst["suggested"], worst["suggested_probability"]
    )
    display.plot().figure_.savefig(path, dpi=130)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fer2013", help="fer2013.csv")
    parser.add_argument("votes", help="fer2013new.csv of FER+")
    parser.add_argument("--widths", type=int, nargs="+", default=[48, 96, 192])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--plot", type=Path, help="file to draw into")
    return parser.parse_args()


if __name__ == "__main__":
    main()
