"""Photos -> one table of labelled faces."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from .._files import check_writable, replace_file
from ..datasets._paths import as_path
from ._find import checked, find_in
from ._finder import FaceFinder
from ._journal import Journal
from ._reading import Source, list_photos
from ._table import check_classes, make_frame


def analyze(photos, classifier="fer2013", *, finder=None, out=None, n_jobs=None, verbose=0):
    """Find all faces of some photos, and label each.

    A label says what expression people would name who see the face, at best; not what somebody
    feels. Read the page on ethics and limits before you use it.

    Parameters
    ----------
    photos : path, bytes, file object, array, image of Pillow, or list of these
        As in `find_faces`.
    classifier : str, path-like or fitted classifier, default="fer2013"
        The name of a network that comes with the package, a file of `save_pretrained`, or a
        fitted classifier of gray faces: a `FERClassifier`, a Pipeline, or another one with
        `predict_proba`.
    finder : FaceFinder or None, default=None
        None is ``FaceFinder()``, with faces of the size that a `FERClassifier` was fitted on.
    out : str, path-like or None, default=None
        A CSV file to write the table to. While it is made, the photos that are done are kept in
        a file of the same name with ``.part`` behind it, and a run that was stopped continues
        there with those photos that it lacks or that have changed. After a KeyboardInterrupt
        the table of what is done is written too. `photos` must be files then.
    n_jobs : int or None, default=None
        Processes that look for faces, through joblib; None is 1, unless
        ``joblib.parallel_config`` says otherwise. They are labelled here.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    frame : DataFrame
        A row a face, and a row for each photo without one. The columns are those of
        `find_faces`, and behind `status`:

        label
            The most probable class.
        confidence
            Its probability.
        angry, disgust, ...
            The probability of each class, under the names of `classes_`.

    Raises
    ------
    FileNotFoundError
        If `photos` is a path where nothing is, or `classifier` names no file.
    TypeError, ValueError
        If `photos` is nothing that photos come in; if the classifier is not fitted, takes no
        faces of the finder's size, or has classes with names of other columns; or if ``out.part``
        is of a run with other settings.
    ImportError
        If the extra "photos" is not installed.

    See Also
    --------
    contact_sheet : The table as a page to look at.
    find_faces : The faces themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.photos import analyze
    >>> frame = analyze([np.zeros((480, 640), dtype=np.uint8)])
    >>> frame[["photo", "status", "label", "happy"]]
         photo   status label  happy
    0  photo 0  no face   NaN    NaN
    """
    classifier = as_classifier(classifier)
    finder = finder_for(classifier, finder)
    sources = list_photos(photos)
    classes = classifier.classes_.tolist()
    if out is None:
        batches = _labelled(sources, classifier, finder, n_jobs, verbose)
        return make_frame((row for batch in batches for rows in batch for row in rows), classes)
    return _kept(as_path(out), sources, classifier, finder, n_jobs, verbose)


def as_classifier(classifier: Any) -> Any:
    """Return a fitted classifier, read from its file if need be.

    Raises
    ------
    TypeError, ValueError
        If it is not a classifier.
    """
    if isinstance(classifier, str | PathLike):
        from ..classifier import FERClassifier  # processes that look for faces need no torch

        classifier = FERClassifier.from_pretrained(classifier)
    if isinstance(classifier, type) or not hasattr(classifier, "predict_proba"):
        raise TypeError(
            'Expected classifier to be "fer2013", a file of save_pretrained, or a fitted '
            f"classifier with predict_proba, got {classifier!r}."
        )
    check_is_fitted(classifier)
    check_classes(classifier.classes_.tolist())
    return classifier


def finder_for(classifier: Any, finder: FaceFinder | None) -> FaceFinder:
    """Return a finder whose faces the classifier takes.

    Raises
    ------
    ValueError
        If it takes others: before any photo is read.
    """
    height, width = getattr(classifier, "image_shape_", (48, 48))
    finder = checked(finder, image_size=height if height == width else 48)
    side = finder.image_size
    face = (np.arange(side * side) % 256).astype(np.uint8).reshape(1, side, side)
    classifier.predict_proba(face)
    return finder


def label(classifier: Any, faces: np.ndarray, rows: list[dict]) -> None:
    """Write the classifier's answers into the rows of these faces."""
    if not len(faces):
        return
    classes = classifier.classes_.tolist()
    probabilities = np.asarray(classifier.predict_proba(faces), dtype=float)
    of_faces = [row for row in rows if "face" in row]
    for row, shares in zip(of_faces, probabilities.tolist(), strict=True):
        best = int(np.argmax(shares))
        row |= {"label": classes[best], "confidence": shares[best]}
        row |= dict(zip(classes, shares, strict=True))


def _labelled(
    sources: list[Source], classifier: Any, finder: FaceFinder, *how: Any
) -> Iterator[list[list[dict]]]:
    """Yield the rows of each photo, a batch of photos after the other."""
    for faces, photos in find_in(sources, finder, *how):
        label(classifier, faces, [row for rows in photos for row in rows])
        yield photos


def _kept(
    out: Path, sources: list[Source], classifier: Any, finder: FaceFinder, *how: Any
) -> pd.DataFrame:
    """Make the table, with what is done kept in a journal."""
    _refuse_what_is_no_file(sources)
    check_writable(out)
    classes = classifier.classes_.tolist()
    journal = Journal(out, _settings(classifier, finder))
    done = _with_classes(journal.done(sources), classes)
    rest = [source for source in sources if source.name not in done]
    stamps = journal.stamps(rest)
    try:
        at = 0
        for photos in _labelled(rest, classifier, finder, *how, len(done)):
            names = [source.name for source in rest[at : at + len(photos)]]
            journal.add(names, stamps[at : at + len(photos)], photos)
            done |= zip(names, photos, strict=True)
            at += len(photos)
    except BaseException:  # Ctrl-C among them
        if done:
            replace_file(out, as_csv(_in_order(sources, done, classes)))
        raise
    frame = _in_order(sources, done, classes)
    replace_file(out, as_csv(frame))
    journal.remove()
    return frame


def _in_order(sources: list[Source], done: dict[str, list[dict]], classes: list) -> pd.DataFrame:
    return make_frame((row for s in sources for row in done.get(s.name, ())), classes)


def _with_classes(done: dict[str, list[dict]], classes: list) -> dict[str, list[dict]]:
    """Restore the types of class names that are not strings, which JSON turns into strings."""
    names = {str(name): name for name in classes}
    return {
        photo: [{names.get(key, key): cell for key, cell in row.items()} for row in rows]
        for photo, rows in done.items()
    }


def as_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as text."""
    text = frame.to_csv(index=False, float_format="%.8g")
    return text.encode("utf-8", "surrogateescape")


def _settings(classifier: Any, finder: FaceFinder) -> dict:
    params = finder.get_params()
    model = None if params["model"] is None else str(params["model"])
    return {"finder": params | {"model": model}, "classifier": joblib.hash(classifier)}


def _refuse_what_is_no_file(sources: list[Source]) -> None:
    for source in sources:
        if not isinstance(source.content, Path | Exception):
            raise ValueError(
                f"Expected photos that are files, of which out can keep which are done, got "
                f"{type(source.content).__name__}. Leave out away: analyze(...).to_csv(path)."
            )
