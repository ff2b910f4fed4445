"""Tune FERClassifier with scikit-learn's own searches: a grid, random draws, halving.

python examples/tune_grid.py
python examples/tune_grid.py --search halving
python examples/tune_grid.py data/fer2013.csv --faces 6000 --search random
"""

import argparse

import pandas as pd
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.datasets import load_fer2013, make_faces
from fer_sklearn.tuning import HoldOut, search_space


def main():
    args = parse_arguments()
    if args.path is None:
        faces = make_faces(args.faces or 700, image_size=24, noise=0.2, random_state=0)
    else:
        faces = load_fer2013(args.path, usage="Training")
    X, y = faces.data[: args.faces], faces.target[: args.faces]
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    clf.set_params(augment=FaceAugmenter())
    if args.path is None and args.widths is None:  # drawn faces do not need a large network
        clf.set_params(widths=(16, 32))
    search = make_search(args, clf).fit(X, y)
    results = pd.DataFrame(search.cv_results_)
    shown = [*results.filter(like="param_"), "mean_test_score", "mean_fit_time"]
    print(results.sort_values("rank_test_score")[shown].to_string(index=False))
    print(f"best: {search.best_score_:.4f} with {search.best_params_}")


def make_search(args, clf):
    space = search_space().only("learning_rate", "augment__rotation")
    options = {"cv": HoldOut(0.2), "refit": False, "verbose": 1}
    if args.search == "grid":
        return GridSearchCV(clf, space.to_grid(2), **options)
    if args.search == "random":
        return RandomizedSearchCV(clf, space.to_scipy(), n_iter=4, random_state=0, **options)
    return HalvingRandomSearchCV(
        clf,
        space.to_scipy()[0],
        resource="max_epochs",
        max_resources=args.epochs,
        n_candidates=6,
        random_state=0,
        **options,
    )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", nargs="?", help="fer2013.csv; without it faces are drawn")
    parser.add_argument(
        "--search",
        choices=["grid", "random", "halving"],
        default="grid",
        help="which search of scikit-learn to run (default: grid)",
    )
    parser.add_argument(
        "--faces", type=int, help="number of faces (default: all of the file, or 700 drawn ones)"
    )
    parser.add_argument(
        "--widths", type=int, nargs="+", help="channels of each stage (default: the network's)"
    )
    parser.add_argument(
        "--epochs", type=int, default=6, help="most epochs of a candidate (default: 6)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
