"""Search the training's parameters on FER-2013 by a cheap proxy, then confirm at full length.

    python examples/benchmarks/tuning_study.py data/fer2013.csv search --trials 40
    python examples/benchmarks/tuning_study.py data/fer2013.csv show
    python examples/benchmarks/tuning_study.py data/fer2013.csv confirm --seeds 3
    python examples/benchmarks/tuning_study.py data/fer2013.csv confirm --seeds 3 --as-proxy
    python examples/benchmarks/tuning_study.py data/fer2013.csv confirm --params '{"mixup": 0.1}'

The proxy trains a narrow network on 10,000 faces of Training for 10 epochs; every trial is scored
on the same tenth of Training, of which no face has a copy among the rest. ``search`` started
several times shares the study, and goes on where it was stopped. ``confirm`` trains the preset,
and the preset with the best parameters found, on all the rest of Training, at the preset's own
width and length; with ``--as-proxy`` both as the trials were. It takes the parameters from the
study or, with ``--params``, from what ``search`` and ``show`` print, so that the study need not be
kept. A confirmation that was stopped goes on from its last epoch. PublicTest is not touched.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import torch
from _common import append, describe_machine, done, fingerprint, rows_of
from ablation import run, summary

from fer_sklearn import FaceAugmenter, FERClassifier, preset
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.tuning import FERSearchCV, HoldOut, search_space

SEARCHED = (
    *("learning_rate", "weight_decay", "schedule", "batch_size"),
    *("dropout", "label_smoothing", "mixup"),
    *("augment__rotation", "augment__shift", "augment__scale"),
    *("augment__brightness", "augment__contrast", "augment__erase"),
)


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads or torch.get_num_threads())
    print(describe_machine("torch", "optuna", "scikit-learn"), flush=True)
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    train, test = next(HoldOut(0.1).split(X, y))
    some = np.random.default_rng(0).permutation(train)[: args.faces]
    best = args.params or find_best(args, X, y, (some, test))
    if args.step == "confirm":
        rows = some if args.as_proxy else train
        confirm(args, best, X[rows], y[rows], X[test], y[test])


def find_best(args, X, y, split):
    """Search, or read what is there; print the study and return the best parameters."""
    search = make_search(args, [split])
    if args.step != "search":
        search.n_trials = 1  # there are more: none is added
    search.fit(X, y)
    show(search)
    return search.best_params_


def make_search(args, splits):
    clf = FERClassifier(**preset("fast"), random_state=0)
    return FERSearchCV(
        clf.set_params(**proxy(args), augment=FaceAugmenter()),
        search_space("fast").only(*SEARCHED),
        n_trials=args.trials,
        cv=splits,
        storage=args.storage,
        refit=False,
        random_state=0,
        verbose=1,
    )


def proxy(args):
    """Return what makes a trial cheap, beside its few faces."""
    return {"widths": args.widths, "max_epochs": args.epochs}


def show(search):
    """Print the best trials, and which parameters mattered."""
    results = pd.DataFrame(search.cv_results_)
    print(results["state"].value_counts().to_string())
    shown = [*results.filter(like="param_"), "mean_test_score"]
    best = results.sort_values("rank_test_score")[shown].head(8)
    print(best.T.to_string(float_format="{:.4g}".format))
    print("best:", json.dumps(search.best_params_))
    importance = optuna.importance.get_param_importances(search.study_)
    print("importance:", ", ".join(f"{name} {share:.2f}" for name, share in importance.items()))


def confirm(args, best, X, y, X_test, y_test):
    """Train the preset and the best parameters, seed by seed; print mean and deviation."""
    common = preset("fast") | (proxy(args) if args.as_proxy else {})
    for seed in range(args.seed, args.seed + args.seeds):
        for name, params in (("preset", {}), ("best of the study", best)):
            clf = FERClassifier(**common | {"augment": FaceAugmenter()}, random_state=seed)
            recipe = fingerprint(clf.set_params(**params), X)
            key = {"lever": name, "faces": len(X), "epochs": clf.max_epochs, "seed": seed}
            key["recipe"] = recipe
            if done(args.output, key):
                continue
            part = f"{name.replace(' ', '-')}-{seed}-{recipe}.checkpoint"
            clf.set_params(checkpoint=args.output.with_name(part))
            row = key | run(clf, X, y, X_test, y_test)
            append(args.output, row)
            print(row, flush=True)
    print(summary(rows_of(args.output)))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="fer2013.csv")
    parser.add_argument("step", choices=("search", "show", "confirm"))
    parser.add_argument("--trials", type=int, default=40, help="in all, over all processes")
    parser.add_argument("--faces", type=int, default=10_000, help="of a trial")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128], help="of a trial")
    parser.add_argument("--epochs", type=int, default=10, help="of a trial")
    parser.add_argument("--storage", default="runs/fer2013-study.log")
    parser.add_argument("--params", type=json.loads, help="confirm these, in JSON")
    parser.add_argument("--seed", type=int, default=0, help="the first one of confirm")
    parser.add_argument("--seeds", type=int, default=3, help="of confirm")
    parser.add_argument("--as-proxy", action="store_true", help="confirm as cheaply as a trial")
    parser.add_argument("--threads", type=int, help="of this process")
    parser.add_argument("--output", type=Path, default=Path("runs/tuning_study.csv"))
    args = parser.parse_args()
    if args.params and args.step != "confirm":
        parser.error("--params belongs to confirm")
    return args


if __name__ == "__main__":
    main()
