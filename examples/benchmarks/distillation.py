"""What a network gains that learns the answers of others beside the labels (Hinton et al., 2015).

    python examples/benchmarks/distillation.py data/fer2013.csv --epochs 30 --teachers 2
    python examples/benchmarks/distillation.py data/fer2013.csv --epochs 30 --folds 5

Trains on nine tenths of FER-2013's Training split (``--faces`` of them) and judges on the last
tenth, which shares no image with the rest. "plain" learns the labels; "distilled", without label
smoothing, the mean of the labels and of what the teachers, classifiers of the same parameters and
other epochs, say of the same faces; with ``--folds`` each face has a teacher that was trained
without it. A row that is in ``--output`` is not computed again.
"""

import _study as study
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import label_binarize

from fer_sklearn import FERClassifier

#: Options that a row of "distilled" belongs to; a plain row has 0.
TAUGHT = ["teachers", "folds", "teacher_epochs", "share"]


def main():
    args = parse_arguments()
    study.show_machine("torch", "scikit-learn")
    X, y, *_ = faces = study.hold_out(args)
    data = study.fingerprint(*faces, lessons, study.fit_and_score)
    rows = study.Rows(args.output)
    for seed in study.seeds_of(args):
        plain = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=seed)
        students = {"plain": plain, "distilled": clone(plain).set_params(label_smoothing=0.0)}
        for name, student in students.items():
            key = {"student": name, "faces": len(X), "epochs": args.epochs, "seed": seed}
            key |= {part: getattr(args, part) if name == "distilled" else 0 for part in TAUGHT}
            key |= {"recipe": study.fingerprint(student, data)}
            if key in rows:
                continue
            shares, of_teachers = None, 0
            if name == "distilled":
                of_teachers, shares = study.seconds_of(lessons, args, seed, X, y)
            scores = study.fit_and_score(student, *faces, label_distribution=shares)
            scores["seconds"] += round(of_teachers)
            rows.append(key | scores)
    rows.show(["faces", "epochs", "student", *TAUGHT, "recipe"])


def lessons(args, seed, X, y):
    """Return what the student learns: labels, and the teachers' mean answer."""
    teacher = FERClassifier(widths=args.widths, max_epochs=args.teacher_epochs)
    answers = []
    for number in range(args.teachers):
        teacher.set_params(random_state=1000 * (seed + 1) + number)
        if args.folds:
            folds = StratifiedKFold(args.folds, shuffle=True, random_state=teacher.random_state)
            shares = cross_val_predict(teacher, X, y, cv=folds, method="predict_proba")
        else:
            shares = teacher.fit(X, y).predict_proba(X)
        answers.append(shares)
    labels = label_binarize(y, classes=np.unique(y))
    return args.share * np.mean(answers, axis=0) + (1 - args.share) * labels


def parse_arguments():
    parser = study.make_parser(
        __doc__, "path --faces --output", widths=[64, 128, 256], epochs=16, seeds=1
    )
    parser.add_argument("--teachers", type=int, default=1)
    parser.add_argument("--teacher-epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=0, help="teach by classifiers of other folds")
    parser.add_argument("--share", type=float, default=0.5, help="of the teachers in the targets")
    return parser.parse_args()


if __name__ == "__main__":
    main()
