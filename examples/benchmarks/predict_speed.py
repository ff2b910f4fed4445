"""How fast a fitted classifier answers: one face, many faces, several threads.

python examples/benchmarks/predict_speed.py
python examples/benchmarks/predict_speed.py --network cnn --mirror off
"""

from concurrent.futures import ThreadPoolExecutor
from statistics import median

import _study as study
import numpy as np

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces


def main():
    parser = study.make_parser(__doc__, network="resnet", faces=2048, threads=4)
    parser.add_argument("--mirror", choices=["on", "off"], default="on")
    args = parser.parse_args()

    X, y = make_faces(args.faces, random_state=0, return_X_y=True)
    mirror = "flip" if args.mirror == "on" else None
    clf = FERClassifier(args.network, max_epochs=1, predict_augment=mirror, random_state=0)
    clf.fit(X[:256], y[:256])
    expected = clf.predict_proba(X)

    study.show_machine("torch")
    print(f"{args.network}, mirror images {args.mirror}")
    alone = median(study.seconds_of(clf.predict_proba, X[[i]])[0] for i in range(min(50, len(X))))
    print(f"one face     {1e3 * alone:7.1f} ms")
    many = median(study.seconds_of(clf.predict_proba, X)[0] for _ in range(5))
    print(f"many faces   {args.faces / many:7.0f} faces/s")

    parts = np.array_split(X, args.threads)
    with ThreadPoolExecutor(args.threads) as pool:
        taken, answers = study.seconds_of(lambda: list(pool.map(clf.predict_proba, parts)))
    same = np.array_equal(np.concatenate(answers), expected)
    print(f"{args.threads} threads    {args.faces / taken:7.0f} faces/s; same answers: {same}")
    print(f"peak memory  {study.peak_memory():7.0f} MB")


if __name__ == "__main__":
    main()
