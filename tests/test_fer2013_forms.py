"""FER-2013's tables in all the forms in which they come: packed, damaged and hostile ones too."""

import bz2
import gzip
import io
import lzma
import os
import socket
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_sklearn.datasets import (
    FER2013_NAMES,
    convert_emotions,
    load_fer2013,
    load_ferplus,
    parse_pixels,
)

N = 8
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 48, 48), dtype=np.uint8)
CODES = np.arange(N) % 7
TARGET = [FER2013_NAMES[code] for code in CODES]
PIXELS = [" ".join(map(str, image.ravel())) for image in IMAGES]
FRAME = pd.DataFrame({"emotion": CODES, "pixels": PIXELS, "Usage": "Training"})
WHOLE = FRAME.to_csv(index=False).encode()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        content if isinstance(content, bytes) else content.to_csv(index=False).encode()
    )
    return path


def assert_is_whole(bunch, target=TARGET):
    np.testing.assert_array_equal(bunch.data, IMAGES)
    assert bunch.data.dtype == np.uint8
    assert bunch.target.tolist() == target


def tarred(members, mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zipped(members, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


AS_MAC = {"__MACOSX/fer2013/._fer2013.csv": b"\0", "fer2013/._fer2013.csv": b"\0"}
CHALLENGE = {"example_submission.csv": b"id,emotion\n", "test.csv": b"pixels\n"}
PACKED = {
    "fer2013.csv.gz": gzip.compress(WHOLE),
    "fer2013.csv.xz": lzma.compress(WHOLE),
    "fer2013.csv.bz2": bz2.compress(WHOLE),
    "fer2013.csv.zip": zipped({"fer2013.csv": WHOLE}),
    "fer2013.zip": zipped({**AS_MAC, "fer2013/fer2013.csv": WHOLE}),
    "FER2013.CSV.ZIP": zipped({**CHALLENGE, "ICML_face_data.csv": WHOLE}),
    "fer2013.tar.gz": tarred({"fer2013/README": b"", **AS_MAC, "fer2013/fer2013.csv": WHOLE}),
    "fer2013.tgz": tarred({**CHALLENGE, "icml_face_data.csv": WHOLE}),
    "fer2013.tar": tarred({"fer2013.csv": WHOLE}, "w"),
    "icml_face_data.csv": zipped({"icml_face_data.csv": WHOLE}),  # as Kaggle's client saves it
    "icml_face_data.csv.gz": WHOLE,  # as browsers leave what they have unpacked
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_files_are_read_whatever_they_are_called(name, tmp_path):
    path = write(tmp_path / name, PACKED[name])
    for place in (path, tmp_path):
        assert_is_whole(load_fer2013(place))


@pytest.mark.parametrize("members", [CHALLENGE, {"a/train/angry/1.jpg": b""}, AS_MAC])
@pytest.mark.parametrize("pack", [tarred, zipped])
def test_archives_without_the_file_say_what_they_hold(pack, members, tmp_path):
    path = write(tmp_path / "fer2013.zip", pack(members))
    with pytest.raises(ValueError, match=rf"must hold .* got \['{next(iter(members))[:5]}"):
        load_fer2013(path)


def as_floats(text):
    return text.replace(" ", ".0 ") + ".0"


TABLES = {
    "float pixels": FRAME.assign(pixels=FRAME["pixels"].map(as_floats)),
    "points alone": FRAME.assign(pixels=FRAME["pixels"].str.replace(" ", ". ") + "."),
    "float codes": FRAME.assign(emotion=FRAME["emotion"].astype(float)),
    "names": FRAME.assign(emotion=TARGET),
    "other names": FRAME.assign(emotion=FRAME["emotion"].map(dict(enumerate(
        ["Anger", "Disgust", "FEAR", "Happiness", "Sadness", "surprised", "Neutral"]
    )))),
    "column a pixel": pd.DataFrame(IMAGES.reshape(N, -1)).add_prefix("pixel").assign(
        emotion=CODES, Usage="Training"
    ),
    "column a pixel, an index, no names": pd.DataFrame(IMAGES.reshape(N, -1)).assign(
        emotion=CODES, Usage="Training"
    ).reset_index(),
    "columns as floats": pd.DataFrame(IMAGES.reshape(N, -1) / 1.0).assign(
        emotion=CODES, Usage="Training"
    ),
    "more columns": FRAME.assign(source="web").reset_index(),
    "lists of numbers": FRAME.assign(pixels=[str(image.ravel().tolist()) for image in IMAGES]),
    "semicolons between numbers": FRAME.assign(pixels=FRAME["pixels"].str.replace(" ", ";")),
    "a split of another name": FRAME.assign(Usage="train"),
}  # fmt: skip


@pytest.mark.parametrize("form", TABLES)
def test_tables_of_every_form_are_read(form, tmp_path):
    assert_is_whole(load_fer2013(write(tmp_path / "fer2013.csv", TABLES[form])))


@pytest.mark.parametrize("form", TABLES)
def test_parquet_files_are_read_where_pyarrow_is(form, tmp_path):
    pytest.importorskip("pyarrow")
    table = TABLES[form].rename(columns=str)
    table.to_parquet(tmp_path / "fer2013.parquet")
    assert_is_whole(load_fer2013(tmp_path))
    assert_is_whole(load_fer2013(tmp_path / "fer2013.parquet", usage="all"))
    with pytest.raises(ValueError, match="has no images of usage='PublicTest'"):
        load_fer2013(tmp_path, usage="PublicTest")


def test_an_index_of_a_parquet_file_is_a_column_too(tmp_path):
    pytest.importorskip("pyarrow")
    FRAME.set_index("emotion").to_parquet(tmp_path / "fer2013.parquet")
    assert_is_whole(load_fer2013(tmp_path))


def separated(table, separator):
    return table.to_csv(index=False, sep=separator).encode()


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("form", ["whole", "names", "column a pixel", "lists of numbers"])
def test_other_separators_are_read(form, separator, tmp_path):
    table = TABLES.get(form, FRAME)
    assert_is_whole(load_fer2013(write(tmp_path / "f.csv", separated(table, separator))))
    assert_is_whole(
        load_fer2013(write(tmp_path / "f.gz", gzip.compress(separated(table, separator))))
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_separator_is_the_same_in_all_lines(separator, tmp_path):
    other = ";" if separator == "," else ","
    whole = separated(FRAME, separator)
    damaged = whole.replace(f"{separator}Training".encode(), f"{other}Training".encode(), 1)
    with pytest.raises(ValueError, match="row 2, column every: 2 columns instead of 3"):
        load_fer2013(write(tmp_path / "f.csv", damaged))


@pytest.mark.parametrize(
    ("name", "usage"),
    {
        "training": "Training", "TRAIN": "Training", "val": "Validation", "test": "Test",
        "publictest": "PublicTest", "Private Test": "PrivateTest", "public": "PublicTest",
        "private": "PrivateTest",
    }.items(),
)  # fmt: skip
def test_splits_are_known_by_the_names_of_folders(name, usage, tmp_path):
    path = write(tmp_path / "f.csv", FRAME.assign(Usage=name))
    bunch = load_fer2013(path, usage=usage)
    assert_is_whole(bunch)
    assert set(bunch.usage) == {usage}
    pytest.importorskip("pyarrow")
    FRAME.assign(Usage=name).to_parquet(tmp_path / "f.parquet")
    assert set(load_fer2013(tmp_path / "f.parquet", usage="all").usage) == {usage}


def test_a_split_that_is_not_there_is_told_from_all(tmp_path):
    path = write(tmp_path / "f.csv", FRAME.assign(Usage="test"))
    with pytest.raises(ValueError, match=r"usage='PublicTest'\. usage='all' loads all that it has"):
        load_fer2013(path, usage="PublicTest")


@pytest.mark.parametrize("column", ["emotion", "pixels", "Usage"])
def test_a_column_that_comes_twice_is_refused(column, tmp_path):
    """Nothing says which of them holds."""
    table = FRAME.assign(**{column.upper(): FRAME[column][::-1].to_numpy()})
    path = write(tmp_path / "f.csv", table.rename(columns={column.upper(): column.title()}))
    with pytest.raises(ValueError, match=r"emotion, pixels, Usage \(each once\)"):
        load_fer2013(path)


@pytest.mark.parametrize("content", [b"label,pixels,Usage\n", WHOLE.decode().encode("utf-16")])
def test_other_tables_are_read_by_pandas_and_passed_on(content, tmp_path):
    with pytest.raises(ValueError, match="pandas, and its columns with parse_pixels and convert"):
        load_fer2013(write(tmp_path / "f.csv", content))


def test_a_parquet_file_without_pyarrow_names_it(tmp_path, monkeypatch):
    def fails(path):
        raise ImportError("Unable to find a usable engine")

    monkeypatch.setattr(pd, "read_parquet", fails)
    with pytest.raises(ImportError, match=r'needs pyarrow: pip install "fer-sklearn\[parquet\]"'):
        load_fer2013(write(tmp_path / "fer2013.parquet", b"PAR1"))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_challenges_files_of_one_split_are_read(ending, tmp_path):
    pack = gzip.compress if ending else bytes
    labelled, unlabelled = FRAME[["emotion", "pixels"]], FRAME[["pixels"]]
    train = write(tmp_path / f"train.csv{ending}", pack(labelled.to_csv(index=False).encode()))
    test = write(tmp_path / f"test.csv{ending}", pack(unlabelled.to_csv(index=False).encode()))
    for place in (train, tmp_path):
        bunch = load_fer2013(place)
        assert_is_whole(bunch)
        assert set(bunch.usage) == {"Training"}
    bunch = load_fer2013(test, usage="Test", as_frame=True)
    assert bunch.target is None
    assert set(bunch.usage) == {"Test"}
    np.testing.assert_array_equal(bunch.frame.to_numpy(), IMAGES.reshape(N, -1))
    assert load_fer2013(tmp_path, usage="Test").data.shape == (N, 48, 48)
    with pytest.raises(ValueError, match=r"its name says 'Test': pass usage='Test'"):
        load_fer2013(test)
    with pytest.raises(ValueError, match=r"with emotions and without \(test\.csv"):
        load_fer2013(tmp_path, usage="all")


def test_a_file_that_says_no_split_is_read_as_a_whole_only(tmp_path):
    path = write(tmp_path / "faces.csv", FRAME.drop(columns="Usage"))
    with pytest.raises(ValueError, match=r"no column Usage, .* pass usage='all'"):
        load_fer2013(path)
    bunch = load_fer2013(path, usage="all")
    assert_is_whole(bunch)
    assert set(bunch.usage) == {""}


@pytest.mark.parametrize(("old", "new"), [("emotion", "label"), ("Usage", "split")])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_of_an_unknown_name_is_not_taken_for_one_that_lacks(old, new, ending, tmp_path):
    path = tmp_path / f"train.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        FRAME.rename(columns={old: new}).to_parquet(path)
    else:
        write(path, FRAME.rename(columns={old: new}))
    with pytest.raises(ValueError, match="expected the columns emotion, pixels, Usage"):
        load_fer2013(path, usage="all")


@pytest.mark.parametrize("name", ["icml_face_data.csv", "fer2013.csv", "fer2013"])
def test_a_folder_that_is_called_as_the_file_is_looked_into(name, tmp_path):
    write(tmp_path / name / "fer2013.csv", WHOLE)
    for place in (tmp_path, tmp_path / name):
        assert_is_whole(load_fer2013(place))


@pytest.mark.parametrize(
    "name",
    [
        "fer2013.csv.bak",
        "fer2013.csv.crdownload",
        "fer2013.csv~",
        ".fer2013.csv",
        "fer2013.csv.part",
    ],
)
def test_what_only_looks_like_the_file_is_not_taken(name, tmp_path):
    write(tmp_path / name, WHOLE)
    with pytest.raises(FileNotFoundError, match="holds neither"):
        load_fer2013(tmp_path)
    if name.endswith(("crdownload", "part")):
        with pytest.raises(ValueError, match="unfinished download"):
            load_fer2013(tmp_path / name)


def test_the_users_home_may_be_called_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "fer2013.csv", WHOLE)
    assert_is_whole(load_fer2013("~/fer2013.csv"))
    assert_is_whole(load_fer2013(Path("~")))


def test_a_table_that_was_read_already_is_answered_with_the_line_that_reads_it():
    with pytest.raises(
        TypeError, match=r"X = parse_pixels\(df\['pixels'\]\), y = convert_emotions"
    ):
        load_fer2013(FRAME)
    assert convert_emotions(FRAME["emotion"], source="fer2013").tolist() == TARGET


# -- emotions -------------------------------------------------------------------------


def test_codes_beyond_the_seven_are_what_emotions_says(tmp_path):
    codes = [7, *CODES[1:]]
    path = write(tmp_path / "fer2013.csv", FRAME.assign(emotion=codes))
    with pytest.raises(ValueError, match=r"code '7'; .* emotions=\[\*FER2013_NAMES, 'contempt'\]"):
        load_fer2013(path)
    bunch = load_fer2013(path, emotions=[*FER2013_NAMES, "contempt"])
    assert_is_whole(bunch, ["contempt", *TARGET[1:]])
    assert bunch.target_names == sorted([*FER2013_NAMES, "contempt"])


def test_other_orders_of_codes_are_what_emotions_says(tmp_path):
    names = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
    bunch = load_fer2013(write(tmp_path / "fer2013.csv", FRAME), emotions=names)
    assert_is_whole(bunch, [names[code] for code in CODES])
    named = write(tmp_path / "named.csv", FRAME.assign(emotion=TARGET))
    assert set(load_fer2013(named, emotions=names).target) == set(names)


def test_contempt_by_its_name_needs_no_word(tmp_path):
    path = write(tmp_path / "fer2013.csv", FRAME.assign(emotion=["Contempt", *TARGET[1:]]))
    bunch = load_fer2013(path)
    assert bunch.target[0] == "contempt"
    assert bunch.target_names == sorted([*FER2013_NAMES, "contempt"])


@pytest.mark.parametrize("emotions", ["angry", [], ["a", "A"], [1, 2], [""]])
def test_emotions_are_names(emotions, tmp_path):
    with pytest.raises(ValueError, match="emotions"):
        load_fer2013(write(tmp_path / "fer2013.csv", FRAME), emotions=emotions)


# -- parse_pixels ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "pixels",
    [
        FRAME["pixels"],
        PIXELS,
        np.array(PIXELS),
        [text.encode() for text in PIXELS],
        FRAME["pixels"].map(as_floats),
        FRAME["pixels"].str.replace(" ", ", ").map("[{}]".format),
        pd.Series(list(IMAGES.reshape(N, -1))),
        list(IMAGES.reshape(N, -1) / 1.0),
        IMAGES.reshape(N, -1).tolist(),
        (text for text in FRAME["pixels"]),
    ],
    ids=[
        "Series",
        "list",
        "array",
        "bytes",
        "floats",
        "lists in text",
        "rows",
        "float rows",
        "ints",
        "generator",
    ],
)
def test_the_column_of_pixels_is_read(pixels):
    faces = parse_pixels(pixels)
    assert faces.dtype == np.uint8
    np.testing.assert_array_equal(faces, IMAGES)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (["0 1 2 3", "0 1 2 256"], "Row 1 of pixels: value 4 is '256', not a number in 0..255"),
        (["0 1 2 3", "0 1 2 0.5"], "Row 1 of pixels: value 4 is '0.5'"),
        (["0 1 2 3", "0 1 2 1.0"], "Row 1 of pixels: value 4 is '1.0'"),
        (["0 1 2 3", "0.0 1.0 2.0 0.5"], "Row 1 of pixels: value 4 is '0.5'"),
        (["0 1 2 3", "0 1 2 . 3"], r"Row 1 of pixels: value 4 is '\.'"),
        (["0 1 2 3", "0 1 2"], "Row 1 of pixels has 3 values, the first has 4"),
        (["0 1 2"], "Expected square faces"),
        ([""], "Expected square faces"),
        (["0 1 2 3", None], "Row 1 of pixels: expected text, or whole numbers in 0..255"),
        (["0 1 2 3", np.nan], "Row 1 of pixels: expected text"),
        ([[0, 1, 2, 300]], "Row 0 of pixels: expected text"),
        ([[0, 1, 2, 0.5]], "Row 0 of pixels: expected text"),
        ([[0, 1, 2, np.nan]], "Row 0 of pixels: expected text"),
        ("0 1 2 3", "Pass df"),
        (FRAME, "Pass df"),
    ],
)
def test_pixels_that_are_none_are_named_by_their_row(pixels, message):
    with pytest.raises(ValueError, match=message):
        parse_pixels(pixels)


