"""Peak memory of a grid search with two worker processes on as many faces as FER-2013 has.

    python examples/benchmarks/grid_search_memory.py
    python examples/benchmarks/grid_search_memory.py --data data/fer2013.csv --dtype float32

Sums the proportional set size of the process and all its children every half second:
memory that processes share, such as joblib's memory map of the faces, counts once.
"""

import os

import _study as study
import numpy as np
from sklearn.model_selection import GridSearchCV

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import load_fer2013, make_faces


def main():
    parser = study.make_parser(__doc__, jobs=2)
    parser.add_argument("--data", help="fer2013.csv; without it, as many synthetic faces")
    parser.add_argument("--dtype", default="uint8", help="of the faces given to the search")
    args = parser.parse_args()
    if args.data:
        X, y = load_fer2013(args.data, return_X_y=True)
    else:
        X, y = make_faces(28_709, class_balance="fer2013", random_state=0, return_X_y=True)
    X = X.astype(args.dtype, copy=False)
    before = study.shared_out(os.getpid())

    clf = FERClassifier(widths=(8, 16), max_epochs=1, random_state=0)
    search = GridSearchCV(clf, {"learning_rate": [1e-3, 3e-3]}, cv=2, n_jobs=args.jobs)
    with study.MemoryWatch() as watch:
        search.fit(X, y)

    study.show_machine("scikit-learn", "joblib", "torch")
    print(f"{len(X)} faces, {X.dtype}: {X.nbytes / 1e6:.0f} MB; scores finite: "
          f"{np.isfinite(search.cv_results_['mean_test_score']).all()}")  # fmt: skip
    print(f"before the search {before:.0f} MB, ", end="")
    print(f"peak with n_jobs={args.jobs}: {watch.peak:.0f} MB in all")


if __name__ == "__main__":
    main()
