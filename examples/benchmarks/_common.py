"""What every benchmark prints beside its figures, and how it takes them."""

import os
import platform
import resource
import subprocess
import sys
import threading
from datetime import date
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from fer_sklearn import __version__
from fer_sklearn.datasets import make_faces


def describe_machine(*packages):
    """Return processor, cores, versions and date in one line."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{processor()}, {os.cpu_count()} cores; {versions}; {date.today()}"


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


def show_over_seeds(rows, keys):
    """Print mean and deviation of the scores over "seed", for each combination of `keys`."""
    groups = rows.drop(columns="seed").groupby(keys, sort=False)
    for name, table in (("mean", groups.mean()), ("sd", groups.std())):
        print(f"\n{name}\n{table.to_string(float_format='{:.4f}'.format)}")
    print(f"\nseeds\n{groups.size().to_string()}")


def fingerprint(clf, X):
    """Return a short name for what decides a fit but the seed: parameters, faces, version."""
    params = clf.get_params() | {"random_state": None}
    return joblib.hash((params, len(X), __version__))[:8]


def rows_of(path):
    """Read rows that `append` wrote; text that looks like a number or like nothing stays text."""
    as_text = {"recipe": str, "widths": str}
    return pd.read_csv(path, dtype=as_text, keep_default_na=False, na_values=[""])


def append(path, *rows):
    """Add rows of the same columns to a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, mode="a", header=not path.exists(), index=False)


def done(path, key):
    """Tell whether the file has a row with these values."""
    if not path.exists():
        return False
    return (rows_of(path)[list(key)] == pd.Series(key)).all(axis=1).any()


def write_faces(path, n, part=10_000):
    """Draw n faces into a file to map, and their labels into one beside it."""
    faces = np.lib.format.open_memmap(path, "w+", np.uint8, (n, 48, 48))
    labels = []
    for start in range(0, n, part):
        drawn = make_faces(min(part, n - start), random_state=start)
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
    """Follows the memory of this process and its children, in MB (Linux)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0.0
        self._stopped = threading.Event()

    def run(self):
        while not self._stopped.wait(0.5):
            self.peak = max(self.peak, sum(map(shared_out, family())))

    def stop(self):
        self._stopped.set()
        self.join()
        return self.peak


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
