"""Search the training's parameters on FER-2013 by a cheap proxy, then confirm at full length.

    python examples/benchmarks/tuning_study.py data/fer2013.csv search --trials 40
    python examples/benchmarks/tuning_study.py data/fer2013.csv show
    python examples/benchmarks/tuning_study.py data/fer2013.csv confirm --seeds 3
    python examples/benchmarks/tuning_study.py data/fer2013.csv confirm --seeds 3 --as-proxy
    python examples/benchmarks/tuning_study.py data/fer2013.csv confirm --params '{"mixup": 0.1}'

The proxy trains a narrow network on 10,000 faces of Training for 10 epochs; every trial is scored
on the same tenth of Training, of which no face has a copy among the rest. ``search`` started
several times shares the study, and continues where it was stopped. ``confirm`` trains the preset,
and the preset with the best parameters found, on all the rest of Training, at the preset's own
width and length; with ``--as-proxy`` both as the trials were. It takes the parameters from the
study or, with ``--params``, from what ``search`` and ``show`` print, so that the study need not be
kept: it belongs to the code of the package, and other code begins another. A confirmation that was
stopped continues from its last epoch. PublicTest is not touched.
"""

import json
from pathlib import Path

import _study as study
import optuna
import pandas as pd
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from fer_sklearn import FaceAugmenter, FERClassifier, preset


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads or torch.get_num_threads())
    study.show_machine("torch", "optuna", "scikit-learn")
    X, y, train, test = study.split_training(args)
    some = study.some_of(train, args.faces)
    best = args.params or find_best(args, X, y, (some, test))
    if args.step == "confirm":
        rows = some if args.as_proxy else train
        confirm(args, best, X[rows], y[rows], X[test], y[test])


def find_best(args, X, y, split):
    """Search, or read what is there; print the study and return the best parameters."""
    search = study.proxy_search(args, [split])
    if args.step != "search":
        if search.study_name not in names_of_studies(args.storage):
            raise SystemExit(
                f"{args.storage} has no study of this code. Run `search`, or confirm what an "
                "earlier one printed with --params."
            )
        search.n_trials = 1  # there are more: none is added
    search.fit(X, y)
    show(search)
    return search.best_params_


def names_of_studies(storage):
    if "://" not in storage:
        if not Path(storage).exists():
            return []
        storage = JournalStorage(JournalFileBackend(storage))
    return optuna.get_all_study_names(storage)


def show(search):
    """Print the best trials, and which parameters mattered."""
    results = pd.DataFrame(search.cv_results_)
    print(results["state"].value_counts().to_string())
    shown = [*results.filter(like="param_"), "mean_test_score"]
    best = results.sort_values("rank_test_score")[shown].head(8)
    print(best.T.to_string(float_format="{:.4g}".format))
    print("best:", json.dumps(search.best_params_))
    # Optuna's default from 5.0 on; the one before fails where all scores are equal.
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    importance = optuna.importance.get_param_importances(search.study_, evaluator=evaluator)
    print("importance:", ", ".join(f"{name} {share:.2f}" for name, share in importance.items()))


def confirm(args, best, X, y, X_test, y_test):
    """Train the preset and the best parameters, seed by seed; print mean and deviation."""
    cheap = {"widths": args.widths, "max_epochs": args.epochs} if args.as_proxy else {}
    data = study.fingerprint(X, y, X_test, y_test, study.fit_and_score)
    rows = study.Rows(args.output)
    for seed in study.seeds_of(args):
        for name, params in (("preset", {}), ("best of the study", best)):
            clf = FERClassifier(**preset("fast") | cheap | {"augment": FaceAugmenter()})
            recipe = study.fingerprint(clf.set_params(**params, random_state=seed), data)
            key = {"lever": name, "faces": len(X), "epochs": clf.max_epochs, "seed": seed}
            key["recipe"] = recipe
            if key not in rows:
                part = f"{name.replace(' ', '-')}-{seed}-{recipe}.checkpoint"
                clf.set_params(checkpoint=args.output.with_name(part))
                rows.append(key | study.fit_and_score(clf, X, y, X_test, y_test))
    rows.show(["faces", "epochs", "recipe", "lever"], sort="flip")


def parse_arguments():
    parser = study.make_parser(
        __doc__, "path --output", trials=40, seeds=3, storage="runs/fer2013-study.log"
    )
    parser.add_argument("step", choices=("search", "show", "confirm"), help="what to do")
    parser.add_argument("--faces", type=int, default=10_000, help="of a trial")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128], help="of a trial")
    parser.add_argument("--epochs", type=int, default=10, help="of a trial")
    parser.add_argument("--params", type=json.loads, help="confirm these, in JSON")
    parser.add_argument("--as-proxy", action="store_true", help="confirm as cheaply as a trial")
    parser.add_argument("--threads", type=int, help="of this process")
    args = parser.parse_args()
    if args.params and args.step != "confirm":
        parser.error("--params belongs to confirm")
    return args


if __name__ == "__main__":
    main()
