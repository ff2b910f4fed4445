"""Attack the package for a while: kill fits and studies, flip bits, predict in threads.

    python examples/benchmarks/soak.py --minutes 10
    python examples/benchmarks/soak.py --minutes 480 --seed 1

A fit with a checkpoint, and a study in a journal, run in their own processes. These are killed at
random moments, possibly several times, and started again: they have to end with the same bits as
the uninterrupted ones. A bit of a file of weights is flipped: reading it has to raise a ValueError,
or return what was stored. Threads use one classifier at the same time: each face has to get its own
prediction. A line per minute says how often this was done. The last number of each pair counts
failures; any failure makes the exit code 1.
"""

import collections
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import _study as study
import numpy as np

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import make_faces

SMALL = {"widths": (8, 16), "batch_size": 32, "random_state": 0}


def main():
    parser = study.make_parser(__doc__, minutes=10.0, seed=0)
    parser.add_argument("--child", choices=[*CHILDREN], help="what a process of its own does")
    parser.add_argument("--path", type=Path, help="its checkpoint or journal")
    args = parser.parse_args()
    if args.child:
        print(json.dumps(CHILDREN[args.child](args.path)))
        return
    study.show_machine("torch", "optuna")
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), random.Random(args.seed))
        print("seconds  " + "  ".join(soak.attacks) + "  memory: attacks, of them lost")
        soak.run(60 * args.minutes)
    if any(soak.lost.values()):
        sys.exit(1)


def faces():
    return make_faces(140, image_size=24, noise=0.2, random_state=0, return_X_y=True)


def run_fit(path):
    """Return a hash of a fit that writes checkpoints."""
    X, y = faces()
    clf = FERClassifier(**SMALL, max_epochs=60, checkpoint=path).fit(X, y)
    return hashlib.sha256(clf.predict_proba(X).tobytes()).hexdigest()


def run_study(path):
    """Return the points and the scores of a study in a journal."""
    from optuna.distributions import FloatDistribution

    from fer_sklearn.tuning import FERSearchCV

    X, y = faces()
    space = {"learning_rate": FloatDistribution(0.01, 0.1, log=True)}
    clf = FERClassifier(**SMALL, max_epochs=3)
    search = FERSearchCV(clf, space, n_trials=8, storage=path, refit=False, random_state=0)
    results = search.fit(X, y).cv_results_
    rows = zip(results["params"], results["mean_test_score"].tolist(), strict=True)
    return sorted([list(params.values()), str(score)] for params, score in rows)


CHILDREN = {"fit": run_fit, "study": run_study}


class Soak:
    """Attacks in random order, and how they ended."""

    def __init__(self, folder, rng):
        self.folder = folder
        self.rng = rng
        self.done, self.lost = collections.Counter(), collections.Counter()
        self.expected, self.seconds = {}, {}  # of a child that nobody kills
        self.X, y = faces()
        self.clf = FERClassifier(**SMALL, max_epochs=2).fit(self.X, y)
        self.answers = self.clf.predict_proba(self.X)
        self.weights = folder / "weights.npz"
        self.clf.save_pretrained(self.weights)
        self.attacks = {
            "kills of fits": lambda: self.kill("fit", ".checkpoint"),
            "kills of studies": lambda: self.kill("study", ".log"),
            "flipped bits": self.flip,
            "threads": self.ask,
        }

    def run(self, seconds):
        start, told = time.monotonic(), 0
        while (passed := time.monotonic() - start) < seconds:
            name = self.rng.choices([*self.attacks], weights=[2, 2, 20, 20])[0]
            self.attacks[name]()
            if passed // 60 > told:
                told = passed // 60
                self.tell(passed)
        self.tell(time.monotonic() - start)

    def tell(self, passed):
        counts = (f"{self.done[name]:6} {self.lost[name]}" for name in self.attacks)
        print(f"{passed:7.0f}  {'  '.join(counts)}  {study.peak_memory():.0f} MB", flush=True)

    def count(self, name, held, n=1):
        self.done[name] += n
        self.lost[name] += not held

    def run_undisturbed(self, child):
        start = time.monotonic()
        answer, _ = self.start(child, self.folder / f"{child}.log").communicate()
        self.expected[child] = json.loads(answer)
        self.seconds[child] = time.monotonic() - start

    def start(self, child, path):
        command = [sys.executable, __file__, "--child", child, "--path", str(path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def kill(self, child, suffix):
        """Kill a process up to three times, let it end, and compare."""
        if child not in self.expected:
            self.run_undisturbed(child)
        path = self.folder / f"{self.rng.random()}{suffix}"
        kills = 0
        for _ in range(self.rng.randint(1, 3)):
            process = self.start(child, path)
            try:
                process.wait(self.rng.uniform(0.3, 1) * self.seconds[child])
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            process.communicate()
        answer, _ = self.start(child, path).communicate()
        self.count(
            f"kills of {'studies' if child == 'study' else 'fits'}",
            held=bool(answer and json.loads(answer) == self.expected[child]),
            n=kills,
        )
        path.unlink(missing_ok=True)

    def flip(self):
        """Flip one bit of a file of weights."""
        content = bytearray(self.weights.read_bytes())
        content[self.rng.randrange(len(content))] ^= 1 << self.rng.randrange(8)
        damaged = self.folder / "damaged.npz"
        damaged.write_bytes(content)
        try:
            read = FERClassifier.from_pretrained(damaged).predict_proba(self.X)
            expected = FERClassifier.from_pretrained(self.weights).predict_proba(self.X)
            held = np.array_equal(read, expected)
        except ValueError:
            held = True
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
            held = False
        self.count("flipped bits", held)

    def ask(self):
        """Let four threads predict the faces, each in a different order."""
        orders = [self.rng.sample(range(len(self.X)), 20) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda order: self.clf.predict_proba(self.X[order]), orders))
        held = all(
            np.array_equal(answer, self.answers[order])
            for answer, order in zip(answers, orders, strict=True)
        )
        self.count("threads", held)


if __name__ == "__main__":
    main()
