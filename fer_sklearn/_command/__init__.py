"""The command `fer-sklearn`: one file for each of its commands, which call public functions.

No file imports torch, pandas or scikit-learn before its command runs, so that help is there at
once.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import Any

from .. import __version__
from . import _evaluate, _export, _photos, _train
from ._shared import say

#: Exit codes, as shells and argparse have them.
_FAILED, _STOPPED = 1, 130
_COMMANDS = (_photos, _train, _evaluate, _export)


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
    options.check(options)
    shown = warnings.showwarning
    warnings.showwarning = _show_warning
    # What joblib says after Ctrl-C, when the program ends.
    warnings.filterwarnings("ignore", "[0-9]+ tasks which were still being processed")
    try:
        return options.run(options)
    except KeyboardInterrupt:
        say(f"Stopped. {options.after_stop(options)}".rstrip())
        return _STOPPED
    except (ImportError, OSError, TypeError, ValueError) as error:
        say(f"fer-sklearn: {error}")
        return _FAILED
    finally:
        warnings.showwarning = shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer-sklearn",
        description="Facial expressions: label the faces in photos and videos, train a classifier "
        "on your own, say how good it is, and write it for other programs.",
        epilog="fer-sklearn COMMAND --help explains each command.",
    )
    parser.add_argument("--version", action="version", version=f"fer-sklearn {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _show_warning(message: Any, *where: Any, **others: Any) -> None:
    """Show a warning without the line of the program that it comes from."""
    say(f"fer-sklearn: warning: {message}")


__all__ = ["main"]
