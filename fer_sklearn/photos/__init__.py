"""From photos to faces as FER-2013 has them: found, cut out, labelled.

Needs the extra "photos": ``pip install "fer-sklearn[photos]"``.
"""

from ._analyze import analyze
from ._cropper import FaceCropper
from ._find import find_faces
from ._finder import FaceFinder
from ._folder import load_photo_folder
from ._sheet import contact_sheet

__all__ = [
    "FaceCropper",
    "FaceFinder",
    "analyze",
    "contact_sheet",
    "find_faces",
    "load_photo_folder",
]
