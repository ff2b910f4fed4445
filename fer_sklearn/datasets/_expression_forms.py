"""The forms in which other datasets of expressions are stored: a table, and its readers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from ._emotions import label_key
from ._ferplus import by_majority
from ._image_files import Crop
from ._paths import check_file
from ._walk import walk

#: Endings of files that are read as images; there are lists and notes among them.
_ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"}
#: Larger than any file that holds a single label, including the header of an .npy file.
_LONGEST_LABEL = 1024


class Face(NamedTuple):
    """One face as a dataset describes it."""

    file: Path | Crop
    label: str  # in the dataset's own form
    split: str  # likewise; "" if it tells none
    person: str  # or photo: what has to stay on one side of a split; "" if it is not told
    details: dict[str, Any]
    where: str  # where this is written, for errors


class Listing(NamedTuple):
    """All faces of a dataset, and what cannot be read."""

    faces: list[Face]
    problems: list[tuple[Path, str]]


class Place:
    """The files of a folder, found by their names or the ends of their paths.

    Parameters
    ----------
    root : Path
        The folder.
    """

    def __init__(self, root: Path) -> None:
        found = walk(root)
        self.root, self.files, self.problems = root, found.files, found.problems
        self._name = root.resolve().name
        self._ends: dict[int, dict[str, list[Path]]] = {}

    def name_of(self, file: Path) -> str:
        """Return a file's path with the root's name first, which may be that of a split."""
        return f"{self._name}/{file.relative_to(self.root).as_posix()}"

    def named(self, names: Sequence[str]) -> list[Path]:
        """Return the files with these names, in any case."""
        return [file for file in self.files if file.name.lower() in names]

    def images(self) -> list[Path]:
        """Return the files whose names end like those of images."""
        return [file for file in self.files if file.suffix.lower() in _ENDINGS]

    def find(self, end: str) -> Path:
        """Return the file whose path ends like this, or where it would be if there is none.

        Raises
        ------
        ValueError
            If there are several.
        """
        parts = PurePosixPath(end).parts
        found = self._by_end(len(parts)).get("/".join(parts), [])
        if len(found) > 1:
            raise ValueError(
                f"{self.root} has several files {end}: {found[0]} and {found[1]}. Move one of the "
                "copies away, or pass the folder of one of them."
            )
        if found:
            return found[0]
        return self.root.joinpath(*(part for part in parts if part not in ("/", "..")))

    def _by_end(self, n_parts: int) -> dict[str, list[Path]]:
        if n_parts not in self._ends:
            ends = self._ends[n_parts] = {}
            for file in self.images():
                end = "/".join(PurePosixPath(self.name_of(file)).parts[-n_parts:])
                ends.setdefault(end, []).append(file)
        return self._ends[n_parts]


@dataclass(frozen=True)
class Named:
    """Images whose paths hold everything: a pattern with the groups label, split, person, ..."""

    expected: str
    pattern: str
    vocabulary: str
    person: str = ""  # what `groups` are
    details: tuple[str, ...] = ()

    def read(self, place: Place, known: Mapping[str, str]) -> Listing | None:
        """Return the faces; None if no image has such a name with a known label."""
        matches = [(file, self._match(place, file)) for file in place.images()]
        if not any(match and label_key(match["label"]) in known for _, match in matches):
            return None
        faces = [self._face(file, match) for file, match in matches if match]
        others = [(file, f"Expected {self.expected}") for file, match in matches if not match]
        return Listing(faces, others)

    def _match(self, place: Place, file: Path) -> re.Match | None:
        return re.search(self.pattern, place.name_of(file), re.IGNORECASE)

    def _face(self, file: Path, match: re.Match) -> Face:
        found = match.groupdict(default="")
        split, person = found.get("split", ""), found.get("person", "").upper()
        details = {name: found[name].upper() for name in self.details}
        return Face(file, found["label"], split, person, details, str(file))


@dataclass(frozen=True)
class Listed:
    """Images with a line each in a list: name, label, and perhaps the box of the face."""

    expected: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    vocabulary: str
    separator: str | None = None  # None: blanks
    image: str = "{name}"  # end of the image's path
    split: str = ""  # pattern in folder/list/name
    person: str = ""
    details: tuple[str, ...] = ()  # columns of numbers
    left_out: tuple[str, ...] = ()  # labels that are not emotions
    decide: Callable[[list[dict]], list[str]] | None = None  # labels of rows that have votes

    def read(self, place: Place, known: Mapping[str, str]) -> Listing | None:
        """Return the faces; None if there is no such list."""
        lists = place.named(self.files)
        if not lists:
            return None
        listing = Listing([], [])
        for path in lists:
            for row in self._rows(path):
                if row["label"] and label_key(row["label"]) not in self.left_out:
                    listing.faces.append(self._face(place, path, row))
                elif not row["label"] and not self.decide:
                    listing.problems.append(
                        (path, f"line {row['line']}: no label of {row['name']}")
                    )
        return listing

    def _rows(self, path: Path) -> list[dict[str, Any]]:
        """Return the lines of a list by the names of its columns, each with a label or ""."""
        rows = [self._row(path, line, cells) for line, cells in self._lines(path)]
        if self.decide:
            for row, label in zip(rows, self.decide(rows), strict=True):
                row["label"] = label
        return rows

    def _lines(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Yield the lines that are not empty, each with its number, without a header."""
        text = _read_text(path)
        if self.separator is None:
            rows = ((number, line.split()) for number, line in enumerate(text.splitlines(), 1))
        else:
            reader = csv.reader(io.StringIO(text), delimiter=self.separator)
            rows = ((reader.line_num, cells) for cells in reader)
        header = self._header
        for number, cells in rows:
            if any(cells) and not (number == 1 and cells[0].strip().lower() in header):
                yield number, cells

    @property
    def _header(self) -> set[str]:
        """What the first cell of a list holds if there is a header."""
        return {self.columns[0], "image_name", "subdirectory_filepath"}

    def _row(self, path: Path, line: int, cells: list[str]) -> dict[str, Any]:
        where = f"{path}, line {line}"
        if len(cells) != len(self.columns):
            raise ValueError(
                f"{where}: expected {len(self.columns)} columns ({', '.join(self.columns)}), got "
                f"{len(cells)}: {cells[:8]}. Get the file again."
            )
        cells = [cell.strip() for cell in cells]
        return {**dict(zip(self.columns, cells, strict=True)), "where": where, "line": line}

    def _face(self, place: Place, path: Path, row: dict[str, Any]) -> Face:
        name = PurePosixPath(row["name"])
        place_of = {"name": name, "stem": name.stem, "suffix": name.suffix}
        file: Path | Crop = place.find(self.image.format(folder=path.parent.name, **place_of))
        box = _box(row)
        told = f"{path.resolve().parent.name}/{path.stem}/{name}"
        split = re.search(self.split, told) if self.split else None
        return Face(
            file if box is None else Crop(file, box),  # type: ignore[arg-type]
            row["label"],
            split[1] if split else "",
            row.get(self.person, ""),
            {name: _number(row, name) for name in self.details},
            row["where"],
        )


