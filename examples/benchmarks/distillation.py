"""What a network gains if it also learns the predictions of others (Hinton et al., 2015).

    python examples/benchmarks/distillation.py data/fer2013.csv --epochs 30 --teachers 2
    python examples/benchmarks/distillation.py data/fer2013.csv --epochs 30 --folds 5

Trains on nine tenths of FER-2013's Training split (``--faces`` of them) and judges on the last
tenth, which shares no image with the rest. "plain" learns the labels. The others learn, without
label smoothing, labels and teachers, classifiers of the same parameters and other epochs: "fixed"
the mean of the labels and of what the teachers say of the faces as they are; "in the loop" what
they say of each view that the student sees (``fit(teacher=...)``). With ``--folds`` each face has
a fixed teacher that was trained without it. A row that is in ``--output`` is not computed again.
"""

import _study as study
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import label_binarize

from fer_sklearn import FERClassifier

#: Options that a row with teachers belongs to; a plain row has 0.
TAUGHT = ["teachers", "folds", "teacher_epochs", "share"]


def main():
    args = parse_arguments()
    study.show_machine("torch", "scikit-learn")
    X, y, *_ = faces = study.hold_out(args)
    data = study.fingerprint(*faces, teachers, *LESSONS.values(), study.fit_and_score)
    rows = study.Rows(args.output)
    for seed in study.seeds_of(args):
        plain = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=seed)
        taught = clone(plain).set_params(label_smoothing=0.0, teacher_weight=args.share)
        for name in args.students:
            student = clone(plain if name == "plain" else taught)
            key = {"student": name, "faces": len(X), "epochs": args.epochs, "seed": seed}
            key |= {part: 0 if name == "plain" else getattr(args, part) for part in TAUGHT}
            key |= {"recipe": study.fingerprint(student, data)}
            if key in rows:
                continue
            of_teachers, lesson = study.seconds_of(LESSONS[name], args, seed, X, y)
            scores = study.fit_and_score(student, *faces, **lesson)
            scores["seconds"] += round(of_teachers)
            rows.append(key | scores)
    rows.show(["faces", "epochs", "student", *TAUGHT, "recipe"])


def no_lesson(args, seed, X, y):
    """Return what `fit` is given besides faces and labels: nothing."""
    return {}


def lesson_in_the_loop(args, seed, X, y):
    """Return teachers that are asked about every view."""
    return {"teacher": [teacher.fit(X, y) for teacher in teachers(args, seed)]}


def fixed_lesson(args, seed, X, y):
    """Return the mean of the labels and of the teachers' mean answer."""
    answers = []
    for teacher in teachers(args, seed):
        if args.folds:
            folds = StratifiedKFold(args.folds, shuffle=True, random_state=teacher.random_state)
            shares = cross_val_predict(teacher, X, y, cv=folds, method="predict_proba")
        else:
            shares = teacher.fit(X, y).predict_proba(X)
        answers.append(shares)
    labels = label_binarize(y, classes=np.unique(y))
    shares = args.share * np.mean(answers, axis=0) + (1 - args.share) * labels
    return {"label_distribution": shares}


def teachers(args, seed):
    """Return classifiers that are not fitted."""
    return [
        FERClassifier(
            widths=args.widths, max_epochs=args.teacher_epochs, random_state=1000 * (seed + 1) + n
        )
        for n in range(args.teachers)
    ]


#: Student: what makes the arguments of its `fit`.
LESSONS = {"plain": no_lesson, "fixed": fixed_lesson, "in the loop": lesson_in_the_loop}


def parse_arguments():
    parser = study.make_parser(
        __doc__, "path --faces --output", widths=[64, 128, 256], epochs=16, seeds=1
    )
    parser.add_argument(
        "--students", nargs="+", default=[*LESSONS], choices=LESSONS, help="ways to teach"
    )
    parser.add_argument("--teachers", type=int, default=1, help="number of teachers")
    parser.add_argument("--teacher-epochs", type=int, default=10, help="epochs of a teacher")
    parser.add_argument("--folds", type=int, default=0, help="teach by classifiers of other folds")
    parser.add_argument("--share", type=float, default=0.5, help="of the teachers in the targets")
    return parser.parse_args()


if __name__ == "__main__":
    main()