# -- damaged and hostile files --------------------------------------------------------

ROW = b"0," + b" ".join([b"7"] * 2304) + b",Training\n"
HEAD = b"emotion,pixels,Usage\n"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(
        [
            name
            for name, content in PACKED.items()
            if name.endswith(("zip", "gz", "xz", "bz2")) and not content.isascii()
        ]
    ),
    changes=st.lists(
        st.tuples(st.one_of(st.integers(0, 100), st.integers(-150, -1)), st.integers(0, 255)),
        max_size=3,
    ),
    cut=st.one_of(st.just(None), st.integers(-300, -1), st.integers(0, 100)),
)
def test_a_damaged_packed_file_is_read_right_or_refused_by_name(name, changes, cut, tmp_path):
    content = bytearray(PACKED[name])
    for at, value in changes:  # the places that say what the file is lie at its ends
        content[at] = value
    path = write(tmp_path / name, bytes(content[:cut]))
    try:
        bunch = load_fer2013(path)
    except ValueError as error:
        message = str(error)
    else:
        message = str(path)
        assert_is_whole(bunch)
    assert str(path) in message


USAGE_FIRST = (
    b"emotion,Usage,pixels\n",
    ROW.replace(b",Training", b"").replace(b",", b",Training,"),
)


@pytest.mark.parametrize("other", [b"\0", b";", b"\t", b".", b" ", b""])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(("head", "row"), [(HEAD, ROW), USAGE_FIRST], ids=["last", "second"])
def test_a_comma_that_is_none_is_damage(head, row, which, other, tmp_path):
    fields = row.split(b",")
    damaged = other.join(fields[:2]) if which == 0 else fields[0] + b"," + fields[1]
    damaged += (b"," if which == 0 else other) + fields[2]
    with pytest.raises(ValueError, match="row 2, column every: 2 columns instead of 3"):
        load_fer2013(write(tmp_path / "fer2013.csv", head + damaged))


