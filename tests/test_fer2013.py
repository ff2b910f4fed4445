"""`load_fer2013` on every form of the file, whole and damaged."""

import gzip
import lzma
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_sklearn.datasets import load_fer2013
from fer_sklearn.datasets._pixel_text import NumberParser

N = 20
CODES = np.arange(N) % 7
USAGES = np.array(["Training"] * 12 + ["PublicTest"] * 4 + ["PrivateTest"] * 4)
NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


@pytest.fixture(scope="module")
def images():
    images = np.random.default_rng(0).integers(0, 256, (N, 48, 48), dtype=np.uint8)
    images[0], images[1] = 0, 255
    images[2, 0] = np.arange(48)
    return images


def text(images, header="emotion,pixels,Usage", quote="", newline="\n"):
    lines = [header]
    for code, image, usage in zip(CODES, images, USAGES, strict=True):
        field = {
            "emotion": str(code),
            "pixels": quote + " ".join(map(str, image.ravel().tolist())) + quote,
            "usage": usage,
        }
        lines.append(",".join(field[name.strip().lower()] for name in header.split(",")))
    return newline.join(lines) + newline


@pytest.fixture
def csv(images, tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(text(images))
    return path


FORMS = {
    "challenge": {},
    "kaggle": {"header": "emotion, Usage, pixels"},
    "other order": {"header": "Usage,pixels,emotion"},
    "quoted": {"quote": '"'},
    "windows": {"newline": "\r\n"},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_csv_gives_the_same(form, images, tmp_path):
    path = tmp_path / "icml_face_data.csv"
    path.write_bytes(text(images, **FORMS[form]).encode())
    for place in (path, tmp_path):
        bunch = load_fer2013(place, usage="all")
        np.testing.assert_array_equal(bunch.data, images)
        assert bunch.data.dtype == np.uint8
        assert bunch.data.flags.writeable
        assert bunch.target.tolist() == [NAMES[code] for code in CODES]
        assert bunch.usage.tolist() == USAGES.tolist()
        assert bunch.target_names == sorted(NAMES)
        assert "Goodfellow" in bunch.DESCR


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zip"])
def test_compressed_files(ending, images, tmp_path):
    path = tmp_path / f"fer2013.csv{ending}"
    content = text(images).encode()
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("fer2013/fer2013.csv", content)
    else:
        path.write_bytes({".gz": gzip, ".xz": lzma}[ending].compress(content))
    np.testing.assert_array_equal(load_fer2013(path, usage="all").data, images)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="damaged or cut off"):
        load_fer2013(path)


@pytest.mark.parametrize(
    ("usage", "rows"),
    [
        ("Training", slice(0, 12)),
        ("PublicTest", slice(12, 16)),
        (["PublicTest", "PrivateTest"], slice(12, 20)),
        ("Test", slice(12, 20)),
        ("all", slice(0, 20)),
    ],
)
def test_usage_selects_splits(usage, rows, csv, images):
    bunch = load_fer2013(csv, usage=usage)
    np.testing.assert_array_equal(bunch.data, images[rows])
    assert set(bunch.usage) == set(USAGES[rows])


def test_return_x_y_and_frame(csv, images):
    X, y = load_fer2013(csv, return_X_y=True)
    assert (X.shape, y.shape) == ((12, 48, 48), (12,))
    bunch = load_fer2013(csv, as_frame=True)
    assert bunch.data.shape == (12, 2304)
    assert (bunch.data.dtypes == np.uint8).all()
    np.testing.assert_array_equal(bunch.data.to_numpy(), images[:12].reshape(12, -1))
    assert bunch.frame.columns[-1] == bunch.target.name == "emotion"
    assert isinstance(bunch.target, pd.Series)


def test_many_blocks_and_more_rows_than_expected(csv, images, monkeypatch):
    monkeypatch.setattr("fer_sklearn.datasets._fer2013_csv._BLOCK", 10_000)
    monkeypatch.setattr("fer_sklearn.datasets._fer2013_csv._N_ROWS", 3)
    np.testing.assert_array_equal(load_fer2013(csv, usage="all").data, images)


def test_oddities_are_read(csv, images):
    """Blank lines, two blanks between numbers, leading zeros, no last line feed."""
    content = text(images).replace("0 0 0 ", "0  00 000 ", 1).replace("\n", "\n\n", 3)
    csv.write_text(content.rstrip("\n"))
    np.testing.assert_array_equal(load_fer2013(csv, usage="all").data, images)


def damaged(content, row, old, new):
    lines = content.split("\n")
    assert old in lines[row - 1]
    lines[row - 1] = lines[row - 1].replace(old, new, 1)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("255 255 ", "255 256 ", r"row 3, column pixels: value 2 is '256', not a number in 0..255"),
        ("255 255 ", "255 299 ", "row 3, column pixels: value 2 is '299'"),
        ("255 255 ", "255 2550 ", "row 3, column pixels: value 2 is '2550'"),
        ("255 255 ", "255 -55 ", "row 3, column pixels: value 2 is '-55'"),
        ("255 255 ", "255 2x5 ", "row 3, column pixels: value 2 is '2x5'"),
        ("255 255 ", "255 2.5 ", "row 3, column pixels: value 2 is '2.5'"),
        ("255 255 ", "255 " + 5000 * "2", "row 3, column pixels: value 2 is '22222"),
        ("1,", 5000 * "1" + ",", "row 3, column emotion: unknown emotion code '1111"),
        ("255 255 ", "255 ", "row 3, column pixels: 2303 values instead of 2304"),
        ("255 255 ", "255 1 255 ", "row 3, column pixels: 2305 values instead of 2304"),
        ("1,", "7,", "row 3, column emotion: unknown emotion code '7'; known are 0 angry, 1"),
        ("1,", ",", "row 3, column emotion: unknown emotion code ''"),
        ("Training", "Trai", "row 3, column Usage: 'Trai' is not one of Training"),
        (",Training", "", "row 3, column every: 2 columns instead of 3"),
    ],
)
def test_damage_is_named_by_file_row_and_column(old, new, message, csv, images):
    csv.write_text(damaged(text(images), 3, old, new))
    with pytest.raises(ValueError, match=message) as error:
        load_fer2013(csv)
    assert str(csv) in str(error.value)


