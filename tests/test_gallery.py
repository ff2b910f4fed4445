"""The examples with pictures: their sections, and the texts of their pictures."""

import importlib.util
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SHOWN = sorted(EXAMPLES.rglob("plot_*.py"))


@pytest.fixture(scope="module")
def gallery():
    return runpy.run_path(str(ROOT / "docs" / "_gallery.py"))


def test_every_example_is_in_a_section_and_every_section_has_a_title(gallery):
    listed = [
        EXAMPLES / folder / f"plot_{name}.py"
        for folder, names in gallery["SECTIONS"].items()
        for name in names
    ]
    assert sorted(listed) == SHOWN
    assert len({path.name for path in SHOWN}) == len(SHOWN) > 16
    for folder in gallery["SECTIONS"]:
        title, line, *_ = (EXAMPLES / folder / "GALLERY_HEADER.rst").read_text().splitlines()
        assert len(line) == len(title) > 5


def test_sections_and_examples_come_in_the_order_of_a_first_reading(gallery):
    names = ["plot_views.py", "plot_other.py", "plot_quickstart.py", "plot_evaluation.py"]
    order = ["plot_quickstart.py", "plot_evaluation.py", "plot_views.py", "plot_other.py"]
    assert sorted(names, key=gallery["reading_order"]) == order
    folders = ["../examples/benchmarks", "../examples/using", "../examples/training"]
    assert sorted(folders, key=gallery["section_order"]) == [folders[2], folders[1], folders[0]]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_pictures_have_a_text_for_those_who_do_not_see_them(path):
    if path.stem == "plot_quickstart":
        return  # its titles are words, which sphinx-gallery takes
    blocks = re.split(r"^# %%", path.read_text(), flags=re.MULTILINE)
    draws = re.compile(r"Display\.from_|Display\(|plt\.subplot|\.plot\(|\.plot\.|plot_study\(")
    for block in blocks:
        texts = re.findall(r'^# sphinx_gallery_alt = "(.+)"$', block, flags=re.MULTILINE)
        assert len(texts) == bool(draws.search(block))
        assert all(20 < len(text) < 80 for text in texts)


def test_an_example_whose_package_is_missing_is_shown_but_not_run(gallery, monkeypatch):
    found = importlib.util.find_spec
    for missing, stems in {"": set(), "onnxruntime": {"plot_onnx"}}.items():
        monkeypatch.setitem(
            gallery["to_run"].__globals__,
            "find_spec",
            lambda name, missing=missing: None if name == missing else found("json"),
        )
        pattern = re.compile(gallery["to_run"]())
        assert {path.stem for path in SHOWN if not pattern.search(str(path))} == stems
