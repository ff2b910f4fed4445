"""Time and memory of training on more faces than fit into the memory, and how they grow.

    python examples/benchmarks/large_data.py --sizes 10000 100000 500000
    python examples/benchmarks/large_data.py --sizes 10000 --sides 48 112 224 --base 2560

Faces are drawn, a thousand a second, written to a file and opened as a memory map; every size is
trained on in a new process: one epoch of `fit` on the map, and one pass of `partial_fit` over it in
parts. The network is narrow, so that what is not the network would show. "Above" is the peak of the
resident memory, the parts of the map that are in memory included, above what a process holds that
trains on ``--base`` faces of the same size: 2560 for larger faces, whose batches take much memory
and are as large then as those of more faces.
"""

import argparse
import tempfile
import time
from itertools import product
from pathlib import Path

import _study as study
import numpy as np

from fer_sklearn import FERClassifier

WAYS = ("fit", "partial_fit")
PART = 10_000


def main():
    args = parse_arguments()
    if args.one:
        return train(*args.one)
    study.show_machine("torch", "numpy")
    print(
        f"{'faces':>8}{'side':>6}  {'way':12}{'s per 1,000 faces':>18}{'peak MB':>9}{'above':>7}"
        f"{'file MB':>9}"
    )
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for side, way in product(args.sides, args.ways):
            base = measure(folder, args.base, side, way)[1]
            for n in args.sizes:
                seconds, peak = measure(folder, n, side, way)
                times = f"{1000 * seconds / n:18.2f}{peak:9.0f}{peak - base:7.0f}"
                print(f"{n:8}{side:6}  {way:12}{times}{n * side**2 / 1e6:9.0f}", flush=True)


def measure(folder, n, side, way):
    path = Path(folder) / f"{n}-{side}.npy"
    if not path.exists():
        study.write_faces(path, n, side=side)
    return [float(word) for word in study.in_new_process(__file__, "--one", path, way).split()]


def train(path, way):
    """Print the seconds of an epoch and the peak of the memory in MB."""
    X, y = np.load(path, mmap_mode="r"), np.load(study.labels_of(path))
    clf = FERClassifier(widths=(8, 16), max_epochs=1, random_state=0)
    start = time.perf_counter()
    if way == "fit":
        clf.fit(X, y)
    else:
        for part in np.array_split(np.arange(len(X)), -(-len(X) // PART)):
            rows = slice(part[0], part[-1] + 1)
            clf.partial_fit(X[rows], y[rows], classes=np.unique(y))
    print(time.perf_counter() - start, study.peak_memory())


def parse_arguments():
    parser = study.make_parser(__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 100_000, 500_000], help="numbers of faces"
    )
    parser.add_argument(
        "--sides", type=int, nargs="+", default=[48], help="of the faces, in pixels"
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="to compare")
    parser.add_argument("--base", type=int, default=1000, help="faces that 'above' starts from")
    parser.add_argument("--folder", help="where the faces are written; a byte a pixel")
    parser.add_argument("--one", nargs=2, metavar=("PATH", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
