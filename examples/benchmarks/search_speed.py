"""How many settings a search tries in a given time: none pruned, pruned, halved.

    python examples/benchmarks/search_speed.py data/fer2013.csv

Successive halving runs first, over a fixed number of settings; the two others get the time that it
took. All draw from the same space, score on the same hold-out and train at most as long. A narrow
network on some of the faces keeps it short. "Best" is the best score of a setting
that was trained to the end.
"""

import argparse
import time

import numpy as np
import optuna
import torch
from _common import describe_machine
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.tuning import FERSearchCV, HoldOut, search_space


def main():
    args = parse_arguments()
    print(describe_machine("torch", "optuna", "scikit-learn"), flush=True)
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    train, test = next(HoldOut(0.1).split(X, y))
    cv = [(train[: args.faces], test[: args.faces // 4])]
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    clf.set_params(augment=FaceAugmenter())
    space = search_space().only("learning_rate", "dropout", "batch_size", "augment__rotation")

    start = time.perf_counter()
    halving = HalvingRandomSearchCV(
        clf,
        space.to_scipy()[0],
        resource="max_epochs",
        max_resources=args.epochs,
        min_resources=max(1, args.epochs // 8),
        factor=2,
        n_candidates=args.settings,
        cv=cv,
        random_state=0,
        refit=False,
    ).fit(X, y)
    seconds = time.perf_counter() - start
    full = halving.cv_results_["n_resources"] == args.epochs
    scores = halving.cv_results_["mean_test_score"][full]
    print(f"{seconds:.0f} s each, {torch.get_num_threads()} threads")
    report("halved", args.settings, scores)
    for name, pruner in (("unpruned", optuna.pruners.NopPruner()), ("pruned", None)):
        search = FERSearchCV(
            clf,
            space,
            n_trials=None,
            timeout=seconds,
            pruner=pruner,
            cv=cv,
            random_state=0,
            refit=False,
        ).fit(X, y)
        scores = search.cv_results_["mean_test_score"]
        report(name, len(scores), scores[~np.isnan(scores)])


def report(name, n_settings, scores):
    print(f"{name:8} {n_settings:4} settings, {len(scores):3} to the end, best {scores.max():.4f}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="fer2013.csv")
    parser.add_argument("--faces", type=int, default=4000, help="to train on; a quarter to score")
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--epochs", type=int, default=8, help="of a setting that is not stopped")
    parser.add_argument("--settings", type=int, default=24, help="that halving begins with")
    return parser.parse_args()


if __name__ == "__main__":
    main()
