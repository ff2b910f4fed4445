"""What several commands share: kinds of arguments, classifiers, faces, and what is said."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.utils import Bunch

EXIT_CODES = """\
exit codes:
  0  done{done}
  1  it could not be done: the message says why
  2  the command was not understood, or a path is not there
  130  stopped by Ctrl-C
"""
CLASSIFIER = 'a file of save_pretrained (.npz) or of to_onnx (.onnx), or "fer2013"'


def say(text: str) -> None:
    """Write a line for the reader, if somebody reads, beside whatever goes to standard output."""
    if sys.stderr is not None:
        with suppress(BrokenPipeError):
            print(text, file=sys.stderr)


def print_text(text: str) -> None:
    """Print a result; letters that standard output cannot show are written in ASCII."""
    if sys.stdout is None:  # closed: `... >&-`
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    help: str,
    description: str,
    examples: str,
    done: str = "",
    after_stop: Callable[[argparse.Namespace], str] = lambda options: "",
    check: Callable[[argparse.ArgumentParser, argparse.Namespace], None] | None = None,
) -> argparse.ArgumentParser:
    """Add a command, and return its parser.

    Parameters
    ----------
    commands : what `add_subparsers` returns
    name : str
    run : callable
        Takes the options, returns the exit code.
    help, description, examples : str
        What its help says.
    done : str
        What exit code 0 means besides.
    after_stop : callable
        Takes the options, returns what is said after Ctrl-C.
    check : callable or None
        Takes parser and options, and refuses what does not go together.
    """
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"{examples}\n{EXIT_CODES.format(done=done)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checked = partial(check, parser) if check else lambda options: None
    parser.set_defaults(run=run, after_stop=after_stop, check=checked)
    return parser


def keep_apart(
    parser: argparse.ArgumentParser, written: dict[str, str | None], read: Sequence[str | None]
) -> None:
    """Refuse to write one file twice, or over a file that is read.

    Parameters
    ----------
    parser : ArgumentParser
    written : dict of {str: str or None}
        Paths by the names of their options.
    read : sequence of str or None
        Paths, or names of shipped classifiers.
    """
    places: dict[str, str] = {}
    for option, path in written.items():
        if path is None:
            continue
        place = os.path.realpath(os.path.expanduser(path))
        if place in places:
            parser.error(f"{places[place]} and {option} name the same file")
        places[place] = option
        for source in filter(None, read):
            source = os.path.expanduser(source)
            if os.path.isfile(place) and os.path.exists(source) and os.path.samefile(place, source):
                parser.error(f"{option} {path} is a file that is read here: choose another name")


def there(path: str) -> str:
    """Return a path where something is."""
    if not os.path.lexists(os.path.expanduser(path)):
        raise argparse.ArgumentTypeError(f"{path} is not there")
    return path


def to_write(path: str) -> str:
    """Return the path of a file to write."""
    if path in ("", "-"):
        raise argparse.ArgumentTypeError(f"expected the name of a file, got {path!r}")
    return path


def named(ending: str) -> Callable[[str], str]:
    """Return what takes a file that ends so, and refuses others."""

    def check(path: str) -> str:
        if not path.lower().endswith(ending):
            raise argparse.ArgumentTypeError(f"expected a name that ends in {ending}, got {path!r}")
        return path

    return check


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """Return a whole number that can be a seed."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 0 to {2**32 - 1}, got {text!r}"
        )
    return int(text)


def rate(text: str) -> float:
    """Return a number above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def share(text: str) -> float:
    """Return a share from 0 to a half."""
    number = _number(text)
    if not 0 <= number <= 0.5:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 0.5, got {text!r}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def load_faces(path: str, image_size: int, usage: str, *, verbose: int, jobs: int | None) -> Bunch:
    """Return faces of a folder of classes, or of FER-2013: data, target and, of a folder, errors.

    Parameters
    ----------
    path : str
    image_size : int
        Height and width of the faces of a folder.
    usage : str
        Which split of FER-2013.
    verbose, jobs
        As in `load_image_folder`.
    """
    from ..datasets import load_fer2013, load_image_folder

    path = os.path.expanduser(path)
    if os.path.isdir(path):
        return load_image_folder(path, image_size=image_size, n_jobs=jobs, verbose=verbose)
    faces = load_fer2013(path, usage=usage)
    if faces.target is None:
        raise ValueError(f"{path} has no column of emotions: there is nothing to compare with.")
    return faces


def load_photos(
    path: str, image_size: int, max_faces: int, *, verbose: int, jobs: int | None
) -> Bunch:
    """Return the largest faces in each photo of a folder of classes, as `load_photo_folder`."""
    from ..photos import FaceFinder, load_photo_folder

    finder = FaceFinder(image_size=image_size, max_faces=max_faces)
    path = os.path.expanduser(path)
    return load_photo_folder(path, finder=finder, n_jobs=jobs, verbose=verbose)


def side_of(classifier: Any) -> int:
    """Return height and width of the faces that a classifier takes.

    Raises
    ------
    ValueError
        If they are not squares.
    """
    height, width = classifier.image_shape_
    if height != width:
        raise ValueError(
            f"The classifier is for faces of {height} x {width} pixels; the command makes squares "
            "only. Use the package in Python."
        )
    return height


def say_errors(faces: Bunch) -> None:
    """Say which files could not be read."""
    errors = faces.get("errors")
    if errors is not None and len(errors):
        first = errors.iloc[0]
        files = "1 file" if len(errors) == 1 else f"{len(errors)} files"
        say(f"{files} could not be read, such as {first.filename} ({first.reason})")
