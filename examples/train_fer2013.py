"""Train on FER-2013, evaluate once, store the classifier.

    python examples/train_fer2013.py data/fer2013.csv
    python examples/train_fer2013.py data/fer2013.csv --preset accurate --checkpoint fit.pt
    python examples/train_fer2013.py data/fer2013.csv --network cnn --max-epochs 20
    python examples/train_fer2013.py data/fer2013.csv --hold-out      # to compare settings
    python examples/train_fer2013.py data/fer2013.csv --pretrained fer2013-small --teacher fer2013

With ``--hold-out``, a tenth of the Training split that shares no image with the rest replaces the
test split. Choose settings by it, and look at the test split once, at the end. Accuracy is given on
all images and on those without an exact copy in the training data.
"""

import argparse
import time
from pathlib import Path

import joblib

from fer_sklearn import FaceAugmenter, FaceNormalizer, FERClassifier, preset
from fer_sklearn.datasets import clean_faces, load_fer2013
from fer_sklearn.metrics import evaluation_report
from fer_sklearn.networks import NETWORKS
from fer_sklearn.presets import OF_THE_NETWORK, PRESETS
from fer_sklearn.tuning import HoldOut

#: Options that are parameters of FERClassifier: their type or choices, and what they mean.
PARAMETERS = {
    "network": (list(NETWORKS), "architecture"),
    "widths": (int, "channels of each stage of the network, one number a stage"),
    "depth": (int, "convolutions ('cnn') or residual units ('resnet') a stage"),
    "dropout": (float, "share of features dropped before the last layers, from 0 up to 1"),
    "optimizer": (["muon", "adam", "adamw", "sgd"], "what moves the weights"),
    "learning_rate": (float, "size of its steps, at the peak of the schedule"),
    "weight_decay": (float, "pull of the weights towards 0"),
    "schedule": (
        ["one-cycle", "cosine", "plateau", "step", "none"],
        "how the learning rate changes from epoch to epoch; 'none' keeps it as it is",
    ),
    "label_smoothing": (float, "share of each label that is spread over all, from 0 up to 1"),
    "mixup": (float, "strength with which pairs of faces are blended; 0 blends none"),
    "plain_fraction": (float, "share of the epochs, at the end, without mixup and erasing"),
    "batch_size": (int, "largest number of faces a step"),
    "max_epochs": (int, "passes over the training data"),
    "teacher_weight": (float, "share of the teacher's answers in the loss, from 0 to 1"),
    "precision": (["auto", "float32", "bfloat16"], "what convolutions multiply in"),
    "device": (str, "'cpu', 'cuda', 'cuda:1' or 'mps'; 'auto' is a GPU if there is one"),
    "predict_augment": (
        ["auto", "flip", "blur", "scale", "affine", "ten-crop", "none"],
        "views of a face that a prediction averages; 'none' is the face itself",
    ),
}
#: The same for FaceAugmenter, which changes training faces at random.
AUGMENTATION = {
    "rotation": (float, "largest rotation, in degrees"),
    "shift": (float, "largest shift, as a fraction of the side"),
    "scale": (float, "largest zoom in or out, as a fraction"),
    "flip": (float, "probability that a face is mirrored"),
    "brightness": (float, "largest change of brightness, as a fraction of black to white"),
    "contrast": (float, "largest change of contrast, as a fraction"),
    "erase": (float, "probability that a rectangle of a face is blanked"),
    "erase_area": (float, "largest part of the face that is blanked"),
}


def main():
    args = parse_arguments()
    X, y, X_test, y_test = load(args)
    print(f"{len(X)} faces to train on, {len(X_test)} to test")
    clf = make_classifier(args)
    teachers = [FERClassifier.from_pretrained(source) for source in args.teacher]
    start = time.perf_counter()
    clf.fit(X, y, teacher=teachers or None)
    # If a fit was stopped and continued, the history includes the epochs before.
    seconds = max(time.perf_counter() - start, sum(clf.history_["seconds"]))
    print(f"{seconds:.0f} s of fit, {clf.n_iter_ * len(X) / seconds:.0f} faces/s")
    print(f"training accuracy, augmented: {clf.history_['train_accuracy'][-1]:.4f}")
    print(evaluation_report(clf, X_test, y_test, train=X))

    joblib.dump(clf, args.output)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")
    if "weights" in args:
        note = f"FER-2013 Training, preset {args.preset!r}, seed {args.seed}"
        if "pretrained" in args:
            note += f", continued from {args.pretrained!r}"
        if args.teacher:
            note += f", taught by {', '.join(args.teacher)}"
        clf.save_pretrained(args.weights, note=note)
        print(f"{args.weights}: {args.weights.stat().st_size / 1e6:.1f} MB")


