"""The command `evaluate`: how good a classifier is on faces whose classes are known."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from .._stored import read_classifier
from ._shared import (
    CLASSIFIER,
    add_command,
    keep_apart,
    load_faces,
    load_photos,
    positive,
    print_text,
    say,
    say_errors,
    side_of,
    there,
    to_write,
)

if TYPE_CHECKING:
    import numpy as np

_DESCRIPTION = """\
Compare a classifier's labels with the right ones, and print accuracy with its interval, the
scores of each class, and how far the probabilities can be trusted.

The faces are a folder with one sub-folder for each class, or FER-2013. The score says something
about new faces only if the classifier was not trained on these, nor on other photos of the same
people. Sub-folders may have any usual name of an emotion if the classifier knows FER-2013's.
"""
_EXAMPLES = """\
examples:
  fer-sklearn evaluate mine.npz test_faces/
  fer-sklearn evaluate mine.npz test_photos/ --photos --html report.html
  fer-sklearn evaluate fer2013 fer2013.csv --usage PublicTest --train fer2013.csv
"""


def add_to(commands: Any) -> None:
    """Add this command."""
    parser = add_command(
        commands,
        "evaluate",
        _run,
        help="say how good a classifier is",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
        check=_check,
    )
    parser.add_argument("classifier", metavar="CLASSIFIER", help=CLASSIFIER)
    parser.add_argument(
        "path",
        metavar="FACES",
        type=there,
        help="folder with a sub-folder for each class, or fer2013.csv",
    )
    parser.add_argument(
        "--html", metavar="HTML", type=to_write, help="write the report as a page too"
    )
    parser.add_argument(
        "--photos",
        action="store_true",
        help="the files are photos: find the largest face in each first",
    )
    parser.add_argument(
        "--usage",
        metavar="SPLIT",
        help="split of fer2013.csv: Training, PublicTest, PrivateTest, Test (default: PublicTest)",
    )
    parser.add_argument(
        "--train",
        metavar="FACES",
        type=there,
        help="what it was trained on, a folder or the Training split of fer2013.csv: adds the "
        "scores on the faces that have no copy there",
    )
    parser.add_argument(
        "--jobs", type=positive, metavar="N", help="processes that read files (default: 1)"
    )
    parser.add_argument("--quiet", action="store_true", help="nothing but the report")


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    is_folder = os.path.isdir(os.path.expanduser(options.path))
    if options.usage and is_folder:
        parser.error(f"--usage is for fer2013.csv, and {options.path} is a folder")
    if options.photos and not is_folder:
        parser.error(f"--photos is for folders, and {options.path} is a file")
    keep_apart(parser, {"--html": options.html}, [options.classifier, options.path, options.train])


def _run(options: argparse.Namespace) -> int:
    from .._files import check_writable, replace_file
    from ..metrics import evaluation_report

    classifier = read_classifier(options.classifier)
    if options.html:
        check_writable(options.html)
    side = side_of(classifier)
    X, y = _faces(options, options.path, side, options.usage or "PublicTest")
    y = _in_words_of(classifier.classes_, y, options.path)
    train = None
    if options.train:
        train, _ = _faces(options, options.train, side, "Training")
    report = evaluation_report(classifier, X, y, train=train)
    try:
        if options.html:
            title = f"{os.path.basename(options.classifier)} on {os.path.basename(options.path)}"
            page = report.to_html(title=title).encode("utf-8", "backslashreplace")
            replace_file(options.html, page)
            if not options.quiet:
                say(f"The page is in {options.html}.")
    finally:  # even if there is no room for the page; and at last: not all read it to its end
        print_text(str(report))
    return 0


def _faces(
    options: argparse.Namespace, path: str, side: int, usage: str
) -> tuple[np.ndarray, np.ndarray]:
    verbose = int(not options.quiet)
    if options.photos and os.path.isdir(os.path.expanduser(path)):
        faces = load_photos(path, side, 1, verbose=verbose, jobs=options.jobs)
        lost = int(faces.frame.face.isna().sum())
        if lost and verbose:
            say(f"{lost} photos have no face that was found: they are not in the report")
    else:
        faces = load_faces(path, side, usage, verbose=verbose, jobs=options.jobs)
        if verbose:
            say_errors(faces)
    return faces.data, faces.target


def _in_words_of(classes: np.ndarray, y: np.ndarray, path: str) -> np.ndarray:
    """Return labels as the classifier has them; folders may have other names of emotions.

    Raises
    ------
    ValueError
        If it has not learned one of them.
    """
    import numpy as np

    known = {str(label): label for label in classes.tolist()}
    words = {label: _word_for(label, known) for label in set(y.tolist())}
    unknown = [str(label) for label, word in words.items() if word is None]
    if unknown:
        raise ValueError(
            f"{path} has the classes {', '.join(sorted(unknown))}, which the classifier has not "
            f"learned. It knows {', '.join(map(str, classes))}."
        )
    return np.array([words[label] for label in y.tolist()])


def _word_for(label: str, known: dict[str, Any]) -> Any:
    """Return the class that a name means, such as 0 for "0"; None if there is none."""
    from ..datasets import convert_emotions

    if label in known:
        return known[label]
    try:
        word = convert_emotions([label], source="folder").item()
    except ValueError:
        return None
    return known.get(word)
