"""Packages that only some need, and the extra that brings them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def import_pyplot(caller: str) -> ModuleType:
    """Return matplotlib.pyplot.

    Parameters
    ----------
    caller : str
        What draws, for the error.

    Raises
    ------
    ImportError
        If matplotlib is not there: names the extra.
    """
    return import_extra("matplotlib.pyplot", "plot", caller)


def import_extra(module: str, extra: str, caller: str) -> ModuleType:
    """Return a module of a package that an extra brings.

    Parameters
    ----------
    module : str
        Its full name.
    extra : str
        What to install where it is missing.
    caller : str
        What needs it, for the error.

    Raises
    ------
    ImportError
        If the package is not there: names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f'{caller} needs {package}, which is not here: pip install "fer-sklearn[{extra}]".'
        ) from error
