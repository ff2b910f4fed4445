"""Copies, contradictions and blanks: found, shown, and cleaned by rules."""

import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image, ImageEnhance
from sklearn.model_selection import GroupKFold

from fer_sklearn.datasets import (
    clean_faces,
    duplicate_groups,
    find_label_noise,
    inspect_faces,
    load_fer2013,
    make_faces,
    near_pairs,
    resize_faces,
)
from fer_sklearn.datasets._duplicates import find_near_pairs


@pytest.fixture(scope="module")
def drawn():
    """60 faces of which no two are copies."""
    return make_faces(60, noise=0.1, random_state=3)


def altered(face, kind):
    image = Image.fromarray(face)
    if kind == "brighter":
        image = ImageEnhance.Brightness(image).enhance(1.15)
    if kind == "less contrast":
        image = ImageEnhance.Contrast(image).enhance(0.7)
    if kind == "smaller and back":
        image = image.resize((30, 30), Image.Resampling.LANCZOS).resize(image.size)
    if kind == "mirrored":
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(image)


def test_copies_share_a_number_and_others_do_not(drawn):
    X = np.concatenate([drawn.data, drawn.data[10:20]])
    groups = duplicate_groups(X)
    assert groups[:60].tolist() == list(range(60))
    assert groups[60:].tolist() == list(range(10, 20))
    flat = X.reshape(70, -1)
    np.testing.assert_array_equal(duplicate_groups(flat), groups)
    for train, test in GroupKFold(3).split(X, groups=groups):
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("kind", ["brighter", "less contrast", "smaller and back", "mirrored"])
def test_near_copies_are_found(kind, drawn):
    faces = drawn.data
    copies = np.stack([altered(face, kind) for face in faces[:20]])
    pairs, correlations = near_pairs(np.concatenate([faces, copies]))
    expected = {(i, 60 + i, int(kind == "mirrored")) for i in range(20)}
    found = {tuple(pair) for pair in pairs.tolist()} & expected
    assert len(found) >= 18  # a hash may miss one
    assert correlations.min() >= 0.95
    groups = duplicate_groups(np.concatenate([faces, copies]), near=True)
    assert sum(groups[i] == groups[60 + i] for i in range(20)) >= 18


def test_exact_copies_are_no_near_copies_and_blank_faces_are_no_copies(drawn):
    blank = np.zeros((30, 48, 48), dtype=np.uint8)
    pairs, _ = near_pairs(np.concatenate([drawn.data, drawn.data[:5], blank]))
    assert not {(i, 60 + i) for i in range(5)} & {tuple(pair[:2]) for pair in pairs.tolist()}
    assert (pairs < 65).all()


@pytest.mark.parametrize("shape", [(64, 64), (10, 10), (50, 37)])
def test_faces_of_any_size_can_be_compared(shape):
    faces = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    faces = np.concatenate([faces, np.clip(faces[:10] * 0.8, 0, 255).astype(np.uint8)])
    pairs, _ = near_pairs(faces)
    assert {tuple(pair) for pair in pairs.tolist()} == {(i, 40 + i, 0) for i in range(10)}


def test_a_symmetric_faces_exact_copies_are_no_mirrored_copies(drawn):
    symmetric = np.concatenate([drawn.data[:5, :, :24], drawn.data[:5, :, 23::-1]], axis=2)
    X = np.concatenate([symmetric, symmetric, drawn.data[5:]])
    assert len(near_pairs(X)[0]) == 0
    assert inspect_faces(X).near_duplicates.empty


def test_near_copies_are_the_same_in_parts_of_any_size(drawn, monkeypatch):
    changes = ("brighter", "smaller and back", "mirrored")
    X = np.concatenate(
        [drawn.data] + [np.stack([altered(f, kind) for f in drawn.data[:20]]) for kind in changes]
    )
    pairs, correlations = near_pairs(X)
    assert {0, 1} == set(pairs[:, 2])
    for size in (7, 10_000):
        monkeypatch.setattr("fer_sklearn.datasets._duplicates._CHUNK", size)
        found, theirs = near_pairs(X)
        np.testing.assert_array_equal(found, pairs)
        np.testing.assert_array_equal(theirs, correlations)


