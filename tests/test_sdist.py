"""What is packed up for those who build, patch and test the package themselves."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_the_sdist_has_the_tests_and_what_they_read(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    files = [file for file in listed.splitlines() if (ROOT / file).exists()]
    for file in files:  # as in a fresh clone, where no earlier list of files lies
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    build = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True)
    (sdist,) = (tmp_path / "dist").iterdir()
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {file for file in files if not file.startswith(".")} <= packed
