"""The scripts of examples/ run, on a few faces and with the smallest networks."""

import contextlib
import csv
import importlib
import io
import json
import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_fer2013 import write_fer2013, write_votes

from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.datasets import load_fer2013

EXAMPLES = Path(__file__).parents[1] / "examples"
BENCHMARKS = EXAMPLES / "benchmarks"
SMALL = "--widths 4 8 --epochs 1"

#: Script and arguments; each runs in a folder where fer2013.csv and votes.csv lie.
RUNS = [
    "quickstart.py --faces 70 --epochs 1",
    "train_fer2013.py fer2013.csv --widths 4 8 --max-epochs 1 --hold-out --weights small.npz",
    f"tune_grid.py fer2013.csv --faces 49 {SMALL}",
    f"tune_grid.py --faces 49 --search random {SMALL}",
    "tune_grid.py --faces 49 --search halving --widths 4 8 --epochs 2",
    f"tune_optuna.py fer2013.csv --only learning_rate dropout --trials 2 {SMALL}",
    f"benchmarks/dask_search.py fer2013.csv --workers 1 --faces 70 {SMALL}",
    "benchmarks/grid_search_memory.py --data fer2013.csv --jobs 1",
    "benchmarks/inspect_faces.py fer2013.csv --sizes 50",
    f"benchmarks/label_noise.py fer2013.csv votes.csv {SMALL} --folds 2 --plot noise.png",
    "benchmarks/large_data.py --base 50 --sizes 70",
    "benchmarks/load_csv.py fer2013.csv --repeats 1",
    "benchmarks/predict_speed.py --faces 16 --network cnn",
    f"benchmarks/pruning.py fer2013.csv --trials 4 --faces 56 --orders 2 {SMALL}",
    "benchmarks/search_speed.py fer2013.csv --faces 56 --settings 2 --widths 4 8 --epochs 2",
    f"benchmarks/time_to_accuracy.py fer2013.csv --seeds 2 --vote {SMALL}",
    f"benchmarks/time_to_accuracy.py fer2013.csv --only 1 --hold-out {SMALL}",
    f"benchmarks/train_speed.py --faces 256 --size 16 --repeats 1 --profile {SMALL}",
    f"benchmarks/vote.py fer2013.csv --faces 35 {SMALL}",
]
#: The same; these append rows to a file of their own name in runs/.
ROWS = [
    f"benchmarks/ablation.py fer2013.csv base relu silu --faces 35 --seeds 2 {SMALL}",
    f"benchmarks/data_levers.py fer2013.csv --seeds 1 {SMALL}",
    f"benchmarks/distillation.py fer2013.csv --faces 35 --folds 2 {SMALL}",
    f"benchmarks/ferplus.py fer2013.csv votes.csv --classes 7 --seeds 1 {SMALL}",
]
NEEDS = {"dask_search": ["distributed"], "label_noise": ["cleanlab", "matplotlib"]}


@pytest.fixture(scope="session")
def small_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fer2013")
    target = write_fer2013(folder / "fer2013.csv")
    write_votes(folder / "votes.csv", target)
    return folder


@pytest.fixture
def run(small_files, tmp_path, monkeypatch):
    """Return a function that runs a script in a folder with the files and returns its output."""
    for file in small_files.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.syspath_prepend(BENCHMARKS)

    def run(script, *arguments):
        printed = io.StringIO()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(printed):
            patch.setattr(sys, "argv", [str(script), *map(str, arguments)])
            runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return printed.getvalue()

    return run


@pytest.fixture
def here(run, monkeypatch):
    """Run in this process what benchmarks run in new ones: torch is imported already."""
    monkeypatch.setattr("_common.in_new_process", run)


@pytest.mark.parametrize("line", RUNS)
@pytest.mark.filterwarnings("default")  # Dask's threads and sockets close when they like
def test_a_script_runs(run, here, line):
    script, *arguments = line.split()
    for package in NEEDS.get(Path(script).stem, []):
        pytest.importorskip(package, reason="needs an extra")
    assert run(script, *arguments)