def test_near_copies_are_found_without_arrays_of_all_faces_but_one(monkeypatch):
    n = 20_000

    class Drawn:
        """Faces that are made when they are asked for."""

        def __len__(self):
            return n

        def __getitem__(self, rows):
            start, stop, _ = rows.indices(n)
            return np.random.default_rng(start).integers(0, 256, (stop - start, 16, 16), np.uint8)

    monkeypatch.setattr("fer_sklearn.datasets._duplicates._CHUNK", 64)
    tracemalloc.start()
    find_near_pairs([Drawn()], np.arange(n), 0.95)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.35 * n * 1024  # the thumbnails, 1 kB a face, and what a hash takes


@pytest.mark.parametrize("black_to_white", [(0, 1), (-2, 2), (0, 4095)])
def test_near_copies_are_found_in_any_range(black_to_white, drawn):
    X = np.concatenate([drawn.data, drawn.data[:20, :, ::-1], np.full((3, 48, 48), 9, np.uint8)])
    black, white = black_to_white
    expected, found = near_pairs(X)[0], near_pairs(black + X / 255 * (white - black))[0]
    assert len(expected) >= 20
    np.testing.assert_array_equal(found, expected)


def faulty(drawn):
    """Faces with faults at known rows, their labels and splits."""
    faces, labels = drawn.data, drawn.target
    X = np.concatenate([faces, faces[:3], faces[3:5], np.full((1, 48, 48), 7, np.uint8)])
    other = np.where(labels[3:5] == "happy", "sad", "happy")
    y = np.concatenate([labels, labels[:3], other, ["neutral"]])
    split = np.array(["train"] * 60 + ["test"] * 6)
    return X, y, split


def test_a_report_names_every_fault(drawn):
    X, y, split = faulty(drawn)
    report = inspect_faces(X, y, split=split, near=False)
    assert report.blank["row"].tolist() == [65]
    pairs = [[i, 60 + i] for i in range(5)]
    grouped = report.exact_duplicates.groupby("group")["row"].apply(list).tolist()
    assert grouped == pairs
    assert report.contradictions["row"].tolist() == [3, 63, 4, 64]
    assert sorted(report.leaks["row"]) == sorted(np.ravel(pairs))
    assert report.class_counts.loc["neutral", "test"] >= 1
    assert report.to_frame()["faces"].tolist() == [1, 10, 0, 4, 10]
    text = str(report)
    assert "66 faces" in text
    assert "copies under other labels in 2 groups" in text
    assert inspect_faces(X).contradictions.empty
    with pytest.raises(ValueError, match="X has 66 faces, y 5 values"):
        inspect_faces(X, y[:5])


@pytest.mark.parametrize("shape", [(-1, 48 * 48), (-1, 48, 48, 1), "RGB"])
def test_faces_of_every_layout_are_inspected_and_cleaned(shape, drawn):
    X, y, _ = faulty(drawn)
    other = np.repeat(X[..., None], 3, axis=3) if shape == "RGB" else X.reshape(shape)
    assert str(inspect_faces(other, y)) == str(inspect_faces(X, y))
    groups = [duplicate_groups(faces, near=True).tolist() for faces in (other, X)]
    assert groups[0] == groups[1]
    assert clean_faces(other, y).data.shape == (len(clean_faces(X, y).data), *other.shape[1:])


def test_a_report_is_short_and_has_a_table_for_notebooks(drawn):
    X, y, split = faulty(drawn)
    report = inspect_faces(X, y, split=split, near=False)
    assert repr(report) == "FaceReport(n_faces=66)"
    text = report._repr_html_()
    assert text.count("<table") == 2
    for part in ("exact copies", "15.2%", "of 66 faces", "neutral"):
        assert part in text
    assert inspect_faces(X)._repr_html_().count("<table") == 1


