"""Synthetic faces, image folders, emotion names."""

import io
import os
import re
import shutil
import socket
import struct
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers import small_classifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from fer_sklearn.datasets import (
    FER2013_NAMES,
    convert_emotions,
    load_image_folder,
    make_faces,
    resize_faces,
)

# -- make_faces -----------------------------------------------------------------------


def test_faces_are_repeatable_and_typed():
    first, second = (make_faces(50, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.data, second.data)
    assert first.data.shape == (50, 48, 48)
    assert first.data.dtype == np.uint8
    assert first.target_names == sorted(FER2013_NAMES)
    assert not np.array_equal(first.data, make_faces(50, random_state=4).data)


def test_the_number_of_faces_does_not_change_the_classes_shares():
    target = make_faces(700, random_state=0).target
    assert [(target == name).sum() for name in FER2013_NAMES] == [100] * 7
    target = make_faces(1000, image_size=16, class_balance="fer2013", random_state=0).target
    assert (target == "disgust").sum() in (15, 16)
    target = make_faces(100, image_size=16, class_balance=[1, 0, 0, 3, 0, 0, 0]).target
    assert ((target == "angry").sum(), (target == "happy").sum()) == (25, 75)


@pytest.mark.parametrize("size", [16, 48, 64])
def test_faces_come_in_any_size(size):
    X, y = make_faces(7, image_size=size, random_state=0, return_X_y=True)
    assert X.shape == (7, size, size)
    assert len(y) == 7


def test_noise_makes_expressions_overlap():
    """Nearest class mean, on faces without their random looks, gets worse."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_score

    from fer_sklearn.datasets._synthetic import _movements

    def separability(noise):
        codes = np.repeat(np.arange(7), 60)
        moved = _movements(codes, noise, np.random.RandomState(0))
        X = np.concatenate([column.reshape(-1, 1) for column in moved.values()], axis=1)
        return cross_val_score(LinearDiscriminantAnalysis(), X, codes).mean()

    assert separability(0.0) > 0.99
    assert separability(1.0) < separability(0.5) < separability(0.0)
    assert separability(1.0) < 0.9


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"n_samples": 0}, "n_samples"),
        ({"noise": -1}, "noise"),
        ({"class_balance": "even"}, "class_balance must be one of"),
        ({"class_balance": [1, 2]}, "7 shares"),
        ({"class_balance": [np.nan, *[1] * 6]}, "7 shares"),
        ({"class_balance": [np.inf, *[1] * 6]}, "7 shares"),
    ],
)
def test_bad_parameters_are_refused(params, match):
    with pytest.raises(ValueError, match=match):
        make_faces(**params)


# -- load_image_folder ----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """One readable image of each mode in a/, and everything that is no image in b/."""
    gray = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (60, 1))
    picture = Image.fromarray(gray)
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    picture.save(a / "gray.png")
    picture.convert("RGB").save(a / "rgb.jpg", quality=100)
    picture.convert("RGBA").save(a / "rgba.png")
    picture.convert("P").save(a / "palette.png")
    picture.convert("CMYK").save(a / "cmyk.jpg", quality=100)
    Image.fromarray(gray.astype(np.uint16) * 257).save(a / "sixteen-bits.png")
    picture.save(a / "画像 é.png")
    picture.save(b / "good.png")
    (b / "text.jpg").write_text("no image")
    (b / "empty.png").touch()
    whole = (a / "rgb.jpg").read_bytes()
    (b / "cut-off.jpg").write_bytes(whole[: len(whole) // 2])
    (b / ".hidden").write_text("not looked at")
    return tmp_path


def test_images_of_every_mode_become_the_same_gray(folder):
    bunch = load_image_folder(folder, image_size=24)
    in_a = bunch.data[bunch.target == "a"]
    assert in_a.shape == (7, 24, 24)
    assert bunch.data.dtype == np.uint8
    assert np.abs(in_a.astype(int) - in_a[0]).max() <= 12  # CMYK JPEG is the farthest
    assert np.median(np.abs(in_a.astype(int) - in_a[0])) <= 1
    assert in_a[0][:, 0].mean() < 20 < 220 < in_a[0][:, -1].mean()


def test_what_is_no_image_is_reported_not_fatal(folder):
    bunch = load_image_folder(folder)
    assert bunch.target_names == ["a", "b"]
    assert (bunch.target == "b").sum() == 1
    names = {name.rsplit("/", 1)[-1] for name in bunch.errors["filename"]}
    assert names == {"text.jpg", "empty.png", "cut-off.jpg"}
    assert bunch.errors["reason"].str.len().min() > 10
    assert len(bunch.filenames) == len(bunch.data)


def load_one(folder, name="face.png"):
    """The only readable image of a folder, as it was decoded."""
    bunch = load_image_folder(folder, image_size=20)
    assert [file.rsplit("/", 1)[-1] for file in bunch.filenames] == [name]
    return bunch.data[0].astype(int)


@pytest.fixture
def happy(tmp_path):
    """An empty folder happy/."""
    (tmp_path / "happy").mkdir()
    return tmp_path / "happy"


GRAY = (np.arange(400).reshape(20, 20) // 2).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "tiff"])
def test_photographs_are_turned_upright(kind, orientation, happy):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(GRAY).save(happy / f"face.{kind}", exif=exif)
    with Image.open(happy / f"face.{kind}") as image:
        expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    np.testing.assert_array_equal(load_one(happy.parent, f"face.{kind}"), expected)


def test_damaged_exif_data_are_no_reason_to_leave_an_image_out(happy):
    Image.fromarray(GRAY).save(happy / "face.png", exif=b"Exif\0\0MM no TIFF at all")
    np.testing.assert_array_equal(load_one(happy.parent), GRAY)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (GRAY.astype(np.int32), GRAY),
        (GRAY.astype(np.int32) * 257, GRAY),
        (GRAY.astype(np.uint16) * 256 + 255, GRAY),
        (GRAY.astype(np.uint16), GRAY * 0),  # 16 bits are 16 bits, dark as they may be
        (GRAY.astype(np.float32), GRAY),
        (GRAY / np.float32(255), GRAY),
        (GRAY.astype(np.float32) + 0.4, GRAY),
        (np.nextafter(GRAY / np.float32(199), np.float32(2)), np.rint(GRAY / 199 * 255)),
        (GRAY.astype(np.float32) - 1e-6, GRAY),
        (GRAY > 90, (GRAY > 90) * 255),
    ],
    ids=[
        *("int32", "int32 of 16 bits", "16", "dark 16"),
        *("float", "unit", "rounded", "above", "below", "bit"),
    ],
)
def test_deep_images_become_bytes(levels, expected, happy):
    Image.fromarray(levels).save(happy / "face.tiff")
    np.testing.assert_array_equal(load_one(happy.parent, "face.tiff"), expected)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (GRAY.astype(np.int32) * 1000, r"in \[0, 255\] or \[0, 65535\], got 0 to 199000"),
        (GRAY.astype(np.int32) - 1, r"in \[0, 255\] or \[0, 65535\], got -1 to 198"),
        (GRAY.astype(np.float32) * 2, r"in \[0, 1\] or \[0, 255\], got 0 to 398"),
        (GRAY / np.float32(180), r"up to 1\.106 are neither in \[0, 1\] nor in \[0, 255\]"),
        (GRAY / np.float32(100) - 1, r"in \[0, 1\] or \[0, 255\], got -1 to 0.99"),
        (np.where(GRAY > 9, np.float32(1), np.float32(np.nan)), "got nan to nan"),
    ],
)
def test_gray_levels_of_an_unknown_range_are_reported(levels, message, happy):
    Image.fromarray(GRAY).save(happy / "face.png")
    Image.fromarray(levels).save(happy / "deep.tiff")
    [reason] = load_image_folder(happy.parent).errors["reason"]
    assert re.search(message, reason)


def test_of_an_animation_the_first_frame_is_taken(happy):
    frames = [Image.fromarray(GRAY + step) for step in (0, 20, 40)]
    frames[0].save(happy / "face.gif", save_all=True, append_images=frames[1:], duration=40)
    assert np.abs(load_one(happy.parent, "face.gif") - GRAY).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_black(mode, happy):
    opaque = np.zeros((20, 20), dtype=bool)
    opaque[:, 10:] = True
    if mode == "P":
        image, transparency = Image.fromarray(np.where(opaque, GRAY, 255).astype(np.uint8)), 255
        image.convert("P").save(happy / "face.png", transparency=transparency)
    else:
        image = Image.fromarray(np.where(opaque, GRAY, 200).astype(np.uint8)).convert(mode)
        image.putalpha(Image.fromarray(opaque * np.uint8(255)))
        image.save(happy / "face.png")
    np.testing.assert_array_equal(load_one(happy.parent), np.where(opaque, GRAY, 0))


def test_a_file_that_may_not_be_read_is_reported(happy, monkeypatch):
    for name in ("face.png", "secret.png"):
        Image.fromarray(GRAY).save(happy / name)
    open_image = Image.open

    def refuses(file):
        if file.name == "secret.png":
            raise PermissionError(13, "Permission denied", str(file))
        return open_image(file)

    monkeypatch.setattr(Image, "open", refuses)
    errors = load_image_folder(happy.parent).errors
    assert errors["filename"].tolist() == [str(happy / "secret.png")]
    assert "PermissionError" in errors["reason"][0]


def in_mode(mode):
    """A picture of this mode with every kind of value in it, 40 x 30."""
    rng = np.random.default_rng(0)
    if mode in ("I;16", "I", "F", "F unit"):
        kinds = {"I;16": np.uint16, "I": np.int32, "F": np.float32, "F unit": np.float32}
        high = {"I;16": 65535, "I": 65535, "F": 255, "F unit": 1}[mode]
        return Image.fromarray((rng.random((40, 30)) * high).astype(kinds[mode]))
    if mode == "P with transparency":
        image = in_mode("RGB").quantize(16)
        image.info["transparency"] = 3
        return image
    return Image.fromarray(rng.integers(0, 256, (40, 30, 4), dtype=np.uint8)).convert(mode)


@pytest.mark.parametrize(
    "mode",
    [
        *("1", "L", "LA", "P", "P with transparency", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"),
        *("I;16", "I", "F", "F unit"),
    ],
)
def test_a_large_image_in_strips_is_the_same_as_in_one_piece(mode, monkeypatch):
    import fer_sklearn.datasets._image_files as module

    image, sizes = in_mode(mode), []
    convert = module.gray_converter(image)
    whole = np.asarray(module._in_strips(image, convert))
    monkeypatch.setattr(module, "_STRIP", 100)
    strips = module._in_strips(image, lambda part: (sizes.append(part.size), convert(part))[1])
    np.testing.assert_array_equal(np.asarray(strips), whole)
    assert set(sizes) == {(30, 3), (30, 1)}


@pytest.mark.parametrize("out", [None, "faces.npy"])
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.usefixtures("own_processes")
def test_images_of_more_pixels_than_allowed_are_reported(n_jobs, out, happy, tmp_path_factory):
    Image.fromarray(GRAY).save(happy / "face.png")
    Image.fromarray(np.tile(GRAY, (2, 1))).save(happy / "large.png")
    out = out and tmp_path_factory.mktemp("out") / out
    bunch = load_image_folder(happy.parent, max_pixels=400, n_jobs=n_jobs, out=out)
    assert bunch.filenames.tolist() == [str(happy / "face.png")]
    assert "20 x 40 pixels are more than max_pixels=400" in bunch.errors["reason"][0]
    if out:
        with pytest.raises(ValueError, match="another image_size or max_pixels"):
            load_image_folder(happy.parent, max_pixels=800, out=out)
    with pytest.raises(ValueError, match="'max_pixels' parameter of load_image_folder"):
        load_image_folder(happy.parent, max_pixels=0)


def test_an_image_too_large_to_unpack_is_reported(folder):
    """A 900-megapixel PNG of a few bytes."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    import zlib

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    (folder / "b" / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    errors = load_image_folder(folder).errors
    assert "DecompressionBomb" in errors.set_index("filename").filter(like="bomb", axis=0).iat[0, 0]


def test_folders_without_images_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        load_image_folder(tmp_path / "nothing")
    with pytest.raises(ValueError, match="has no sub-folders"):
        load_image_folder(tmp_path)
    (tmp_path / "happy").mkdir()
    with pytest.raises(ValueError, match="no readable image in its sub-folders"):
        load_image_folder(tmp_path)


def error_of(happy, name):
    """The reason that stands in errors for what is called so, beside one readable image."""
    Image.fromarray(GRAY).save(happy / "face.png")
    bunch = load_image_folder(happy.parent)
    assert bunch.filenames.tolist() == [str(happy / "face.png")]
    [(filename, reason)] = bunch.errors.to_numpy().tolist()
    assert filename.endswith(name)
    return reason


def make_special(path, kind):
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path.symlink_to(
            {"loop": path, "folder": path.parent.parent, "device": "/dev/zero"}.get(kind, kind)
        )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("place", ["happy/special", "special", "happy/deep/special"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("FIFO", "a FIFO, which is not an image file"),
        ("socket", "a socket, which is not an image file"),
        ("device", "a link to a device, which is not"),
        ("nowhere", "FileNotFoundError"),
        ("loop", "symbolic links"),
    ],
)
def test_what_is_neither_a_file_nor_a_folder_is_reported(kind, reason, place, happy, monkeypatch):
    path = happy.parent / place
    path.parent.mkdir(exist_ok=True)
    monkeypatch.chdir(path.parent)  # names of sockets are short
    make_special(Path(path.name), kind)
    assert reason in error_of(happy, place)


def test_a_link_to_a_folder_is_a_class_or_is_reported(happy, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.fromarray(GRAY).save(elsewhere / "1.png")
    make_special(happy / "back", "folder")
    assert "a link to a folder" in error_of(happy, "happy/back")
    (happy.parent / "sad").symlink_to(elsewhere)
    assert load_image_folder(happy.parent).target.tolist() == ["happy", "sad"]


@pytest.mark.parametrize("name", ["happy/deep", "sad"])
def test_a_folder_that_cannot_be_read_is_reported(name, happy, monkeypatch):
    (happy.parent / name).mkdir()
    scandir = os.scandir

    def refuses(path):
        if Path(path) == happy.parent / name:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    assert error_of(happy, name) == "PermissionError: Permission denied"


def test_a_set_of_which_nothing_can_be_read_names_the_first_reason(happy):
    (happy.parent / "link").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"no readable image .*1 others, .*link', 'FileNotFound"):
        load_image_folder(happy.parent)
    happy.rmdir()
    with pytest.raises(ValueError, match=r"no sub-folders \(but .*link: FileNotFoundError"):
        load_image_folder(happy.parent)


def test_folders_may_be_deeper_than_pythons_stack(happy):
    folders = [f"{happy}{n * '/d'}" for n in range(1101)]  # it has 1000
    for folder in folders[1:]:
        os.mkdir(folder)
    try:
        Image.fromarray(GRAY).save(folders[-1] + "/face.png")
        np.testing.assert_array_equal(load_one(happy.parent), GRAY)
    finally:
        os.unlink(folders[-1] + "/face.png")
        for folder in reversed(folders):  # as deep as that, nothing else removes them
            os.rmdir(folder)


def test_a_path_longer_than_the_system_takes_is_reported(happy):
    here, made = os.getcwd(), []
    try:
        os.chdir(happy)
        for _ in range(25):
            made.append("d" * 200)
            os.mkdir(made[-1])
            os.chdir(made[-1])
        os.chdir(here)
        assert "File name too long" in error_of(happy, "d" * 200)
    finally:
        os.chdir(here)
        shutil.rmtree(happy)


def test_hidden_files_and_folders_are_not_looked_at(happy):
    for folder in (".ipynb_checkpoints", "__MACOSX"):
        for place in (happy / folder, happy.parent / folder):
            place.mkdir()
            Image.fromarray(GRAY).save(place / "face.png")
    Image.fromarray(GRAY).save(happy / "._face.png", format="PNG")
    Image.fromarray(GRAY).save(happy / "face.png")
    bunch = load_image_folder(happy.parent)
    assert (len(bunch.data), len(bunch.errors)) == (1, 0)


@pytest.mark.parametrize(
    "names",
    [
        ("train/happy", "validation/happy", "test/happy"),
        ("Train/0", "Test/6"),
        ("Training/a", "PublicTest/a", "PrivateTest/a"),
        ("train/happy", "val/sad", "notes"),
        ("valid", "train"),
        ("train",),
    ],
    ids=" ".join,
)
def test_a_split_folder_is_not_taken_for_expressions(names, tmp_path):
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(GRAY).save(tmp_path / name / "face.png")
    with pytest.raises(ValueError, match=r"holds splits .* load_image_folder\('.*load_fer2013"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("above", ["train_set", "archive/fer2013/train", "S001"])
def test_what_holds_the_classes_is_no_class(above, tmp_path):
    for name in (f"{above}/Happy", f"{above}/Sad", "other"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(GRAY).save(tmp_path / name / "face.png")
    with pytest.raises(ValueError, match=rf"\(Happy, Sad\), .* load_image_folder\('.*/{above}'\)"):
        load_image_folder(tmp_path)
    assert load_image_folder(tmp_path / above).target_names == ["Happy", "Sad"]


def test_a_class_may_hold_folders(tmp_path):
    for name in ("happy/happy", "happy/joy", "sad/S001", "sad/S002", "angry/sad"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(GRAY).save(tmp_path / name / "face.png")
    assert load_image_folder(tmp_path).target_names == ["angry", "happy", "sad"]


def test_a_class_may_be_called_train(tmp_path):
    for name in ("car", "train"):
        (tmp_path / name).mkdir()
        Image.fromarray(GRAY).save(tmp_path / name / "1.png")
    assert load_image_folder(tmp_path).target_names == ["car", "train"]


# -- convert_emotions -----------------------------------------------------------------


def test_every_vocabulary_leads_to_the_names():
    names = list(FER2013_NAMES)
    assert convert_emotions(range(7), source="fer2013").tolist() == names
    assert convert_emotions(list("0123456"), source="fer2013").tolist() == names
    folders = ["Anger", "Disgusted", "FEAR", "Happiness", "Sadness", "surprised", "calm"]
    assert convert_emotions(folders, source="folder").tolist() == names
    ferplus = convert_emotions(names, target="ferplus")
    assert convert_emotions(ferplus, source="ferplus").tolist() == names
    assert convert_emotions(names, target="fer2013").tolist() == list(range(7))


def test_unknown_emotions_are_errors():
    with pytest.raises(ValueError, match=r"Unknown emotion 7 in 'fer2013'\. Known: 0, 1, 2"):
        convert_emotions([7], source="fer2013")
    with pytest.raises(ValueError, match="Unknown emotion 'bored'"):
        convert_emotions(["bored"])
    with pytest.raises(ValueError, match=r"\['contempt'\] have no counterpart in 'fer2013'"):
        convert_emotions(["contempt"], target="fer2013")
    with pytest.raises(ValueError, match="source must be one of"):
        convert_emotions(["happy"], source="kaggle")


# -- many images, into a file -----------------------------------------------------------


@pytest.fixture
def many(tmp_path):
    """600 small images in two folders, of which seven are none."""
    faces = make_faces(600, image_size=20, random_state=0).data
    for i, face in enumerate(faces):
        file = tmp_path / "images" / ("a" if i % 2 else "b") / f"{i:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        if i % 97 == 5:
            file.write_text("no image")
        else:
            Image.fromarray(face).save(file)
    return tmp_path / "images"


def assert_same_bunch(found, expected):
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.target.tolist() == expected.target.tolist()
    assert found.filenames.tolist() == expected.filenames.tolist()
    assert found.errors.to_numpy().tolist() == expected.errors.to_numpy().tolist()


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.usefixtures("own_processes")
def test_a_file_holds_what_memory_would(many, tmp_path, n_jobs):
    expected = load_image_folder(many, image_size=24)
    assert len(expected.errors) == 7
    out = tmp_path / "stored" / "faces.npy"
    found = load_image_folder(many, image_size=24, out=out, n_jobs=n_jobs)
    assert isinstance(found.data, np.memmap)
    assert_same_bunch(found, expected)
    np.testing.assert_array_equal(np.load(out), expected.data)
    assert sorted(f.name for f in out.parent.iterdir()) == ["faces.csv", "faces.npy"]


def test_a_stored_set_is_opened_without_decoding(many, tmp_path, monkeypatch):
    out = tmp_path / "faces.npy"
    expected = load_image_folder(many, out=out)
    monkeypatch.setattr("fer_sklearn.datasets._image_files._read_gray", None)
    assert_same_bunch(load_image_folder(many, out=out), expected)
    with pytest.raises(ValueError, match="another image_size"):
        load_image_folder(many, out=out, image_size=32)
    (many / "a" / "new.png").write_bytes(b"")
    with pytest.raises(ValueError, match="lists other images"):
        load_image_folder(many, out=out)
    with pytest.raises(ValueError, match=r"ends in \.npy"):
        load_image_folder(many, out=tmp_path / "faces.bin")


@pytest.mark.parametrize("name", ["faces.npy.part", "faces.csv.part"])
def test_images_are_not_written_through_a_link(many, tmp_path, name):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / name).symlink_to(mine)
    with pytest.raises(ValueError, match=r"\.part is a link, or no file, .* Move it away"):
        load_image_folder(many, out=tmp_path / "faces.npy")
    assert mine.read_text() == "mine"


def test_a_run_that_was_stopped_goes_on(many, tmp_path, monkeypatch):
    import fer_sklearn.datasets._image_files as module

    expected = load_image_folder(many)
    out, read = tmp_path / "faces.npy", module._read_gray
    decoded = []

    def stops(file, size, max_pixels):
        decoded.append(file)
        if len(decoded) == 400:
            raise KeyboardInterrupt
        return read(file, size, max_pixels)

    monkeypatch.setattr(module, "_read_gray", stops)
    with pytest.raises(KeyboardInterrupt):
        load_image_folder(many, out=out)
    assert not out.exists()
    with (tmp_path / "faces.npy.part").open("ab") as raw:
        raw.write(b"half a face")  # as a kill in mid-write leaves it
    with (tmp_path / "faces.csv.part").open("a") as text:
        text.write(expected.filenames[256][:-3])
    monkeypatch.setattr(module, "_read_gray", lambda f, *how: (decoded.append(f), read(f, *how))[1])
    assert_same_bunch(load_image_folder(many, out=out), expected)
    assert len(decoded) == 400 + 600 - 256  # the first batch was not decoded again
    assert sorted(f.name for f in tmp_path.glob("faces*")) == ["faces.csv", "faces.npy"]


def test_the_faces_are_not_stored_among_the_images(many):
    folder = next(entry for entry in many.iterdir() if entry.is_dir())
    for out in (folder / "faces.npy", folder / "new" / "faces.npy"):
        with pytest.raises(ValueError, match=r"lies among the images of .* outside the classes"):
            load_image_folder(many, out=out)
    assert not (folder / "new").exists()


def test_a_list_of_faces_that_a_crash_has_lost_is_not_believed(many, tmp_path, monkeypatch):
    import fer_sklearn.datasets._image_files as module

    expected = load_image_folder(many)
    out, read = tmp_path / "faces.npy", module._read_batch
    batches = []

    def stops(*batch):
        batches.append(batch)
        if len(batches) == 2:
            raise KeyboardInterrupt
        return read(*batch)

    monkeypatch.setattr(module, "_read_batch", stops)
    with pytest.raises(KeyboardInterrupt):
        load_image_folder(many, out=out)
    os.truncate(tmp_path / "faces.npy.part", 5000)
    assert_same_bunch(load_image_folder(many, out=out), expected)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")
def test_of_two_that_store_the_same_one_decodes_and_the_other_waits(many, tmp_path, monkeypatch):
    import fer_sklearn.datasets._image_files as module

    expected = load_image_folder(many)
    read, decoded, began = module._read_batch, [], threading.Event()

    def slow(files, *how):
        began.set()
        time.sleep(0.2)
        decoded.extend(files)
        return read(files, *how)

    monkeypatch.setattr(module, "_read_batch", slow)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(load_image_folder, many, out=tmp_path / "faces.npy")
        began.wait(20)
        others = [
            pool.submit(load_image_folder, many, out=tmp_path / "faces.npy") for _ in range(2)
        ]
        for future in (first, *others):
            assert_same_bunch(future.result(60), expected)
    assert len(decoded) == 600
    assert sorted(f.name for f in tmp_path.glob("faces*")) == ["faces.csv", "faces.npy"]


def test_a_progress_bar_counts_images(many, capsys):
    load_image_folder(many, verbose=1)
    assert "600/600" in capsys.readouterr().err


ODD = [
    "ünï cödé 表情.png",
    "line\nbreak.png",
    'quote"and,comma.png',
    b"not\xffutf8.png".decode("utf-8", "surrogateescape"),
]


def test_odd_file_names_are_no_trouble(tmp_path):
    folder = tmp_path / "images" / "happy"
    folder.mkdir(parents=True)
    face = Image.fromarray(make_faces(1, random_state=0).data[0])
    for name in ODD:
        try:
            face.save(folder / name, format="PNG")
        except OSError:
            pytest.skip("this file system refuses such names")
    out = tmp_path / "faces.npy"
    first = load_image_folder(tmp_path / "images", out=out)
    assert len(first.data) == 4
    assert_same_bunch(load_image_folder(tmp_path / "images", out=out), first)


def test_the_name_of_a_class_can_be_written_whatever_its_bytes(tmp_path):
    face = Image.fromarray(make_faces(1, random_state=0).data[0])
    for name in (b"b\xf6se", b"happy"):
        try:
            folder = tmp_path / os.fsdecode(name)
            folder.mkdir()
        except (OSError, UnicodeError):
            pytest.skip("this file system refuses such names")
        face.save(folder / "face.png")
    assert load_image_folder(tmp_path).target.tolist() == [r"b\udcf6se", "happy"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bytes_that_were_an_image_never_stop_the_load(tmp_path, data):
    """A damaged file is one row of the report, or still an image."""
    stream = io.BytesIO()
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]))
    Image.fromarray(make_faces(1, image_size=16, random_state=0).data[0]).save(stream, format=kind)
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    folder = tmp_path / "x" / "happy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "damaged.png").write_bytes(bytes(content))
    Image.new("L", (4, 4)).save(folder / "good.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata
        bunch = load_image_folder(tmp_path / "x", image_size=8)
    assert len(bunch.data) + len(bunch.errors) == 2
    assert any(name.endswith("good.png") for name in bunch.filenames)


# -- other sizes ----------------------------------------------------------------------


def test_resizing_follows_the_rule_of_the_folder_loader(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (5, 64, 80, 3), dtype=np.uint8)
    (tmp_path / "happy").mkdir()
    for number, image in enumerate(colours):
        Image.fromarray(image).save(tmp_path / "happy" / f"{number}.png")
    (tmp_path / "sad").mkdir()
    Image.fromarray(colours[0]).save(tmp_path / "sad" / "0.png")
    loaded = load_image_folder(tmp_path)
    np.testing.assert_array_equal(resize_faces(colours), loaded.data[loaded.target == "happy"])


def test_resizing_averages_what_it_leaves_out():
    stripes = np.zeros((1, 96, 96), dtype=np.uint8)
    stripes[:, :, ::2] = 255
    assert np.ptp(resize_faces(stripes)[0, 4:-4, 4:-4].astype(int)) < 10


def test_resizing_keeps_the_range_of_floats_and_takes_any_sizes():
    images = [np.full((60, 50), 0.25), np.full((96, 96, 1), 0.5), np.full((112, 90, 3), 0.75)]
    faces = resize_faces(images, (24, 32))
    assert (faces.shape, faces.dtype) == ((3, 24, 32), np.float32)
    np.testing.assert_allclose(faces.mean(axis=(1, 2)), [0.25, 0.5, 0.75], atol=1e-6)


@pytest.mark.parametrize("white", [1, 255])
def test_resized_floats_stay_in_the_range_that_a_classifier_takes(white):
    """Lanczos overshoots at edges, by a seventh of the step."""
    X = (np.random.default_rng(0).random((32, 20, 20)) > 0.5) * float(white)
    resized = resize_faces(X, 12)
    assert (resized.min(), resized.max()) == (0, white)
    clf = small_classifier(max_epochs=1).fit(resized, np.arange(32) % 2)
    assert clf.predict(resized).shape == (32,)


def test_flat_rows_cannot_be_resized_unseen():
    with pytest.raises(ValueError, match=r"got \(2304,\) in row 0. Flat rows: X.reshape"):
        resize_faces(np.zeros((2, 2304), dtype=np.uint8))


@pytest.mark.parametrize("foreign", ["faces.npy", "faces.csv"])
def test_a_file_of_somebody_else_is_left_as_it_is(foreign, many, tmp_path):
    (tmp_path / foreign).write_text("precious")
    with pytest.raises(ValueError, match="move it away"):
        load_image_folder(many, out=tmp_path / "faces.npy")
    assert (tmp_path / foreign).read_text() == "precious"
    assert not list(tmp_path.glob("*.part"))


def test_a_run_that_was_killed_between_its_last_two_steps_is_finished(many, tmp_path):
    out = tmp_path / "faces.npy"
    expected = load_image_folder(many, out=out)
    out.rename(tmp_path / "faces.npy.part")
    assert_same_bunch(load_image_folder(many, out=out), expected)


def test_a_file_that_does_not_fit_its_list_is_refused(many, tmp_path):
    out = tmp_path / "faces.npy"
    load_image_folder(many, out=out)
    np.save(out, np.zeros((2, 48, 48), np.uint8))
    with pytest.raises(ValueError, match=r"holds uint8 of shape \(2, 48, 48\), but .* lists"):
        load_image_folder(many, out=out)


def replace(file, level, *, same_size=False):
    """Put another picture under the name of a file."""
    size = file.stat().st_size
    Image.fromarray(np.full((20, 20), level, np.uint8)).save(file)
    if same_size:
        content = file.read_bytes()
        file.write_bytes(content + bytes(max(0, size - len(content))))
        assert file.stat().st_size == size


@pytest.mark.parametrize("same_size", [False, True])
def test_a_stored_set_is_not_handed_back_after_a_file_was_replaced(same_size, happy, tmp_path):
    out = tmp_path / "faces.npy"
    Image.fromarray(make_faces(1, image_size=20, random_state=0).data[0]).save(happy / "1.png")
    load_image_folder(happy.parent, out=out)
    replace(happy / "1.png", 200, same_size=same_size)
    with pytest.raises(ValueError, match=r"1\.png is another file than the one that was decoded"):
        load_image_folder(happy.parent, out=out)
    for file in tmp_path.glob("faces.*"):
        file.unlink()
    assert load_image_folder(happy.parent, out=out).data.mean() == 200


def test_a_stored_set_is_opened_after_it_was_copied_with_its_times(happy, tmp_path):
    out = tmp_path / "faces.npy"
    Image.fromarray(GRAY).save(happy / "1.png")
    expected = load_image_folder(happy.parent, out=out)
    shutil.copy2(happy / "1.png", tmp_path / "copy.png")
    shutil.move(tmp_path / "copy.png", happy / "1.png")
    assert_same_bunch(load_image_folder(happy.parent, out=out), expected)


def test_a_run_that_was_stopped_does_not_keep_what_was_replaced(many, tmp_path, monkeypatch):
    import fer_sklearn.datasets._image_files as module

    out, read, decoded = tmp_path / "faces.npy", module._read_gray, []

    def stops(file, *how):
        decoded.append(file)
        if len(decoded) == 600:
            raise KeyboardInterrupt
        return read(file, *how)

    monkeypatch.setattr(module, "_read_gray", stops)
    with pytest.raises(KeyboardInterrupt):
        load_image_folder(many, out=out)
    monkeypatch.undo()
    replace(decoded[300], 200)
    found = load_image_folder(many, out=out)
    assert_same_bunch(found, load_image_folder(many))


@pytest.mark.parametrize("name", ["faces.npy", "faces.csv"])
def test_a_damaged_stored_set_is_refused_or_the_same(name, happy, tmp_path):
    out, rng = tmp_path / "faces.npy", np.random.default_rng(0)
    Image.fromarray(GRAY).save(happy / "1.png")
    (happy / "2.png").write_text("no image")
    expected = load_image_folder(happy.parent, out=out)
    whole = (tmp_path / name).read_bytes()
    for attempt in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(min(len(whole), 128))] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged[: None if attempt % 3 else rng.integers(len(whole))])
        try:
            found = load_image_folder(happy.parent, out=out)
        except ValueError as error:
            message = str(error)
        else:
            message = str(tmp_path)
            assert_same_bunch(found, expected)
        assert str(tmp_path) in message


def test_a_list_of_an_older_version_is_not_believed(many, tmp_path):
    out, index = tmp_path / "faces.npy", tmp_path / "faces.csv"
    load_image_folder(many, out=out)
    lines = [line.split(",")[:2] for line in index.read_text().split("\n")[1:-1]]
    index.write_text("".join(f"{','.join(line)}\n" for line in [["filename", "reason,48"], *lines]))
    with pytest.raises(ValueError, match=r"older version.* Delete the \.csv and the \.npy"):
        load_image_folder(many, out=out)


@pytest.mark.parametrize("image_size", [0, -1, (48, 48), None])
def test_an_image_size_that_is_none_is_named(image_size, tmp_path):
    with pytest.raises(ValueError, match="'image_size' parameter of load_image_folder"):
        load_image_folder(tmp_path, image_size=image_size)
