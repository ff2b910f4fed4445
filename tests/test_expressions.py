"""Other datasets of expressions, in the forms in which they are distributed, and their join."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import Bunch

from fer_sklearn.datasets import convert_emotions, join_faces, load_expressions, make_faces
from fer_sklearn.datasets._expression_forms import FORMS
from fer_sklearn.tuning import HoldOut

SIDE = 60
JAFFE = ["KA.AN1.39.tiff", "KA.DI2.43.tiff", "KL.FE1.174.tiff", "KL.HA3.160.tiff", "KM.NE2.2.tiff"]


def write(path, level=100, box=None):
    """Write an image of one gray level, with a brighter box."""
    levels = np.full((SIDE, SIDE), level, np.uint8)
    if box:
        left, top, right, bottom = box
        levels[top:bottom, left:right] = 200
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path)


def write_list(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def make_raf_db(root):
    names = ["train_00001.jpg", "train_00002.jpg", "test_0001.jpg"]
    write_list(root / "EmoLabel/list_patition_label.txt", map("{} {}".format, names, (5, 1, 7)))
    for name in names:
        write(root / "Image/aligned" / name.replace(".", "_aligned."))
        write(root / "Image/original" / name)


def make_raf_db_folders(root):
    write(root / "DATASET/train/5/train_00001_aligned.jpg")
    write(root / "DATASET/train/surprise/train_00002_aligned.jpg")
    write(root / "DATASET/test/7/test_0001_aligned.jpg")
    write_list(root / "train_labels.csv", ["image,label", "train_00001_aligned.jpg,5"])


def make_affectnet(root):
    for split, number, label in (("train", 4, "2"), ("train", 17, "7"), ("val", 4, "6")):
        folder = root / f"{split}_set"
        write(folder / f"images/{number}.jpg")
        (folder / "annotations").mkdir(exist_ok=True)
        for kind, value in (("exp", label), ("val", "-0.5")):
            np.save(folder / f"annotations/{number}_{kind}.npy", np.array(value))


AFFECTNET_COLUMNS = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
    "valence,arousal"
)


def make_affectnet_lists(root):
    rows = ["1/aa.jpg,10,20,30,40,1;2,2,-0.5,.25", "1/bb.jpg,NULL,0,0,0,1;2,10,-2,-2"]
    rows += ["2/aa.jpg,10,20,30,40,1;2,7,0,0"]
    lists = root / "Manually_Annotated_file_lists"
    write_list(lists / "training.csv", [AFFECTNET_COLUMNS, *rows])
    write_list(lists / "validation.csv", ["3/cc.jpg,10,20,30,40,1;2,6,0,0"])
    for name in ("1/aa.jpg", "1/bb.jpg", "2/aa.jpg", "3/cc.jpg"):
        write(root / "Manually_Annotated_Images" / name, box=(10, 20, 40, 60))


def make_affectnet_folders(root):
    write(root / "Train/2/a.png")
    write(root / "Train/contempt/b.png")
    write(root / "val/Anger/c.png")
    write_list(root / "labels.csv", ["pth,label", "anger/c.png,anger"])


def make_ck_plus(root):
    for person, label, frames in (("S005", 3, 3), ("S010", 5, 2)):
        for frame in range(1, frames + 1):
            name = f"{person}_001_{frame:08d}"
            write(root / f"cohn-kanade-images/{person}/001/{name}.png", level=40 * frame)
        write_list(root / f"Emotion/{person}/001/{name}_emotion.txt", [f"   {label}.0000000e+00"])
    (root / "Emotion/S010/002").mkdir()  # most sequences have no label


def make_ck_48(root):
    write(root / "CK+48/disgust/S005_001_00000011.png")
    write(root / "CK+48/happy/S010_006_00000015.png")


def make_expw(root):
    faces = [
        "a_1.jpg 0 20 10 40 60 91.5 3",
        "a_1.jpg 1 0 0 50 50 20 6",
        "b_2.jpg 0 20 10 40 60 8 0",
    ]
    write_list(root / "label/label.lst", faces)
    for name in ("a_1.jpg", "b_2.jpg"):
        write(root / "image/origin" / name, box=(10, 20, 40, 60))


def make_fer_plus(root):
    votes = {
        "Train": ["0,1,0,0,9,0,0,0,0,0", "4,4,0,0,0,0,0,0,2,0"],
        "Test": ["0,0,0,0,0,0,0,9,1,0"],
    }
    for split, rows in votes.items():
        folder = root / f"FER2013{split}"
        lines = [f'fer000000{n}.png,"(0, 0, 48, 48)",{row}' for n, row in enumerate(rows)]
        write_list(folder / "label.csv", lines)
        for number in range(len(rows)):
            write(folder / f"fer000000{number}.png")


def make_jaffe(root):
    for name in JAFFE:
        write(root / "jaffedbase" / name)
    write_list(root / "README", ["not an image"])


def make_kdef(root):
    for name in ("AF01ANS", "BF01AFHL", "AM02SUFR"):
        write(root / "KDEF" / name[:4] / f"{name}.JPG")


#: Form, what makes it, usage, and for each face: emotion, and what has to stay together.
KEPT = [
    ("raf-db", make_raf_db, None, ["sad", "surprise"], None),
    ("raf-db", make_raf_db, "Test", ["neutral"], None),
    ("raf-db", make_raf_db_folders, "all", ["neutral", "sad", "surprise"], None),
    ("affectnet", make_affectnet, None, ["contempt", "sad"], None),
    ("affectnet", make_affectnet, "Validation", ["angry"], None),
    ("affectnet", make_affectnet_lists, None, ["sad", "contempt"], None),
    ("affectnet", make_affectnet_lists, "Validation", ["angry"], None),
    ("affectnet", make_affectnet_folders, None, ["sad", "contempt"], None),
    ("affectnet", make_affectnet_folders, ["Validation"], ["angry"], None),
    (
        *("ck+", make_ck_plus, None, ["disgust", "neutral", "happy", "neutral"]),
        ["S005", "S005", "S010", "S010"],
    ),
    ("ck+", make_ck_48, None, ["disgust", "happy"], ["S005", "S010"]),
    ("expw", make_expw, None, ["happy", "neutral", "angry"], ["a_1.jpg", "a_1.jpg", "b_2.jpg"]),
    ("fer+", make_fer_plus, None, ["angry"], None),
    ("fer+", make_fer_plus, "Test", ["contempt"], None),
    (
        *("jaffe", make_jaffe, None, ["angry", "disgust", "fear", "happy", "neutral"]),
        ["KA", "KA", "KL", "KL", "KM"],
    ),
    ("kdef", make_kdef, None, ["angry", "surprise", "fear"], ["F01", "M02", "F01"]),
]


@pytest.mark.parametrize(("form", "make", "usage", "target", "groups"), KEPT)
def test_each_form_is_read_as_it_is_distributed(form, make, usage, target, groups, tmp_path):
    make(tmp_path)
    faces = load_expressions(tmp_path, form, usage=usage, image_size=20)
    assert faces.data.shape == (len(target), 20, 20)
    assert faces.data.dtype == np.uint8
    assert faces.target.tolist() == target
    assert faces.target_names == sorted(set(target))
    assert (faces.groups if groups is None else faces.groups.tolist()) == groups
    assert len(faces.usage) == len(faces.filenames) == len(faces.details) == len(target)
    assert faces.errors.empty
    assert faces.DESCR.startswith(FORMS[form].title)


def test_every_layout_of_every_form_has_a_case_here():
    """But the table of pixels, which is a file."""
    layouts = sum(len(form.layouts) for form in FORMS.values())
    assert len({make for _, make, *_ in KEPT}) == layouts - 1


def test_the_table_of_pixels_is_read(tmp_path):
    faces = make_faces(16, random_state=0).data
    table = pd.DataFrame(
        {"emotion": [7, 0] * 8, "pixels": [" ".join(map(str, f.ravel())) for f in faces]}
    )
    table["Usage"] = ["Training"] * 12 + ["PublicTest"] * 4
    table.to_csv(tmp_path / "ckextended.csv", index=False)
    for path in (tmp_path, tmp_path / "ckextended.csv"):
        bunch = load_expressions(path, "ck+")
        np.testing.assert_array_equal(bunch.data, faces[:12])
        assert bunch.target.tolist() == ["contempt", "angry"] * 6
        assert bunch.groups is None
    assert load_expressions(tmp_path, "ck+", usage="all", image_size=24).data.shape == (16, 24, 24)
    bunch = load_expressions(tmp_path, "ck+", emotions={7: "sad"})
    assert bunch.target.tolist() == ["sad", "angry"] * 6
    with pytest.raises(ValueError, match=r"out='x.npy' is for image files"):
        load_expressions(tmp_path, "ck+", out="x.npy")


def test_faces_are_cut_out_where_a_list_says_where_they_are(tmp_path):
    make_expw(tmp_path / "expw")
    faces = load_expressions(tmp_path / "expw", "expw")
    means = faces.data.mean(axis=(1, 2))
    assert means[[0, 2]].min() > 195  # JPEG
    assert 110 < means[1] < 190  # a part of the box
    assert faces.details["confidence"].tolist() == [91.5, 20, 8]
    assert len(set(faces.filenames)) == 2
    make_affectnet_lists(tmp_path / "affectnet")
    faces = load_expressions(tmp_path / "affectnet", "affectnet")
    assert faces.data.mean(axis=(1, 2)).min() > 195
    assert faces.details["valence"].tolist() == [-0.5, 0]


def test_a_box_that_reaches_beyond_the_photo_is_cut_and_one_outside_is_listed(tmp_path):
    write(tmp_path / "a.jpg", box=(10, 20, 40, 60))
    write_list(tmp_path / "label.lst", ["a.jpg 0 20 10 40 90 9 3", "a.jpg 1 70 70 80 80 9 3"])
    faces = load_expressions(tmp_path, "expw")
    assert len(faces.data) == 1
    assert faces.data.mean() > 195
    assert faces.errors["filename"].tolist() == [f"{tmp_path / 'a.jpg'}[70,70,80,80]"]
    assert "no pixel of this image of 60 x 60" in faces.errors["reason"][0]


def test_of_a_sequence_the_strongest_and_the_first_frame_are_taken(tmp_path):
    make_ck_plus(tmp_path)
    faces = load_expressions(tmp_path, "ck+")
    assert faces.data[:, 0, 0].tolist() == [120, 40, 80, 40]


def test_what_names_tell_besides_is_kept(tmp_path):
    make_kdef(tmp_path)
    details = load_expressions(tmp_path, "kdef").details
    assert details["angle"].tolist() == ["S", "FR", "HL"]
    assert details["session"].tolist() == ["A", "A", "B"]
    make_fer_plus(tmp_path / "fer")
    assert load_expressions(tmp_path / "fer", "fer+").details["anger"].tolist() == [9]


def test_a_split_may_be_told_by_the_folder_that_is_passed(tmp_path):
    make_affectnet(tmp_path)
    faces = load_expressions(tmp_path / "val_set", "affectnet", usage="Validation")
    assert faces.target.tolist() == ["angry"]
    make_fer_plus(tmp_path / "fer")
    assert load_expressions(tmp_path / "fer/FER2013Test", "fer+", usage="Test").usage == ["Test"]


def test_other_numbers_can_be_stated(tmp_path):
    make_affectnet_folders(tmp_path)
    faces = load_expressions(tmp_path, "affectnet", emotions={2: "Disgust"})
    assert faces.target.tolist() == ["disgust", "contempt"]
    with pytest.raises(ValueError, match=r"emotions: expected names of emotions .*, got 'bored'"):
        load_expressions(tmp_path, "affectnet", emotions={2: "bored"})


def test_faces_are_stored_and_opened_again(tmp_path):
    make_expw(tmp_path / "expw")
    faces = load_expressions(tmp_path / "expw", "expw", out=tmp_path / "faces.npy")
    again = load_expressions(tmp_path / "expw", "expw", out=tmp_path / "faces.npy")
    assert isinstance(again.data, np.memmap)
    np.testing.assert_array_equal(again.data, load_expressions(tmp_path / "expw", "expw").data)
    np.testing.assert_array_equal(again.data, faces.data)
    lines = (tmp_path / "expw/label/label.lst").read_text().replace("20 10 40", "25 10 40")
    (tmp_path / "expw/label/label.lst").write_text(lines)
    with pytest.raises(ValueError, match="lists other images"):
        load_expressions(tmp_path / "expw", "expw", out=tmp_path / "faces.npy")


def test_single_images_that_are_missing_or_unreadable_are_listed(tmp_path):
    make_raf_db(tmp_path)
    aligned = tmp_path / "Image/aligned"
    (aligned / "train_00001_aligned.jpg").write_text("no image")
    faces = load_expressions(tmp_path, "raf-db", usage="all")
    assert faces.target.tolist() == ["surprise", "neutral"]
    assert "UnidentifiedImageError" in faces.errors["reason"][0]
    (aligned / "train_00001_aligned.jpg").unlink()
    faces = load_expressions(tmp_path, "raf-db", usage="all")
    assert len(faces.data) == 2
    assert "FileNotFoundError" in faces.errors["reason"][0]


def test_images_whose_names_tell_no_label_are_listed(tmp_path):
    make_jaffe(tmp_path)
    write(tmp_path / "KA.jpg")
    faces = load_expressions(tmp_path, "jaffe")
    assert len(faces.data) == 5
    assert faces.errors["filename"].tolist() == [str(tmp_path / "KA.jpg")]
    assert "KA.AN1.39.tiff" in faces.errors["reason"][0]


def test_lines_without_a_label_are_listed(tmp_path):
    make_affectnet_lists(tmp_path)
    file = tmp_path / "Manually_Annotated_file_lists/training.csv"
    lines = file.read_text()
    file.write_text(lines.replace("1;2,7,0,0", "1;2, ,0,0"))
    faces = load_expressions(tmp_path, "affectnet")
    assert faces.target.tolist() == ["sad"]
    assert faces.errors.to_numpy().tolist() == [[str(file), "line 4: no label of 2/aa.jpg"]]


def test_images_in_no_split_are_listed(tmp_path):
    make_affectnet_folders(tmp_path)
    write(tmp_path / "extra/anger/d.png")
    faces = load_expressions(tmp_path, "affectnet")
    assert faces.target.tolist() == ["sad", "contempt"]
    said = [[str(tmp_path / "extra/anger/d.png"), "it is in no split; usage='all' loads it"]]
    assert faces.errors.to_numpy().tolist() == said
    faces = load_expressions(tmp_path, "affectnet", usage="all")
    assert sorted(faces.usage.tolist()) == ["", "Training", "Training", "Validation"]
    assert not len(faces.errors)


def test_a_label_that_cannot_be_read_is_listed(tmp_path):
    make_ck_plus(tmp_path / "ck")
    broken = tmp_path / "ck/Emotion/S010/001/S010_001_00000002_emotion.txt"
    for content in (b"", b" \n", b"x" * 5000):
        broken.write_bytes(content)
        faces = load_expressions(tmp_path / "ck", "ck+")
        assert faces.target.tolist() == ["disgust", "neutral"]
        assert faces.errors["filename"].tolist() == [str(broken)]
    make_affectnet(tmp_path / "affectnet")
    for number, value in ((4, np.array([1, 2])), (17, np.array({}, dtype=object))):
        np.save(tmp_path / f"affectnet/train_set/annotations/{number}_exp.npy", value)
    with pytest.raises(ValueError, match=r"no images of usage='Training'.*'Validation'"):
        load_expressions(tmp_path / "affectnet", "affectnet", usage="Training")
    faces = load_expressions(tmp_path / "affectnet", "affectnet", usage="all")
    assert len(faces.errors) == 2


RAF_LIST = "EmoLabel/list_patition_label.txt"
AFFECTNET_LIST = "Manually_Annotated_file_lists/training.csv"
CK_LABEL = "Emotion/S005/001/S005_001_00000003_emotion.txt"
#: Form, what makes it, a file, a piece of it, what is there in its place, and the error.
DAMAGES = [
    (
        *("raf-db", make_raf_db, RAF_LIST, " 1", " 8"),
        r"line 2: expected a label of 'raf-db' \(.*1 surprise.*, got '8'.*emotions=\{'8': 'happ",
    ),
    (
        "raf-db",
        make_raf_db,
        RAF_LIST,
        " 1",
        "",
        r"line 2: expected 2 columns \(name, lab",
    ),
    ("raf-db", make_raf_db, RAF_LIST, " 1", " \0", "is not text"),
    (
        "expw",
        make_expw,
        "label/label.lst",
        "20 10",
        "x 10",
        "line 1: expected a number as top",
    ),
    ("expw", make_expw, "label/label.lst", "91.5", "nan", "line 1: expected a number as confid"),
    ("expw", make_expw, "label/label.lst", " 91.5", "", "line 1: expected 8 columns"),
    ("fer+", make_fer_plus, "FER2013Train/label.csv", "9,0", "x,0", "expected a number as anger"),
    (
        *("affectnet", make_affectnet_lists, AFFECTNET_LIST, ",7,", ",11,"),
        "line 4: expected a label .*got '11'",
    ),
    ("ck+", make_ck_plus, CK_LABEL, "3.0", "9.0", r"3_emotion.txt: expected a label of 'ck\+'"),
]


@pytest.mark.parametrize(("form", "make", "file", "old", "new", "message"), DAMAGES)
def test_damaged_lists_name_their_line(form, make, file, old, new, message, tmp_path):
    make(tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        load_expressions(tmp_path, form)


def test_a_list_in_another_encoding_is_damaged(tmp_path):
    make_expw(tmp_path)
    (tmp_path / "label/label.lst").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"label.lst is not text: .*Get the file again"):
        load_expressions(tmp_path, "expw")


@pytest.mark.parametrize(
    ("form", "make", "message"),
    [
        ("jaffe", None, r"Expected JAFFE: names as KA.AN1.39.tiff.*with no file\."),
        ("jaffe", make_kdef, r"Expected JAFFE.*with 3 files, such as .*form='kdef'\."),
        ("kdef", make_raf_db, r"Expected KDEF.*form='raf-db'\."),
        ("raf-db", make_jaffe, r"list_patition_label.txt.*; or <split>/<label>.*form='jaffe'\."),
        ("fer+", make_expw, r"Expected FER\+: FER2013Train/label.csv.*form='expw'\."),
    ],
)
def test_another_dataset_is_an_error_that_says_which_it_may_be(form, make, message, tmp_path):
    if make:
        make(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_expressions(tmp_path, form)


def test_what_is_missing_is_an_error_that_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing does not exist. Expected RAF-DB: EmoL"):
        load_expressions(tmp_path / "nothing", "raf-db")
    make_raf_db(tmp_path)
    with pytest.raises(ValueError, match=r"txt is a file. Expected the folder of RAF-DB"):
        load_expressions(tmp_path / "EmoLabel/list_patition_label.txt", "raf-db")
    for file in (tmp_path / "Image/aligned").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"None of the 2 images .*train_00001_aligned.jpg"):
        load_expressions(tmp_path, "raf-db")
    for number in (1, 2):
        (tmp_path / f"Image/aligned/train_0000{number}_aligned.jpg").touch()
    with pytest.raises(ValueError, match=r"has no readable image \(2 others, the first: .*Unident"):
        load_expressions(tmp_path, "raf-db")


def test_lists_without_a_face_are_an_error(tmp_path):
    write_list(tmp_path / "raf/list_patition_label.txt", ["", " "])
    with pytest.raises(ValueError, match=r"lists no face with a label. Expected RAF-DB"):
        load_expressions(tmp_path / "raf", "raf-db")
    write_list(tmp_path / "ck/Emotion/S005/001/S005_001_00000002_emotion.txt", [])
    with pytest.raises(ValueError, match=r"no face with a label: .*got 0 bytes.*Expected CK\+"):
        load_expressions(tmp_path / "ck", "ck+")


def test_two_images_of_one_name_are_not_guessed_at(tmp_path):
    make_raf_db(tmp_path)
    write(tmp_path / "backup/train_00002_aligned.jpg")
    with pytest.raises(ValueError, match=r"several files train_00002_aligned.jpg: .* and "):
        load_expressions(tmp_path, "raf-db")


def test_a_list_does_not_lead_out_of_the_folder(tmp_path):
    write(tmp_path / "secret.jpg")
    inside = tmp_path / "expw"
    outside = [str(tmp_path / "secret.jpg"), "../secret.jpg"]
    write_list(inside / "label.lst", [f"{name} 0 0 0 9 9 9 3" for name in [*outside, "a.jpg"]])
    write(inside / "a.jpg")
    faces = load_expressions(inside, "expw")
    assert len(faces.data) == 1
    assert len(faces.errors) == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"form": "rafdb"}, "form must be one of affectnet, .*got 'rafdb'. Did you mean 'raf-db'"),
        ({"form": None}, "form must be one of"),
        ({"usage": "Train"}, "usage must be one of Training"),
        ({"usage": "Validation"}, "no images of usage='Validation'. It has those of 'Test', 'Tr"),
        ({"image_size": 0}, "image_size"),
        ({"emotions": ["happy"]}, "emotions"),
    ],
)
def test_bad_parameters_are_errors(params, message, tmp_path):
    make_raf_db(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_expressions(tmp_path, **{"form": "raf-db", **params})


def test_a_split_of_a_dataset_without_splits_is_an_error(tmp_path):
    make_jaffe(tmp_path)
    assert len(load_expressions(tmp_path, "jaffe", usage="all").data) == 5
    with pytest.raises(ValueError, match="has no splits: JAFFE has none in this form"):
        load_expressions(tmp_path, "jaffe", usage="Test")


def test_numbers_and_letters_of_other_datasets_are_converted():
    assert convert_emotions(["0", 7], source="affectnet").tolist() == ["neutral", "contempt"]
    assert convert_emotions([1.0, 7], source="raf-db", target="fer2013").tolist() == [5, 6]
    assert convert_emotions(["AF", "su"], source="kdef").tolist() == ["fear", "surprise"]
    assert convert_emotions(["  3.0000000e+00"], source="ck+").tolist() == ["disgust"]
    with pytest.raises(ValueError, match=r"Unknown emotion 0 in 'raf-db'. Known: 1, 2"):
        convert_emotions([0], source="raf-db")


def test_codes_of_fer2013_are_numbers_in_any_form_but_no_columns():
    for codes in ([3, 6], [3.0, 6.0], ["3", "6"], ["3.0", "6.0"], [[3], [6]]):
        assert convert_emotions(codes, source="fer2013").tolist() == ["happy", "neutral"]
    with pytest.raises(ValueError, match=r"shape \(7, 7\).*argmax\(labels, axis=1\)"):
        convert_emotions(np.eye(7, dtype=int), source="fer2013")
    with pytest.raises(ValueError, match="Unknown emotion True in 'fer2013'"):
        convert_emotions([True], source="fer2013")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels_are_not_converted(missing):
    labels = pd.Series(["happy", missing])
    with pytest.raises(ValueError, match="1 of 2 faces have no label, the first of them in row 1"):
        convert_emotions(labels)


# -- join_faces -----------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path):
    """Drawn faces, JAFFE with persons called as CK+'s, and both with a copy of a drawn face."""
    drawn = make_faces(28, random_state=0)
    posed = make_faces(56, random_state=1)
    posed.groups = np.repeat(["S005", "KA", "KL", "S010"], 14)
    third = make_faces(28, random_state=2)
    third.groups = np.repeat(["S005", "S010"], 14)
    third.usage = np.repeat(["Training", "Test"], 14)
    third.target = np.where(third.target == "neutral", "contempt", third.target)
    third.data[3] = drawn.data[5]
    return {"drawn": drawn, "posed": posed, "third": third}


