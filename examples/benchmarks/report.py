"""The plain CNN of `preset("report")`, under the protocol of the report that it is named after.

    python examples/benchmarks/report.py data/fer2013.csv --seed 0 --checkpoint runs/report-0.pt

A random 70 % of all images, with the shares of the expressions kept, is cleaned and trained on;
the rest tests. The split is the same for every seed. Accuracy is given on 5,000 training faces,
on all test faces, and on those without an exact copy among the training faces.
"""

import time
from pathlib import Path

import _study as study
import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from fer_sklearn import FERClassifier, preset
from fer_sklearn.datasets import clean_faces, load_fer2013
from fer_sklearn.metrics import evaluation_report


def main():
    args = parse_arguments()
    study.show_machine("torch", "scikit-learn")
    X, y = load_fer2013(args.path, usage="all", return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, train_size=0.7, stratify=y, random_state=0)
    faces = clean_faces(X, y)
    params = {**preset("report"), "random_state": args.seed, "checkpoint": args.checkpoint}
    if args.epochs:
        params["max_epochs"] = args.epochs
    clf = FERClassifier(**params, verbose=2)
    print(f"{len(faces.data)} of {len(X)} faces to train on, {len(X_test)} to test", flush=True)
    start = time.process_time()
    clf.fit(faces.data, faces.target)
    print(f"{(time.process_time() - start) / 60:.0f} minutes of CPU", flush=True)
    if args.weights:
        clf.save_pretrained(args.weights, note=f"FER-2013, preset 'report', seed {args.seed}")

    some = np.random.default_rng(0).permutation(len(faces.data))[:5000]
    for views in (None, "flip", "affine"):
        clf.set_params(predict_augment=views)
        training = accuracy_score(faces.target[some], clf.predict(faces.data[some]))
        result = evaluation_report(clf, X_test, y_test, train=X)
        print(
            f"views {views}: training {training:.4f}, test {result.accuracy:.4f}, without copies "
            f"{result.leak_free.accuracy:.4f}, macro-F1 {result.macro_f1:.4f}",
            flush=True,
        )


def parse_arguments():
    parser = study.make_parser(__doc__, "path")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
    parser.add_argument("--epochs", type=int, help="in place of the preset's")
    parser.add_argument("--checkpoint", type=Path, help="file from which a stopped fit continues")
    parser.add_argument("--weights", type=Path, help="file to write with save_pretrained")
    return parser.parse_args()


if __name__ == "__main__":
    main()