def test_a_report_can_be_seen(drawn):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    X, y, split = faulty(drawn)
    report = inspect_faces(X / 255.0, y, split=split)
    for finding in ("blank", "exact_duplicates", "near_duplicates", "contradictions", "leaks"):
        ax = report.plot(finding)
        assert "of 66 faces" in ax.get_title()
    assert ax.images[0].get_array().ndim == 2
    plt.close("all")
    with pytest.raises(ValueError, match="Unknown finding"):
        report.plot("ghosts")


def test_a_memory_map_is_inspected_as_it_is(drawn, tmp_path):
    path = tmp_path / "faces.npy"
    np.save(path, drawn.data)
    report = inspect_faces(np.load(path, mmap_mode="r"), drawn.target)
    assert str(report) == str(inspect_faces(drawn.data, drawn.target))


def test_cleaning_drops_by_the_first_rule_that_applies_and_says_so(drawn):
    X, y, _ = faulty(drawn)
    cleaned = clean_faces(X, y, test=X[10:12])
    reasons = dict(zip(cleaned.log["row"], cleaned.log["reason"], strict=True))
    assert reasons == {
        65: "blank",
        10: "copy of a test face",
        11: "copy of a test face",
        **dict.fromkeys([3, 4, 63, 64], "contradiction"),
        **dict.fromkeys([60, 61, 62], "copy"),
    }
    assert sorted([*cleaned.kept, *cleaned.log["row"]]) == list(range(66))
    np.testing.assert_array_equal(cleaned.data, X[cleaned.kept])
    np.testing.assert_array_equal(cleaned.target, y[cleaned.kept])
    log = cleaned.log.set_index("row")
    assert log.loc[62, "copy_of"] == 2
    assert log.loc[65, "copy_of"] == -1
    assert log.loc[63, "label"] == y[63]


def test_every_rule_can_be_switched_off_or_softened(drawn):
    X, y, _ = faulty(drawn)
    all_kept = clean_faces(X, y, blank="keep", copies="keep", contradictions="keep")
    assert len(all_kept.kept) == 66
    assert all_kept.groups[60] == all_kept.groups[0]
    # two of three agree; a pair of opposites has no majority
    X = np.concatenate([X, X[3:4]])
    y = np.append(y, y[3])
    soft = clean_faces(X, y, contradictions="majority")
    reasons = dict(zip(soft.log["row"], soft.log["reason"], strict=True))
    assert 3 in soft.kept
    assert reasons[63] == "contradiction"
    assert reasons[66] == "copy"
    assert reasons[4] == reasons[64] == "contradiction"
    with pytest.raises(ValueError, match="copies must be one of"):
        clean_faces(X, y, copies="maybe")


def log_of(drawn, rows, labels, **rules):
    """What is dropped, as {row: (reason, copy_of)}, of these faces under these labels."""
    log = clean_faces(drawn.data[rows], np.array(labels), **rules).log
    return dict(zip(log["row"], zip(log["reason"], log["copy_of"], strict=True), strict=True))


def test_the_log_names_the_face_that_stays_or_the_one_that_contradicts(drawn):
    blame = {0: ("contradiction", 1), 1: ("contradiction", 0), 2: ("contradiction", 0)}
    assert log_of(drawn, [5, 5, 5, 6], ["x", "y", "y", "x"]) == blame
    soft = log_of(drawn, [5] * 5, ["x", "y", "z", "z", "z"], contradictions="majority")
    assert soft == {
        **dict.fromkeys([0, 1], ("contradiction", 2)),
        **dict.fromkeys([3, 4], ("copy", 2)),
    }
    kept = log_of(drawn, [5] * 4, ["x", "y", "y", "x"], contradictions="keep")
    assert kept == {2: ("copy", 1), 3: ("copy", 0)}


def test_near_copies_are_cleaned_on_request(drawn):
    near = np.stack([altered(face, "brighter") for face in drawn.data[:5]])
    X, y = np.concatenate([drawn.data, near]), np.append(drawn.target, drawn.target[:5])
    assert len(clean_faces(X, y).kept) == 65
    assert set(clean_faces(X, y, near=True).log["row"]) >= {60, 61, 62, 63}


