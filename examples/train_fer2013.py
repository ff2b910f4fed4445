"""Train on FER-2013, evaluate once, store the classifier.

    python examples/train_fer2013.py data/fer2013.csv
    python examples/train_fer2013.py data/fer2013.csv --network cnn --max-epochs 20
    python examples/train_fer2013.py data/fer2013.csv --hold-out      # to compare settings

With ``--hold-out``, a tenth of the Training split, sharing no image with the rest, takes the
place of the test split: choose settings by it, and look at the test split once, at the end.
Accuracy is given on all images and on those without an exact copy in the training data.
"""

import argparse
import hashlib
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, classification_report, f1_score
from sklearn.model_selection import StratifiedGroupKFold

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier
from fer_sklearn.datasets import load_fer2013


def main():
    args = parse_arguments()
    X, y, X_test, y_test = load(args)
    leak_free = ~np.isin(fingerprints(X_test), fingerprints(X))
    print(f"{len(X)} faces to train on, {len(X_test)} to test, {leak_free.sum()} without a copy")

    scores = []
    for seed in range(args.seed, args.seed + args.seeds):
        clf = make_classifier(args, seed)
        start = time.perf_counter()
        clf.fit(X, y)
        seconds = time.perf_counter() - start
        predicted = clf.predict(X_test)
        scores.append(measure(y_test, predicted, leak_free))
        print(f"seed {seed}: {seconds:.0f} s of fit, {clf.n_iter_ * len(X) / seconds:.0f} faces/s")
        print(f"training accuracy, augmented: {clf.history_['train_accuracy'][-1]:.4f}")
        print(classification_report(y_test, predicted, digits=3))
    names = ("accuracy", "leak-free", "macro-F1")
    for name, values in zip(names, zip(*scores, strict=True), strict=True):
        print(f"{name:9}  {np.mean(values):.4f} ± {np.std(values):.4f}  (n = {len(values)} seeds)")

    joblib.dump(clf, args.output)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


def load(args):
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    if not args.hold_out:
        return X, y, *load_fer2013(args.path, usage=args.test_usage, return_X_y=True)
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0)
    train, test = next(folds.split(X, y, groups=fingerprints(X)))
    return X[train], y[train], X[test], y[test]


def fingerprints(X):
    """One string an image, the same for exact copies only."""
    return np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in X])


def measure(y, predicted, leak_free):
    return (
        accuracy_score(y, predicted),
        accuracy_score(y[leak_free], predicted[leak_free]),
        f1_score(y, predicted, average="macro"),
    )


def make_classifier(args, seed):
    return FERClassifier(
        network=args.network,
        widths=args.widths,
        depth=args.depth,
        dropout=args.dropout,
        normalize=FaceNormalizer(args.normalize),
        augment=FaceAugmenter(
            rotation=args.rotation,
            shift=args.shift,
            scale=args.scale,
            flip=args.flip,
            brightness=args.brightness,
            contrast=args.contrast,
            erase=args.erase,
        ),
        class_balance="oversample" if args.oversample else None,
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        schedule=None if args.schedule == "none" else args.schedule,
        label_smoothing=args.label_smoothing,
        batch_size=args.batch_size,
        max_epochs=args.max_epochs,
        early_stopping=args.early_stopping,
        precision=args.precision,
        device=args.device,
        checkpoint=args.checkpoint,
        random_state=seed,
        verbose=2,
    )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="fer2013.csv, or what else load_fer2013 takes")
    parser.add_argument("--test-usage", default="PublicTest", help="split to test on")
    parser.add_argument("--hold-out", action="store_true", help="test on a tenth of Training")
    parser.add_argument("--seed", type=int, default=0, help="of the first classifier")
    parser.add_argument("--seeds", type=int, default=1, help="how many classifiers to train")
    parser.add_argument("--output", type=Path, default=Path("fer2013.joblib"))
    parser.add_argument("--widths", type=int, nargs="+", help="channels of each stage")
    parser.add_argument("--oversample", action="store_true", help="repeat rare expressions")
    parser.add_argument("--early-stopping", action="store_true")
    defaults = {**FaceAugmenter().get_params(), **FERClassifier().get_params()}
    for name in (
        *("network", "optimizer", "weight_decay", "schedule"),
        *("label_smoothing", "max_epochs", "precision", "device"),
        *("rotation", "shift", "scale", "flip", "brightness", "contrast", "erase"),
    ):
        flag, default = f"--{name.replace('_', '-')}", defaults[name]
        parser.add_argument(flag, type=type(default), default=default, help=f"default: {default}")
    parser.add_argument("--learning-rate", type=float, help="default: the optimizer's own")
    parser.add_argument("--checkpoint", type=Path, help="file to go on from after a kill")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--normalize", default=FaceNormalizer().method, help="method")
    parser.add_argument("--depth", type=int)
    parser.add_argument("--dropout", type=float)
    return parser.parse_args()


if __name__ == "__main__":
    main()
