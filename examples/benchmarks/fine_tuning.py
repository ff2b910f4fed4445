"""A few hundred faces per class: the pretrained model, fine-tuning, and training from scratch.

    python examples/benchmarks/fine_tuning.py data/fer2013.csv --seeds 2
    python examples/benchmarks/fine_tuning.py data/fer2013.csv --ways "all stages" scratch

The faces look as if from a poor camera: 400 of each class of Training and all of PublicTest are
scaled down to 18 pixels a side and back, with noise. The pretrained model is tested on PublicTest
unchanged, with all its stages trained further, with the first ones frozen, and as features for a
logistic regression. A network of the same kind is trained from scratch on the same faces, for more
epochs, because it starts from random weights. Each predicts a face and its mirror image.
Rows are appended to ``runs/fine_tuning.csv``; a row that is there is not computed again.
"""

import time

import _study as study
import numpy as np
from robustness import damaged
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.embedding import FaceEmbedder
from fer_sklearn.metrics import evaluation_report


def tuned(args, seed, freeze=0):
    """Return the pretrained classifier, to be trained further; the first stages are frozen."""
    params = {"max_epochs": args.epochs, "freeze": freeze, "random_state": seed}
    return FERClassifier.from_pretrained("fer2013", predict_augment="flip", **params)


def of_features(args, seed):
    """Return a linear model of the pretrained network's features."""
    linear = LogisticRegression(C=0.01, max_iter=1000)
    return make_pipeline(FaceEmbedder(), StandardScaler(), linear)


def from_scratch(args, seed):
    return FERClassifier(max_epochs=args.scratch_epochs, random_state=seed)


#: Name: what makes the classifier; None leaves the pretrained one as it is.
WAYS = {
    "as it is": None,
    "all stages": tuned,
    "1 frozen": lambda args, seed: tuned(args, seed, 1),
    "2 frozen": lambda args, seed: tuned(args, seed, 2),
    "3 frozen": lambda args, seed: tuned(args, seed, 3),
    "features": of_features,
    "scratch": from_scratch,
}


def main():
    parser = study.make_parser(__doc__, "path --output", seeds=2, epochs=10)
    parser.add_argument("--scratch-epochs", type=int, default=40, help="of the one from scratch")
    parser.add_argument("--each", type=int, default=400, help="faces of a class to train on")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=[*WAYS], metavar="WAY", help="to compare"
    )
    args = parser.parse_args()
    study.show_machine("torch", "scikit-learn")
    X, y = some_of_each(*load_fer2013(args.path, usage="Training", return_X_y=True), args.each)
    X_test, y_test = load_fer2013(args.path, usage="PublicTest", return_X_y=True)
    X, X_test = of_poor_camera(X), of_poor_camera(X_test)
    rows, data = study.Rows(args.output), study.fingerprint(X, y, X_test, y_test, scores, tuned)
    for seed in study.seeds_of(args):
        for way in args.ways:
            key = {"way": way, "faces": len(X), "epochs": args.epochs, "seed": seed}
            key["recipe"] = study.fingerprint(args.scratch_epochs, WAYS[way], data)
            if key not in rows:
                rows.append(key | scores(way, args, seed, X, y, X_test, y_test))
    rows.show(["way", "faces", "epochs", "recipe"])


def some_of_each(X, y, n):
    """Return n faces of each class, the same at every call."""
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(y == label))[:n] for label in np.unique(y)]
    rows = np.sort(np.concatenate(rows))
    return X[rows], y[rows]


def of_poor_camera(X):
    return damaged(damaged(X, "down-sampling", 18), "noise", 8)


def scores(way, args, seed, X, y, X_test, y_test):
    make, start = WAYS[way], time.process_time()
    clf = tuned(args, seed) if make is None else make(args, seed).fit(X, y)
    minutes = (time.process_time() - start) / 60
    report = evaluation_report(clf, X_test, y_test)
    return {
        "accuracy": report.accuracy,
        "macro_f1": report.macro_f1,
        "minutes of CPU": round(minutes, 2),
    }


if __name__ == "__main__":
    main()