def test_sources_are_joined_one_after_the_other(sources):
    faces = join_faces(sources)
    assert faces.data.shape == (112, 48, 48)
    assert faces.data.dtype == np.uint8
    assert faces.source.tolist() == ["drawn"] * 28 + ["posed"] * 56 + ["third"] * 28
    np.testing.assert_array_equal(faces.data[28:84], sources["posed"].data)
    assert faces.target[84:].tolist() == sources["third"].target.tolist()
    assert faces.target_names == sorted({*sources["drawn"].target, "contempt"})
    assert faces.usage.tolist() == [""] * 84 + ["Training"] * 14 + ["Test"] * 14


def test_a_person_of_one_source_is_another_than_that_of_the_same_name_elsewhere(sources):
    faces = join_faces(sources)
    posed, third = faces.groups[28:84], faces.groups[84:]
    assert [len(set(posed[start : start + 14])) for start in range(0, 56, 14)] == [1] * 4
    assert len(set(posed)) == 4
    assert not set(posed) & set(third)
    assert len(set(faces.groups[:28])) == 28


def test_copies_are_in_one_group_whichever_source_they_are_from(sources):
    groups = join_faces(sources).groups
    assert groups[5] == groups[84 + 3] == groups[84]
    assert (groups[:28] == groups[84]).sum() == 1


