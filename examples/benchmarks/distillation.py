"""What a network gains that learns the answers of others beside the labels (Hinton et al., 2015).

    python examples/benchmarks/distillation.py data/fer2013.csv --epochs 30 --teachers 2
    python examples/benchmarks/distillation.py data/fer2013.csv --epochs 30 --folds 5

Trains on nine tenths of FER-2013's Training split (``--faces`` of them) and judges on the last
tenth, which shares no image with the rest. "plain" learns the labels; "distilled", without label
smoothing, the mean of the labels and of what the teachers, classifiers of the same parameters and
other epochs, say of the same faces; with ``--folds`` each face has a teacher that was trained
without it. A row that is in ``--output`` is not computed again.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from _common import append, describe_machine, done, fingerprint, rows_of, show_over_seeds
from ablation import run
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import label_binarize

from fer_sklearn import FERClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from train_fer2013 import load


def main():
    args = parse_arguments()
    print(describe_machine("torch", "scikit-learn"), flush=True)
    X, y, X_test, y_test = load(args)
    some = np.random.default_rng(0).permutation(len(X))[: args.faces]
    X, y = X[some], y[some]
    plain = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=args.seed)
    students = {
        "plain": plain,
        "distilled": clone(plain).set_params(label_smoothing=0.0),
    }
    for name, student in students.items():
        taught = ["teachers", "folds", "teacher_epochs", "share"]
        key = {"student": name, "faces": len(X), "epochs": args.epochs, "seed": args.seed}
        key |= {part: getattr(args, part) if name == "distilled" else 0 for part in taught}
        key |= {"recipe": fingerprint(student, X)}
        if done(args.output, key):
            continue
        start = time.perf_counter()
        shares = lessons(args, X, y) if name == "distilled" else None
        of_teachers = round(time.perf_counter() - start)
        row = key | run(student, X, y, X_test, y_test, label_distribution=shares)
        row["seconds"] += of_teachers
        append(args.output, row)
        print(row, flush=True)
    show_over_seeds(rows_of(args.output), ["faces", "epochs", "student", *taught, "recipe"])


def lessons(args, X, y):
    """Return what the student learns: labels, and the teachers' mean answer."""
    teacher = FERClassifier(widths=args.widths, max_epochs=args.teacher_epochs)
    answers = []
    for number in range(args.teachers):
        seed = 1000 * (args.seed + 1) + number
        teacher.set_params(random_state=seed)
        if args.folds:
            folds = StratifiedKFold(args.folds, shuffle=True, random_state=seed)
            shares = cross_val_predict(teacher, X, y, cv=folds, method="predict_proba")
        else:
            shares = teacher.fit(X, y).predict_proba(X)
        answers.append(shares)
    labels = label_binarize(y, classes=np.unique(y))
    return args.share * np.mean(answers, axis=0) + (1 - args.share) * labels


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="fer2013.csv")
    parser.add_argument("--faces", type=int, help="train on so many only")
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--teachers", type=int, default=1)
    parser.add_argument("--folds", type=int, default=0, help="teach by classifiers of other folds")
    parser.add_argument("--teacher-epochs", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.5, help="of the teachers in the targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/distillation.csv"))
    parser.set_defaults(hold_out=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
