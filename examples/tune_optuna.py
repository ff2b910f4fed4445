"""Tune FERClassifier with Optuna: stop the search, continue it, run it in several processes.

    python examples/tune_optuna.py                                  # drawn faces, half a minute
    python examples/tune_optuna.py data/fer2013.csv --trials 40 --storage runs/study.log

With ``--storage``, a search that was stopped continues, and every other process that is started
with the same line joins it. The hold-out is a tenth of the faces; none has a copy in the rest.
"""

import argparse

import pandas as pd

from fer_sklearn import FERClassifier, preset
from fer_sklearn.datasets import load_fer2013, make_faces
from fer_sklearn.presets import PRESETS
from fer_sklearn.tuning import FERSearchCV, HoldOut, search_space


def main():
    args = parse_arguments()
    X, y = load(args)
    clf = FERClassifier(**preset(args.preset), random_state=0)
    clf.set_params(max_epochs=args.epochs)
    if args.widths:
        clf.set_params(widths=args.widths)
    space = search_space(args.preset)
    if args.path is None:  # drawn faces do not need a large network
        clf.set_params(widths=args.widths or (16, 32))
        args.only = args.only or ["learning_rate", "dropout", "augment__rotation"]
    if args.only:
        space = space.only(*args.only)
    search = FERSearchCV(
        clf,
        space,
        n_trials=args.trials,
        timeout=args.timeout,
        cv=HoldOut(0.1),
        storage=args.storage,
        n_jobs=args.jobs,
        refit=False,
        random_state=0,
        verbose=1,
    )
    search.fit(X, y)

    results = pd.DataFrame(search.cv_results_)
    shown = [*results.filter(like="param_"), "mean_test_score", "state"]
    print(results.sort_values("rank_test_score")[shown].head(10).to_string(index=False))
    print(f"\nbest: {search.best_score_:.4f} with")
    for name, value in search.best_params_.items():
        print(f"    {name} = {value!r}")


def load(args):
    if args.path is None:
        faces = make_faces(args.faces or 700, image_size=24, noise=0.2, random_state=0)
    else:
        faces = load_fer2013(args.path, usage="Training")
    return faces.data[: args.faces], faces.target[: args.faces]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", nargs="?", help="fer2013.csv; without it faces are drawn")
    parser.add_argument(
        "--preset", choices=PRESETS, default="fast", help="parameters and ranges (default: fast)"
    )
    parser.add_argument(
        "--only", nargs="+", help="names of the parameters to search (default: all of the space)"
    )
    parser.add_argument(
        "--trials", type=int, default=8, help="total number, over all processes (default: 8)"
    )
    parser.add_argument("--timeout", type=float, help="seconds after which no new trial begins")
    parser.add_argument(
        "--storage", help="where trials are kept: runs/study.log, sqlite:///study.db, ..."
    )
    parser.add_argument("--jobs", type=int, help="number of worker processes (default: 1)")
    parser.add_argument(
        "--faces", type=int, help="number of faces (default: all of the file, or 700 drawn ones)"
    )
    parser.add_argument(
        "--widths", type=int, nargs="+", help="channels of each stage (default: the preset's)"
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=6,
        help="epochs of a trial; few are enough to compare trials (default: 6)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
