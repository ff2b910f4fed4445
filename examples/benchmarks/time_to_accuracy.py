r"""Accuracy and time of a recipe on FER-2013, over seeds: points of `docs/benchmarks/accuracy.csv`.

    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --seeds 3
    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --preset accurate --seeds 1
    python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --seeds 5 --vote
    OMP_NUM_THREADS=1 python examples/benchmarks/time_to_accuracy.py data/fer2013.csv --only 3
    python examples/benchmarks/time_to_accuracy.py --points docs/benchmarks/accuracy.csv \
        --plot docs/_static/accuracy.png

Trains on Training, takes the last weights, evaluates PublicTest once; with ``--hold-out`` a tenth
of Training takes its place. "Leak-free" leaves out the test images that have an exact copy in
the training data. Every fit is kept in ``runs/``: a stopped run continues, and ``--vote`` adds
scikit-learn's VotingClassifier over the seeds. ``--only`` trains one seed and stops: a process a
core, each with one thread, trains several seeds sooner than all cores one after the other, but
its seconds are not those of a fit. ``--plot`` draws accuracy against minutes; with ``--points`` it
draws those of a file, and nothing is trained.
"""

from pathlib import Path

import _study as study
import numpy as np
import pandas as pd
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator

from fer_sklearn.datasets import load_fer2013
from fer_sklearn.metrics import evaluation_report


def main():
    args = parse_arguments()
    if args.points:
        plot(pd.read_csv(args.points), args.plot)
        return
    X, y, X_test, y_test = faces(args)
    study.show_machine("torch", "skorch", "scikit-learn")
    if args.only is not None:
        print(f"seconds of fit: {fit(args, args.only, X, y)[1]:.0f}")
        return
    fits = [fit(args, seed, X, y) for seed in study.seeds_of(args)]
    reports = {args.preset: [evaluation_report(clf, X_test, y_test, train=X) for clf, _ in fits]}
    show(args.preset, reports[args.preset])
    seconds = [taken for _, taken in fits]
    minutes = {args.preset: np.mean(seconds) / 60}
    print(f"seconds of fit: {np.mean(seconds):.0f}, from {min(seconds):.0f} to {max(seconds):.0f}")
    if args.vote:
        named = [(f"seed {clf.random_state}", FrozenEstimator(clf)) for clf, _ in fits]
        vote = VotingClassifier(named, voting="soft").fit(X, y)
        name = f"soft vote of {len(fits)}"
        reports[name] = [evaluation_report(vote, X_test, y_test, train=X)]
        minutes[name] = sum(seconds) / 60
        show(name, reports[name])
    if args.plot:
        plot(points(reports, minutes), args.plot)


def faces(args):
    """Return what to train on, and what to test on."""
    if args.hold_out:
        return study.hold_out(args)
    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    return X, y, *load_fer2013(args.path, usage=args.test_usage, return_X_y=True)


def fit(args, seed, X, y):
    """Return the fitted classifier and the seconds it took, from a file if it is there."""
    clf = study.from_preset(args, seed).set_params(device=args.device)
    name = f"{args.preset}-hold-out" if args.hold_out else args.preset
    path = study.fit_path(clf, X, y, args.folder, name)

    def timed_fit():
        clf.set_params(checkpoint=path.with_suffix(".checkpoint"), verbose=args.verbose)
        seconds, _ = study.seconds_of(clf.fit, X, y)
        # The history also knows the epochs before a fit was stopped and continued.
        return clf.set_params(checkpoint=None), max(seconds, sum(clf.history_["seconds"]))

    return study.kept(path, timed_fit)


def show(name, reports):
    """Print mean and deviation over the seeds."""
    print(f"\n{name}, n = {len(reports)}")
    scores = pd.concat([report.to_frame() for report in reports], keys=range(len(reports)))
    print(study.with_deviation(scores.groupby(level=1, sort=False)).to_string())
    recalls = pd.concat([report.by_class["recall"] for report in reports], axis=1).mean(axis=1)
    print("recall:", ", ".join(f"{label} {recall:.3f}" for label, recall in recalls.items()))


def points(reports, minutes):
    """Return the table that `plot` draws: a row for each name of `reports`."""
    scores = {
        name: pd.concat([report.to_frame().loc["accuracy"] for report in of_seeds], axis=1)
        for name, of_seeds in reports.items()
    }
    rows = pd.DataFrame({name: score.mean(axis=1) for name, score in scores.items()}).T
    rows = rows.rename(columns={"all": "accuracy", "leak-free": "leak_free"})
    rows = rows.rename_axis("classifier").reset_index()
    return rows.assign(minutes=rows["classifier"].map(minutes), machine=study.processor())


def plot(points, path):
    """Draw accuracy, and below it the leak-free one, against the minutes of training.

    What has no minutes here, a published figure or another package, is a line.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    trained, others = points[points["minutes"].notna()], points[points["minutes"].isna()]
    for number, (machine, rows) in enumerate(trained.groupby("machine", sort=False)):
        color, marker = f"C{number}", "osD^vP"[number % 6]
        ax.vlines(rows["minutes"], rows["leak_free"], rows["accuracy"], color=color, alpha=0.4)
        ax.scatter(rows["minutes"], rows["accuracy"], color=color, marker=marker, label=machine)
        ax.scatter(rows["minutes"], rows["leak_free"], color=color, marker=marker, fc="white")
    for _, row in others.iterrows():
        ax.axhline(row["accuracy"], color="gray", linestyle="--", linewidth=1)
        place = (0.01, row["accuracy"])
        ax.annotate(row["classifier"], place, (0, 3), ax.get_yaxis_transform(), "offset points")
    for _, row in trained.drop_duplicates("classifier").iterrows():
        place = (row["minutes"], row["accuracy"])
        ax.annotate(row["classifier"], place, (0, 7), textcoords="offset points", ha="center")
    study.log_x(ax)
    ax.set(xlabel="minutes of training", ylabel="accuracy (hollow: leak-free)")
    ax.margins(0.2)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    study.save_small(figure, path)


def parse_arguments():
    parser = study.make_parser(
        __doc__, "--preset --widths --epochs --folder --plot", seeds=3, device="auto", verbose=0
    )
    parser.add_argument("path", type=Path, nargs="?", help="fer2013.csv; not with --points")
    parser.add_argument("--points", type=Path, help="CSV file of points to draw with --plot")
    parser.add_argument("--only", type=int, metavar="SEED", help="train this seed and stop")
    parser.add_argument("--vote", action="store_true", help="add a soft vote of the seeds")
    parser.add_argument("--hold-out", action="store_true", help="test on a tenth of Training")
    parser.add_argument("--test-usage", default="PublicTest", help="split to test on")
    args = parser.parse_args()
    if args.points and not args.plot:
        parser.error("--points draws: state --plot FILE too")
    if not args.points and not args.path:
        parser.error("state fer2013.csv to train on, or --points FILE to draw")
    return args


if __name__ == "__main__":
    main()
