"""The examples with pictures, and the pictures of the guide."""

import importlib.util
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SHOWN = sorted(EXAMPLES.rglob("plot_*.py"))
DOCS = ROOT / "docs"
GUIDE = sorted([*DOCS.glob("user_guide/*.md"), *DOCS.glob("coming_from/[!i]*.md")])


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


@pytest.mark.parametrize("page", GUIDE, ids=lambda path: path.stem)
def test_every_page_of_the_guide_has_a_picture_with_a_text_and_a_caption(gallery, page):
    text = page.read_text()
    figures = re.findall(r"^```\{figure\} (\S+)\n:alt: (.+)\n(?::.*\n)*\n(.+)$", text, re.MULTILINE)
    assert len(figures) == text.count("```{figure}") > 0
    for source, alt, _ in figures:
        assert 20 < len(alt) < 220
        drawn = re.fullmatch(r"\.\./auto_examples/(.*)images/sphx_glr_(\w+)_\d{3}\.png", source)
        if drawn is None:
            assert (page.parent / source).is_file()
        else:  # by an example, which has to run with the extra [docs] alone
            assert (EXAMPLES / drawn[1] / f"{drawn[2]}.py").is_file()
            assert drawn[2].removeprefix("plot_") not in gallery["_NEEDS"]


def test_the_diagrams_are_what_the_script_draws():
    """Else: python docs/_diagrams.py."""
    script = runpy.run_path(str(DOCS / "_diagrams.py"))
    drawn = {f"{name}.svg": script["draw"](about) for name, about in script["DIAGRAMS"].items()}
    assert drawn == {path.name: path.read_text() for path in script["FOLDER"].iterdir()}