def _read_text(path: Path) -> str:
    """Return the text of a list.

    Raises
    ------
    ValueError
        If it is not text.
    """
    check_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text: {error}. Get the file again.") from error
    if "\0" in text:
        raise ValueError(f"{path} is not text: it has zero bytes. Get the file again.")
    return text


def _box(row: dict[str, Any]) -> tuple[int, int, int, int] | None:
    """Return the box of the face; None if the list has none."""
    if "left" not in row:
        return None
    left, top = (round(_number(row, name)) for name in ("left", "top"))
    if "right" in row:
        right, bottom = (round(_number(row, name)) for name in ("right", "bottom"))
    else:
        right = left + round(_number(row, "width"))
        bottom = top + round(_number(row, "height"))
    return left, top, right, bottom


def _number(row: dict[str, Any], name: str) -> float:
    try:
        number = float(row[name])
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(f"{row['where']}: expected a number as {name}, got {row[name]!r}.")
    return number


@dataclass(frozen=True)
class Beside:
    """Images with a file each that holds only the label."""

    expected: str
    pattern: str  # of the label's path
    image: str  # end of the image's path, by the pattern's groups
    vocabulary: str
    person: str = ""
    details: tuple[str, ...] = ()
    neutral: str = ""  # end of the path of an image that is neutral, likewise

    def read(self, place: Place, known: Mapping[str, str]) -> Listing | None:
        """Return the faces; None if there are no such files."""
        faces: list[Face] = []
        problems: list[tuple[Path, str]] = []
        for file in place.files:
            match = re.search(self.pattern, place.name_of(file))
            if not match:
                continue
            try:
                label = _read_label(file)
            except Exception as error:  # NumPy raises several kinds of errors; all mean: no label
                problems.append((file, f"{type(error).__name__}: {error}"))
                continue
            faces += self._faces(place, file, match, label)
        return Listing(faces, problems) if faces or problems else None

    def _faces(self, place: Place, file: Path, match: re.Match, label: str) -> Iterator[Face]:
        found = match.groupdict(default="")
        details = {name: found[name] for name in self.details}
        split, person = found.get("split", ""), found.get("person", "")
        labels = {self.image: label, self.neutral: "neutral"}
        for end, meant in labels.items():
            if end:
                image = place.find(end.format(**found))
                yield Face(image, meant, split, person, details, str(file))