def test_numbers_shifted_between_rows_are_seen(csv, images):
    """One row a number short and the next one long: their sum is right."""
    content = damaged(text(images), 2, "0 0 ", "0 ")
    csv.write_text(damaged(content, 3, "255 255 ", "255 255 255 "))
    with pytest.raises(ValueError, match="row 2, column pixels: 2303 values"):
        load_fer2013(csv)


def test_a_file_cut_off_names_its_last_row(csv, images):
    csv.write_text(text(images)[:-3000])
    with pytest.raises(ValueError, match="row 21, column every: 2 columns instead of 3"):
        load_fer2013(csv)


@st.composite
def mutations(draw):
    """What happens to the bytes of a file: (place, bytes that go, bytes that come), some."""
    come = st.one_of(
        st.binary(max_size=6),
        st.sampled_from([b"\n", b"\r", b",", b'"', b"\0", b"\xff", b"7" * 5000, b" ", b"-1"]),
    )
    gone = st.sampled_from([0, 1, 2, 40, 9000])
    return draw(st.lists(st.tuples(st.floats(0, 1), gone, come), min_size=1, max_size=5))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=mutations(), form=st.sampled_from(list(FORMS)), no_blanks=st.booleans())
def test_bytes_that_were_a_csv_are_read_or_refused_by_name(
    changes, form, no_blanks, images, tmp_path
):
    content = bytearray(text(images, **FORMS[form]).encode())
    if no_blanks:
        content = content.replace(b" ", b"")
    for place, gone, come in changes:
        at = int(place * len(content))
        content[at : at + gone] = come
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    try:
        bunch = load_fer2013(path, usage="all")
    except ValueError as error:
        message = str(error)
    else:
        message = str(path)
        assert bunch.data.shape == (len(bunch.target), 48, 48)
        assert len(bunch.data) == len(bunch.usage)
    assert str(path) in message


@given(st.lists(st.integers(0, 255), max_size=50), st.text("0123456789 ,-x\n", max_size=40))
def test_numbers_are_read_as_python_reads_them(values, noise):
    content = " ".join(map(str, values)) + "," + noise
    separated = "".join(char if char.isdigit() else " " for char in content).split()
    numbers = NumberParser(500).parse(content.encode())
    if any(int(token) > 255 or len(token) > 3 for token in separated):
        assert numbers is None
    else:
        assert list(numbers.values) == [int(token) for token in separated]
        assert numbers.n_blanks == content.count(" ")


def test_what_is_not_fer2013_is_refused(tmp_path, csv):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"expected the columns emotion, pixels, Usage .* 'a,b'"):
        load_fer2013(other)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_fer2013(tmp_path / "nothing.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds neither fer2013\.csv"):
        load_fer2013(tmp_path / "empty")
    for usage in ("training", None, 5, [], ["Training", []]):
        with pytest.raises(ValueError, match="usage must be one of Training, Validation"):
            load_fer2013(csv, usage=usage)


