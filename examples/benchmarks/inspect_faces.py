"""What `inspect_faces` finds in FER-2013; its time and memory there, and on more faces.

    python examples/benchmarks/inspect_faces.py data/fer2013.csv
    python examples/benchmarks/inspect_faces.py data/fer2013.csv --sizes 10000 100000 500000

FER-2013's Training and PublicTest splits come first. Then, for each of ``--sizes``, faces are drawn
(a thousand per second), written to a file and opened as a memory map. Each inspection runs in its
own process. "Above" is the increase of the peak resident memory, including the parts of the map
that are in memory.
"""

import argparse
import tempfile
from pathlib import Path

import _study as study
import numpy as np

from fer_sklearn.datasets import inspect_faces, load_fer2013


def main():
    args = parse_arguments()
    if args.one:
        inspect(args.path)
        return
    study.show_machine("numpy", "scipy")
    print(study.in_new_process(__file__, args.path, "--one"), flush=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for n in args.sizes:
            path = Path(folder) / f"{n}.npy"
            study.write_faces(path, n)
            print(study.in_new_process(__file__, path, "--one"), flush=True)


def inspect(path):
    """Print what is found, the seconds and the memory in MB."""
    X, y, split = load(path)
    before = study.peak_memory()
    seconds, report = study.seconds_of(lambda: inspect_faces(X, y, split=split))
    peak = study.peak_memory()
    print(report)
    print(f"{seconds:.1f} s, peak {peak:.0f} MB, {peak - before:.0f} MB above")


def load(path):
    """Return faces, labels and splits of a CSV file, or what `write_faces` wrote."""
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r"), np.load(study.labels_of(path)), None
    faces = load_fer2013(path, usage=("Training", "PublicTest"))
    return faces.data, faces.target, faces.usage


def parse_arguments():
    parser = study.make_parser(__doc__, "path")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="of drawn faces")
    parser.add_argument("--folder", help="where these are written; 2.3 kB each")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
