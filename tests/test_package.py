"""What the package says of itself says the same everywhere."""

import importlib.metadata
import re
import tomllib
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

import fer_sklearn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_the_citation_names_this_version_and_the_holders_of_the_licence():
    citation = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {fer_sklearn.__version__}" in citation
    assert f"license: {PROJECT['license']}" in citation
    names = [author["name"] for author in PROJECT["authors"]]
    assert [line for line in citation if "- name:" in line] == [f'  - name: "{n}"' for n in names]
    holders = re.search(r"Copyright \(c\) \d+, (.*)", (ROOT / "LICENSE").read_text())[1]
    assert holders == ", ".join(names)


def test_the_citation_has_the_date_of_the_release():
    changelog = (ROOT / "docs" / "changelog.md").read_text()
    date = re.search(rf"^## {re.escape(fer_sklearn.__version__)}, (.*)", changelog, re.MULTILINE)[1]
    stated = re.findall(r"^date-released: (.*)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert stated == ([] if date == "unreleased" else [date])


#: Names of packages in the page on licences, where they are not those of the package index.
TITLES = {
    "dask": "Dask",
    "hypothesis": "Hypothesis",
    "myst-parser": "MyST-Parser",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "opencv-python-headless": "OpenCV",
    "optuna": "Optuna",
    "pydata-sphinx-theme": "PyData theme",
    "sphinx": "Sphinx",
    "sphinx-gallery": "Sphinx-Gallery",
    "torch": "PyTorch",
}


def test_the_page_on_licences_has_every_dependency():
    page = (ROOT / "docs" / "licences.md").read_text()
    listed = {name for row in re.findall(r"^\| (.*?) \|", page, re.M) for name in row.split(", ")}
    for requirement in chain(PROJECT["dependencies"], *EXTRAS.values()):
        name = re.split(r"[^\w.-]", requirement)[0]
        assert name == "fer-sklearn" or TITLES.get(name, name) in listed, requirement


def test_the_extra_all_is_all_that_the_package_can_use():
    apart = {"all", "docs", "test"}
    assert EXTRAS["all"] == [f"fer-sklearn[{name}]" for name in sorted(EXTRAS.keys() - apart)]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_page_on_installing_has_every_extra(extra):
    assert f"\n| `{extra}` | " in (ROOT / "docs" / "install.md").read_text()


def versions(capsys):
    """Return what show_versions prints, as {name: what is said of it}."""
    fer_sklearn.show_versions()
    lines = capsys.readouterr().out.splitlines()
    return dict(line.strip().split(": ", 1) for line in lines if ": " in line)


def test_versions_are_those_that_run(capsys):
    said = versions(capsys)
    assert said["fer_sklearn"] == fer_sklearn.__version__
    assert said["numpy"] == np.__version__
    assert torch.__version__.startswith(said["torch"])  # which lacks the build, at times
    assert said["torch's threads"] == str(torch.get_num_threads())


def test_packages_that_are_missing_are_named_only_if_they_are_needed(capsys, monkeypatch):
    stated = ["numpy>=2.0", "nonsense>=1", 'other>=1; extra == "plot"']
    monkeypatch.setattr("fer_sklearn._versions.requires", lambda name: stated)
    said = versions(capsys)
    assert said["nonsense"] == "missing"
    assert "other" not in said


def test_versions_of_sources_that_are_not_installed(capsys, monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr("fer_sklearn._versions.requires", requires)
    assert torch.__version__.startswith(versions(capsys)["torch"])


@pytest.mark.parametrize("fast", [True, False])
def test_the_machine_says_whether_bfloat16_is_fast(fast, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": fast})
    dtype = "bfloat16" if fast else "float32"
    assert versions(capsys)["precision 'auto'"] == f"trains in {dtype}"


CONTRIBUTORS = sorted(ROOT.glob(".github/*.md"))


@pytest.mark.parametrize("page", [ROOT / "README.md", *CONTRIBUTORS], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    for link in [link for link in links if "://" not in link]:
        file, _, heading = link.partition("#")
        assert (page.parent / file).exists(), link
        assert not heading or heading in anchors(page.parent / file), link


@pytest.mark.parametrize("page", CONTRIBUTORS, ids=lambda page: page.name)
def test_the_files_that_contributors_are_pointed_to_are_there(page):
    pattern = r"`((?:fer_sklearn|docs|tests|examples|\.ci)/[\w/.]+)`"
    for file in re.findall(pattern, page.read_text()):
        assert (ROOT / file).exists(), file


def anchors(page):
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