@pytest.mark.parametrize("line", ROWS)
@pytest.mark.filterwarnings("default")
def test_rows_that_are_there_are_not_computed_again(run, line):
    script, *arguments = line.split()
    file = Path("runs", Path(script).stem).with_suffix(".csv")
    run(script, *arguments)
    rows = file.read_text()
    shown = run(script, *arguments)
    assert file.read_text() == rows
    recipes = {row["recipe"] for row in csv.DictReader(rows.splitlines())}
    assert all(recipe in shown for recipe in recipes)


def test_rows_are_found_whatever_their_text_looks_like(run):
    from _common import append, done, rows_of

    key = {"widths": "None", "recipe": "12345678", "seed": 0}
    append(Path("runs/rows.csv"), key | {"score": 0.5}, key | {"seed": 1, "score": np.nan})
    assert done(Path("runs/rows.csv"), key)
    assert not done(Path("runs/rows.csv"), key | {"recipe": "1234e678"})
    assert rows_of("runs/rows.csv").groupby(["widths", "recipe"]).size().tolist() == [2]


@pytest.mark.filterwarnings("default")
def test_robustness_is_drawn(run, monkeypatch):
    """With a small network in place of the one that comes along."""
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    X, y = load_fer2013("fer2013.csv", return_X_y=True)
    clf = FERClassifier(widths=(4, 8), max_epochs=1, random_state=0).fit(X, y)
    monkeypatch.setattr(FERClassifier, "from_pretrained", lambda name: clf)
    line = f"fer2013.csv --faces 2 {SMALL} --folder fits --plot robustness.png".split()
    printed = run("benchmarks/robustness.py", *line)
    assert "brighter" in printed
    assert Path("robustness.png").exists()
    assert len(list(Path("fits").iterdir())) == 2


@pytest.mark.filterwarnings("default")
def test_another_precision_is_another_row(run):
    line = f"fer2013.csv --faces 35 {SMALL}".split()
    for precision in ("float32", "bfloat16"):
        run("benchmarks/ablation.py", *line, "--precision", precision)
    assert pd.read_csv("runs/ablation.csv")["recipe"].nunique() == 2


@pytest.mark.filterwarnings("default")
def test_what_the_ablation_adds_trains(run):
    levers = [
        *("moving average", "small first", "full resolution first", "linear over places"),
        *("no identity at the start", "whitening", "alternating mirrors"),
        "easy faces skipped, a third more epochs",
        *("a third of the resolution, wider", "pool first, wider", "four stages"),
    ]
    line = f"--faces 35 {SMALL} --output special.csv".split()
    run("benchmarks/ablation.py", "fer2013.csv", *levers, *line)
    assert pd.read_csv("special.csv")["lever"].tolist() == levers


@pytest.mark.filterwarnings("default")
def test_a_study_is_searched_shown_and_confirmed(run):
    line = f"--faces 49 --trials 3 {SMALL}".split()
    for step in (["search"], ["show"], ["confirm", "--as-proxy", "--seeds", "1"]):
        printed = run("benchmarks/tuning_study.py", "fer2013.csv", *step, *line)
    rows = pd.read_csv("runs/tuning_study.csv")
    assert rows["lever"].tolist() == ["preset", "best of the study"]
    assert "importance:" in printed
    best = printed.partition("best: ")[2].partition("\n")[0]
    run(
        "benchmarks/tuning_study.py",
        *f"fer2013.csv confirm --seed 1 --seeds 1 {SMALL}".split(),
        *("--as-proxy", "--faces", "49", "--params", best),
    )
    again = pd.read_csv("runs/tuning_study.csv")
    assert again["seed"].tolist() == [0, 0, 1, 1]
    assert again["recipe"].tolist() == 2 * rows["recipe"].tolist()


@pytest.mark.filterwarnings("default")
def test_a_stored_classifier_is_calibrated(run):
    small = ["--widths", "4", "8", "--max-epochs", "1", "--output", "small.joblib"]
    run("train_fer2013.py", "fer2013.csv", *small)
    line = ["fer2013.csv", "small.joblib", "--weights", "small.npz"]
    assert "small.npz: written" in run("benchmarks/calibration.py", *line)
    assert Path("small.npz").exists()


