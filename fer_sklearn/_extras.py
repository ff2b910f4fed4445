"""Optional packages, and the extra that installs them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def import_pyplot(caller: str) -> ModuleType:
    """Return matplotlib.pyplot.

    Parameters
    ----------
    caller : str
        The function that draws, for the error.

    Raises
    ------
    ImportError
        If matplotlib is not installed; the message names the extra.
    """
    return import_extra("matplotlib.pyplot", "plot", caller)


def import_extra(module: str, extra: str, caller: str) -> ModuleType:
    """Return a module of a package that an extra installs.

    Parameters
    ----------
    module : str
        Its full name.
    extra : str
        The extra to install if it is missing.
    caller : str
        The function that needs it, for the error.

    Raises
    ------
    ImportError
        If the package is not installed; the message names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f'{caller} needs {package}, which is not installed: pip install "fer-sklearn[{extra}]".'
        ) from error
