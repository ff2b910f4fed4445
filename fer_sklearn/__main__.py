"""The command: ``python -m fer_sklearn photos PATH...``, also installed as ``fer-sklearn``."""

from __future__ import annotations

import argparse
import math
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__

if TYPE_CHECKING:
    import pandas as pd

#: Exit codes, as shells and argparse have them.
_DONE, _FAILED, _USAGE, _STOPPED = 0, 1, 2, 130

_PHOTOS = """\
Find the faces in photos or videos, label the expression of each, and write one table.

A label is a guess at what people would say who see the face, not at what somebody feels.
Do not use it to judge people.

Photos without a face and such as cannot be read have a row that says so; they stop nothing.
Stop the command with Ctrl-C whenever you like: what is done is kept, and the same command
continues there. (A video that was stopped is read again.)
"""
_EXAMPLES = """\
examples:
  fer-sklearn photos holiday/ --out table.csv
  fer-sklearn photos a.jpg b.jpg --out table.csv --sheet sheet.html
  fer-sklearn photos portraits/ --out table.csv --max-faces 1 --jobs 2
  fer-sklearn photos holiday/ --out table.csv --classifier mine.npz
  fer-sklearn photos interview.mp4 --out table.csv --fps 2

exit codes:
  0  all photos are in the table, whatever their status
  1  the table or the sheet could not be made
  2  the command was not understood, or a path is not there
  130  stopped by Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str or None, default=None
        None takes those that the program was started with.

    Returns
    -------
    code : int
        0 for success, 1 for failure, 130 where Ctrl-C was pressed.

    Raises
    ------
    SystemExit
        With 2 if the arguments are wrong, with 0 after help.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    videos = [path for path in options.paths if _is_video(path)]
    if videos and (len(videos) < len(options.paths) or options.sheet):
        parser.error("videos have a table of their own, and no sheet: leave out photos and --sheet")
    warnings.filterwarnings("ignore", "[0-9]+ tasks which were still being processed")  # Ctrl-C
    try:
        return _videos(options) if videos else _photos(options)
    except KeyboardInterrupt:
        kept = os.path.exists(os.path.expanduser(options.out) + ".part")
        _say(f"Stopped.{' The same command continues with the photos that are left.' * kept}")
        return _STOPPED
    except (ImportError, OSError, TypeError, ValueError) as error:
        _say(f"fer-sklearn: {error}")
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer-sklearn", description="Facial expressions: photos to a table of labelled faces."
    )
    parser.add_argument("--version", action="version", version=f"fer-sklearn {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    photos = commands.add_parser(
        "photos",
        help="find the faces in photos, and label each",
        description=_PHOTOS,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    photos.add_argument(
        "paths", nargs="+", metavar="PATH", type=_there, help="photo, folder of photos, or video"
    )
    photos.add_argument("--out", required=True, metavar="CSV", help="table to write")
    photos.add_argument("--sheet", metavar="HTML", help="page to write, with all pictures inside")
    photos.add_argument(
        "--classifier",
        default="fer2013",
        metavar="FILE",
        help="file of save_pretrained (default: the network that comes with the package)",
    )
    photos.add_argument(
        "--max-faces",
        type=_positive,
        metavar="N",
        help="keep the N largest faces of a photo (default: all)",
    )
    photos.add_argument(
        "--jobs", type=_positive, metavar="N", help="processes that look for faces (default: 1)"
    )
    photos.add_argument(
        "--fps",
        type=_rate,
        default=5.0,
        metavar="N",
        help="frames of a video that are looked at, a second (default: 5)",
    )
    photos.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    return parser


def _is_video(path: str) -> bool:
    from .photos._reading import VIDEOS

    return Path(path).suffix.lower() in VIDEOS


def _there(path: str) -> str:
    if not os.path.lexists(os.path.expanduser(path)):
        raise argparse.ArgumentTypeError(f"{path} is not there")
    return path


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return rate


def _photos(options: argparse.Namespace) -> int:
    from .photos import FaceFinder, analyze, contact_sheet  # --help needs none of it

    finder = FaceFinder(max_faces=options.max_faces)
    how = {"finder": finder, "n_jobs": options.jobs, "verbose": int(not options.quiet)}
    frame = analyze(options.paths, options.classifier, out=options.out, **how)
    if not options.quiet:
        _say(_summary(frame))
        _say(f"The table is in {options.out}.")
    if options.sheet:
        contact_sheet(frame, options.sheet, verbose=how["verbose"])
        if not options.quiet:
            _say(f"The page is in {options.sheet}. It holds faces: keep it as you keep the photos.")
    return _DONE


def _videos(options: argparse.Namespace) -> int:
    import pandas as pd

    from ._files import check_writable, replace_file
    from .photos import FaceFinder, analyze_video
    from .photos._analyze import as_csv

    check_writable(options.out)
    how = {"fps": options.fps, "finder": FaceFinder(max_faces=options.max_faces)}
    tables = [
        analyze_video(path, options.classifier, verbose=int(not options.quiet), **how)
        for path in options.paths
    ]
    frame = pd.concat(tables, ignore_index=True)
    replace_file(options.out, as_csv(frame))
    if not options.quiet:
        _say(_summary(frame))
        _say(f"The table is in {options.out}.")
    return _DONE


def _summary(frame: pd.DataFrame) -> str:
    n_faces = int(frame.face.notna().sum())
    lines = [f"{frame.photo.nunique()} photos, {n_faces} faces"]
    lines += [f"  {count:6d}  {name}" for name, count in frame.label.value_counts().items()]
    others = frame.status[frame.status != "ok"].value_counts()
    lines += [f"  {count:6d}  with status {name!r}" for name, count in others.items()]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
