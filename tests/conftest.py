"""Faces and small networks that the tests share."""

import os

# Before SciPy is imported: without it scikit-learn skips its array API check.
os.environ["SCIPY_ARRAY_API"] = "1"
# Before torch is imported: pytest-xdist's workers, one a core, would each take all cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

from pathlib import Path

import pytest
from helpers import small_classifier
from joblib.externals.loky import get_reusable_executor

from fer_sklearn.datasets import make_faces

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def faces():
    """280 small faces, 40 of each expression."""
    bunch = make_faces(280, image_size=24, noise=0.2, random_state=0)
    bunch.data.flags.writeable = False
    return bunch


@pytest.fixture(scope="session")
def fitted(faces):
    """A small classifier fitted on `faces`; not to be changed."""
    return small_classifier().fit(faces.data, faces.target)


@pytest.fixture(scope="session")
def learned(faces):
    """A small classifier that has learned `faces` well; not to be changed."""
    return small_classifier(max_epochs=30, batch_size=32).fit(faces.data, faces.target)


@pytest.fixture
def own_processes():
    """Worker processes that no other test reuses.

    joblib ends a worker that has grown much since its first task, as one that decoded images
    does when it imports torch for the next test, and warns in a thread of its own; a warning is
    an error here, the thread ends, and the next test would wait for ever.
    """
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="session")
def fer2013():
    """The real FER-2013, where it lies in data/ or at FER2013_PATH."""
    path = Path(os.environ.get("FER2013_PATH", ROOT / "data" / "fer2013.csv"))
    if not path.exists():
        pytest.skip("needs FER-2013: set FER2013_PATH, or put it at data/fer2013.csv")
    return path
