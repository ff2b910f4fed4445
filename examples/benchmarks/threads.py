"""Time fits and predictions with one thread, with all, and by the rule, alone and beside others.

    python examples/benchmarks/threads.py
    python examples/benchmarks/threads.py --busy 2      # beside two processes that never rest

On a CPU a fit with small batches uses one thread, and a prediction computes batches in parallel,
each with one thread. With "all", the threads share every batch of a fit instead. Times are
wall-clock times, because these are what users wait for. If you report them, name the machine and
its other work.
"""

import subprocess
import sys
from statistics import median

import _study as study
import pandas as pd
import torch

from fer_sklearn import FERClassifier, _globals
from fer_sklearn.datasets import make_faces


def main():
    args = study.make_parser(__doc__, faces=600, busy=0, threads=2, repeats=3).parse_args()
    study.show_machine("torch")
    X, y = make_faces(args.faces, random_state=0, return_X_y=True)
    shipped = FERClassifier.from_pretrained("fer2013")
    works = {
        f"fit, {args.faces} faces, batches of {max(16, args.faces // 20)}": fit(X, y),
        f"fit, {args.faces} faces, batches of 128": fit(X, y, batch_size=128),
        f"fit, {args.faces} faces, widths 32-64-128": fit(X, y, widths=(32, 64, 128)),
        f"predict, {args.faces} faces": lambda: shipped.predict(X),
        "predict, one face": lambda: shipped.predict(X[:1]),
    }
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)
    ]
    try:
        ways = {"one thread": (1, 0), "all": (args.threads, 0), "the rule": (args.threads, None)}
        table = {
            way: {name: seconds(work, args.repeats, *how) for name, work in works.items()}
            for way, how in ways.items()
        }
    finally:
        for other in others:
            other.kill()
            other.wait()
    print(f"{args.threads} threads, {args.busy} busy processes beside, seconds:")
    print(pd.DataFrame(table).to_string(float_format="{:.3f}".format))


def fit(X, y, **params):
    return lambda: FERClassifier(max_epochs=1, random_state=0, **params).fit(X, y)


def seconds(work, repeats, n_threads, work_for_threads):
    """Return the median; `work_for_threads` replaces the limit for small batches."""
    usual = _globals.WORK_FOR_THREADS
    torch.set_num_threads(n_threads)
    try:
        if work_for_threads is not None:
            _globals.WORK_FOR_THREADS = work_for_threads
        return median(study.seconds_of(work)[0] for _ in range(repeats))
    finally:
        _globals.WORK_FOR_THREADS = usual


if __name__ == "__main__":
    main()
