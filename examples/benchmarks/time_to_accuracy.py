"""Accuracy and time of a recipe on FER-2013, over seeds: one row of `docs/benchmarks.md`.

    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --seeds 3
    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --preset accurate --seeds 1
    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --seeds 5 --vote
    OMP_NUM_THREADS=1 python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --only 3

Trains on Training, takes the last weights, evaluates PublicTest once; with ``--hold-out`` a tenth
of Training takes its place. "Leak-free" leaves out the test images that have an exact copy in
the training data. Every fit is kept in ``runs/``: a stopped run goes on, and ``--vote`` adds
scikit-learn's VotingClassifier over the seeds. ``--only`` trains one seed and stops: a process a
core, each with one thread, trains several seeds sooner than all cores one after the other, but
its seconds are not those of a fit.
"""

import argparse
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from _common import describe_machine, fingerprint
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from fer_sklearn import FERClassifier, preset
from fer_sklearn.metrics import evaluation_report
from fer_sklearn.presets import PRESETS

sys.path.insert(0, str(Path(__file__).parents[1]))
from train_fer2013 import load


def main():
    args = parse_arguments()
    X, y, X_test, y_test = load(args)
    print(describe_machine("torch", "skorch", "scikit-learn"))
    if args.only is not None:
        print(f"seconds of fit: {fit(args, args.only, X, y)[1]:.0f}")
        return
    fits = [fit(args, seed, X, y) for seed in range(args.seeds)]
    show(args.preset, [evaluation_report(clf, X_test, y_test, train=X) for clf, _ in fits])
    seconds = [taken for _, taken in fits]
    print(f"seconds of fit: {np.mean(seconds):.0f}, from {min(seconds):.0f} to {max(seconds):.0f}")
    if args.vote:
        named = [(f"seed {i}", FrozenEstimator(clf)) for i, (clf, _) in enumerate(fits)]
        vote = VotingClassifier(named, voting="soft").fit(X, y)
        show(f"soft vote of {len(fits)}", [evaluation_report(vote, X_test, y_test, train=X)])


def fit(args, seed, X, y):
    """Return the fitted classifier and the seconds it took, from a file if it is there."""
    clf = FERClassifier(**preset(args.preset), random_state=seed, device=args.device)
    if args.widths:
        clf.set_params(widths=args.widths)
    if args.epochs:
        clf.set_params(max_epochs=args.epochs)
    name = f"{args.preset}{'-hold-out' if args.hold_out else ''}-{seed}-{fingerprint(clf, X)}"
    path = args.folder / f"{name}.joblib"
    if path.exists():
        return joblib.load(path)
    args.folder.mkdir(parents=True, exist_ok=True)
    clf.set_params(checkpoint=path.with_suffix(".checkpoint"), verbose=args.verbose)
    start = time.perf_counter()
    clf.fit(X, y)
    # The history also knows the epochs before a fit was stopped and went on.
    taken = max(time.perf_counter() - start, sum(clf.history_["seconds"]))
    clf.set_params(checkpoint=None)
    joblib.dump((clf, taken), path)
    return clf, taken


def show(name, reports):
    """Print mean and deviation over the seeds."""
    print(f"\n{name}, n = {len(reports)}")
    scores = pd.concat([report.to_frame() for report in reports], keys=range(len(reports)))
    by_score = scores.groupby(level=1, sort=False)
    table = by_score.mean().join(by_score.std().add_suffix(" (sd)"))
    print(table.to_string(float_format="{:.4f}".format))
    recalls = pd.concat([report.by_class["recall"] for report in reports], axis=1).mean(axis=1)
    print("recall:", ", ".join(f"{label} {recall:.3f}" for label, recall in recalls.items()))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="fer2013.csv")
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--widths", type=int, nargs="+", help="instead of the preset's")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", type=int, metavar="SEED", help="train this seed and stop")
    parser.add_argument("--vote", action="store_true", help="add a soft vote of the seeds")
    parser.add_argument("--hold-out", action="store_true", help="test on a tenth of Training")
    parser.add_argument("--test-usage", default="PublicTest", help="split to test on")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="where fits are kept")
    parser.add_argument("--verbose", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
