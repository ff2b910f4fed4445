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
from _common import describe_machine

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import find_label_noise, load_fer2013, load_ferplus


def main():
    args = parse_arguments()
    print(describe_machine("torch", "scikit-learn", "cleanlab"), flush=True)
    X, y = load_fer2013(args.fer2013, usage="Training", return_X_y=True)
    path = args.folder / "label_noise.joblib"
    if not path.exists():
        clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
        joblib.dump(find_label_noise(clf, X, y, cv=args.folds), path)
    found = joblib.load(path)
    disputed = dispute(args, y)
    known = ~np.isnan(disputed)
    print(f"out-of-fold accuracy {(np.unique(y)[found.y_proba.argmax(axis=1)] == y).mean():.3f}")
    print(f"labels that the taggers dispute: {disputed[known].mean():.3f} of {known.sum()}")
    rows = found.issues["row"].to_numpy()
    for n in (100, 500, 1000, 2000, len(rows)):
        worst = rows[:n]
        judged = worst[known[worst]]
        print(f"of the {n} worst: {disputed[judged].mean():.3f} of {len(judged)} judged")
    agreed = votes_for(args, y, rows, found.issues["suggested"].to_numpy())
    print(f"the suggested label is the taggers' choice in {agreed:.3f} of those in doubt")
    if args.plot:
        plot(X, found.issues, args.plot)


def top_votes(args):
    """Return the rows that have votes for an emotion, and the emotion with most of them."""
    faces = load_ferplus(args.fer2013, args.votes, usage="Training", target="votes")
    return faces.rows, faces.target


def dispute(args, y):
    """Return 1 where most taggers chose another emotion, 0 where not, NaN where none was chosen."""
    rows, chosen = top_votes(args)
    disputed = np.full(len(y), np.nan)
    disputed[rows] = y[rows] != chosen
    return disputed


def votes_for(args, y, rows, suggested):
    """Return how often a suggestion is the emotion with most votes."""
    chosen = np.full(len(y), "", dtype=object)
    voted, emotions = top_votes(args)
    chosen[voted] = emotions
    judged = chosen[rows] != ""
    return (chosen[rows] == suggested)[judged].mean()


def plot(X, issues, path, n=32):
    """Draw the worst with their label, and what the classifier takes them for."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(4, n // 4, figsize=(1.3 * n // 4, 7), layout="constrained")
    for ax, issue in zip(axes.flat, issues.head(n).itertuples(), strict=True):
        ax.imshow(X[issue.row], cmap="gray", vmin=0, vmax=255)
        ax.set_title(f"{issue.label}\n→ {issue.suggested}", fontsize=8)
        ax.set_axis_off()
    figure.savefig(path, dpi=130)


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
