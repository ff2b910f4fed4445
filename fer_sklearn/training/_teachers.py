"""Teachers: trained networks that predict the same views that the trained network sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..model import FaceModel, FacePredictor
from ..normalize import FaceNormalizer, Normalize

#: Methods of `FaceNormalizer` that can be undone after an image was augmented.
_AFFINE = {"scale", "dataset"}


class Teachers:
    """Trained networks, one of which predicts each batch (Beyer et al., 2022).

    They see each face as the student does: augmented, and blended with another. This class is not a
    module, because skorch would move a module of the criterion to another device and set it to
    training mode.

    Parameters
    ----------
    predictors : sequence of FacePredictor
        Trained networks, which are not changed.
    student : FacePredictor
        Its normaliser and its device decide how the teachers are called.
    rng : numpy Generator
        Chooses the teacher of each batch.

    Raises
    ------
    ValueError
        If a teacher cannot predict faces that the student has normalised.
    """

    def __init__(
        self,
        predictors: Sequence[FacePredictor],
        student: FacePredictor,
        rng: np.random.Generator,
    ) -> None:
        self._rng = rng
        self._asked = [
            (renormalizer(student.normalizer, teacher.normalizer), _model(teacher, student.device))
            for teacher in predictors
        ]

    @torch.no_grad()
    def log_probabilities(self, view: Tensor, low: torch.dtype | None) -> Tensor:
        """Return the predictions of one teacher, (B, 1, H, W) -> (B, n_classes).

        Parameters
        ----------
        view : Tensor
            Faces as the student's network sees them.
        low : torch.dtype or None
            Low precision to multiply in; None is float32.
        """
        one = self._rng.integers(len(self._asked)) if len(self._asked) > 1 else 0
        renormalize, model = self._asked[one]
        return model.answers(renormalize(view), low).log_softmax(1)


def renormalizer(
    student: FaceNormalizer | None, teacher: FaceNormalizer | None
) -> Callable[[Tensor], Tensor]:
    """Return a function that turns a view normalised for the student into one for the teacher.

    Raises
    ------
    ValueError
        If that is impossible.
    """
    ways = [None if part is None else part.method for part in (student, teacher)]
    if ways[0] == ways[1] and ways[0] not in _AFFINE:
        return lambda view: view
    if student is None or teacher is None or student.method not in _AFFINE:
        raise ValueError(
            f"The teacher normalises faces by {_words(ways[1])}, and cannot predict faces "
            f"that are normalised by {_words(ways[0])}. Give both the same FaceNormalizer, or this "
            "classifier normalize=None."
        )
    layer = Normalize(teacher.method, teacher.mean_, teacher.scale_)
    return lambda view: layer(view * student.scale_ + student.mean_)


def _words(method: str | None) -> str:
    return "a step upstream" if method is None else f"FaceNormalizer({method!r})"


def _model(predictor: FacePredictor, device: torch.device) -> FaceModel:
    """Return the teacher's model on the student's device: the model itself or a copy."""
    if predictor.device == device:
        return predictor.model
    return predictor.moved(device).model