def test_what_is_known_of_fer2013_is_found(fer2013):
    faces = load_fer2013(fer2013, usage=["Training", "PublicTest"])
    report = inspect_faces(faces.data, faces.target, split=faces.usage, near=False)
    test = faces.usage == "PublicTest"
    assert test[report.leaks["row"]].sum() in (279, 280)  # one may be blank
    groups = duplicate_groups(faces.data[~test])
    assert 1225 < len(groups) - len(np.unique(groups)) < 1240  # some pixels differ by source


def test_one_colour_all_over_is_blank():
    X = make_faces(6, image_size=16, random_state=0).data
    X = np.repeat(X[..., None], 3, axis=3)
    X[2] = (255, 0, 0)
    assert inspect_faces(X).blank["row"].tolist() == [2]
    assert clean_faces(X, np.arange(6)).kept.tolist() == [0, 1, 3, 4, 5]


PHOTO = np.random.default_rng(0).integers(0, 256, (64, 50, 4), dtype=np.uint8)
TAKERS = {
    "resize_faces": resize_faces,
    "inspect_faces": inspect_faces,
    "clean_faces": lambda X: clean_faces(X, np.arange(64)),
    "clean_faces(test=)": lambda X: clean_faces([PHOTO[..., 0]] * 2, [0, 1], test=X),
    "duplicate_groups": duplicate_groups,
    "near_pairs": near_pairs,
    "find_label_noise": lambda X: find_label_noise(None, X, np.arange(64)),
}
ONE_IMAGE = {
    "RGB": PHOTO[..., :3],
    "RGBA": PHOTO,
    "floats": PHOTO[..., :3] / 255,
    "lists": PHOTO[..., :3].tolist(),
    "Pillow": Image.fromarray(PHOTO[..., :3]),
}


@pytest.mark.parametrize("kind", ONE_IMAGE)
@pytest.mark.parametrize("taker", TAKERS)
def test_one_colour_image_is_not_taken_for_its_rows(taker, kind):
    said = "Image" if kind == "Pillow" else r"one RGBA? image of shape \(64, 50, "
    with pytest.raises(ValueError, match=rf"got {said}.*pass \[image"):
        TAKERS[taker](ONE_IMAGE[kind])


@pytest.mark.parametrize("white", [1, 255])
def test_flat_rows_of_rgba_are_not_taken_for_gray_faces_of_twice_the_side(white):
    X = np.random.default_rng(0).random((6, 48, 48, 4)) * white
    X[..., 3] = white
    rows = X.reshape(6, -1)
    for faces in (rows, rows.astype(np.float32), pd.DataFrame(rows), rows.tolist()):
        with pytest.raises(ValueError, match="an alpha channel: RGBA"):
            duplicate_groups(faces)
    inspect_faces(X[..., :3])


@pytest.mark.parametrize("period", [2, 3, 4])
def test_stripes_are_not_taken_for_an_alpha_channel(period):
    X = np.random.default_rng(0).integers(0, 255, (5, 48, 48), dtype=np.uint8)
    X[:, :, 1::period] = 255
    assert len(duplicate_groups(X.reshape(5, -1))) == 5


OFF_SCALE = {"huge": 1e6, "negative": -3.0, "not a number": np.nan, "infinite": np.inf}


@pytest.mark.parametrize("value", OFF_SCALE.values(), ids=OFF_SCALE)
@pytest.mark.parametrize("function", [inspect_faces, clean_faces])
def test_values_that_fit_refuses_are_refused(function, value, drawn):
    """One of them made all other faces blank, or none."""
    X = drawn.data.astype(float)
    X[3, 2, 2] = value
    for faces in (X, X.reshape(60, -1), X.astype(np.float32)):
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)|in \[0, 1\] or \[0, 255\]"):
            function(faces, drawn.target)
    with pytest.raises(ValueError, match=r"contains (NaN|inf)|Expected pixel values in \[0, 255\]"):
        function(X, drawn.target, pixel_range=(0, 255))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_near_copies_are_not_looked_for_among_values_that_are_none(value, drawn):
    X = drawn.data.astype(float)
    X[3, 2, 2] = value
    for look in (near_pairs, partial(duplicate_groups, near=True)):
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
            look(X)


