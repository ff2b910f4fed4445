"""The command `photos`: photos and videos become one table, and one page to look at."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from ._shared import add_command, keep_apart, positive, rate, say, there, to_write

if TYPE_CHECKING:
    import pandas as pd

_DESCRIPTION = """\
Find the faces in photos and videos, label the expression of each, and write one table.

A label is a guess at what people who see the face would say, not at what the person feels.
Do not use it to judge people.

Photos without a face, and files that cannot be read, get a row that says so; the run continues.
You can stop it with Ctrl-C at any time: what is done is kept, and the same command continues from
there. (A video that was stopped is read again.)
"""
_EXAMPLES = """\
examples:
  fer-sklearn photos holiday/ --out table.csv
  fer-sklearn photos a.jpg b.jpg clip.mp4 --out table.csv --sheet sheet.html
  fer-sklearn photos portraits/ --out table.csv --max-faces 1 --jobs 2
  fer-sklearn photos holiday/ --out table.csv --classifier mine.npz
  fer-sklearn photos interview.mp4 --out table.csv --fps 2 --annotate copies/
"""


def add_to(commands: Any) -> None:
    """Add this command."""
    parser = add_command(
        commands,
        "photos",
        _run,
        help="find the faces in photos and videos, and label each",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
        done=": all photos are in the table, whatever their status",
        after_stop=_after_stop,
        check=_check,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        type=there,
        help="photo, video, or folder with both in it and in its sub-folders",
    )
    parser.add_argument("--out", required=True, metavar="CSV", type=to_write, help="table to write")
    parser.add_argument(
        "--sheet", metavar="HTML", type=to_write, help="page to write, with all pictures inside"
    )
    parser.add_argument(
        "--classifier",
        default="fer2013",
        metavar="FILE",
        help="file of save_pretrained (.npz) or of to_onnx (.onnx); default: the network that "
        "comes with the package",
    )
    parser.add_argument(
        "--max-faces",
        type=positive,
        metavar="N",
        help="keep the N largest faces of a photo or frame (default: all)",
    )
    parser.add_argument(
        "--jobs", type=positive, metavar="N", help="processes that look for faces (default: 1)"
    )
    parser.add_argument(
        "--fps",
        type=rate,
        default=5.0,
        metavar="N",
        help="frames of a video to analyse per second (default: 5)",
    )
    parser.add_argument(
        "--annotate",
        metavar="FOLDER",
        help="write a copy of each video into this folder, with boxes and labels, without sound",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    written = {"--out": options.out, "--sheet": options.sheet}
    keep_apart(parser, written, [options.classifier, *options.paths])


def _run(options: argparse.Namespace) -> int:
    from .._files import check_writable
    from ..photos import FaceFinder, analyze, contact_sheet  # --help needs none of it

    if options.sheet:  # not to be told after hours of work
        check_writable(options.sheet)
    verbose = int(not options.quiet)
    frame = analyze(
        options.paths,
        options.classifier,
        finder=FaceFinder(max_faces=options.max_faces),
        fps=options.fps,
        annotated=options.annotate,
        out=options.out,
        n_jobs=options.jobs,
        verbose=verbose,
    )
    if verbose:
        say(_summary(frame))
        say(f"The table is in {options.out}.")
    if options.sheet:
        contact_sheet(frame, options.sheet, verbose=verbose)
        if verbose:
            say(f"The page is in {options.sheet}. It holds faces: keep it as you keep the photos.")
    return 0


def _summary(frame: pd.DataFrame) -> str:
    of_videos = frame.reindex(columns=["frame"])["frame"].notna()  # a table of photos has none
    n_photos, n_videos = frame.photo[~of_videos].nunique(), frame.photo[of_videos].nunique()
    said = [_counted(n_photos, "photo")] if n_photos or not n_videos else []
    if n_videos:
        looks = frame[of_videos].drop_duplicates(["photo", "frame"])
        said.append(f"{_counted(n_videos, 'video')} with {_counted(len(looks), 'look')}")
    lines = [", ".join([*said, _counted(int(frame.face.notna().sum()), "face")])]
    lines += [f"  {count:6d}  {name}" for name, count in frame.label.value_counts().items()]
    others = frame.status[frame.status != "ok"].value_counts()
    lines += [f"  {count:6d}  with status {name!r}" for name, count in others.items()]
    return "\n".join(lines)


def _counted(n: int, name: str) -> str:
    return f"{n} {name}{'s' * (n != 1)}"


def _after_stop(options: argparse.Namespace) -> str:
    if os.path.exists(os.path.expanduser(options.out) + ".part"):
        return "The same command continues with what is left."
    return ""
