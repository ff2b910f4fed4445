"""Other datasets of facial expressions, with one vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .._files import as_path
from .._forms import Interval, validate_params
from ._emotions import EMOTIONS, FER2013_NAMES, label_key, labels_of
from ._expression_forms import FORMS, Face, Form, Layout, Listing, Pixels, Place
from ._fer2013 import load_fer2013
from ._image_files import Crop, load_images
from ._resize import resize_faces
from ._splits import meant_by, split_names, split_of

_NAMES = [emotion.name for emotion in EMOTIONS]


@validate_params(
    {
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
        "emotions": [Mapping, None],
    },
)
def load_expressions(
    path: str | PathLike[str],
    form: str,
    *,
    usage: str | Iterable[str] | None = None,
    image_size: int = 48,
    emotions: Mapping[Any, str] | None = None,
    out: str | PathLike[str] | None = None,
    max_pixels: int | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Load another dataset of facial expressions in the form in which it was downloaded.

    All labels become the names of `convert_emotions`: angry, disgust, fear, happy, sad, surprise,
    neutral and contempt. Images are decoded as in `load_image_folder`: gray, resized once.

    Parameters
    ----------
    path : str or path-like
        Folder of the dataset. All folders below it are searched, except hidden ones and links.
    form : str
        Which dataset it is:

        - "affectnet": AffectNet. Either ``train_set/annotations/0_exp.npy`` beside
          ``train_set/images/0.jpg`` (and ``val_set/``); or ``training.csv`` and
          ``validation.csv`` with ``Manually_Annotated_Images/``, from which the faces are cut by
          their boxes; or Kaggle's folders ``train/anger/...``, which may be called 0 to 7.
          Labels 8 to 10 (none, uncertain, no face) are left out.
        - "ck+": CK+. Either ``Emotion/S005/001/S005_001_00000011_emotion.txt`` and
          ``cohn-kanade-images/``: of each labelled sequence the strongest frame, and the first as
          neutral; or Kaggle's ``CK+48/anger/S010_004_00000017.png``; or Kaggle's
          ``ckextended.csv``, which may be `path` itself.
        - "expw": ExpW. ``label.lst`` and the photos, from which the faces are cut by their boxes.
        - "fer+": FER+ as images: ``FER2013Train/label.csv`` beside ``fer0000000.png``,
          likewise ``FER2013Valid`` and ``FER2013Test``. Images are selected and labelled as by
          `load_ferplus` with ``target="majority"``. In the authors' repository the votes in these
          lists differ from ``fer2013new.csv`` for some images: 246 of the 3,579 in FER2013Valid.
        - "jaffe": JAFFE, by names such as ``KA.AN1.39.tiff``.
        - "kdef": KDEF, by names such as ``AF01ANS.JPG``.
        - "raf-db": RAF-DB, basic. Either ``EmoLabel/list_patition_label.txt`` and the aligned
          images, or Kaggle's folders ``DATASET/train/1/...``, which may also have names.

        JAFFE, KDEF and CK+'s sequences show whole heads and more:
        ``fer_sklearn.photos.FaceCropper`` cuts the faces out of `filenames`.
    usage : str, iterable of str or None, default=None
        The splits to load, as in `load_fer2013`. None: "Training" if the dataset has splits,
        otherwise all faces.
    image_size : int, default=48
        Height and width of the result in pixels.
    emotions : dict of {label: str} or None, default=None
        Meaning of the labels if a copy uses different ones: ``{0: "angry", 1: "contempt", ...}``
        for folders that are numbered in alphabetical order.
    out : str, path-like or None, default=None
        An ``.npy`` file to store the faces in, as in `load_image_folder`.
    max_pixels : int or None, default=None
        Images with more pixels are not decoded, as in `load_image_folder`.
    n_jobs : int or None, default=None
        Processes that decode, through joblib; None is 1.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, image_size, image_size)
            With `out`, a read-only memory map.
        target : ndarray of str of shape (n,)
            Name of each face's emotion.
        target_names : list of str
            The emotions that occur, sorted.
        groups : ndarray of str of shape (n,) or None
            Faces of one group belong on one side of a split. The group is the person in JAFFE, KDEF
            and CK+, and the photo in ExpW. None if the files do not have it, as ``ckextended.csv``.
        usage : ndarray of str of shape (n,)
            Split of each face; "" if the dataset has none.
        filenames : ndarray of str of shape (n,)
            Path of each image; several faces of ExpW may be in one photo. Absent for
            ``ckextended.csv``.
        details : DataFrame
            Other information about each face: KDEF's session and angle, ExpW's confidence,
            AffectNet's valence and arousal, FER+'s votes, CK+'s sequence.
        errors : DataFrame with columns filename, reason
            What was left out: images that are missing, cannot be read, or have no label in their
            names; files and lines of lists without a label; images in no split, if the dataset
            has splits, unless `usage` is "all"; folders that cannot be read.
        DESCR : str
            Which dataset it is, and who published it.

    Raises
    ------
    FileNotFoundError
        If `path` does not exist, or no image that the dataset lists exists.
    ValueError
        If the form is unknown or `path` holds another one; if a list is damaged (names its line);
        if a label is not one of the dataset's; if there is no image of a split in `usage`, or no
        readable one; or if two images have the name that a list gives.

    See Also
    --------
    join_faces : Joins datasets, to train on several.
    load_fer2013 : FER-2013.
    load_ferplus : FER+ with its votes and FER-2013's CSV.
    load_image_folder : Images of any classes, in one folder per class.

    Notes
    -----
    The forms are those that the authors distribute and that public code reads: FER+'s lists are in
    https://github.com/microsoft/FERPlus (``data/``); the columns of ExpW's and AffectNet's
    lists, RAF-DB's and CK+'s numbers are stated in their readme files; Kaggle's ``ckextended.csv``
    is https://www.kaggle.com/datasets/davilsena/ckdataset. Most of these datasets are for research
    only; their terms apply.
    """
    chosen = _check_form(form)
    root, meanings = as_path(path), _meanings(emotions)
    names = None if usage is None else split_names(usage)
    if not root.exists():
        raise FileNotFoundError(f"{root} does not exist. Expected {_expected(chosen)}.")
    table = _pixel_table(root, chosen)
    if table is not None:
        if out is not None:
            raise ValueError(f"out={str(out)!r} is for image files; the faces are in {table}.")
        return _from_pixels(table, chosen, names, meanings, image_size)
    if not root.is_dir():
        raise ValueError(f"{root} is a file. Expected the folder of {_expected(chosen)}.")
    place = Place(root)
    layout, listing = _read(place, form, meanings)
    if not listing.faces:
        first = f": {listing.problems[0]}" if listing.problems else ""
        raise ValueError(f"{root} lists no face with a label{first}. Expected {_expected(chosen)}.")
    rows = _label(listing.faces, form, layout, meanings)
    rows, others = _choose(rows, names, chosen, root)
    options = {"max_pixels": max_pixels, "n_jobs": n_jobs, "verbose": verbose}
    data, reasons = _decode([row.face.file for row in rows], chosen, image_size, out, options)
    bunch = _make_bunch(root, rows, data, reasons, others + place.problems + listing.problems)
    bunch.DESCR = _describe(chosen)
    if not layout.person:
        bunch.groups = None
    return bunch


