"""Phrases that are not to come back: the prose is plain English, in ordinary word order."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: The changelog is a record.
EXEMPT = {"changelog.md"}
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
MADE = {"_build", "auto_examples"}
PAGES = [path for path in PAGES if path.name not in EXEMPT and MADE.isdisjoint(path.parts)]
MODULES = sorted(ROOT.glob("fer_sklearn/**/*.py"))

#: A pattern of what reads translated, and what to write in its place.
PHRASES = {
    r"\bgo(es|ing)? on\b": "continues",
    r"\banew\b|\bafresh\b": "again, or new",
    r"\bcom(e|es|ing) along\b": "is included, or the pretrained model",
    r"\bof which none\b": "none of which",
    r"\bstands? in (it|its|the|this|that|these|those|their|several|more|both)\b": "is in",
    r"(?<![Tt]here\s)\b(is|are) no (?!longer\b|more\b|matter\b)": "is not a, or are not",
    r"(?<![Tt]here\s)\b(is|are) none\b": "is not one, or none of them is",
    r"\b(lit|cropped|called|rounds|sized) otherwise\b": "differently",
    r"\btaken for\b": "mistaken for, or read as",
    r"\bmend(s|ed)?\b": "correct, or fix",
    r"\b(buys?|bought) (nothing|anything|more)\b": "gains",
    r"\b[Ss]o (short|long|few|narrow) an? ": "such a short",
    r"\bsome (hundred|tenths|dozens|thousands?)\b": "a few hundred, and so on",
    r"\bask(s|ed)? about (the|these|faces)\b": "predict",
}


def texts(path):
    """Yield the text of a page, or the strings of a module, each with its first line's number."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield 1, text
    else:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, node.value


def find_phrases(path):
    """Return a line for each phrase that is found: where, what, and what to write."""
    found = []
    for first, text in texts(path):
        for pattern, better in PHRASES.items():
            for match in re.finditer(pattern.replace(" ", r"\s+"), text):
                number = first + text.count("\n", 0, match.start())
                found.append(f"{path.name}:{number}: {match[0]!r}; write: {better}")
    return found


@pytest.mark.parametrize("paths", [PAGES, MODULES], ids=["pages", "package"])
def test_prose_has_no_phrase_that_reads_translated(paths):
    found = [line for path in paths for line in find_phrases(path)]
    assert not found, "\n".join(found)


def test_no_line_of_a_page_begins_as_a_comment_of_myst():
    """It would be missing from the site: "98" ends a line, "% of the labels" begins the next."""
    lost = [path.name for path in PAGES if re.search(r"^\s*%", path.read_text(), re.MULTILINE)]
    assert not lost
