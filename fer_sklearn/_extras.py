"""Optional packages, and the extra that installs them."""

from __future__ import annotations

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
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{caller} needs matplotlib, which is not installed: pip install "fer-sklearn[plot]".'
        ) from error
    return plt
