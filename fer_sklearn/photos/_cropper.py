"""`FaceCropper`: one photo a row -> its largest face, as a step of a Pipeline."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils._param_validation import StrOptions

from ._find import checked, find_in, joined, rows_of
from ._finder import FaceFinder
from ._reading import list_rows


class FaceCropper(TransformerMixin, BaseEstimator):
    """Turn photos into faces, the largest of each photo, for whatever takes faces.

    Parameters
    ----------
    finder : FaceFinder or None, default=None
        None is ``FaceFinder()``. Its `max_faces` is not looked at.
    missing : {"error", "blank"}, default="error"
        What happens with a photo that has no face or cannot be read: an error that names it, or
        a black face in its place.
    n_jobs : int or None, default=None
        Processes that look, as in `find_faces`.

    See Also
    --------
    find_faces : All faces of each photo, with a table of where they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from fer_sklearn import FERClassifier
    >>> from fer_sklearn.photos import FaceCropper
    >>> clf = make_pipeline(FaceCropper(missing="blank"), FERClassifier.from_pretrained())
    >>> clf.predict_proba([np.zeros((480, 640, 3), dtype=np.uint8)]).shape
    (1, 7)
    """

    _parameter_constraints = {
        "finder": [FaceFinder, None],
        "missing": [StrOptions({"error", "blank"})],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self, finder: FaceFinder | None = None, missing: str = "error", n_jobs: int | None = None
    ) -> None:
        self.finder = finder
        self.missing = missing
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X : sequence of photos
            Not looked at.
        y : ignored

        Returns
        -------
        self : FaceCropper
        """
        self._validate_params()
        checked(self.finder)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Cut the largest face out of each photo.

        Parameters
        ----------
        X : sequence of photos, each as in `find_faces`

        Returns
        -------
        faces : ndarray of uint8 of shape (n_photos, image_size, image_size)

        Raises
        ------
        ValueError
            If a photo has no face, unless ``missing="blank"``; or if X is not a sequence.
        """
        self._validate_params()
        finder = clone(checked(self.finder)).set_params(max_faces=1)
        sources = list_rows(X)
        batches = list(find_in(sources, finder, self.n_jobs, verbose=0))
        rows = rows_of(batches)
        if self.missing == "error":
            _refuse_missing(rows)
        faces = np.zeros((len(sources), finder.image_size, finder.image_size), np.uint8)
        faces[["face" in row for row in rows]] = joined(finder, batches)
        return faces

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        return tags


def _refuse_missing(rows: list[dict]) -> None:
    missing = [row for row in rows if "face" not in row]
    if missing:
        first = missing[0]
        why = ": ".join(filter(None, (first["status"], first.get("detail"))))
        raise ValueError(
            f"{len(missing)} of {len(rows)} photos have no face to cut out, the first of them "
            f"{first['photo']} ({why}). Leave them out, find_faces lists them; or take a black "
            'face for each: FaceCropper(missing="blank").'
        )