def load(args):
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    if args.clean:
        faces = clean_faces(X, y)
        X, y = faces.data, faces.target
    if not args.hold_out:
        return X, y, *load_fer2013(args.path, usage=args.test_usage, return_X_y=True)
    train, test = next(HoldOut(0.1).split(X, y))
    return X[train], y[train], X[test], y[test]


def make_classifier(args):
    """Use the preset, except where the command line says otherwise; "none" is None."""
    stated = {name: None if value == "none" else value for name, value in vars(args).items()}
    params = {**FERClassifier().get_params(deep=False), **preset(args.preset)}
    if "pretrained" in stated:
        params |= dict.fromkeys(OF_THE_NETWORK) | {"network": "resnet"}
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
    add_run(parser)
    network = parser.add_argument_group("network and training")
    add(network, PARAMETERS, {name: params_of(name) for name in PRESETS})
    network.add_argument(
        "--oversample", action="store_true", help="repeat the faces of rare expressions"
    )
    network.add_argument(
        "--early-stopping",
        action="store_true",
        help="stop when accuracy on a tenth of the faces, set aside, no longer rises",
    )
    network.add_argument(
        "--normalize",
        choices=["scale", "dataset", "image", "equalize"],
        help="how gray levels are brought to one scale (default: dataset)",
    )
    changes = parser.add_argument_group("random changes of training faces")
    augmenters = {name: params_of(name)["augment"] or FaceAugmenter() for name in PRESETS}
    add(changes, AUGMENTATION, {name: each.get_params() for name, each in augmenters.items()})
    return parser.parse_args()


def add_run(parser):
    """Add the options that are not parameters: the data, the preset, the files."""
    parser.add_argument("path", help="fer2013.csv, or what else load_fer2013 takes")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="fast",
        help="parameters of what is not stated below (default: fast)",
    )
    parser.add_argument(
        "--test-usage",
        default="PublicTest",
        help="split to test on: PublicTest, PrivateTest, or Test for both (default: PublicTest)",
    )
    parser.add_argument(
        "--hold-out",
        action="store_true",
        default=False,
        help="test on a tenth of Training instead, and train on the rest",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        default=False,
        help="leave out blank faces, copies, and copies whose labels differ",
    )
    parser.add_argument(
        "--pretrained", help="name or file of a pretrained model to continue; it is the network"
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        help="names or files of pretrained models that teach this one, besides the labels",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="decides weights, order and augmentation; the same gives the same bits (default: 0)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("fer2013.joblib"),
        help="file for the trained classifier (default: fer2013.joblib)",
    )
    parser.add_argument("--weights", type=Path, help="file to write with save_pretrained, too")
    parser.add_argument(
        "--checkpoint", type=Path, help="file from which a fit that was killed continues"
    )


def params_of(name):
    return {**FERClassifier().get_params(deep=False), **preset(name)}


def add(group, options, presets):
    """Add options, with their choices and their values in the presets."""
    fast = presets["fast"]
    for name, (kind, words) in options.items():
        form = {"type": kind} if isinstance(kind, type) else {"choices": kind}
        many = {"nargs": "+"} if name == "widths" else {}
        default = "that of the network or optimiser" if fast[name] is None else fast[name]
        for preset_name, values in presets.items():
            if values[name] != fast[name]:
                default = f"{default}; of the preset {preset_name}: {values[name]}"
        option = f"--{name.replace('_', '-')}"
        group.add_argument(option, **form, **many, help=f"{words} (default: {default})")


if __name__ == "__main__":
    main()
