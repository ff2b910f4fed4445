"""What class balancing and cleaning gain, over seeds, on faces without a copy.

    python examples/benchmarks/data_levers.py data/fer2013.csv --seeds 3
    python examples/benchmarks/data_levers.py data/fer2013.csv --widths 64 128 256 --epochs 12

Trains on nine tenths of FER-2013's Training split and tests on PublicTest without the images
that have an exact copy in Training. The last tenth fits the strength of "logit adjustment", by
macro-F1, for the classifier that is trained on the data as it is. An oversampled epoch has 1.76
times as many faces: "oversampling" has fewer epochs, so that it sees as many faces as the others,
"oversampling, same epochs" takes that much longer. Rows are appended to
``runs/data_levers.csv``; a row that is there is not computed again.
"""

import _study as study
import numpy as np
from sklearn.metrics import f1_score

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import clean_faces, load_fer2013
from fer_sklearn.metrics import evaluation_report

LEVERS = {
    "nothing": {},
    "class weights": {"class_weight": "balanced"},
    "oversampling": {"class_balance": "oversample"},
    "oversampling, same epochs": {"class_balance": "oversample"},
    "cleaned": {},
}
STRENGTHS = np.linspace(0, 1.2, 13)


def main():
    parser = study.make_parser(__doc__, "path --output", widths=[48, 96, 192], epochs=6, seeds=3)
    parser.add_argument(
        "--levers", nargs="+", choices=LEVERS, default=list(LEVERS), help="to compare"
    )
    args = parser.parse_args()
    study.show_machine("torch", "scikit-learn")
    X, y, train, rest = study.split_training(args)
    X_test, y_test = load_fer2013(args.path, usage="PublicTest", return_X_y=True)
    code = (as_many_faces, faces_to_train, fitted_strength, measure)
    data = study.fingerprint(X, y, X_test, y_test, *code)
    rows = study.Rows(args.output)
    for seed in study.seeds_of(args):
        for lever in args.levers:
            clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=seed)
            clf.set_params(**LEVERS[lever])
            if lever == "oversampling":
                clf.set_params(max_epochs=as_many_faces(args.epochs, y[train]))
            key = {"lever": lever, "widths": str(args.widths), "epochs": args.epochs, "seed": seed}
            key["recipe"] = study.fingerprint(clf, data)
            if key in rows:
                continue
            clf.fit(*faces_to_train(lever, X[train], y[train]))
            new = [key | measure(clf, X_test, y_test, X)]
            if lever == "nothing":
                strength = fitted_strength(clf, X[rest], y[rest])
                clf.set_params(logit_adjustment=strength)
                new.append(key | measure(clf, X_test, y_test, X))
                new[1] |= {"lever": "logit adjustment", "strength": strength}
            rows.append(*new)
    rows.show(["widths", "epochs", "lever", "recipe"])


def as_many_faces(epochs, y):
    """Return the oversampled epochs that show as many faces as `epochs` of the data as it is."""
    counts = np.unique(y, return_counts=True)[1]
    return max(1, round(epochs * len(y) / (len(counts) * counts.max())))


def faces_to_train(lever, X, y):
    if lever != "cleaned":
        return X, y
    cleaned = clean_faces(X, y)
    print(cleaned.log["reason"].value_counts().to_string())
    return cleaned.data, cleaned.target


def fitted_strength(clf, X, y):
    """Return the strength with the best macro-F1."""
    logits = clf.decision_function(X)
    prior = np.log(clf.class_count_ / clf.class_count_.sum())

    def score(strength):
        y_pred = clf.classes_[(logits - strength * prior).argmax(axis=1)]
        return f1_score(y, y_pred, average="macro")

    return float(max(STRENGTHS, key=score))


def measure(clf, X_test, y_test, X):
    """Return the scores on all faces and on those without a copy in `X`."""
    report = evaluation_report(clf, X_test, y_test, train=X)
    free = report.leak_free
    return {
        "strength": np.nan,
        "epochs_run": clf.n_iter_,
        "accuracy": free.accuracy,
        "macro_f1": free.macro_f1,
        "balanced_accuracy": free.balanced_accuracy,
        "disgust": float(free.by_class.loc["disgust", "recall"]),
        "fear": float(free.by_class.loc["fear", "recall"]),
        "accuracy_all": report.accuracy,
        "macro_f1_all": report.macro_f1,
        "seconds": sum(clf.history_["seconds"]),
    }


if __name__ == "__main__":
    main()