@pytest.mark.parametrize("split", [StratifiedGroupKFold(2), HoldOut(0.25)])
def test_no_person_is_on_both_sides_of_a_split(sources, split):
    faces = join_faces(sources)
    for train, test in split.split(faces.data, faces.target, faces.groups):
        assert not set(faces.groups[train]) & set(faces.groups[test])
        assert min(len(train), len(test)) > 10


@pytest.mark.parametrize(
    ("min_sources", "left_out"), [(1, set()), (2, {"contempt"}), (3, {"contempt", "neutral"})]
)
def test_labels_of_few_sources_are_left_out_if_asked(sources, min_sources, left_out):
    whole, faces = join_faces(sources), join_faces(sources, min_sources=min_sources)
    kept = ~np.isin(whole.target, list(left_out))
    assert set(whole.target_names) - set(faces.target_names) == left_out
    for name in ("data", "target", "source", "groups", "usage"):
        np.testing.assert_array_equal(faces[name], whole[name][kept])


def broken(**changes):
    return {"first": make_faces(7, random_state=0), "second": Bunch(**changes)}


FACES = make_faces(7, random_state=1)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({}, "Expected sources"),
        ([FACES], "sources"),
        (
            broken(data=FACES.data),
            "'second': expected a Bunch with data .*without target",
        ),
        (broken(data=FACES.data, target=None), "without target"),
        (broken(data=FACES.data[:, ::2], target=FACES.target), "'first' 48 x 48, 'second' 24 x 48"),
        (broken(data=FACES.data / 255, target=FACES.target), "'second': expected images as uint8"),
        (
            broken(data=FACES.data.reshape(7, -1), target=FACES.target),
            r"got ndarray of .*\(7, 2304",
        ),
        (broken(data=FACES.data, target=FACES.target[1:]), "7 images and 6 labels"),
        (
            broken(data=FACES.data, target=["Happiness"] * 7),
            "'second' has the label 'Happiness', which is 'happy'.*convert_emotions",
        ),
    ],
)
def test_sources_that_do_not_fit_are_errors(sources, message):
    with pytest.raises(ValueError, match=message):
        join_faces(sources)


