"""Who may import whom, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fer_sklearn"

#: Room: the rooms it may import. A file not listed belongs to the folder it lies in.
ALLOWED = {
    "__init__": set(),
    "_images": set(),
    "_labels": set(),
    "_device": set(),
    "_files": set(),
    "_callbacks": set(),
    "_state": set(),
    "_archive": set(),
    "_pretrained": {"_archive", "_files", "networks"},  # what shapes a file has to have
    "networks": set(),
    "datasets": {"_files", "_images"},
    "normalize": {"_images"},
    "augment": {"_images"},
    "training": {"_files", "_images"},
    "classifier": {
        *("_callbacks", "_device", "_images", "_labels", "_pretrained", "_state"),
        *("augment", "networks", "normalize", "training"),
    },
    "pipeline": {"augment", "classifier", "normalize"},
    "presets": {"augment"},
    "embedding": {"classifier"},
    "explain": {"_labels", "classifier", "networks", "training"},
    "metrics": {"datasets"},
    "plots": {
        *("_images", "augment", "classifier", "datasets", "embedding", "explain", "metrics"),
        "normalize",
    },
    "tuning": {
        *("_callbacks", "_device", "_state"),
        *("augment", "classifier", "datasets", "training"),
    },
}
#: Heavy packages: the rooms that may import them.
OWNERS = {
    "skorch": {"training"},
    "tqdm": {"datasets", "training", "tuning"},
    "optuna": {"tuning"},
    "torch": {
        *("_device", "augment", "classifier", "explain", "networks", "normalize", "training"),
    },
    "PIL": {"datasets"},
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


def imported_by(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    return subprocess.check_output([sys.executable, "-c", code], text=True).split()


def test_importing_the_package_imports_no_torch():
    assert not {"torch", "skorch", "sklearn"} & set(imported_by("import fer_sklearn"))


def test_importing_the_datasets_imports_no_torch():
    assert not {"torch", "skorch"} & set(imported_by("import fer_sklearn.datasets"))


def test_public_names_can_be_imported():
    import fer_sklearn

    assert {"FERClassifier", "datasets"} <= set(dir(fer_sklearn))
    for name in fer_sklearn.__all__:
        assert getattr(fer_sklearn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fer_sklearn.nonsense  # noqa: B018