def test_a_split_that_is_not_there_is_an_error(csv, images):
    lines = text(images).split("\n")
    csv.write_text("\n".join(lines[:5]))
    with pytest.raises(ValueError, match="has no images of usage='PublicTest'"):
        load_fer2013(csv, usage="PublicTest")


def test_the_folder_form(tmp_path, images):
    for split, numbers in (("train", range(7)), ("test", range(7, 14))):
        for number in numbers:
            folder = tmp_path / split / NAMES[CODES[number]]
            folder.mkdir(parents=True)
            Image.fromarray(images[number]).save(folder / "face.png")
    train = load_fer2013(tmp_path)
    assert len(train.data) == 7
    assert set(train.usage) == {"Training"}
    for image, name in zip(train.data, train.target, strict=True):
        np.testing.assert_array_equal(image, images[NAMES.index(name)])
    assert len(load_fer2013(tmp_path, usage="all").data) == 14
    assert set(load_fer2013(tmp_path, usage="Test").usage) == {"Test"}
    with pytest.raises(ValueError, match=r"of usage='PublicTest': its folders are train/ \('Train"):
        load_fer2013(tmp_path, usage=["Training", "PublicTest"])


def split_folders(root, images, splits, label=lambda code: NAMES[code]):
    """Seven faces a split, in folders called as `label` says."""
    for split in splits:
        for code in range(7):
            folder = root / split / label(code)
            folder.mkdir(parents=True)
            Image.fromarray(images[code]).save(folder / "face.png")
    return root


@pytest.mark.parametrize(
    ("folders", "usages"),
    [
        (["train", "test"], ["Training", "Test"]),
        (["Train", "TEST"], ["Training", "Test"]),
        (["train", "validation", "test"], ["Training", "Validation", "Test"]),
        (["training", "val"], ["Training", "Validation"]),
        (["train", "valid"], ["Training", "Validation"]),
        (["Training", "PublicTest", "PrivateTest"], ["Training", "PublicTest", "PrivateTest"]),
        (["train", "public_test", "Private Test"], ["Training", "PublicTest", "PrivateTest"]),
    ],
    ids=" ".join,
)
def test_split_folders_by_any_usual_name_are_all_read(folders, usages, tmp_path, images):
    split_folders(tmp_path, images, [*folders, "__MACOSX"])
    bunch = load_fer2013(tmp_path, usage="all")
    assert list(dict.fromkeys(bunch.usage)) == usages
    assert len(bunch.data) == 7 * len(folders)
    for usage in usages:
        assert len(load_fer2013(tmp_path, usage=usage).data) == 7
    tests = [usage for usage in usages if usage.endswith("Test")]
    if tests:
        assert len(load_fer2013(tmp_path, usage="Test").data) == 7 * len(tests)


@pytest.mark.parametrize("label", [str, "0{}".format, lambda code: NAMES[code].upper()])
def test_class_folders_may_be_codes(label, tmp_path, images):
    bunch = load_fer2013(split_folders(tmp_path, images, ["train"], label))
    assert sorted(bunch.target) == sorted(NAMES)
    for image, name in zip(bunch.data, bunch.target, strict=True):
        np.testing.assert_array_equal(image, images[NAMES.index(name)])


def test_a_code_that_fer2013_does_not_have_is_no_class(tmp_path, images):
    split_folders(tmp_path, images, ["train"], lambda code: str(code + 1))
    with pytest.raises(ValueError, match=r"names are not emotions, \['7'\]; known are 0 angry"):
        load_fer2013(tmp_path)


def test_a_folder_that_all_leaves_out_is_named(tmp_path, images):
    split_folders(tmp_path, images, ["train", "more"])
    with pytest.warns(UserWarning, match=r"left out: \['more'\]"):
        bunch = load_fer2013(tmp_path, usage="all")
    assert len(bunch.data) == 7


def test_each_split_of_a_list_has_to_be_there(csv, images):
    csv.write_text("\n".join(text(images).split("\n")[:5]))
    with pytest.raises(ValueError, match="has no images of usage='PublicTest'"):
        load_fer2013(csv, usage=["Training", "PublicTest"])


def test_the_real_file(fer2013):
    bunch = load_fer2013(fer2013, usage=["Training", "PublicTest"])
    assert bunch.data.shape == (32298, 48, 48)
    training = bunch.target[bunch.usage == "Training"]
    assert [(training == name).sum() for name in NAMES] == [
        3995, 436, 4097, 7215, 4830, 3171, 4965,
    ]  # fmt: skip