BOMBS = {
    "a line without end": b"1 " * 2**24,
    "blank lines": b"\n" * 2**24,
    "blank lines and faces": (b"\n" * 2**19 + ROW) * 20,
    "lines of blanks": b" \n" * 2**23,
    "faces all the same": ROW * 8000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_does_not_unpack_to_a_large_one(bomb, tmp_path, monkeypatch):
    monkeypatch.setattr("fer_sklearn.datasets._unpack._FREE", 2**22)
    path = write(tmp_path / "fer2013.csv.gz", gzip.compress(HEAD + BOMBS[bomb]))
    read = []
    unpack = gzip.GzipFile.read
    monkeypatch.setattr(
        gzip.GzipFile, "read", lambda self, size: (read.append(size), unpack(self, size))[1]
    )
    with pytest.raises(ValueError, match=r"more than faces need|characters|nearly all blank"):
        load_fer2013(path)
    assert sum(read) < 2**23


def test_a_line_that_is_too_long_is_named(tmp_path):
    path = write(tmp_path / "fer2013.csv", HEAD + ROW * 300 + b"1 " * 2**20)
    with pytest.raises(ValueError, match="row 302, column every: more than 65536 characters"):
        load_fer2013(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.csv.gz", "fer2013.parquet"])
def test_a_fifo_is_refused_instead_of_waited_for(name, tmp_path):
    os.mkfifo(tmp_path / name)
    found = []

    def load():
        for path in (tmp_path / name, tmp_path):
            try:
                load_fer2013(path)
            except ValueError as error:
                found.append(str(error))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(20)
    assert len(found) == 2
    assert all("is a FIFO. Expected a file" in message for message in found)


def test_what_is_no_file_is_said(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.csv"))
        with pytest.raises(ValueError, match="is a socket"):
            load_fer2013(tmp_path / "s.csv")
    with pytest.raises(ValueError, match="is a device"):
        load_fer2013("/dev/zero")
    votes = tmp_path / "votes.csv"
    os.mkfifo(votes)
    with pytest.raises(ValueError, match="is a FIFO"):
        load_ferplus(write(tmp_path / "fer2013.csv", WHOLE), votes)
