"""What `inspect_faces` finds in FER-2013; its time and memory there, and on more faces.

    python examples/benchmarks/inspect_faces.py data/fer2013.csv
    python examples/benchmarks/inspect_faces.py data/fer2013.csv --sizes 10000 100000 500000

FER-2013's Training and PublicTest splits come first. Then, for each of ``--sizes``, faces are
drawn, a thousand a second, written to a file and opened as a memory map. Everything is inspected in
a process of its own. "Above" is the peak of the resident memory, the parts of the map that are in
memory included, above the peak before.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import describe_machine, in_new_process, labels_of, peak_memory, write_faces

from fer_sklearn.datasets import inspect_faces, load_fer2013


def main():
    args = parse_arguments()
    if args.one:
        inspect(args.path)
        return
    print(describe_machine("numpy", "scipy"), flush=True)
    print(in_new_process(__file__, args.path, "--one"), flush=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for n in args.sizes:
            path = Path(folder) / f"{n}.npy"
            write_faces(path, n)
            print(in_new_process(__file__, path, "--one"), flush=True)


def inspect(path):
    """Print what is found, the seconds and the memory in MB."""
    X, y, split = load(path)
    before, start = peak_memory(), time.perf_counter()
    report = inspect_faces(X, y, split=split)
    seconds, peak = time.perf_counter() - start, peak_memory()
    print(report)
    print(f"{seconds:.1f} s, peak {peak:.0f} MB, {peak - before:.0f} MB above")


def load(path):
    """Return faces, labels and splits of a CSV file, or what `write_faces` wrote."""
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r"), np.load(labels_of(path)), None
    faces = load_fer2013(path, usage=("Training", "PublicTest"))
    return faces.data, faces.target, faces.usage


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="fer2013.csv")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="of drawn faces")
    parser.add_argument("--folder", help="where these are written; 2.3 kB each")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
