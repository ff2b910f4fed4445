"""Are the labels that `find_label_noise` doubts really wrong? FER+'s ten taggers decide.

    python examples/benchmarks/label_noise.py data/fer2013.csv data/fer2013new.csv

Judges FER-2013's Training split by out-of-fold probabilities and counts, among the faces in doubt
and among all, those whose label is not the emotion that most of the ten taggers chose. The
probabilities are kept in ``runs/``.
"""

import _study as study
import numpy as np

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import find_label_noise, load_fer2013, load_ferplus
from fer_sklearn.plots import FaceGridDisplay


def main():
    parser = study.make_parser(
        __doc__, "path votes --folder --plot", widths=[48, 96, 192], epochs=6, folds=4
    )
    args = parser.parse_args()
    study.show_machine("torch", "scikit-learn", "cleanlab")
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    path = study.fit_path(clf, X, y, args.folder, f"label_noise-{args.folds}")
    found = study.kept(path, lambda: find_label_noise(clf, X, y, cv=args.folds))
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
    faces = load_ferplus(args.path, args.votes, usage="Training", target="votes")
    chosen = np.full(len(y), "", dtype=object)
    chosen[faces.rows] = faces.target
    return chosen


def plot(X, worst, path):
    """Draw faces with their label and the label that the classifier suggests."""
    display = FaceGridDisplay(
        X[worst["row"]], worst["label"], worst["suggested"], worst["suggested_probability"]
    )
    display.plot().figure_.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
