"""The code of the pages that are no doctests runs, on a few faces and with small networks."""

import json
import re
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from inspect import unwrap
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import numpy as np
import pytest
from PIL import Image
from small_fer2013 import write_fer2013

from fer_sklearn import FERClassifier
from fer_sklearn.datasets import FER2013_NAMES, load_fer2013, make_faces
from fer_sklearn.networks import ResNet
from fer_sklearn.tuning import _space_for, search_space

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md")))]
PAGES = [page for page in PAGES if "auto_examples" not in page]  # made by Sphinx
# Dask's threads and sockets close when they like, and a few faces are too few for some scores.
pytestmark = pytest.mark.filterwarnings("default")


def blocks(page):
    """Return the blocks of Python that are no doctests."""
    found = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    return [block for block in found if ">>>" not in block]


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What the pages take for granted: files, faces, and defaults that train in no time."""
    (tmp_path / "data").mkdir()
    write_fer2013(tmp_path / "data" / "fer2013.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setitem(unwrap(FERClassifier.__init__).__kwdefaults__, "max_epochs", 1)
    monkeypatch.setitem(ResNet.__init__.__kwdefaults__, "widths", (4, 8))
    X, y = load_fer2013("data/fer2013.csv", return_X_y=True)
    X_test, y_test = load_fer2013("data/fer2013.csv", usage="PublicTest", return_X_y=True)
    return {"X": X, "y": y, "X_test": X_test, "y_test": y_test}


def run(page, names, old="", new=""):
    """Run the blocks of a page one after the other, with one piece of text in place of another."""
    text = "\n".join(blocks(page))
    assert old in text
    exec(compile(text.replace(old, new), page, "exec"), names)


def write_folder(folder, faces, labels):
    for i, (face, label) in enumerate(zip(faces, labels, strict=True)):
        path = folder / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(path)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_code_is_python(page):
    for block in blocks(page):
        compile(block, page, "exec")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_front_pages_run(page, names, monkeypatch):
    write_folder(Path("my_faces"), names["X"], names["y"])
    small = search_space().only("learning_rate", "dropout")
    monkeypatch.setattr(_space_for, "search_space", lambda *preset: small)
    run(page, names, "n_trials=40", "n_trials=1")
    assert names["clf"].classes_.tolist() == names["faces"].target_names
    assert names["clf"].n_iter_ == 1
    assert len(names["search"].cv_results_["params"]) == 1


def test_the_front_pages_have_the_same_code_of_five_lines_at_most():
    codes = blocks("README.md")
    assert codes == blocks("docs/index.md")
    assert len(codes) == 3
    assert max(len(code.strip().splitlines()) for code in codes) <= 5


def test_the_page_on_dask_runs(names):
    pytest.importorskip("distributed", reason="needs the extra [dist]")
    names["grid"] = {"widths": [(4, 8)]}
    quick = "n_workers=1, processes=False, dashboard_address=None"
    run("docs/user_guide/scale.md", names, "n_workers=4, threads_per_worker=1", quick)
    assert not names["client"].amm.running()
    names["client"].close()
    names["client"].cluster.close()
    assert names["search"].best_params_ == {"widths": (4, 8)}
    expected = names["search"].predict_proba(names["X_test"])
    np.testing.assert_array_equal(names["proba"], expected)


def test_the_page_on_photos_runs(names):
    pytest.importorskip("cv2", reason="needs the extra [photos]")
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    face = data.astronaut()[:256, 80:400]
    write_folder(Path("my_photos"), [face, face[:, ::-1]] * 4, ["happy"] * 4 + ["bored"] * 4)
    Path("photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(face).save(Path("photos") / name)
    page = "docs/user_guide/photos.md"
    *before, video = blocks(page)
    text = "\n".join(before).replace("n_splits=5", "n_splits=2")
    exec(compile(text, page, "exec"), names)
    assert "analyze_video" in video
    assert Path("sheet.html").exists()
    assert len(names["faces"].data) == 8
    assert names["frame"].columns[5:7].tolist() == ["bored", "happy"]


def test_the_page_on_data_runs(names):
    pytest.importorskip("cv2", reason="needs the extra [photos]")
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    write_fer2013(Path("faces.csv"))
    names |= {"load_fer2013": load_fer2013, "FER2013_NAMES": FER2013_NAMES}
    faces, codes = (
        make_faces(35, random_state=0),
        iter(["AN", "DI", "FE", "HA", "NE", "SA", "SU"] * 5),
    )
    for folder in ("jaffe", "kdef"):
        Path(folder).mkdir()
    for number, face in enumerate(faces.data):
        Image.fromarray(face).save(f"jaffe/K{'ABCDE'[number // 7]}.{next(codes)}1.{number}.tiff")
    for name in ("AF01AFS", "AF01HAS", "AM02AFS", "BM02HAS", "AM02HAFL"):
        Image.fromarray(data.astronaut()[:256, 80:400]).save(f"kdef/{name}.JPG")
    run("docs/user_guide/data.md", names)
    assert len(names["scores"]) == 5
    assert names["kdef"].data.shape == (4, 48, 48)
    assert set(names["faces"].source) == {"fer2013", "jaffe", "kdef"}
    train, test = (set(names["faces"].groups[rows]) for rows in (names["train"], names["test"]))
    assert not train & test


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """A thread a request."""


class SilentHandler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def served(app):
    """Serve the app on this machine, and yield a function that asks it: (status, answer)."""
    server = ThreadingServer(("127.0.0.1", 0), SilentHandler)
    server.set_app(app)
    url = f"http://127.0.0.1:{server.server_port}/"

    def ask(body, **headers):
        request = urllib.request.Request(url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310, likewise
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield ask
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_server_of_the_page_on_serving_answers_many_threads(names):
    pytest.importorskip("onnx", reason="needs the extra [onnx]")
    run("docs/user_guide/serving.md", names)
    run("docs/user_guide/onnx.md", names)  # which says how the server does without torch
    X, clf = names["X_test"][:6].reshape(-1, 48, 48), names["clf"]
    with served(names["app"]) as ask, ThreadPoolExecutor(3) as pool:
        alone = list(pool.map(ask, [face.tobytes() for face in X]))
        status, together = ask(X.tobytes())
    assert status == 200
    assert alone == [(200, {"faces": [face]}) for face in together["faces"]]
    rows = [[face[label] for label in clf.classes_] for face in together["faces"]]
    assert type(clf).__name__ == "ONNXClassifier"
    large = type(clf)("faces.onnx")  # which the page on ONNX writes
    assert names["labels"] == large.predict(names["X_test"]).tolist()
    np.testing.assert_array_equal(rows, clf.predict_proba(X).round(4))


def test_the_server_of_the_page_on_serving_refuses_what_are_no_faces(names):
    pytest.importorskip("onnx", reason="needs the extra [onnx]")
    run("docs/user_guide/serving.md", names)
    face = bytes(48 * 48)
    with served(names["app"]) as ask:
        assert ask(None)[0] == 405  # a GET
        for body in (b"", face[1:], face + face[1:]):
            status, answer = ask(body)
            assert status == 400
            assert f"got {len(body)}." in answer["error"]
        assert ask(b"", **{"Content-Length": str(65 * len(face))})[0] == 413
        assert ask(face)[0] == 200  # it works on
    # Over HTTP the client could find the connection closed before it has sent its chunks.
    assert names["answer"]({"REQUEST_METHOD": "POST"})[0] == "411 Length Required"
