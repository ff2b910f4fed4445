"""From photos and videos to faces as FER-2013 has them: found, cut out, labelled.

Needs the extra "photos": ``pip install "fer-sklearn[photos]"``.
"""

from ._analyze import analyze
from ._cropper import FaceCropper
from ._find import find_faces
from ._finder import FaceFinder
from ._folder import load_photo_folder
from ._sheet import contact_sheet
from ._video import analyze_video, find_faces_in_video

__all__ = [
    "FaceCropper",
    "FaceFinder",
    "analyze",
    "analyze_video",
    "contact_sheet",
    "find_faces",
    "find_faces_in_video",
    "load_photo_folder",
]
