"""Files are replaced as a whole, or stay as they are."""

import errno
import os
import re
import threading

import numpy as np
import pytest
from helpers import small_classifier

from fer_sklearn import FERClassifier
from fer_sklearn._files import check_writable, remove_file, replace_file, replacing


def test_a_reader_never_meets_half_a_file(tmp_path):
    path, contents = tmp_path / "x", [bytes([n]) * 200_000 for n in range(4)]
    replace_file(path, contents[0])
    writers = [
        threading.Thread(target=lambda c=content: [replace_file(path, c) for _ in range(20)])
        for content in contents
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_keeps_its_mode_and_a_new_one_gets_the_usual(tmp_path):
    old, new, usual = (tmp_path / name for name in ("old", "new", "usual"))
    old.write_bytes(b"old")
    old.chmod(0o640)
    replace_file(old, b"content")
    replace_file(new, b"content")
    usual.write_bytes(b"content")
    assert old.stat().st_mode & 0o777 == 0o640
    assert new.stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_the_file_behind_it_is_replaced(there, tmp_path):
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "target", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    replace_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    remove_file(link)
    assert link.is_symlink()
    assert not target.exists()


def test_links_with_the_name_of_a_half_written_file_are_not_followed(tmp_path, monkeypatch):
    victim, path = tmp_path / "victim", tmp_path / "x"
    victim.write_bytes(b"precious")
    monkeypatch.setattr("secrets.token_hex", lambda n: 2 * n * "0")
    link = tmp_path / f"x.{16 * '0'}.part"
    link.symlink_to(victim)
    with pytest.raises(FileExistsError):
        replace_file(path, b"new")
    assert link.is_symlink()
    assert victim.read_bytes() == b"precious"
    assert not path.exists()


def folder(tmp_path):
    return tmp_path


def in_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    return tmp_path / "file" / "x"


def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def circle(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path / "circle"


def long_name(tmp_path):
    return tmp_path / (300 * "x")


@pytest.mark.parametrize("place", [folder, in_a_file, pipe, circle, long_name])
@pytest.mark.parametrize("ask", [check_writable, lambda path: replace_file(path, b"content")])
def test_what_cannot_be_written_is_an_error_with_the_path(ask, place, tmp_path):
    path = place(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=re.escape(str(path))) as caught:
        ask(path)
    assert caught.value.filename == str(path)
    assert "it was not written" in caught.value.strerror
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("ask", [check_writable, lambda path: replace_file(path, b"content")])
def test_a_file_without_permission_to_write_is_not_replaced(ask, tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda file, mode: False)  # root may write any
    with pytest.raises(PermissionError, match=re.escape(str(path))):
        ask(path)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_writing_that_fails_leaves_the_old_file_alone(failing, error, tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail(*args):
        raise error

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(type(error)):
        replace_file(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_content_and_name_are_on_the_disk_in_this_order(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace

    def told(name, function):
        return lambda *args: (done.append(name), function(*args))

    monkeypatch.setattr(os, "fsync", told("sync", sync))
    monkeypatch.setattr(os, "replace", told("replace", replace))
    replace_file(tmp_path / "x", b"content")
    assert done == ["sync", "replace", "sync"]


def test_removing_leaves_the_files_of_others(tmp_path):
    kept = [tmp_path / name for name in ("x.part", "x.npz", f"y.{16 * '0'}.part", "x.0.part")]
    ours = [tmp_path / name for name in ("x", f"x.{16 * '0'}.part", f"x.{8 * 'af'}.part")]
    for file in (*kept, *ours):
        file.write_bytes(b"content")
    remove_file(tmp_path / "x")
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_writer_with_a_name_of_its_own_replaces_a_file_at_the_end_or_not_at_all(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    path.chmod(0o640)

    def stopped():
        with replacing(path) as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_bytes() == b"old"
    with replacing(path) as part:
        assert part.suffix == ".mp4"
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="not written"), replacing(path / "a.mp4"):
        pass


def test_a_classifier_is_kept_in_the_home_of_the_user(tmp_path, monkeypatch, faces):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    clf = small_classifier(max_epochs=1, checkpoint="~/fits/a.pt").fit(faces.data, faces.target)
    clf.save_pretrained("~/models/a.npz")
    again = FERClassifier.from_pretrained("~/models/a.npz")
    np.testing.assert_array_equal(again.predict(faces.data), clf.predict(faces.data))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fits", "models"]
