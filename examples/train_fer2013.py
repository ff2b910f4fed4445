"""Train on FER-2013, evaluate once, store the classifier.

    python examples/train_fer2013.py data/fer2013.csv
    python examples/train_fer2013.py data/fer2013.csv --preset accurate --checkpoint fit.pt
    python examples/train_fer2013.py data/fer2013.csv --network cnn --max-epochs 20
    python examples/train_fer2013.py data/fer2013.csv --hold-out      # to compare settings

With ``--hold-out``, a tenth of the Training split, sharing no image with the rest, takes the
place of the test split: choose settings by it, and look at the test split once, at the end.
Accuracy is given on all images and on those without an exact copy in the training data.
"""

import argparse
import time
from pathlib import Path

import joblib

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier, preset
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.metrics import evaluation_report
from fer_sklearn.presets import PRESETS
from fer_sklearn.tuning import HoldOut


def main():
    args = parse_arguments()
    X, y, X_test, y_test = load(args)
    print(f"{len(X)} faces to train on, {len(X_test)} to test")
    clf = make_classifier(args)
    start = time.perf_counter()
    clf.fit(X, y)
    # The history also knows the epochs before a fit was stopped and went on.
    seconds = max(time.perf_counter() - start, sum(clf.history_["seconds"]))
    print(f"{seconds:.0f} s of fit, {clf.n_iter_ * len(X) / seconds:.0f} faces/s")
    print(f"training accuracy, augmented: {clf.history_['train_accuracy'][-1]:.4f}")
    print(evaluation_report(clf, X_test, y_test, train=X))

    joblib.dump(clf, args.output)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")
    if "weights" in args:
        note = f"FER-2013 Training, preset {args.preset!r}, seed {args.seed}"
        clf.save_pretrained(args.weights, note=note)
        print(f"{args.weights}: {args.weights.stat().st_size / 1e6:.1f} MB")


def load(args):
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    if not args.hold_out:
        return X, y, *load_fer2013(args.path, usage=args.test_usage, return_X_y=True)
    train, test = next(HoldOut(0.1).split(X, y))
    return X[train], y[train], X[test], y[test]


def make_classifier(args):
    """Take the preset, and what the command line states instead; "none" is None."""
    stated = {name: None if value == "none" else value for name, value in vars(args).items()}
    params = {**FERClassifier().get_params(deep=False), **preset(args.preset)}
    params.update((name, stated[name]) for name in params if name in stated)
    augmenter = params["augment"] or FaceAugmenter()
    changes = {name: stated[name] for name in augmenter.get_params() if name in stated}
    params["augment"] = augmenter.set_params(**changes)
    if "oversample" in stated:
        params["class_balance"] = "oversample"
    if "normalize" in stated:
        params["normalize"] = FaceNormalizer(args.normalize)
    return FERClassifier(**{**params, "random_state": args.seed, "verbose": 2})


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("path", help="fer2013.csv, or what else load_fer2013 takes")
    parser.add_argument("--preset", choices=PRESETS, default="fast", help="what is not stated")
    parser.add_argument("--test-usage", default="PublicTest", help="split to test on")
    parser.add_argument(
        "--hold-out", action="store_true", default=False, help="test on a tenth of Training"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("fer2013.joblib"))
    parser.add_argument("--weights", type=Path, help="file to write with save_pretrained, too")
    parser.add_argument("--checkpoint", type=Path, help="file to go on from after a kill")
    parser.add_argument("--widths", type=int, nargs="+", help="channels of each stage")
    parser.add_argument("--oversample", action="store_true", help="repeat rare expressions")
    parser.add_argument("--early-stopping", action="store_true")
    parser.add_argument("--normalize", help="method of FaceNormalizer")
    for kind, names in {
        str: "network optimizer schedule precision device predict_augment",
        int: "depth batch_size max_epochs",
        float: "dropout learning_rate weight_decay label_smoothing mixup plain_fraction "
        "rotation shift scale flip brightness contrast erase",
    }.items():
        for name in names.split():
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="as the parameter")
    return parser.parse_args()


if __name__ == "__main__":
    main()
