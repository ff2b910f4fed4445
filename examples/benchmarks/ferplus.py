"""FER+: what training on the shares of ten taggers' votes buys over their majority; over seeds.

    python examples/benchmarks/ferplus.py data/fer2013.csv data/fer2013new.csv --seeds 3

Both train on Training: "majority" on the images of which more than half of the votes name one
emotion, "distribution" on those images and on more, with the shares of the votes as targets.
Both are tested on PublicTest by strict majority, as Barsoum et al. (2016) do: on all
its images and on those without an exact copy in Training. Rows are appended to
``runs/ferplus.csv``; a row that is there is not computed again.
"""

import argparse
from pathlib import Path

from _common import append, describe_machine, done, fingerprint, rows_of, show_over_seeds

from fer_sklearn import FERClassifier, preset
from fer_sklearn.datasets import load_ferplus
from fer_sklearn.metrics import evaluation_report
from fer_sklearn.presets import PRESETS


def main():
    args = parse_arguments()
    print(describe_machine("torch", "scikit-learn"), flush=True)
    paths = (args.fer2013, args.votes)
    test = load_ferplus(*paths, usage="PublicTest", classes=args.classes)
    faces = {
        target: load_ferplus(*paths, target=target, classes=args.classes) for target in args.targets
    }
    for seed in range(args.seeds):
        for target in args.targets:
            clf = FERClassifier(**preset(args.preset), random_state=seed)
            if args.widths:
                clf.set_params(widths=args.widths)
            if args.epochs:
                clf.set_params(max_epochs=args.epochs)
            key = {"target": target, "classes": args.classes, "preset": args.preset}
            key |= {"widths": str(clf.widths), "epochs": clf.max_epochs, "seed": seed}
            key["recipe"] = fingerprint(clf, faces[target].data)
            if not done(args.output, key):
                append(args.output, key | run(clf, faces[target], target, test))
    keys = ["preset", "widths", "epochs", "classes", "target", "recipe"]
    show_over_seeds(rows_of(args.output), keys)


def run(clf, faces, target, test):
    votes = {"label_distribution": faces.distribution} if target == "distribution" else {}
    clf.fit(faces.data, faces.target, **votes)
    report = evaluation_report(clf, test.data, test.target, train=faces.data)
    print(report, flush=True)
    return {
        "faces": len(faces.data),
        "accuracy": report.accuracy,
        "macro_f1": report.macro_f1,
        "calibration_error": report.calibration_error,
        "accuracy_free": report.leak_free.accuracy,
        "macro_f1_free": report.leak_free.macro_f1,
        "n": report.n_samples,
        "n_free": report.leak_free.n_samples,
        "seconds": sum(clf.history_["seconds"]),
    }


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fer2013", help="fer2013.csv")
    parser.add_argument("votes", help="fer2013new.csv of FER+")
    targets = ("majority", "distribution")
    parser.add_argument("--targets", nargs="+", choices=targets, default=targets)
    parser.add_argument("--classes", type=int, choices=(7, 8), default=8)
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--widths", type=int, nargs="+", help="instead of the preset's")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("runs/ferplus.csv"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