class _Row(NamedTuple):
    """A face and what its label and its split mean."""

    face: Face
    emotion: str
    split: str


def _check_form(form: str) -> Form:
    if not isinstance(form, str) or form not in FORMS:
        near = get_close_matches(str(form).lower(), FORMS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}.{hint}")
    return FORMS[form]


def _meanings(emotions: Mapping | None) -> dict[str, str]:
    """Return the meanings of labels that the user gave, in the package's names."""
    usual = labels_of("name")
    given = {label_key(label): str(name) for label, name in (emotions or {}).items()}
    unknown = [name for name in given.values() if name.lower() not in usual]
    if unknown:
        raise ValueError(
            f"emotions: expected names of emotions ({', '.join(_NAMES)}), got {unknown[0]!r}."
        )
    return {label: usual[name.lower()] for label, name in given.items()}


def _expected(form: Form) -> str:
    return f"{form.name}: {'; or '.join(layout.expected for layout in form.layouts)}"


def _describe(form: Form) -> str:
    return f"{form.title}.\n\n{form.source}\n"


def _pixel_table(root: Path, form: Form) -> Path | None:
    """Return the table of pixels, if the form has one and it exists."""
    for layout in form.layouts:
        if isinstance(layout, Pixels):
            if not root.is_dir():
                return root
            inside = [root / name for name in layout.files]
            return next((file for file in inside if file.is_file()), None)
    return None


def _from_pixels(
    table: Path, form: Form, names: list[str] | None, meanings: dict[str, str], image_size: int
) -> Bunch:
    codes = [*FER2013_NAMES, "contempt"]
    faces = load_fer2013(table, usage=names or "Training", emotions=codes)
    meant = {name: meanings.get(str(code), name) for code, name in enumerate(codes)}
    data = faces.data if faces.data.shape[1] == image_size else resize_faces(faces.data, image_size)
    return Bunch(
        data=data,
        **_targets([meant[name] for name in faces.target.tolist()]),
        groups=None,
        usage=faces.usage,
        details=pd.DataFrame(index=range(len(data))),
        errors=_list_errors([]),
        DESCR=_describe(form),
    )


