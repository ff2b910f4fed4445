"""Packages that only some need, and the extra that brings them."""

from __future__ import annotations

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
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{caller} needs matplotlib, which is not here: pip install "fer-sklearn[plot]".'
        ) from error
    return plt