@pytest.mark.filterwarnings("default")
def test_a_search_by_two_processes_goes_on_where_another_ended(run, own_processes):
    line = f"fer2013.csv --only learning_rate --storage runs/study.log {SMALL}".split()
    run("tune_optuna.py", *line, "--trials", "1")
    run("tune_optuna.py", *line, "--trials", "3", "--jobs", "2")
    printed = run("tune_optuna.py", *line, "--trials", "3")
    assert printed.count("complete") + printed.count("pruned") == 3


@pytest.mark.filterwarnings("default")
def test_the_report_is_reproduced(run, monkeypatch):
    """Its text with fewer faces, epochs and trials."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="needs the extra [plot]")
    plt.close("all")  # what other tests have drawn
    monkeypatch.delenv("FER2013_PATH", raising=False)
    monkeypatch.setitem(FERClassifier.__init__.__kwdefaults__, "max_epochs", 1)
    text = (EXAMPLES / "reproduce_report.py").read_text()
    small = {"(30, 3, (16, 32, 64))": "(3, 1, (4, 8))", "make_faces(2500": "make_faces(350"}
    for long, short in small.items():
        assert long in text
        text = text.replace(long, short)
    Path("report.py").write_text(text)
    assert "FERClassifier() less the CNN" in run(Path("report.py").absolute())


def test_an_oversampled_fit_sees_as_many_faces(run):
    as_many_faces = runpy.run_path(str(BENCHMARKS / "data_levers.py"))["as_many_faces"]
    assert as_many_faces(9, np.repeat([0, 1], [40, 20])) == 7  # 7 * 80 is nearest to 9 * 60
    assert as_many_faces(6, np.repeat([0, 1], 30)) == 6
    assert as_many_faces(1, np.repeat([0, 1], [99, 1])) == 1


def test_a_fingerprint_is_that_of_the_recipe_but_for_the_seed(run):
    from _common import fingerprint

    clf = FERClassifier(random_state=0)
    other = FERClassifier(random_state=1, augment=FaceAugmenter(flip=0.0))
    assert fingerprint(clf, range(9)) == fingerprint(FERClassifier(random_state=1), range(9))
    names = [fingerprint(clf, range(9)), fingerprint(clf, range(8)), fingerprint(other, range(9))]
    assert len({*names, fingerprint(other.set_params(augment__flip=0.1), range(9))}) == 4


def test_peak_memory_is_not_the_parents(run, monkeypatch):
    from _common import in_new_process, peak_memory

    np.ones(50_000_000)  # 400 MB
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS), prepend=os.pathsep)
    Path("peak.py").write_text("from _common import peak_memory\nprint(peak_memory())")
    assert float(in_new_process("peak.py")) < peak_memory() - 100


def test_the_notebook_is_that_of_the_script_and_of_todays_defaults():
    """Else: python examples/build_notebook.py examples/reproduce_report.py NOTEBOOK."""
    notebook = json.loads((EXAMPLES / "fer2013_report.ipynb").read_text())
    parts = (EXAMPLES / "reproduce_report.py").read_text().split("# %%")[1:]
    code = [part.strip() for part in parts if not part.startswith(" [markdown]")]
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]) for cell in cells] == code
    assert notebook["metadata"]["defaults"] == repr(FERClassifier().get_params())


def test_every_script_is_run_here():
    elsewhere = {"build_notebook.py", "_common.py"}
    gallery = {path.name for path in EXAMPLES.glob("plot_*.py")}  # sphinx runs it
    scripts = {path.name for path in EXAMPLES.rglob("*.py")} - elsewhere - gallery
    text = Path(__file__).read_text()
    assert not {name for name in scripts if name not in text}


def test_a_face_twice_as_bright_does_not_wrap_around(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    damaged = importlib.import_module("robustness").damaged
    X = np.array([[[100, 200]]], dtype=np.uint8)
    assert damaged(X, "brighter", 2).tolist() == [[[200, 255]]]
