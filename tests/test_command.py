"""The commands fer-sklearn train, evaluate and export."""

import io
import os
import pickle
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers import small_classifier
from PIL import Image
from small_fer2013 import write_fer2013

from fer_sklearn import FERClassifier
from fer_sklearn.__main__ import main
from fer_sklearn._command import _export, _train
from fer_sklearn._command._shared import print_text
from fer_sklearn._files import replace_file
from fer_sklearn.datasets import load_image_folder, make_faces
from fer_sklearn.datasets._duplicates import group_links, join_groups
from fer_sklearn.metrics import evaluation_report
from fer_sklearn.model import VIEWS
from fer_sklearn.networks import ResNet
from fer_sklearn.presets import PRESETS
from fer_sklearn.training._checkpoint import Checkpoint


def write_folder(folder, faces, labels):
    for number, (face, label) in enumerate(zip(faces, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(folder / label / f"{number:03}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """70 noisy faces, a folder for each of the seven classes, and a file that is no face."""
    folder = tmp_path_factory.mktemp("faces")
    faces = make_faces(70, image_size=48, noise=0.6, random_state=0)
    write_folder(folder, faces.data, faces.target)
    (folder / "happy" / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def stored(folder, tmp_path_factory):
    """A small classifier, and its file."""
    faces = load_image_folder(folder)
    path = tmp_path_factory.mktemp("classifier") / "small.npz"
    small_classifier(widths=(4, 8)).fit(faces.data, faces.target).save_pretrained(path)
    return path


@pytest.fixture
def small(monkeypatch):
    """Networks that train in no time."""
    monkeypatch.setitem(ResNet.__init__.__kwdefaults__, "widths", (4, 8))


def answers(path, folder):
    return FERClassifier.from_pretrained(path).predict_proba(load_image_folder(folder).data)


# -- train --------------------------------------------------------------------------


def test_training_writes_a_classifier_and_says_its_score(folder, tmp_path, small, capsys):
    out = tmp_path / "mine.npz"
    assert main(["train", str(folder), "--out", str(out), "--epochs", "2"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]
    said = capsys.readouterr().err
    assert "1 file could not be read" in said
    n_train, n_test = map(int, re.search(r"(\d+) faces to train on, (\d+) held out", said).groups())
    assert n_train + n_test == 70
    assert 10 <= n_test <= 18
    assert f"faces: {n_test} all" in said
    clf = FERClassifier.from_pretrained(out)
    assert clf.classes_.tolist() == np.unique(load_image_folder(folder).target).tolist()
    assert clf.class_count_.sum() == n_train


def test_what_was_stopped_continues_to_the_same_end(folder, tmp_path, small, capsys, monkeypatch):
    def command(out):
        return ["train", str(folder), "--out", str(tmp_path / out), "--epochs", "2", "--quiet"]

    assert main(command("whole.npz")) == 0
    write = Checkpoint.on_epoch_end

    def stop(self, net, **kwargs):
        write(self, net, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", stop)
        assert main(command("parted.npz")) == 130
    said = capsys.readouterr().err
    assert "Stopped. The same command continues after the last epoch" in said
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"whole.npz", "parted.npz.checkpoint"}
    epochs = []
    monkeypatch.setattr(
        Checkpoint, "on_epoch_end", lambda self, net, **kwargs: epochs.append(len(net.history))
    )
    assert main(command("parted.npz")) == 0
    assert epochs == [2]
    expected = answers(tmp_path / "whole.npz", folder)
    np.testing.assert_array_equal(answers(tmp_path / "parted.npz", folder), expected)
    assert not capsys.readouterr().err


def test_training_on_all_starts_from_a_file(folder, stored, tmp_path, capsys):
    out = tmp_path / "more.npz"
    options = ["--pretrained", str(stored), "--epochs", "1", "--test-share", "0"]
    assert main(["train", str(folder), "--out", str(out), *options, "--preset", "accurate"]) == 0
    said = capsys.readouterr().err
    assert "70 faces to train on, 0 held out" in said
    assert "Held out:" not in said
    more = FERClassifier.from_pretrained(out)
    assert more.class_count_.sum() == 70
    assert more.image_shape_ == (48, 48)


def test_what_was_trained_is_kept_though_the_disk_is_full(
    folder, tmp_path, small, capsys, monkeypatch
):
    def full(path, content):
        if path == out:
            raise OSError(28, "No space left on device", path)
        replace_file(path, content)

    out = str(tmp_path / "mine.npz")
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))
    monkeypatch.setattr("fer_sklearn._pretrained.replace_file", full)
    assert main(["train", str(folder), "--out", out, "--epochs", "1", "--quiet"]) == 1
    said = re.search(r"No space left.*The classifier is in (.*) instead", capsys.readouterr().err)
    assert FERClassifier.from_pretrained(said[1]).predict(load_image_folder(folder).data).size == 70


def test_fer2013_is_trained_on_by_its_training_split(tmp_path, small):
    write_fer2013(tmp_path / "fer2013.csv")
    out = tmp_path / "mine.npz"
    arguments = ["train", str(tmp_path / "fer2013.csv"), "--out", str(out), "--epochs", "1"]
    assert main([*arguments, "--test-share", "0", "--quiet"]) == 0
    assert FERClassifier.from_pretrained(out).class_count_.sum() == 112


def test_photos_become_faces_first(tmp_path, small, capsys):
    pytest.importorskip("cv2", reason="needs the extra [photos]")
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    face = data.astronaut()
    two = np.hstack([face[:256, 80:400], face[:256, 80:400]])
    write_folder(tmp_path / "photos", [face, two, face[:, ::-1], face[100:, :150]], [*"aabb"])
    command = ["train", str(tmp_path / "photos"), "--photos", "--epochs", "1"]
    out = tmp_path / "mine.npz"
    assert main([*command, "--out", str(out), "--test-share", "0"]) == 0
    said = capsys.readouterr().err
    assert "Doubtful: 1 photos without a face, 0 faces" in said
    assert FERClassifier.from_pretrained(out).class_count_.tolist() == [2, 1]
    options = ["--test-share", "0", "--max-faces", "2", "--quiet"]
    assert main([*command, "--out", str(out), *options]) == 0
    assert FERClassifier.from_pretrained(out).class_count_.tolist() == [3, 1]
    # All are copies of one face: nothing can be held out honestly.
    assert main([*command, "--out", str(tmp_path / "no.npz"), "--quiet"]) == 1
    assert "too few faces of any class" in capsys.readouterr().err


def test_copies_and_photos_stay_together():
    photos = np.array(["b", "a", "a", "c", "d", "e"])
    copies = np.array([0, 1, 2, 1, 3, 3])
    groups = join_groups(copies, group_links(photos))
    same = groups[:, None] == groups
    expected = [[0], [1, 2, 3], [4, 5]]
    assert [np.flatnonzero(row).tolist() for row in same] == [
        next(group for group in expected if at in group) for at in range(6)
    ]


def test_every_class_is_on_both_sides_or_it_is_an_error(tmp_path, small, capsys):
    faces = make_faces(21, image_size=48, noise=0.6, random_state=0)
    labels = ["rare", *["a", "b"] * 10]
    write_folder(tmp_path / "faces", faces.data, labels)
    command = ["train", str(tmp_path / "faces"), "--out", str(tmp_path / "a.npz"), "--quiet"]
    assert main(command) == 1
    assert "too few faces of rare" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_what_was_not_written_by_training_is_not_replaced(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(FERClassifier, "fit", None)  # it is found out before
    (tmp_path / "mine.npz").write_text("a diary")
    assert main(["train", str(folder), "--out", str(tmp_path / "mine.npz")]) == 1
    assert "not written by save_pretrained" in capsys.readouterr().err
    assert (tmp_path / "mine.npz").read_text() == "a diary"


# -- evaluate -----------------------------------------------------------------------


def test_the_report_is_printed(folder, stored, capsys):
    assert main(["evaluate", str(stored), str(folder), "--quiet"]) == 0
    faces = load_image_folder(folder)
    report = evaluation_report(FERClassifier.from_pretrained(stored), faces.data, faces.target)
    said = capsys.readouterr()
    assert said.out == f"{report}\n"
    assert not said.err


def test_folders_may_have_other_names_of_emotions(folder, stored, tmp_path, capsys):
    faces = load_image_folder(folder)
    names = {"happy": "Happiness", "angry": "anger", "sad": "SAD"}
    labels = [names.get(label, label) for label in faces.target.tolist()]
    write_folder(tmp_path / "others", faces.data, labels)
    assert main(["evaluate", str(stored), str(folder), "--quiet"]) == 0
    expected = capsys.readouterr().out
    assert main(["evaluate", str(stored), str(tmp_path / "others"), "--quiet"]) == 0
    assert capsys.readouterr().out == expected
    write_folder(tmp_path / "others", faces.data[:2], ["bored", "bored"])
    assert main(["evaluate", str(stored), str(tmp_path / "others"), "--quiet"]) == 1
    assert "others has the classes bored, which" in capsys.readouterr().err


def test_folders_called_0_and_1_are_the_classes_0_and_1(folder, tmp_path, capsys):
    faces = load_image_folder(folder)
    codes = np.unique(faces.target, return_inverse=True)[1]
    clf = small_classifier(widths=(4,), max_epochs=1).fit(faces.data, codes)
    clf.save_pretrained(tmp_path / "codes.npz")
    clf = FERClassifier.from_pretrained(tmp_path / "codes.npz")
    write_folder(tmp_path / "numbered", faces.data, map(str, codes))
    command = ["evaluate", str(tmp_path / "codes.npz"), str(tmp_path / "numbered"), "--quiet"]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{evaluation_report(clf, faces.data, codes)}\n"


def test_letters_that_the_output_lacks_are_written_in_ascii(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    print_text("fröhlich")
    assert sys.stdout.buffer.getvalue().split() == [rb"fr\xf6hlich"]


def test_fer2013_is_evaluated_on_a_split_and_beside_its_training_faces(stored, tmp_path, capsys):
    csv = tmp_path / "fer2013.csv"
    write_fer2013(csv)
    command = ["evaluate", str(stored), str(csv), "--train", str(csv), "--quiet"]
    assert main(command) == 0
    assert "faces: 70 all, 70 leak-free" in capsys.readouterr().out
    assert main([*command, "--usage", "Training"]) == 0
    assert "faces: 112 all, 0 leak-free" in capsys.readouterr().out
    assert main([*command, "--usage", "Nonsense"]) == 1
    assert "usage must be one of" in capsys.readouterr().err


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_work_that_ends_because_nobody_reads_its_bars_is_not_done(stored, folder):
    """`fer-sklearn train ... 2>&1 | head` said 0, and had written nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "fer_sklearn", "evaluate", str(stored), str(folder)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    assert done.returncode == 1


def test_outputs_may_be_closed(stored, folder, tmp_path, monkeypatch):
    """As by `>&- 2>&-`, and for programs without a window."""
    page = tmp_path / "report.html"
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["evaluate", str(stored), str(folder), "--html", str(page), "--quiet"]) == 0
    assert page.exists()
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["evaluate", "nothing", str(folder), "--quiet"]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe ends otherwise there")
def test_a_reader_who_has_read_enough_is_no_failure(folder, stored, tmp_path):
    page = tmp_path / "report.html"
    command = [sys.executable, "-m", "fer_sklearn", "evaluate", stored, folder, "--html", page]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 0
    assert "roken pipe" not in said
    assert "</html>" in page.read_text()


def test_the_report_is_a_page_in_which_names_are_text(folder, stored, tmp_path):
    evil = "<script>alert(1)</script>"
    odd = tmp_path / "a&b"
    write_folder(odd, load_image_folder(folder).data[:20], [*["happy", "sad"] * 10])
    page = tmp_path / "report.html"
    assert main(["evaluate", str(stored), str(odd), "--html", str(page), "--quiet"]) == 0
    text = page.read_text()
    tags = Tags()
    tags.feed(text)
    assert "<h1>small.npz on a&amp;b</h1>" in text
    assert not {tag for tag, _ in tags.found} & {"script", "img", "link", "iframe"}
    assert sum(tag == "table" for tag, _ in tags.found) == 3
    assert not re.findall(r"https?:|url\(", text)
    report = evaluation_report(
        small_classifier(widths=(4,)).fit(*make_faces(40, image_size=24, return_X_y=True)),
        *make_faces(40, image_size=24, return_X_y=True),
    )
    report.confusion.index = [evil, *report.confusion.index[1:]]
    assert evil not in report.to_html(title=evil)


def test_the_report_is_printed_though_the_page_cannot_be_written(
    folder, stored, tmp_path, capsys, monkeypatch
):
    def full(path, content):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr("fer_sklearn._files.replace_file", full)
    page = str(tmp_path / "report.html")
    assert main(["evaluate", str(stored), str(folder), "--html", page, "--quiet"]) == 1
    said = capsys.readouterr()
    assert "No space left" in said.err
    assert "faces: 70 all" in said.out


def test_photos_are_evaluated(stored, tmp_path, capsys):
    pytest.importorskip("cv2", reason="needs the extra [photos]")
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    face = data.astronaut()
    write_folder(
        tmp_path / "photos", [face, data.brick(), face[:, ::-1]], ["happy", "happy", "sad"]
    )
    assert main(["evaluate", str(stored), str(tmp_path / "photos"), "--photos"]) == 0
    said = capsys.readouterr()
    assert "faces: 2 all" in said.out
    assert "1 photos have no face" in said.err


# -- export -------------------------------------------------------------------------


def test_a_classifier_is_exported_and_evaluated_without_torch(folder, stored, tmp_path, capsys):
    pytest.importorskip("onnx", reason="needs the extra [onnx]")
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    out = tmp_path / "mine.onnx"
    assert main(["export", str(stored), "--out", str(out), "--views", "none"]) == 0
    assert "Its classes, in order: angry, disgust" in capsys.readouterr().err
    from fer_sklearn.export import ONNXClassifier

    faces = load_image_folder(folder)
    clf = FERClassifier.from_pretrained(stored, predict_augment=None)
    expected = clf.predict_proba(faces.data)
    np.testing.assert_allclose(ONNXClassifier(out).predict_proba(faces.data), expected, atol=1e-4)
    code = (
        "import sys; from fer_sklearn.__main__ import main; code = main(sys.argv[1:]); "
        "print(code, 'torch' in sys.modules)"
    )
    arguments = ["evaluate", str(out), str(folder), "--quiet"]
    said = subprocess.check_output([sys.executable, "-c", code, *arguments], text=True)
    assert said.splitlines()[-1] == "0 False"
    assert said.splitlines()[:-1] == str(evaluation_report(clf, *faces_of(faces))).splitlines()
    assert main(["export", str(out), "--out", str(tmp_path / "again.onnx")]) == 1
    assert (
        main(["train", str(folder), "--out", str(tmp_path / "a.npz"), "--pretrained", str(out)])
        == 1
    )
    assert "cannot be trained further" in capsys.readouterr().err


def faces_of(bunch):
    return bunch.data, bunch.target


def test_int8_is_measured_on_faces_that_are_given(folder, stored, tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnx", reason="needs the extra [onnx]")
    asked = []
    monkeypatch.setattr(
        "fer_sklearn.export.to_onnx",
        lambda *args, **how: asked.append(how) or (tmp_path / "a.onnx").write_bytes(b""),
        raising=False,
    )
    command = ["export", str(stored), "--out", str(tmp_path / "a.onnx"), "--quantize", "int8"]
    assert main([*command, "--calibration", str(folder)]) == 0
    assert asked[0]["quantize"] == "int8"
    assert asked[0]["calibration"].shape == (70, 48, 48)
    with pytest.raises(SystemExit):
        main(command)
    assert "--quantize int8 and --calibration belong together" in capsys.readouterr().err


# -- what goes in -------------------------------------------------------------------


class Opened:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["clf.joblib", "clf.pkl", "clf.npz", "clf"])
def test_pickles_are_not_opened(name, folder, tmp_path, capsys):
    (tmp_path / name).write_bytes(pickle.dumps(Opened(tmp_path / "opened")))
    for command in (
        ["evaluate", str(tmp_path / name), str(folder)],
        ["export", str(tmp_path / name), "--out", str(tmp_path / "a.onnx")],
        [
            "train",
            str(folder),
            "--out",
            str(tmp_path / "a.npz"),
            "--pretrained",
            str(tmp_path / name),
        ],
        [
            "photos",
            str(folder),
            "--out",
            str(tmp_path / "a.csv"),
            "--classifier",
            str(tmp_path / name),
        ],
    ):
        assert main(command) == 1
        assert re.search("is a pickle.*runs whatever.*save_pretrained", capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["train", ".", "--out", "a.joblib"], "ends in .npz"),
        (["train", ".", "--out", "a.npz", "--test-share", "0.9"], "from 0 to 0.5, got '0.9'"),
        (["train", ".", "--out", "a.npz", "--test-share", "x"], "from 0 to 0.5, got 'x'"),
        (["train", ".", "--out", "a.npz", "--max-faces", "2"], "--max-faces is for --photos"),
        (["train", "nowhere", "--out", "a.npz"], "nowhere is not there"),
        (["evaluate", "fer2013", "nowhere"], "nowhere is not there"),
        (["train", ".", "--out", "a.npz", "--seed", "-1"], "from 0 to 4294967295, got '-1'"),
        (["evaluate", "fer2013", ".", "--usage", "Test"], "--usage is for fer2013.csv, and . is"),
        (["evaluate", "fer2013", __file__, "--photos"], "--photos is for folders, and"),
        (["export", "fer2013", "--out", "a.npz"], "ends in .onnx"),
        (["export", "fer2013", "--out", "a.onnx", "--calibration", "."], "belong together"),
    ],
)
def test_what_is_no_command_exits_with_2(arguments, match, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert match in capsys.readouterr().err


def test_what_is_read_is_not_replaced(folder, stored, tmp_path, capsys):
    clf, csv, table = tmp_path / "clf.npz", tmp_path / "fer2013.csv", tmp_path / "table.csv"
    shutil.copy(stored, clf)
    write_fer2013(csv)
    before = clf.read_bytes(), csv.read_bytes()
    for command in (
        ["evaluate", clf, folder, "--html", clf],
        ["evaluate", clf, csv, "--html", csv],
        ["evaluate", clf, folder, "--train", csv, "--html", csv],
        ["photos", folder, "--out", clf, "--classifier", clf],
        ["photos", folder, "--out", table, "--sheet", clf, "--classifier", clf],
    ):
        with pytest.raises(SystemExit) as exit:
            main([*map(str, command)])
        assert exit.value.code == 2
        assert "is a file that is read here" in capsys.readouterr().err
    assert (clf.read_bytes(), csv.read_bytes()) == before


def test_the_command_knows_all_presets_and_views():
    assert set(_train.PRESETS) == set(PRESETS)
    assert set(_export.VIEWS) == {"auto", *("none" if name is None else name for name in VIEWS)}
