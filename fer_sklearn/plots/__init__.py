"""Plots of faces, trainings and networks, as display classes like those of scikit-learn.

A display holds computed data; ``from_estimator`` and ``from_predictions`` compute them and
draw, `plot` draws again. All need matplotlib (``pip install "fer-sklearn[plot]"``).
"""

from ._embedding import EmbeddingDisplay
from ._faces import AugmentationDisplay, FaceGridDisplay
from ._filters import FilterDisplay
from ._reliability import ReliabilityDisplay
from ._saliency import SaliencyDisplay
from ._training import TrainingCurvesDisplay

__all__ = [
    "AugmentationDisplay",
    "EmbeddingDisplay",
    "FaceGridDisplay",
    "FilterDisplay",
    "ReliabilityDisplay",
    "SaliencyDisplay",
    "TrainingCurvesDisplay",
]
