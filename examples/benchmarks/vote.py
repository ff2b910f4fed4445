"""What a soft vote of five gains over its members: alike but for the seed, or each different.

    python examples/benchmarks/vote.py data/fer2013.csv --faces 10000 --epochs 10 --widths 32 64 128
    python examples/benchmarks/vote.py data/fer2013.csv --only 3    # trains one member and stops

Trains on nine tenths of FER-2013's Training split (``--faces`` of them) and judges on the last
tenth, which shares no image with the rest. Members are kept in ``runs/vote``: a stopped run goes
on, and ``--only`` lets several processes train at once.
"""

import argparse
import sys
from itertools import combinations
from pathlib import Path

import joblib
import numpy as np
from _common import describe_machine, fingerprint
from ablation import levers
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from fer_sklearn import FERClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from train_fer2013 import load

N_MEMBERS = 5
DIFFERENT = ["image normalisation", "equalised", "deeper, narrower", "four stages"]


def members(args):
    """Return {name: changed parameters}: the first five alike, the others each different."""
    alike = {f"seed {seed}": {"random_state": seed} for seed in range(N_MEMBERS)}
    known = levers(args.epochs, args.widths)
    return alike | {name: known[name] for name in DIFFERENT}


def main():
    args = parse_arguments()
    print(describe_machine("torch", "scikit-learn"), flush=True)
    X, y, X_test, y_test = load(args)
    some = np.random.default_rng(0).permutation(len(X))[: args.faces]
    X, y = X[some], y[some]
    names = list(members(args))
    if args.only is not None:
        fit(args, names[args.only], X, y)
        return
    fitted = {name: fit(args, name, X, y) for name in names}
    for name, clf in fitted.items():
        print(f"{name:22} {clf.score(X_test, y_test):.4f}", flush=True)
    show("alike", {name: fitted[name] for name in names[:N_MEMBERS]}, X_test, y_test)
    differing = [names[0], *names[N_MEMBERS:]]
    show("each different", {name: fitted[name] for name in differing}, X_test, y_test)


def fit(args, name, X, y):
    """Return the fitted member, from a file if it is there."""
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    clf.set_params(**members(args)[name])
    short = name.replace(" ", "-").replace(",", "")
    path = args.folder / f"{short}-{fingerprint(clf, X)}.joblib"
    if not path.exists():
        args.folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(clf.fit(X, y), path)
    return joblib.load(path)


def show(title, fitted, X, y):
    """Print the accuracy of the members, of their vote, and how often two of them agree."""
    vote = VotingClassifier([(n, FrozenEstimator(clf)) for n, clf in fitted.items()], voting="soft")
    vote.fit(X, y)
    answers = [clf.predict(X) for clf in fitted.values()]
    mean = np.mean([np.mean(answer == y) for answer in answers])
    agreed = np.mean([np.mean(a == b) for a, b in combinations(answers, 2)])
    voted = vote.score(X, y)
    print(
        f"{len(fitted)} {title}: mean {mean:.4f}, vote {voted:.4f}, {100 * (voted - mean):+.1f} "
        f"points; two of them agree on {agreed:.3f} of {len(y)} faces"
    )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="fer2013.csv")
    parser.add_argument("--faces", type=int, help="train on so many only")
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--only", type=int, metavar="MEMBER", help="train this one and stop")
    parser.add_argument("--folder", type=Path, default=Path("runs/vote"))
    parser.set_defaults(hold_out=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
