"""The network with its normaliser, and how it predicts; without skorch."""

from ._face_model import Blend, FaceModel
from ._faces import Faces, Targets
from ._predictor import FacePredictor, Recipe
from ._views import VIEWS

__all__ = ["VIEWS", "Blend", "FaceModel", "FacePredictor", "Faces", "Recipe", "Targets"]
