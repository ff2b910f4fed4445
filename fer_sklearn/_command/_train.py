"""The command `train`: a folder of classes becomes a classifier, with an honest score."""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from typing import TYPE_CHECKING, Any

from .._stored import read_classifier
from ._shared import (
    CLASSIFIER,
    add_command,
    load_faces,
    load_photos,
    named,
    positive,
    say,
    say_errors,
    seed,
    share,
    side_of,
    there,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ..classifier import FERClassifier

#: Names of `fer_sklearn.preset`; a test compares them.
PRESETS = ("fast", "accurate", "hybrid", "report", "small")
_SIDE = 48

_TOO_FEW = (
    "There are too few faces of {} to train on some and to hold out others: copies and faces of "
    "one photo stay together. Bring more, take another --seed or --test-share, or train on all of "
    "them without a score: --test-share 0."
)

_DESCRIPTION = """\
Train a classifier on a folder with one sub-folder for each class, such as faces/happy/ and
faces/bored/, and write it as a file that is safe to share.

The files are images of faces. If they are photos in which the faces have to be found, add
--photos. Of a fer2013.csv, the Training split is used.

A fifth of the faces is held out, and the classifier is tested on it after it was trained on the
others: that is the score at the end. Copies of a face, and all faces of one photo, are on the same
side. If several photos show the same person, the score is better than it will be for new people.

You can stop it with Ctrl-C at any time: the finished epochs are kept beside the output, in a file
that ends in .checkpoint, and the same command continues from there. (Files are read again.)
"""
_EXAMPLES = """\
examples:
  fer-sklearn train faces/ --out mine.npz
  fer-sklearn train faces/ --out mine.npz --pretrained fer2013 --epochs 8
  fer-sklearn train my_photos/ --photos --out mine.npz --pretrained fer2013
  fer-sklearn train fer2013.csv --out mine.npz --preset accurate
"""


def add_to(commands: Any) -> None:
    """Add this command."""
    parser = add_command(
        commands,
        "train",
        _run,
        help="train a classifier on a folder of classes",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
        after_stop=_after_stop,
        check=_check,
    )
    parser.add_argument(
        "path",
        metavar="FACES",
        type=there,
        help="folder with a sub-folder for each class, or fer2013.csv",
    )
    parser.add_argument(
        "--out", required=True, metavar="NPZ", type=named(".npz"), help="classifier to write"
    )
    parser.add_argument(
        "--pretrained",
        metavar="CLASSIFIER",
        help=f"start from its weights: {CLASSIFIER.replace(' or of to_onnx (.onnx),', ',')}",
    )
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="fast",
        help="recipe: fast, 16 epochs; accurate, 110; hybrid, a transformer, 110; report, the "
        "plain network of much of the literature, 120; small, a quarter of the work for each face, "
        "38 (default: fast)",
    )
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help="passes over the faces (default: the preset's)"
    )
    parser.add_argument(
        "--photos", action="store_true", help="the files are photos: find the faces in them first"
    )
    parser.add_argument(
        "--max-faces",
        type=positive,
        metavar="N",
        help="with --photos: take the N largest faces of each (default: 1)",
    )
    parser.add_argument(
        "--test-share",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="share held out for the score; 0 trains on all and gives no score (default: 0.2)",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="seed of all random numbers (default: 0)"
    )
    parser.add_argument(
        "--jobs", type=positive, metavar="N", help="processes that read files (default: 1)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no report")


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.max_faces and not options.photos:
        parser.error("--max-faces is for --photos")


def _run(options: argparse.Namespace) -> int:
    from .._pretrained import check_destination
    from ..classifier import FERClassifier
    from ..metrics import evaluation_report

    out = os.path.expanduser(options.out)
    check_destination(out)
    classifier = _classifier(options, out)
    X, y, groups = _faces(options, _side(classifier))
    train, test = _split(y, groups, options)
    if not options.quiet:
        say(f"{len(train)} faces to train on, {len(test)} held out, {len(set(y))} classes")
    classifier.fit(X[train], y[train])
    note = f"fer-sklearn train, preset {options.preset}, {len(train)} faces, seed {options.seed}"
    _save(classifier, out, note)
    if not options.quiet:
        if len(test):  # what is asked is the file: that is what will be used
            stored = FERClassifier.from_pretrained(out)
            say(f"\nHeld out:\n{evaluation_report(stored, X[test], y[test])}\n")
        say(f"The classifier is in {options.out}.")
    return 0