def _read_label(file: Path) -> str:
    """Return the label that a file holds, an .npy file or a text."""
    size = file.stat().st_size
    if not 0 < size <= _LONGEST_LABEL:
        raise ValueError(f"expected a file with a label, got {size} bytes")
    if file.suffix == ".npy":
        return str(np.load(file, allow_pickle=False).item())
    label = file.read_text(encoding="utf-8").strip()
    if not label:
        raise ValueError("expected a label, got an empty file")
    return label


@dataclass(frozen=True)
class Pixels:
    """A table of pixels like FER-2013's, in which code 7 is contempt."""

    expected: str
    files: tuple[str, ...]
    vocabulary: str = "name"
    person: str = ""
    details: tuple[str, ...] = ()


Layout = Named | Listed | Beside | Pixels


@dataclass(frozen=True)
class Form:
    """A dataset: its layouts (the first that fits is read) and its origin."""

    title: str
    source: str
    layouts: tuple[Layout, ...]

    @property
    def name(self) -> str:
        """The name of the dataset."""
        return self.title.split(":")[0]


def _winners(rows: list[dict]) -> list[str]:
    """Return the emotion that most taggers name, or "" without a majority."""
    votes = np.array([[_number(row, name) for name in _VOTES] for row in rows])
    if not rows:
        return []
    chosen, shares = by_majority(votes, len(_VOTES) - 2)
    names = np.array(_VOTES)[shares.argmax(axis=1)]
    return np.where(chosen, names, "").tolist()


#: The columns of FER+'s lists, which have no header.
_VOTES = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "NF"),
)
_IMAGE = rf"\.({'|'.join(ending[1:] for ending in sorted(_ENDINGS))})$"
_SPLIT_FOLDERS = rf"(?:(?P<split>[^/]+)/)?(?P<label>[^/]+)/[^/]+{_IMAGE}"
_CK_NAME = r"(?P<person>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})"

