"""What the package says of itself says the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

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


def test_the_extra_all_is_all_that_the_package_can_use():
    apart = {"all", "docs", "test"}
    assert EXTRAS["all"] == [f"fer-sklearn[{name}]" for name in sorted(EXTRAS.keys() - apart)]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_page_on_installing_has_every_extra(extra):
    assert f"\n| `{extra}` | " in (ROOT / "docs" / "install.md").read_text()
