"""How fast a fitted classifier answers: one face, many faces, several threads.

python examples/benchmarks/predict_speed.py
python examples/benchmarks/predict_speed.py --network cnn --mirror off
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
from _common import describe_machine, peak_memory

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="resnet")
    parser.add_argument("--faces", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--mirror", choices=["on", "off"], default="on")
    args = parser.parse_args()

    X, y = make_faces(args.faces, random_state=0, return_X_y=True)
    mirror = "flip" if args.mirror == "on" else None
    clf = FERClassifier(args.network, max_epochs=1, predict_augment=mirror, random_state=0)
    clf.fit(X[:256], y[:256])
    expected = clf.predict_proba(X)

    print(describe_machine("torch"))
    print(f"{args.network}, mirror images {args.mirror}")
    alone = median(seconds(clf.predict_proba, X[i : i + 1]) for i in range(min(50, len(X))))
    print(f"one face     {1e3 * alone:7.1f} ms")
    many = median(seconds(clf.predict_proba, X) for _ in range(5))
    print(f"many faces   {args.faces / many:7.0f} faces/s")

    parts = np.array_split(X, args.threads)
    with ThreadPoolExecutor(args.threads) as pool:
        start = time.perf_counter()
        answers = list(pool.map(clf.predict_proba, parts))
        taken = time.perf_counter() - start
    same = np.array_equal(np.concatenate(answers), expected)
    print(f"{args.threads} threads    {args.faces / taken:7.0f} faces/s; same answers: {same}")
    print(f"peak memory  {peak_memory():7.0f} MB")


def seconds(function, X):
    start = time.perf_counter()
    function(X)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
