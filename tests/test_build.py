"""What is packed up for those who build, patch and test the package themselves."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_the_sdist_has_all_files_and_the_wheel_those_of_the_package(tmp_path):
    pytest.importorskip("hatchling")
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    files = [file for file in listed.splitlines() if (ROOT / file).exists()]
    for file in files:  # as in a fresh clone, where no earlier list of files lies
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    build = "from hatchling.build import *; build_sdist('dist'); build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("dist/*.tar.gz"))) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    assert {file for file in files if not file.startswith(".")} <= packed
    with zipfile.ZipFile(next(tmp_path.glob("dist/*.whl"))) as wheel:
        installed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert installed == {file for file in files if file.startswith("fer_sklearn/")}
