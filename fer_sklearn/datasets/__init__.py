"""Loaders of real faces, drawn synthetic faces, and tools for data quality."""

from ._cleaning import clean_faces
from ._duplicates import duplicate_groups, near_pairs
from ._emotions import EMOTIONS, FER2013_NAMES, convert_emotions
from ._expressions import load_expressions
from ._fer2013 import load_fer2013
from ._ferplus import load_ferplus
from ._folder import load_image_folder
from ._join import join_faces
from ._label_noise import find_label_noise
from ._pixel_text import parse_pixels
from ._quality import FaceReport, inspect_faces
from ._resize import resize_faces
from ._sample_photo import load_sample_photo
from ._synthetic import make_faces

__all__ = [
    "EMOTIONS",
    "FER2013_NAMES",
    "FaceReport",
    "clean_faces",
    "convert_emotions",
    "duplicate_groups",
    "find_label_noise",
    "inspect_faces",
    "join_faces",
    "load_expressions",
    "load_fer2013",
    "load_ferplus",
    "load_image_folder",
    "load_sample_photo",
    "make_faces",
    "near_pairs",
    "parse_pixels",
    "resize_faces",
]
