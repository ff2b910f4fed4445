"""The command `export`: a classifier becomes an ONNX file."""

from __future__ import annotations

import argparse
import os
from typing import Any

from .._stored import read_classifier
from ._shared import add_command, load_faces, named, positive, say, side_of, there

#: Views that a file may have; a test compares them with those of the classifier.
VIEWS = ("auto", "none", "flip", "blur", "scale", "affine", "ten-crop")

_DESCRIPTION = """\
Write a classifier as an ONNX file, which runs without torch: by ONNXClassifier of this package,
or by onnxruntime in other languages, on phones and in browsers.

The file takes gray levels and does everything else itself. Before it is written, its answers are
compared with the classifier's. With --quantize int8 it has a quarter of the size; that needs some
faces to measure ranges on, preferably training faces.
"""
_EXAMPLES = """\
examples:
  fer-sklearn export mine.npz --out mine.onnx
  fer-sklearn export fer2013 --out small.onnx --quantize int8 --calibration fer2013.csv
"""


def add_to(commands: Any) -> None:
    """Add this command."""
    parser = add_command(
        commands,
        "export",
        _run,
        help="write a classifier as an ONNX file",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
        check=_check,
    )
    parser.add_argument(
        "classifier", metavar="CLASSIFIER", help='a file of save_pretrained (.npz), or "fer2013"'
    )
    parser.add_argument(
        "--out", required=True, metavar="ONNX", type=named(".onnx"), help="file to write"
    )
    parser.add_argument(
        "--views",
        choices=VIEWS,
        default="auto",
        help="views of a face that are averaged; none is the fastest (default: auto, those of the "
        "classifier)",
    )
    parser.add_argument("--quantize", choices=["int8"], help="store and compute in 8 bits")
    parser.add_argument(
        "--calibration",
        metavar="FACES",
        type=there,
        help="for int8: folder with a sub-folder for each class, or fer2013.csv",
    )
    parser.add_argument(
        "--jobs", type=positive, metavar="N", help="processes that read files (default: 1)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if bool(options.quantize) != bool(options.calibration):
        parser.error("--quantize int8 and --calibration belong together")


def _run(options: argparse.Namespace) -> int:
    from ..classifier import FERClassifier
    from ..export import to_onnx

    classifier = read_classifier(options.classifier)
    if not isinstance(classifier, FERClassifier):
        raise ValueError(f"{options.classifier} is an ONNX file already.")
    verbose = int(not options.quiet)
    faces = None
    if options.calibration:
        how = {"verbose": verbose, "jobs": options.jobs}
        faces = load_faces(options.calibration, side_of(classifier), "Training", **how).data
    out = os.path.expanduser(options.out)
    views = None if options.views == "none" else options.views
    to_onnx(classifier, out, views=views, quantize=options.quantize, calibration=faces)
    if verbose:
        say(f"The classifier is in {options.out}, {os.path.getsize(out) / 1e6:.1f} MB.")
        say(f"Its classes, in order: {', '.join(map(str, classifier.classes_))}.")
    return 0