def _save(classifier: FERClassifier, out: str, note: str) -> None:
    """Write the classifier; where that fails, to another place: its checkpoint is gone.

    Raises
    ------
    OSError
        If it could not be written; says where it is instead.
    """
    try:
        classifier.save_pretrained(out, note=note)
    except OSError as error:
        spare = os.path.join(tempfile.mkdtemp(prefix="fer-sklearn-"), os.path.basename(out))
        classifier.save_pretrained(spare, note=note)
        raise OSError(f"{error}. The classifier is in {spare} instead.") from error


def _classifier(options: argparse.Namespace, out: str) -> FERClassifier:
    from ..classifier import FERClassifier
    from ..presets import OF_THE_NETWORK, preset

    params = preset(options.preset)
    if options.epochs:
        params["max_epochs"] = options.epochs
    params |= {
        "checkpoint": out + ".checkpoint",
        "random_state": options.seed,
        "verbose": int(not options.quiet),
    }
    if options.pretrained is None:
        return FERClassifier(**params)
    start = read_classifier(options.pretrained)
    if not isinstance(start, FERClassifier):
        raise ValueError(
            f"{options.pretrained} is an ONNX file, which cannot be trained further. Start from "
            "the file of save_pretrained that it was made from."
        )
    kept = {name: value for name, value in params.items() if name not in OF_THE_NETWORK}
    return start.set_params(**kept)


def _side(classifier: FERClassifier) -> int:
    return side_of(classifier) if hasattr(classifier, "image_shape_") else _SIDE


def _faces(options: argparse.Namespace, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return faces, their classes, and what has to stay on one side of a split."""
    from ..datasets import duplicate_groups
    from ..datasets._duplicates import group_links, join_groups

    how = {"verbose": int(not options.quiet), "jobs": options.jobs}
    if not options.photos:
        faces = load_faces(options.path, side, "Training", **how)
        if not options.quiet:
            say_errors(faces)
        return faces.data, faces.target, duplicate_groups(faces.data, near=True)
    faces = load_photos(options.path, side, options.max_faces or 1, **how)
    if not options.quiet:
        _say_doubtful(faces.doubtful)
    copies = duplicate_groups(faces.data, near=True)
    return faces.data, faces.target, join_groups(copies, group_links(faces.groups))


def _split(
    y: np.ndarray, groups: np.ndarray, options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """Return which faces are trained on, and which are held out."""
    import numpy as np

    from ..tuning import HoldOut

    if not options.test_share:
        return np.arange(len(y)), np.arange(0)
    splitter = HoldOut(options.test_share, random_state=options.seed)
    with warnings.catch_warnings():  # that a class is small: what that leads to is looked at below
        warnings.filterwarnings("ignore", "The least populated class")
        try:
            [(train, test)] = splitter.split(np.empty((len(y), 0)), y, groups)
        except ValueError as error:
            raise ValueError(_TOO_FEW.format("any class")) from error
    for part in (train, test):
        lacking = sorted(set(y.tolist()) - set(y[part].tolist()))
        if lacking:
            raise ValueError(_TOO_FEW.format(", ".join(lacking)))
    return train, test


def _say_doubtful(doubtful: pd.DataFrame) -> None:
    if not len(doubtful):
        return
    first = doubtful.iloc[0]
    n_faces = int(doubtful.row.notna().sum())
    say(
        f"Doubtful: {len(doubtful) - n_faces} photos without a face, {n_faces} faces that are "
        f"small, cut off or not alone in their photo. The first: {first.photo} ({first.reason}). "
        "load_photo_folder lists them all."
    )


def _after_stop(options: argparse.Namespace) -> str:
    if os.path.exists(os.path.expanduser(options.out) + ".checkpoint"):
        return "The same command continues after the last epoch that is done."
    return ""