#: {name: form}. `load_expressions` says where each was looked up.
FORMS = {
    "affectnet": Form(
        "AffectNet: faces from the web, annotated with one of eight expressions",
        "A. Mollahosseini, B. Hasani and M. H. Mahoor, IEEE Transactions on Affective Computing "
        "10(1), 2019. http://mohammadmahoor.com/affectnet/",
        (
            Beside(
                "train_set/annotations/0_exp.npy beside train_set/images/0.jpg",
                r"(?P<folder>(?P<split>train|val|test)_set)/annotations/(?P<name>[^/]+)_exp\.npy$",
                "{folder}/images/{name}.jpg",
                "affectnet",
            ),
            Listed(
                "training.csv and validation.csv beside Manually_Annotated_Images/",
                ("training.csv", "validation.csv"),
                (
                    *("name", "left", "top", "width", "height", "landmarks", "label"),
                    *("valence", "arousal"),
                ),
                "affectnet",
                separator=",",
                split=r"/(training|validation)/",
                details=("valence", "arousal"),
                left_out=("8", "9", "10"),  # none, uncertain, no face
            ),
            Named(
                "<split>/<label>/<images>, the labels called anger, happy, ... or 0 to 7",
                _SPLIT_FOLDERS,
                "affectnet",
            ),
        ),
    ),
    "ck+": Form(
        "CK+: sequences of posed expressions from the neutral face to the strongest",
        "P. Lucey, J. F. Cohn, T. Kanade, J. Saragih, Z. Ambadar and I. Matthews, CVPR workshops, "
        "2010.",
        (
            Beside(
                "Emotion/S005/001/S005_001_00000011_emotion.txt and "
                "cohn-kanade-images/S005/001/S005_001_00000011.png",
                rf"{_CK_NAME}_emotion\.txt$",
                "{person}_{sequence}_{frame}.png",
                "ck+",
                person="person",
                details=("sequence",),
                neutral="{person}_{sequence}_00000001.png",
            ),
            Pixels("ckextended.csv", ("ckextended.csv",)),
            Named(
                "<label>/S010_004_00000017.png",
                rf"(?P<label>[^/]+)/{_CK_NAME}{_IMAGE}",
                "name",
                person="person",
                details=("sequence",),
            ),
        ),
    ),
    "expw": Form(
        "ExpW: photos from the web with a box and an expression for each face",
        "Z. Zhang, P. Luo, C. C. Loy and X. Tang, International Journal of Computer Vision 126, "
        "2018. http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/",
        (
            Listed(
                "label.lst and the photos that it lists",
                ("label.lst",),
                ("name", "face", "top", "left", "right", "bottom", "confidence", "label"),
                "expw",
                person="name",
                details=("confidence",),
            ),
        ),
    ),
    "fer+": Form(
        "FER+: FER-2013 with the votes of ten taggers for each image",
        "E. Barsoum, C. Zhang, C. Canton Ferrer and Z. Zhang, ICMI 2016. "
        "https://github.com/microsoft/FERPlus",
        (
            Listed(
                "FER2013Train/label.csv beside the images fer0000000.png, ...",
                ("label.csv",),
                ("name", "box", *_VOTES),
                "ferplus",
                separator=",",
                image="{folder}/{name}",
                split=r"(?i)FER2013(Train|Valid|Test)/",
                details=_VOTES,
                decide=_winners,
            ),
        ),
    ),
    "jaffe": Form(
        "JAFFE: ten Japanese women, each with seven posed expressions",
        "M. Lyons, S. Akamatsu, M. Kamachi and J. Gyoba, IEEE Conference on Automatic Face and "
        "Gesture Recognition, 1998. https://www.kasrl.org/jaffe.html",
        (
            Named(
                "names as KA.AN1.39.tiff: person, expression and take, number",
                rf"/(?P<person>[A-Z]{{2}})\.(?P<label>[A-Z]{{2}})\d*\.\d+{_IMAGE}",
                "jaffe",
                person="person",
            ),
        ),
    ),
    "kdef": Form(
        "KDEF: seventy actors, each with seven expressions from five angles, twice",
        "D. Lundqvist, A. Flykt and A. Öhman, Karolinska Institutet, 1998. https://kdef.se",
        (
            Named(
                "names as AF01ANS.JPG: session, person, expression, angle",
                r"/(?P<session>[AB])(?P<person>[FM]\d\d)(?P<label>[A-Z]{2})"
                rf"(?P<angle>FL|FR|HL|HR|S){_IMAGE}",
                "kdef",
                person="person",
                details=("session", "angle"),
            ),
        ),
    ),
    "raf-db": Form(
        "RAF-DB: faces from the web, annotated by about forty people each; the basic expressions",
        "S. Li, W. Deng and J. Du, CVPR 2017. http://www.whdeng.cn/RAF/model1.html",
        (
            Listed(
                "EmoLabel/list_patition_label.txt and Image/aligned/train_00001_aligned.jpg, ...",
                ("list_patition_label.txt",),
                ("name", "label"),
                "raf-db",
                image="{stem}_aligned{suffix}",
                split=r"/(train|test)_",
            ),
            Named(
                "<split>/<label>/<images>, the labels called angry, happy, ... or 1 to 7",
                _SPLIT_FOLDERS,
                "raf-db",
            ),
        ),
    ),
}
