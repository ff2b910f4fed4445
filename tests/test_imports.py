"""Who may import whom, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

PACKAGE = Path(__file__).parents[1] / "fer_sklearn"

#: Room: the rooms it may import. A file not listed belongs to the folder it lies in.
ALLOWED = {
    "__init__": {  # where a type checker looks: nothing is loaded
        *("_versions", "augment", "classifier", "datasets", "embedding", "explain", "metrics"),
        *("export", "networks", "normalize", "photos", "pipeline", "plots", "presets", "tuning"),
    },
    # what all others stand on
    "_forms": set(),
    "_extras": set(),
    "_images": {"_forms"},
    "_labels": {"_forms"},
    "_answers": set(),
    "_device": set(),
    "_globals": set(),
    "_files": set(),
    "_callbacks": set(),
    "_state": set(),
    "_archive": set(),
    "_shipped": {"_files"},
    "_versions": {"__version__", "_device"},
    "_pretrained": {"_archive", "_files", "_shipped", "networks"},  # what shapes a file has to have
    "networks": {"_device", "_forms"},
    "_fingerprint": {"networks"},  # what a registered name stands for
    "datasets": {"_extras", "_files", "_forms", "_images"},
    "normalize": {"_forms", "_globals", "_images", "_state"},
    "augment": {"_forms", "_globals", "_images", "_state"},
    # the network, its training, and the estimator
    "model": {"_globals", "_images", "_state", "augment", "networks", "normalize"},
    "training": {
        *("_device", "_files", "_fingerprint", "_globals", "_state", "model", "networks"),
        "normalize",
    },
    "_codes": {"datasets"},  # how FER-2013 numbers its expressions
    "_intake": {"_codes", "_forms", "_images", "_labels", "augment", "model", "training"},
    "_start": {
        *("_codes", "_images", "_intake", "_labels", "_pretrained", "model", "networks"),
        "normalize",
    },
    "_teachers": {"_codes", "_intake", "model"},
    "_parts": {"_forms", "_pretrained", "augment", "networks", "normalize"},
    "classifier": {
        *("_answers", "_callbacks", "_device", "_forms", "_globals", "_images", "_intake"),
        *("_labels", "_parts", "_pretrained", "_start", "_state", "_teachers", "augment"),
        *("model", "networks"),
        *("normalize", "training"),
    },
    # what asks the estimator
    "pipeline": {"augment", "classifier", "normalize"},
    "presets": {"_state", "augment", "classifier"},
    "embedding": {"classifier"},
    "explain": {"_forms", "_globals", "_labels", "classifier", "model", "networks"},
    "export": {
        "_answers",
        *("_extras", "_files", "_forms", "_globals", "_images", "_shipped", "augment"),
        *("classifier", "model", "normalize"),
    },
    "metrics": {"_extras", "_forms", "_report_page", "datasets"},
    "_report_page": {"metrics"},  # for a type checker
    "plots": {
        *("_extras", "_forms", "_images", "augment", "classifier", "datasets", "embedding"),
        *("explain", "metrics", "normalize"),
    },
    "_stored": {"_files", "classifier", "export"},
    "photos": {"_extras", "_files", "_forms", "_images", "_stored", "datasets"},
    "_command": {
        *("__version__", "_files", "_pretrained", "_stored", "classifier", "datasets", "export"),
        *("metrics", "photos", "presets", "tuning"),
    },
    "__main__": {"_command"},
    "tuning": {
        *("_callbacks", "_device", "_extras", "_files", "_fingerprint", "_forms", "_state"),
        *("augment", "classifier", "datasets", "networks", "normalize", "training"),
    },
}
#: Heavy packages: the rooms that may import them.
OWNERS = {
    "skorch": {"training"},
    "tqdm": {"datasets", "model", "photos", "training", "tuning"},
    "cv2": {"_extras"},
    "optuna": {"tuning"},
    "torch": {
        *("_device", "_globals", "_versions", "augment", "explain", "export", "model"),
        "networks",
        *("normalize", "training"),
    },
    "joblib": {"_fingerprint", "datasets", "networks", "photos", "tuning"},
    "PIL": {"datasets", "photos"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
}


def room(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(file):
    """Yield (room of this package or None, outside package or None)."""
    depth = len(file.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((None, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield None, node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((name.split(".")[0], None) for name in names)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: f.stem)
def test_a_file_imports_only_what_its_room_may(file):
    here = room(file)
    for inside, outside in imports(file):
        assert outside != "fer_sklearn", "imports inside the package are relative"
        if inside is not None:
            assert inside in ALLOWED[here]
        assert here in OWNERS.get(outside, {here})


def defined(tree):
    """Names that a file gives to functions, classes, attributes and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg


def touched(tree):
    """Private names that a file imports, or reads of an object."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield from (alias.name for alias in node.names if node.module)
        elif isinstance(node, ast.Attribute):
            yield node.attr


@pytest.fixture(scope="module")
def trees():
    return {file: ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))}


@pytest.fixture(scope="module")
def names(trees):
    """The names that each file defines."""
    return {file: set(defined(tree)) for file, tree in trees.items()}


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: f.stem)
def test_a_file_touches_no_private_member_that_another_file_defines(file, trees, names):
    others = {
        name: other.relative_to(PACKAGE)
        for other in names
        for name in names[other]
        if other != file
    }
    private = {
        name for name in touched(trees[file]) if name.startswith("_") and not name.endswith("__")
    }
    assert not {f"{name} of {others[name]}" for name in private - names[file] if name in others}


def imported_by(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    return subprocess.check_output([sys.executable, "-c", code], text=True).split()


def test_predicting_imports_neither_skorch_nor_optuna(fitted, faces, tmp_path):
    joblib.dump((fitted, faces.data), tmp_path / "model.joblib")
    load = f"import joblib; clf, X = joblib.load({str(tmp_path / 'model.joblib')!r})"
    shipped = "from fer_sklearn import FERClassifier; clf = FERClassifier.from_pretrained()"
    imported = imported_by(f"{load}; clf.predict(X[:2]); {shipped}; clf.predict([[[0] * 48] * 48])")
    assert "torch" in imported
    assert not {"skorch", "optuna"} & set(imported)


def test_importing_the_package_imports_no_torch():
    assert not {"torch", "skorch", "sklearn"} & set(imported_by("import fer_sklearn"))


def test_importing_the_datasets_imports_no_torch():
    assert not {"torch", "skorch"} & set(imported_by("import fer_sklearn.datasets"))


def test_type_checkers_find_all_that_is_loaded_lazily():
    import fer_sklearn

    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.asname for node in block.body for alias in node.names}
    assert seen == set(fer_sklearn.__all__) - {"__version__"}


def test_importing_the_photos_imports_neither_torch_nor_opencv():
    assert not {"torch", "skorch", "cv2"} & set(imported_by("import fer_sklearn.photos"))


def test_public_names_can_be_imported():
    import fer_sklearn

    assert {"FERClassifier", "datasets"} <= set(dir(fer_sklearn))
    for name in fer_sklearn.__all__:
        assert getattr(fer_sklearn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fer_sklearn.nonsense  # noqa: B018