@pytest.mark.parametrize("black_to_white", [(0, 1), (-2, 2), (0, 4095)])
def test_what_is_blank_does_not_depend_on_the_range(black_to_white, drawn):
    X = np.concatenate([drawn.data, np.clip(drawn.data[:20], 120, 124)])
    black, white = black_to_white
    scaled = black + X / 255 * (white - black)
    found = inspect_faces(scaled, pixel_range=black_to_white, near=False).blank
    expected = inspect_faces(X, near=False).blank
    assert expected["row"].tolist() == list(range(60, 80))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    cleaned = clean_faces(scaled, np.arange(80), pixel_range=black_to_white)
    assert cleaned.kept.tolist() == list(range(60))


def test_dark_faces_are_as_dark_alone_as_among_others(drawn):
    dark = drawn.data // 64
    together = inspect_faces(np.concatenate([dark, drawn.data]), near=False).blank
    assert together["row"].tolist() == list(range(60))
    assert inspect_faces(dark, near=False).blank["row"].tolist() == list(range(60))


def test_no_faces_are_nothing_to_complain_of():
    X, y = np.empty((0, 48, 48), np.uint8), np.empty(0, int)
    assert inspect_faces(X, y, split=y).n_faces == 0
    assert len(clean_faces(X, y).kept) == 0


# -- what comes in ----------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 255.0])
@pytest.mark.parametrize("form", ["objects", "nullable table"])
def test_cells_that_are_objects_are_read_as_their_numbers(form, scale, faces):
    X = np.concatenate([faces.data[:20], faces.data[:3]]).reshape(23, -1) / scale
    y = np.concatenate([faces.target[:20], faces.target[:3]])
    table = pd.DataFrame(X).astype("Int64" if scale == 1 else "Float64")
    given = X.astype(object) if form == "objects" else table
    np.testing.assert_array_equal(duplicate_groups(given), duplicate_groups(X))
    assert clean_faces(given, y).kept.tolist() == clean_faces(X, y).kept.tolist()
    assert str(inspect_faces(given, y)) == str(inspect_faces(X, y))
    assert len(clean_faces(faces.data[:20], faces.target[:20], test=given[:4]).data) == 16


def painted(codes, levels):
    """Return an image whose pixels are positions in a palette."""
    image = Image.frombytes("P", codes.shape[::-1], codes.tobytes())
    image.putpalette([level for gray in levels for level in [gray] * 3])
    return image


def test_images_of_pillow_are_copies_if_their_gray_levels_are_the_same(faces):
    codes = faces.data[0] // 64
    one, other = painted(codes, [0, 80, 160, 255]), painted(codes, [255, 160, 80, 0])
    same = painted(3 - codes, [255, 160, 80, 0]).convert("RGB")
    X, y = [one, other, same], ["happy", "sad", "happy"]
    assert duplicate_groups(X).tolist() == [0, 1, 0]
    cleaned = clean_faces(X, y)
    assert cleaned.kept.tolist() == [0, 1]
    expected = [np.asarray(image.convert("L")) for image in (one, other)]
    np.testing.assert_array_equal(cleaned.data, expected)
    assert clean_faces(X, y, test=np.stack(expected[:1])).kept.tolist() == [1]


