"""Two processes against one: the faces of a folder of photos, and predictions on Dask's workers.

    OMP_NUM_THREADS=1 python examples/benchmarks/parallel.py data/fer2013.csv

The photos are those of ``photos.py --peers``: faces of PublicTest in pictures of scikit-image.
The script prints the CPU time of the search for faces, and of their labels. `analyze` labels the
photos with ``n_jobs`` of 1 and of ``--workers``, with one thread a process; and in one process in
which OpenCV searches with all cores, as it does unless it is told otherwise. Then PublicTest,
``--repeats`` times, is predicted as the guide says, on a cluster of one worker and of
``--workers``, each with one thread. Seconds are of the clock, so nothing else may run. Processes
and workers are started beforehand; times alternate, and the best of three counts.
"""

import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import _study as study
import cv2
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster
from photos import build

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013
from fer_sklearn.photos import analyze, find_faces

ROUNDS = 3


def main():
    args = study.make_parser(__doc__, "path", faces=400, repeats=1, workers=2).parse_args()
    study.show_machine("torch", "opencv-python-headless", "dask")
    X, y = load_fer2013(args.path, usage="PublicTest", return_X_y=True)
    clf = FERClassifier.from_pretrained("fer2013")
    counts = (1, args.workers)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), X[: args.faces], y[: args.faces])
        n_photos = len(list(Path(folder).iterdir()))
        show_parts(folder, clf)
        ways = {
            "1, OpenCV with all cores": lambda: label(folder, clf, 1, os.cpu_count()),
            "1": lambda: label(folder, clf, 1, 1),
            f"{args.workers}": lambda: label(folder, clf, args.workers, 1),
        }
        show(f"{n_photos} photos, processes", ways, n_photos)
    faces = np.tile(X, (args.repeats, 1, 1))
    with ExitStack() as stack:
        clients = {}
        for n in counts:
            cluster = LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=":0")
            clients[n] = stack.enter_context(Client(stack.enter_context(cluster)))
        ways = {n: lambda n=n: predict(clients[n], clf, faces) for n in counts}
        show(f"{len(faces)} faces, Dask workers", ways, len(faces))


def show_parts(folder, clf):
    """Print the processor's seconds of the search in one thread, and of the labels."""
    cv2.setNumThreads(1)
    start = time.process_time()
    faces = find_faces(folder).data
    middle = time.process_time()
    clf.predict_proba(faces)
    end = time.process_time()
    print(f"{len(faces)} faces: search {middle - start:.2f} s, labels {end - middle:.2f} s of CPU")


def label(folder, clf, n_jobs, n_threads):
    cv2.setNumThreads(n_threads)
    return analyze(folder, clf, n_jobs=n_jobs)


def predict(client, clf, faces):
    columns = (len(clf.classes_),)
    blocks = da.from_array(faces, chunks=(500, -1, -1))
    proba = blocks.map_blocks(
        clf.predict_proba, dtype=float, drop_axis=2, chunks=(blocks.chunks[0], columns)
    )
    return client.compute(proba, sync=True)


def show(what, ways, n_items):
    """Print the seconds of each way, and how much faster the last one is than the first."""
    seconds = dict.fromkeys(ways, np.inf)
    for round_ in range(ROUNDS + 1):
        for n, way in ways.items():
            taken, _ = study.seconds_of(way)
            if round_:  # the first starts the processes
                seconds[n] = min(seconds[n], taken)
    for n, taken in seconds.items():
        print(f"{what}: {n}: {taken:.2f} s, {n_items / taken:.0f} a second", flush=True)
    *_, first, last = seconds.values()
    print(f"speed-up {first / last:.2f}", flush=True)


if __name__ == "__main__":
    main()