def _targets(names: list[str]) -> dict:
    return {"target": np.array(names, dtype=str), "target_names": sorted(set(names))}


def _read(place: Place, form: str, meanings: dict[str, str]) -> tuple[Layout, Listing]:
    """Return the first layout that fits, and what it lists."""
    for layout in FORMS[form].layouts:
        listing = _try(place, layout, meanings)
        if listing is not None:
            return layout, listing
    there = f"{len(place.files)} files, such as {place.files[0]}" if place.files else "no file"
    others = [
        name
        for name, other in FORMS.items()
        if name != form and any(_fits(place, layout) for layout in other.layouts)
    ]
    hint = f" It may be form={' or '.join(map(repr, others))}." if others else ""
    raise ValueError(f"Expected {_expected(FORMS[form])}. Got {place.root} with {there}.{hint}")


def _try(place: Place, layout: Layout, meanings: dict[str, str]) -> Listing | None:
    if isinstance(layout, Pixels):
        return None  # already checked
    return layout.read(place, {**labels_of(layout.vocabulary), **meanings})


def _fits(place: Place, layout: Layout) -> bool:
    try:
        return _try(place, layout, {}) is not None
    except ValueError:  # it has this form, but is damaged
        return True


def _label(faces: list[Face], form: str, layout: Layout, meanings: dict[str, str]) -> list[_Row]:
    """Return each face with its emotion and split, in the package's names."""
    known = {**labels_of(layout.vocabulary), **meanings}
    for face in faces:
        if label_key(face.label) not in known:
            listed = ", ".join(f"{label} {name}" for label, name in known.items())
            raise ValueError(
                f"{face.where}: expected a label of {form!r} ({listed}), got {face.label!r}. If "
                f"this copy labels in another way, say how: emotions={{{face.label!r}: 'happy'}}."
            )
    return [_Row(face, known[label_key(face.label)], split_of(face.split) or "") for face in faces]


def _choose(
    rows: list[_Row], names: list[str] | None, form: Form, root: Path
) -> tuple[list[_Row], list[tuple[Path | Crop, str]]]:
    """Return the faces of the requested splits, and what is left out because it has no split."""
    splits = {row.split for row in rows}
    there = ", ".join(map(repr, sorted(splits - {""})))
    if names is None:
        names = ["Training"] if there else ["all"]
    if not there and names != ["all"]:
        raise ValueError(
            f"{root} has no splits: {form.name} has none in this form. Leave out usage, and split "
            "the faces yourself, by groups where it has some."
        )
    missing = [name for name in names if not meant_by(name) & splits]
    if missing:
        raise ValueError(
            f"{root} has no images of usage={', '.join(map(repr, missing))}. It has those of "
            f"{there}; usage='all' loads all of them."
        )
    wanted = set().union(*map(meant_by, names))
    reason = "it is in no split; usage='all' loads it"
    others = [(row.face.file, reason) for row in rows if not row.split and "" not in wanted]
    return [row for row in rows if row.split in wanted], others


def _decode(files: list[Path | Crop], form: Form, image_size: int, out: Any, options: dict) -> Any:
    """Return the readable images, and for each file "" or the reason why it is not readable."""
    if files and not any(_path_of(file).exists() for file in files):
        raise FileNotFoundError(
            f"None of the {len(files)} images is there, the first: {_path_of(files[0])}. Expected "
            f"{_expected(form)}."
        )
    return load_images(files, image_size, None if out is None else as_path(out), **options)


def _make_bunch(
    root: Path, rows: list[_Row], data: np.ndarray, reasons: list[str], problems: list
) -> Bunch:
    """Return the Bunch of the faces that were read and of the errors."""
    good = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    failed = [(row.face.file, reason) for row, reason in zip(rows, reasons, strict=True) if reason]
    errors = _list_errors(failed + problems)
    if not good:
        raise ValueError(
            f"{root} has no readable image ({len(errors)} others, the first: "
            f"{errors.iloc[0].tolist()})."
        )
    return Bunch(
        data=data,
        **_targets([row.emotion for row in good]),
        groups=np.array([row.face.person for row in good]),
        usage=np.array([row.split for row in good]),
        filenames=np.array([str(_path_of(row.face.file)) for row in good]),
        details=pd.DataFrame([row.face.details for row in good], index=range(len(good))),
        errors=errors,
    )


def _list_errors(lost: list[tuple[Path | Crop, str]]) -> pd.DataFrame:
    table = [(str(file), reason) for file, reason in lost]
    return pd.DataFrame(table, columns=["filename", "reason"], dtype=object)


def _path_of(file: Path | Crop) -> Path:
    return file.path if isinstance(file, Crop) else file
