"""FER+: what training on the shares of ten taggers' votes gains over their majority; over seeds.

    python examples/benchmarks/ferplus.py data/fer2013.csv data/fer2013new.csv --seeds 3

Both train on Training: "majority" on the images of which more than half of the votes name one
emotion, "distribution" on those images and on more, with the shares of the votes as targets.
Both are tested on PublicTest by strict majority, as Barsoum et al. (2016) do: on all
its images and on those without an exact copy in Training. Rows are appended to
``runs/ferplus.csv``; a row that is there is not computed again.
"""

import _study as study

from fer_sklearn.datasets import load_ferplus
from fer_sklearn.metrics import evaluation_report

TARGETS = ("majority", "distribution")


def main():
    parser = study.make_parser(__doc__, "path votes --preset --widths --epochs --output", seeds=3)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS, help="to compare")
    parser.add_argument("--classes", type=int, choices=(7, 8), default=8, help="8: with contempt")
    args = parser.parse_args()
    study.show_machine("torch", "scikit-learn")
    paths = (args.path, args.votes)
    test = load_ferplus(*paths, usage="PublicTest", classes=args.classes)
    rows = study.Rows(args.output)
    for target in args.targets:
        faces = load_ferplus(*paths, target=target, classes=args.classes)
        data = study.fingerprint(
            *(faces.data, faces.target, faces.distribution, test.data, test.target, run)
        )
        for seed in study.seeds_of(args):
            clf = study.from_preset(args, seed)
            key = {"target": target, "classes": args.classes, "preset": args.preset}
            key |= {"widths": str(clf.widths), "epochs": clf.max_epochs, "seed": seed}
            key["recipe"] = study.fingerprint(clf, data)
            if key not in rows:
                rows.append(key | run(clf, faces, target, test))
    rows.show(["preset", "widths", "epochs", "classes", "target", "recipe"])


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


if __name__ == "__main__":
    main()
