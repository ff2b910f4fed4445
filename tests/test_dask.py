"""Searches on a real cluster of processes: the same result, and a worker may die."""

import contextlib
import itertools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import small_classifier
from optuna.pruners import NopPruner
from PIL import Image
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from fer_sklearn.photos import analyze
from fer_sklearn.tuning import FERSearchCV, search_space

dask = pytest.importorskip("dask", reason="needs the extra [dist]")
distributed = pytest.importorskip("distributed", reason="needs the extra [dist]")
# Dask's own threads and sockets close when they like.
pytestmark = pytest.mark.filterwarnings("default")

GRID = {"dropout": [0.0, 0.1, 0.2], "learning_rate": [0.01, 0.03]}


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread each, that keep the copies they are given."""
    with (
        dask.config.set({"distributed.scheduler.active-memory-manager.start": False}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def one_thread():
    """As many threads here as in a worker: another number rounds otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def grid_search(faces, cv=2, scoring=None):
    search = GridSearchCV(small_classifier(max_epochs=2), GRID, cv=cv, scoring=scoring)
    return search.fit(faces.data, faces.target)


def assert_same(found, expected, faces):
    assert found.cv_results_["params"] == expected.cv_results_["params"]
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(found.cv_results_[name], expected.cv_results_[name])
    np.testing.assert_array_equal(
        found.predict_proba(faces.data), expected.predict_proba(faces.data)
    )


def test_workers_have_one_thread_each(client):
    threads = client.run(lambda: __import__("torch").get_num_threads())
    assert list(threads.values()) == [1, 1]


def test_a_grid_search_on_the_cluster_finds_what_it_finds_here(client, faces, one_thread):
    expected = grid_search(faces)
    with joblib.parallel_config(backend="dask"):
        found = grid_search(faces)
    assert_same(found, expected, faces)


def test_a_worker_that_dies_costs_its_tasks_only(client, faces, one_thread, tmp_path):
    """As the user guide says: everything that tasks share is copied to every worker."""
    died = tmp_path / "died"

    def die_once(clf, X, y):
        with contextlib.suppress(FileExistsError), died.open("x") as file:
            print(os.getpid(), file=file, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return clf.score(X, y)

    expected = grid_search(faces)
    splits = list(StratifiedKFold(2).split(faces.data, faces.target))
    shared = [faces.data, faces.target, *itertools.chain.from_iterable(splits)]
    with joblib.parallel_config(backend="dask", scatter=shared):
        found = grid_search(faces, splits, die_once)
    assert_same(found, expected, faces)
    deadline = time.time() + 30
    while len(client.run(os.getpid)) < 2 and time.time() < deadline:
        time.sleep(0.2)
    assert int(died.read_text()) not in client.run(os.getpid).values()


def test_our_search_runs_on_the_cluster_too(client, faces, one_thread, tmp_path):
    space = search_space().only("learning_rate", "dropout")
    clf = small_classifier(max_epochs=2)
    params = {"n_trials": 4, "cv": 2, "random_state": 0, "pruner": NopPruner()}
    expected = FERSearchCV(clf, space, **params).fit(faces.data, faces.target)
    with joblib.parallel_config(backend="dask"):
        found = FERSearchCV(clf, space, **params)
        with pytest.raises(ValueError, match="storage that all of them reach"):
            found.fit(faces.data, faces.target)
        found.set_params(storage=tmp_path / "study.log").fit(faces.data, faces.target)
    assert_same(found, expected, faces)


@pytest.fixture
def photos(tmp_path):
    pytest.importorskip("cv2", reason="needs the extra [photos]")
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    folder = tmp_path / "photos"
    folder.mkdir()
    face = Image.fromarray(data.astronaut()[:256, 80:400])
    for at in range(48):
        face.crop((at // 2, 0, 320, 256)).save(folder / f"{at:02}.jpg")
    return folder


def test_photos_on_the_cluster_have_the_same_table_though_a_worker_dies(client, photos, tmp_path):
    expected = analyze(photos)
    journal, worker = tmp_path / "table.csv.part", min(client.run(os.getpid).values())

    def kill_when_some_are_done():
        deadline = time.time() + 120
        while not journal.exists() or len(journal.read_text().splitlines()) < 2:
            if time.time() > deadline:
                return
            time.sleep(0.01)
        os.kill(worker, signal.SIGKILL)

    with ThreadPoolExecutor(1) as pool, joblib.parallel_config(backend="dask"):
        killed = pool.submit(kill_when_some_are_done)
        found = analyze(photos, out=tmp_path / "table.csv")
        killed.result()
    pd.testing.assert_frame_equal(found, expected)
    assert worker not in client.run(os.getpid).values()
