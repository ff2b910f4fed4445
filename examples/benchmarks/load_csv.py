"""How fast FER-2013's CSV loads, compared with the code of tutorials.

    python examples/benchmarks/load_csv.py data/fer2013.csv

Each method runs in its own processes, in turns, so that its peak memory is its own. The seconds
are only those of loading. The file is read once before, so that it is cached for both.
"""

import argparse
import json
from statistics import median

import _study as study
import numpy as np
import pandas as pd

from fer_sklearn.datasets import load_fer2013


def by_tutorial(path):
    frame = pd.read_csv(path)
    rows = [np.fromstring(row, dtype=np.uint8, sep=" ") for row in frame["pixels"]]
    return np.stack(rows).reshape(-1, 48, 48)


def by_fer_sklearn(path):
    return load_fer2013(path, usage="all").data


WAYS = {"tutorial": by_tutorial, "fer_sklearn": by_fer_sklearn}


def main():
    parser = study.make_parser(__doc__, "path", repeats=5)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        measure(args)
    else:
        compare(args)


def measure(args):
    before = study.peak_memory()
    seconds, data = study.seconds_of(WAYS[args.way], args.path)
    result = {"seconds": seconds, "MB": study.peak_memory() - before, "sum": int(data.sum())}
    print(json.dumps(result))


def compare(args):
    with open(args.path, "rb") as file:
        while file.read(2**20):
            pass
    runs = {way: [] for way in WAYS}
    for _ in range(args.repeats):
        for way, results in runs.items():
            results.append(json.loads(study.in_new_process(__file__, args.path, "--way", way)))
    assert len({run["sum"] for results in runs.values() for run in results}) == 1
    seconds = {way: median(run["seconds"] for run in results) for way, results in runs.items()}
    study.show_machine("numpy", "pandas")
    for way, results in runs.items():
        memory = median(run["MB"] for run in results)
        print(f"{way:12} {seconds[way]:6.2f} s, {memory:5.0f} MB above the imports")
    print(f"ratio        {seconds['tutorial'] / seconds['fer_sklearn']:6.1f}")


if __name__ == "__main__":
    main()