def test_labels_may_be_a_column():
    column = Bunch(data=FACES.data, target=np.reshape(FACES.target, (-1, 1)))
    joined = join_faces({"first": FACES, "second": column})
    assert joined.target.tolist() == [*FACES.target, *FACES.target]


@pytest.mark.parametrize("dtype", [float, object, np.float16])
def test_one_number_is_one_label_whatever_its_type(dtype):
    first = Bunch(data=FACES.data, target=np.arange(7))
    second = Bunch(data=FACES.data, target=np.arange(7).astype(dtype))
    joined = join_faces({"first": first, "second": second}, min_sources=2)
    assert joined.target_names == [str(number) for number in range(7)]
    with pytest.raises(ValueError, match="'second' has numbers as labels"):
        join_faces({"first": FACES, "second": second})


def test_labels_that_no_two_sources_share_are_an_error():
    second = Bunch(data=FACES.data, target=["glad"] * 7)
    sources = {"first": FACES, "second": second}
    assert "glad" in join_faces(sources).target_names
    with pytest.raises(ValueError, match="at least 2 of the 2 sources have, got none"):
        join_faces(sources, min_sources=2)


@pytest.mark.parametrize(
    ("part", "values", "match"),
    [
        ("groups", np.arange(3), "has 28 images and 3 groups"),
        ("target", np.tile(np.eye(7), (4, 1)), "has 28 images and 196 labels"),
        ("usage", ["Training"] * 3, "has 28 images and 3 usages"),
        ("groups", np.full(28, None), "groups contains NaN or None: 28 of 28"),
        ("target", pd.Series([None, *["happy"] * 27]), "target contains NaN or None: 1 of 28"),
        ("target", np.zeros(28, int), "numbers as labels, other sources have names"),
    ],
)
def test_a_source_has_a_value_for_each_image(part, values, match):
    first, second = make_faces(28, random_state=0), make_faces(28, random_state=1)
    second[part] = values
    with pytest.raises(ValueError, match=match):
        join_faces({"first": first, "second": second})
