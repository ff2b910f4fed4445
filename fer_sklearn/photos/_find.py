"""Many photos: in batches, side by side, each with its rows."""

from __future__ import annotations

import math
import multiprocessing
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from PIL import Image
from sklearn.utils import Bunch
from tqdm.auto import tqdm

from .._extras import import_cv2
from ._detector import model_file
from ._finder import FaceFinder, reason, search
from ._reading import Source, UnreadableError, bytes_of, list_photos, load_image, read_photo
from ._table import make_frame

#: Photos a task, at most; also what is looked at twice, at most, when a run was stopped.
_BATCH = 16
#: Tasks a process, at least: of a few photos too, each process gets its share.
_TASKS = 4


def find_faces(
    photos: Any, *, finder: FaceFinder | None = None, n_jobs: int | None = None, verbose: int = 0
) -> Bunch:
    """Find all faces of some photos, and cut them out as those of FER-2013 were.

    Photos are turned upright as their EXIF data say. What cannot be read has a row that says why,
    and stops nothing.

    Parameters
    ----------
    photos : path, bytes, file object, array, image of Pillow, or list of these
        A folder is searched with all its sub-folders; hidden files are left out, and those whose
        endings say that they are texts, tables, programs or archives. Arrays are gray, (h, w), or
        RGB, (h, w, 3). Their integers are bytes, or 16 bits if the largest is above 255; floats
        are in [0, 1] or [0, 255]. Of an animation, or a file of several pages, the first picture
        is read. A file that is named twice is one photo.
    finder : FaceFinder or None, default=None
        None is ``FaceFinder()``.
    n_jobs : int or None, default=None
        Processes that look, through joblib; None is 1, unless ``joblib.parallel_config`` says
        otherwise. The result is the same.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n_faces, image_size, image_size)
            Gray faces, for `FERClassifier.predict`.
        frame : DataFrame
            A row a face, in the order of `data`, the largest of a photo first, and a row for each
            photo without one. ``frame.face.notna()`` says which rows are faces.

            photo
                Its path, or its name, or "photo" and its place in the list, from 0.
            face
                0 is the largest of the photo; missing where there is none.
            status
                "ok"; "no face"; "unreadable", with the reason in `detail`; "small": narrower
                than `min_face`, not to be trusted; "cut off": a fifth of the square or more lies
                outside the photo.
            x, y, width, height
                The square, in pixels of the upright photo, before it is turned. It may reach
                beyond the photo, where the pixels of the edge are repeated.
            score
                How sure the detector is that this is a face.
            angle
                By how many degrees the square is turned about its centre, clockwise.
            left_eye_x, left_eye_y, ..., mouth_right_y
                Eyes, nose and corners of the mouth; left is the left of the photo.
            outside
                Share of the square that lies outside the photo.
            photo_width, photo_height
                Of the upright photo in pixels.
            detail
                Why a photo is unreadable; else empty.

    Raises
    ------
    FileNotFoundError
        If `photos` is a path where nothing is. In a list it is unreadable.
    TypeError, ValueError
        If `photos` is nothing that photos come in.
    ImportError
        If the extra "photos" is not installed.

    See Also
    --------
    analyze : Find faces, and label them.

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.photos import find_faces
    >>> found = find_faces([np.zeros((480, 640), dtype=np.uint8), b"no photo"])
    >>> found.data.shape
    (0, 48, 48)
    >>> found.frame[["photo", "status"]]
         photo      status
    0  photo 0     no face
    1  photo 1  unreadable
    """
    finder = checked(finder)
    batches = list(find_in(list_photos(photos), finder, n_jobs, verbose))
    return Bunch(data=joined(finder, batches), frame=make_frame(rows_of(batches)))


def checked(finder: FaceFinder | None, **defaults: Any) -> FaceFinder:
    """Return the finder, with its parameters and its detector checked.

    Raises
    ------
    TypeError, ValueError, ImportError, FileNotFoundError
        If it is not a finder, or cannot find anything.
    """
    finder = FaceFinder(**defaults) if finder is None else finder
    if not isinstance(finder, FaceFinder):
        raise TypeError(f"Expected finder to be a FaceFinder or None, got {finder!r}.")
    finder._validate_params()
    model_file(finder.model)
    return finder


def joined(finder: FaceFinder, batches: list[tuple[np.ndarray, list]]) -> np.ndarray:
    """Return the faces of all batches."""
    nothing = np.empty((0, finder.image_size, finder.image_size), np.uint8)
    return np.concatenate([nothing, *(faces for faces, _ in batches)])


def rows_of(batches: list[tuple[np.ndarray, list]]) -> list[dict]:
    """Return the rows of all batches."""
    return [row for _, photos in batches for rows in photos for row in rows]


def find_in(
    sources: list[Source], finder: FaceFinder, n_jobs: int | None, verbose: int, done: int = 0
) -> Generator[tuple[np.ndarray, list[list[dict]]]]:
    """Yield the faces of one batch of photos after the other, and the rows of each photo."""
    # joblib would join short tasks, and what is labelled meanwhile would come late.
    parallel = Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator")
    n_processes = effective_n_jobs(n_jobs)
    share = math.ceil(len(sources) / (_TASKS * n_processes))
    size = _BATCH if n_processes == 1 else min(_BATCH, max(1, share))
    batches = (sources[start : start + size] for start in range(0, len(sources), size))
    tasks = (delayed(_find_in_batch)([_sendable(s) for s in batch], finder) for batch in batches)
    bar = tqdm(initial=done, total=done + len(sources), unit="photo", disable=not verbose)
    found = parallel(tasks)
    try:
        with bar:
            for faces, photos in found:
                yield faces, photos
                bar.update(len(photos))
    finally:
        with warnings.catch_warnings():  # joblib advises against a stop, which is meant here
            warnings.simplefilter("ignore", UserWarning)
            found.close()


def _sendable(source: Source) -> Source:
    """Read what cannot be sent to another process, or may be damaged and raise an error then."""
    content = source.content
    try:
        if hasattr(content, "read"):
            content = bytes_of(content)
        elif isinstance(content, bytearray | memoryview):
            content = bytes(content)
        elif isinstance(content, Image.Image):
            load_image(content)
        elif not isinstance(content, Path | bytes | np.ndarray):
            content = read_photo(content).pixels
    except Exception as error:  # a file object may raise anything, also what cannot be sent
        content = UnreadableError(reason(error))
    return source._replace(content=content)


def _find_in_batch(
    sources: list[Source], finder: FaceFinder
) -> tuple[np.ndarray, list[list[dict]]]:
    if multiprocessing.parent_process() is not None:  # one core a process
        import_cv2("FaceFinder").setNumThreads(1)
    found = [search(finder, source.name, source.content) for source in sources]
    return np.concatenate([faces for faces, _ in found]), [rows for _, rows in found]
