"""How many settings a search tries in a given time: without pruning, with it, and by halving.

    python examples/benchmarks/search_speed.py data/fer2013.csv

Successive halving runs first, over a fixed number of settings; the two others get the time that it
took. All draw from the same space, score on the same hold-out and have the same largest number of
epochs. A narrow network on some of the faces keeps the run short. "Best" is the best score of a
setting that was trained to the end.
"""

import _study as study
import numpy as np
import optuna
import torch
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.tuning import FERSearchCV, search_space


def main():
    args = parse_arguments()
    study.show_machine("torch", "optuna", "scikit-learn")
    X, y, train, test = study.split_training(args)
    cv = [(train[: args.faces], test[: args.faces // 4])]
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    clf.set_params(augment=FaceAugmenter())
    space = search_space().only("learning_rate", "dropout", "batch_size", "augment__rotation")

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
    )
    seconds, _ = study.seconds_of(halving.fit, X, y)
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
    parser = study.make_parser(__doc__, "path", widths=[16, 32, 64])
    parser.add_argument("--faces", type=int, default=4000, help="to train on; a quarter to score")
    parser.add_argument("--epochs", type=int, default=8, help="of a setting that is not stopped")
    parser.add_argument("--settings", type=int, default=24, help="that halving begins with")
    return parser.parse_args()


if __name__ == "__main__":
    main()
