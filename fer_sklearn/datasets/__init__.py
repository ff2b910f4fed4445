"""Faces to train on: real ones from files, synthetic ones drawn on the spot."""

from ._emotions import EMOTIONS, FER2013_NAMES, convert_emotions
from ._fer2013 import load_fer2013
from ._folder import load_image_folder
from ._synthetic import make_faces

__all__ = [
    "EMOTIONS",
    "FER2013_NAMES",
    "convert_emotions",
    "load_fer2013",
    "load_image_folder",
    "make_faces",
]
