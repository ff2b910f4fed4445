"""What a soft vote of five gains over its members, which differ in the seed or in everything.

    python examples/benchmarks/vote.py data/fer2013.csv --faces 10000 --epochs 10 --widths 32 64 128
    python examples/benchmarks/vote.py data/fer2013.csv --only 3    # trains one member and stops

Trains on nine tenths of FER-2013's Training split (``--faces`` of them) and judges on the last
tenth, which shares no image with the rest. Members are kept in ``runs/vote``: a stopped run
continues, and ``--only`` lets several processes train at once.
"""

from itertools import combinations

import _study as study
import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from fer_sklearn import FaceNormalizer, FERClassifier

N_MEMBERS = 5


def members(widths):
    """Return {name: changed parameters}: the first five are equal, the others all differ."""
    alike = {f"seed {seed}": {"random_state": seed} for seed in range(N_MEMBERS)}
    wide = study.scaled(widths, 7 / 8)
    return alike | {
        "image normalisation": {"normalize": FaceNormalizer("image")},
        "equalised": {"normalize": FaceNormalizer("equalize")},
        "deeper, narrower": {"depth": 2, "widths": study.scaled(widths, 3 / 4)},
        "four stages": {"widths": (*wide, 2 * wide[-1])},
    }


def main():
    parser = study.make_parser(
        __doc__, "path --faces", widths=[64, 128, 256], epochs=16, folder="runs/vote"
    )
    parser.add_argument("--only", type=int, metavar="MEMBER", help="train this one and stop")
    args = parser.parse_args()
    study.show_machine("torch", "scikit-learn")
    X, y, X_test, y_test = study.hold_out(args)
    names = list(members(args.widths))
    if args.only is not None:
        fit(args, names[args.only], X, y)
        return
    found = {name: fit(args, name, X, y) for name in names}
    for name, clf in found.items():
        print(f"{name:22} {clf.score(X_test, y_test):.4f}", flush=True)
    show("alike", {name: found[name] for name in names[:N_MEMBERS]}, X_test, y_test)
    differing = [names[0], *names[N_MEMBERS:]]
    show("each different", {name: found[name] for name in differing}, X_test, y_test)


def fit(args, name, X, y):
    """Return the fitted member, from a file if it is there."""
    clf = FERClassifier(widths=args.widths, max_epochs=args.epochs, random_state=0)
    return study.fitted(clf.set_params(**members(args.widths)[name]), X, y, args.folder, name)


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


if __name__ == "__main__":
    main()