@pytest.mark.parametrize("number", [lambda face: face / 255, lambda face: face > 100])
def test_faces_up_to_1_among_bytes_are_no_black_faces(number, fitted, faces):
    """scikit-image resizes to floats up to 1: what had the right size stays as it was."""
    X, y = [*faces.data[:3], number(faces.data[3])], faces.target[:4]
    for look in (
        lambda: clean_faces(X, y),
        lambda: duplicate_groups(X),
        lambda: resize_faces(X, 20),
        lambda: fitted.predict(X),
    ):
        with pytest.raises(ValueError, match=r"one range, .* in row 3\. If 1 is white"):
            look()
    X[3] = faces.data[3].astype(np.float32)
    np.testing.assert_array_equal(fitted.predict(X), fitted.predict(faces.data[:4]))


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (None, "got None"),
        ("faces.csv", "got str. Read"),
        ({"data": 1}, "pass .data"),
        (np.ma.masked_less(np.ones((1, 24, 24)), 2), "576 values are masked"),
    ],
)
def test_what_is_no_faces_is_told_everywhere(X, match):
    for look in (duplicate_groups, near_pairs, inspect_faces, resize_faces):
        with pytest.raises(ValueError, match=match):
            look(X)
    with pytest.raises(ValueError, match=match):
        clean_faces(X, ["happy"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels_are_refused(missing, faces):
    y = pd.Series(faces.target[:20]).mask(np.arange(20) == 7, missing)
    for look in (clean_faces, inspect_faces):
        with pytest.raises(ValueError, match=r"1 of 20 faces have no label, .* in row 7"):
            look(faces.data[:20], y)
    with pytest.raises(ValueError, match=r"needs y, .* got None"):
        clean_faces(faces.data[:20], None)


@pytest.mark.parametrize("wrong", [0, -1.0, 1.5, np.nan])
def test_a_correlation_that_no_pair_can_have_is_refused(wrong, faces):
    for look in (duplicate_groups, inspect_faces):
        with pytest.raises(ValueError, match=r"min_correlation in \(0, 1\], got"):
            look(faces.data[:20], near=True, min_correlation=wrong)


@pytest.mark.parametrize("wrong", [(0, np.inf), (1, 0), (0, 1, 2), "bytes", None])
def test_a_range_that_is_none_drops_no_face(wrong, faces):
    with pytest.raises(ValueError, match="pixel_range must be 'auto' or"):
        clean_faces(faces.data[:20] / 1.0, faces.target[:20], pixel_range=wrong)


@pytest.mark.parametrize("size", [0, -1, 1.5, "48", None, (8,), (8, 0), (8, 2.5), True])
def test_a_size_that_faces_cannot_have_is_refused(size, faces):
    with pytest.raises(ValueError, match="image_size as a whole number above 0, or two"):
        resize_faces(faces.data[:2], size)


def test_a_table_is_to_be_images_before_it_is_resized(faces):
    for form in (pd.DataFrame, pl.DataFrame):
        with pytest.raises(ValueError, match=r"X\.to_numpy\(\)\.reshape\(-1, h, w\)"):
            resize_faces(form(faces.data[:2].reshape(2, -1)))
    few = (face for face in faces.data[:2])
    np.testing.assert_array_equal(resize_faces(few, 12), resize_faces(faces.data[:2], 12))


def test_the_contrast_of_half_precision_does_not_overflow():
    faces = make_faces(10, image_size=24, random_state=0).data
    faces[0] = np.where(np.arange(24) % 2, 255, 0)  # the largest contrast
    report = inspect_faces(faces.astype(np.float16), pixel_range=(0, 255))
    assert not len(report.blank)


@pytest.mark.parametrize("look", [clean_faces, inspect_faces, duplicate_groups, resize_faces])
def test_what_numpy_cannot_compare_is_said_to_be_no_faces(look):
    faces = make_faces(4, image_size=24, random_state=0)
    labels = [faces.target] if look is clean_faces else []
    with pytest.raises(ValueError, match=r"dtype complex128\. Pass X\.real"):
        look(faces.data.astype(complex), *labels)
    with pytest.raises(ValueError, match=r"Pass X\.detach\(\)\.cpu\(\)"):
        look(torch.tensor(faces.data / 255, requires_grad=True), *labels)


def test_images_of_two_sizes_have_no_copies():
    with pytest.raises(ValueError, match=r"images of \(24, 24\) and of \(20, 24\)"):
        duplicate_groups([np.zeros((24, 24)), np.zeros((20, 24))])
