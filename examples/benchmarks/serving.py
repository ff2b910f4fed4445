"""Memory and time of a server's worker: by itself, as a forked child, for a face, at the start.

OMP_NUM_THREADS=1 python examples/benchmarks/serving.py

Linux only: memory is what /proc says. A page is "own" if no other process has it. The start is that
of a process that has an ONNX file and one face labelled, without pandas, which a server need not
have.
"""

import multiprocessing
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import _study as study
import numpy as np

FIGURES = "{:24s} {:6.0f} MB resident, {:4.0f} MB own"


def memory():
    """Return the MB of this process: resident, and of those its own."""
    text = Path("/proc/self/smaps_rollup").read_text()
    kb = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}
    return kb["Rss"] / 1024, (kb["Private_Clean"] + kb["Private_Dirty"]) / 1024


def show(what):
    print(FIGURES.format(what, *memory()))


def show_forked(clf, X):
    """Ask the classifier in a forked child, and print what that child holds."""

    def work(report):
        clf.predict_proba(X[:1])
        one = memory()
        clf.predict_proba(X)
        report.send([("forked, one face", *one), (f"forked, {len(X)} faces", *memory())])

    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=work, args=(sender,))
    child.start()
    for line in receiver.recv():
        print(FIGURES.format(*line))
    child.join()


START = """
import sys, time


class WithoutPandas:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise ImportError(name)


sys.meta_path.insert(0, WithoutPandas())
times = [time.process_time()]
import sklearn.base
times.append(time.process_time())
from fer_sklearn.export import ONNXClassifier
import numpy as np
clf = ONNXClassifier(sys.argv[1])
clf.predict(np.zeros((1, *clf.image_shape_), dtype=np.uint8))
times.append(time.process_time())
print(*times)
"""


def show_start(clf, X, repeats=5):
    """Print the processor's time from the start of Python to the first answer of an ONNX file."""
    from fer_sklearn.export import to_onnx

    with TemporaryDirectory() as folder:
        path = Path(folder, "faces.onnx")
        noise = np.random.default_rng(0).integers(0, 256, (64, *X.shape[1:]), dtype=np.uint8)
        to_onnx(clf, path, quantize="int8", calibration=noise)
        command = [sys.executable, "-c", START, path]
        said = {"check": True, "text": True, "stdout": subprocess.PIPE}
        runs = [subprocess.run(command, **said).stdout.split() for _ in range(repeats)]
    python, sklearn, answered = np.median(np.array(runs, dtype=float), axis=0)
    print(
        f"start of an ONNX file: Python {python:.2f} s, scikit-learn {sklearn - python:.2f} s, "
        f"onnxruntime, this package, the file and a face {answered - sklearn:.2f} s"
    )


def processor_seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def main():
    args = study.make_parser(__doc__, faces=64, repeats=50).parse_args()
    X = np.random.default_rng(0).integers(0, 256, (args.faces, 48, 48), dtype=np.uint8)

    from fer_sklearn import FERClassifier

    study.show_machine("torch")
    show("imported")
    clf = FERClassifier.from_pretrained("fer2013", device="cpu")
    show("loaded")
    clf.predict_proba(X[:1])
    show("asked for one face")
    show_forked(clf, X)
    one = median(processor_seconds(lambda: clf.predict_proba(X[:1])) for _ in range(args.repeats))
    clf.predict_proba(X)
    show(f"asked for {len(X)} faces")
    many = median(processor_seconds(lambda: clf.predict_proba(X)) for _ in range(5))
    print(f"processor time: one face {1e3 * one:.0f} ms, {len(X)} faces {1e3 * many:.0f} ms")
    show_start(clf, X)


if __name__ == "__main__":
    main()
