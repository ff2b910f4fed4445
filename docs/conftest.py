"""What pytest does with these pages: it runs their examples, and leaves the rest to sphinx."""

import pytest
from small_fer2013 import write_fer2013

collect_ignore = ["conf.py", "_build", "auto_examples", "api"]


@pytest.fixture(autouse=True)
def small_fer2013(request, tmp_path, monkeypatch):
    """Run the pages of `coming_from` where a small ``fer2013.csv`` lies."""
    if request.path.parent.name != "coming_from":
        return
    write_fer2013(tmp_path / "fer2013.csv")
    monkeypatch.chdir(tmp_path)
