"""A grid search on a Dask cluster of worker processes against the same search in this process.

    python examples/benchmarks/dask_search.py data/fer2013.csv --workers 2

Serial, the search has as many threads as the cluster has workers; each worker has one. Memory is
the proportional set size of this process and all its children, shared pages counted once.
"""

import _study as study
import dask
import joblib
import numpy as np
import torch
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013

_ENVIRON = "distributed.nanny.pre-spawn-environ"
#: As the user guide says: copies stay on every worker, and memory is kept from step to step.
SETTINGS = {
    "distributed.scheduler.active-memory-manager.start": False,
    f"{_ENVIRON}.MALLOC_TRIM_THRESHOLD_": 2**29,
    f"{_ENVIRON}.MALLOC_MMAP_THRESHOLD_": 2**29,
}
GRID = {"dropout": [0.0, 0.2], "learning_rate": [0.015, 0.03]}


def main():
    parser = study.make_parser(
        __doc__, "path", faces=6000, widths=[16, 32, 64], epochs=3, workers=2
    )
    args = parser.parse_args()
    study.show_machine("torch", "scikit-learn", "dask")
    faces = load_fer2013(args.path, usage="Training")
    X, y = faces.data[: args.faces], faces.target[: args.faces]
    splits = list(StratifiedKFold(2).split(X, y))
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    search = GridSearchCV(clf, GRID, cv=splits, refit=False)
    torch.set_num_threads(args.workers)
    serial = timed("serial", search, X, y)
    shared = [X, y, *(rows for split in splits for rows in split)]
    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=args.workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask", scatter=shared),
    ):
        on_cluster = timed(f"{args.workers} workers", search, X, y)
    print(f"speed-up {serial[0] / on_cluster[0]:.2f}")
    torch.set_num_threads(1)
    alone = timed("serial, 1 thread", search, X, y)
    same = np.array_equal(alone[1], on_cluster[1])
    print(f"scores of the cluster and of one thread here are {'' if same else 'not '}the same")


def timed(name, search, X, y):
    """Return seconds and scores; print them with the peak of the memory."""
    with study.MemoryWatch() as watch:
        seconds, _ = study.seconds_of(search.fit, X, y)
    print(f"{name:18} {seconds:6.1f} s, peak {watch.peak:5.0f} MB", flush=True)
    return seconds, search.cv_results_["mean_test_score"]


if __name__ == "__main__":
    main()
