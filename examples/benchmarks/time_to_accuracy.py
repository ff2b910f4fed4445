"""Accuracy and time of a recipe on FER-2013, over seeds: one row of `docs/benchmarks.md`.

    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --seeds 3
    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --preset accurate --seeds 1
    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --seeds 5 --vote
    OMP_NUM_THREADS=1 python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --only 3

Trains on Training, takes the last weights, evaluates PublicTest once; with ``--hold-out`` a tenth
of Training takes its place. "Leak-free" leaves out the test images that have an exact copy in
the training data. Every fit is kept in ``runs/``: a stopped run continues, and ``--vote`` adds
scikit-learn's VotingClassifier over the seeds. ``--only`` trains one seed and stops: a process a
core, each with one thread, trains several seeds sooner than all cores one after the other, but
its seconds are not those of a fit.
"""

import _study as study
import numpy as np
import pandas as pd
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from fer_sklearn.datasets import load_fer2013
from fer_sklearn.metrics import evaluation_report


def main():
    args = parse_arguments()
    X, y, X_test, y_test = faces(args)
    study.show_machine("torch", "skorch", "scikit-learn")
    if args.only is not None:
        print(f"seconds of fit: {fit(args, args.only, X, y)[1]:.0f}")
        return
    fits = [fit(args, seed, X, y) for seed in study.seeds_of(args)]
    show(args.preset, [evaluation_report(clf, X_test, y_test, train=X) for clf, _ in fits])
    seconds = [taken for _, taken in fits]
    print(f"seconds of fit: {np.mean(seconds):.0f}, from {min(seconds):.0f} to {max(seconds):.0f}")
    if args.vote:
        named = [(f"seed {clf.random_state}", FrozenEstimator(clf)) for clf, _ in fits]
        vote = VotingClassifier(named, voting="soft").fit(X, y)
        show(f"soft vote of {len(fits)}", [evaluation_report(vote, X_test, y_test, train=X)])


def faces(args):
    """Return what to train on, and what to test on."""
    if args.hold_out:
        return study.hold_out(args)
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    return X, y, *load_fer2013(args.path, usage=args.test_usage, return_X_y=True)


def fit(args, seed, X, y):
    """Return the fitted classifier and the seconds it took, from a file if it is there."""
    clf = study.from_preset(args, seed).set_params(device=args.device)
    name = f"{args.preset}-hold-out" if args.hold_out else args.preset
    path = study.fit_path(clf, X, y, args.folder, name)

    def timed_fit():
        clf.set_params(checkpoint=path.with_suffix(".checkpoint"), verbose=args.verbose)
        seconds, _ = study.seconds_of(clf.fit, X, y)
        # The history also knows the epochs before a fit was stopped and continued.
        return clf.set_params(checkpoint=None), max(seconds, sum(clf.history_["seconds"]))

    return study.kept(path, timed_fit)


def show(name, reports):
    """Print mean and deviation over the seeds."""
    print(f"\n{name}, n = {len(reports)}")
    scores = pd.concat([report.to_frame() for report in reports], keys=range(len(reports)))
    print(study.with_deviation(scores.groupby(level=1, sort=False)).to_string())
    recalls = pd.concat([report.by_class["recall"] for report in reports], axis=1).mean(axis=1)
    print("recall:", ", ".join(f"{label} {recall:.3f}" for label, recall in recalls.items()))


def parse_arguments():
    parser = study.make_parser(
        __doc__, "path --preset --widths --epochs --folder", seeds=3, device="auto", verbose=0
    )
    parser.add_argument("--only", type=int, metavar="SEED", help="train this seed and stop")
    parser.add_argument("--vote", action="store_true", help="add a soft vote of the seeds")
    parser.add_argument("--hold-out", action="store_true", help="test on a tenth of Training")
    parser.add_argument("--test-usage", default="PublicTest", help="split to test on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
