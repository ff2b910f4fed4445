"""Photos and videos -> one table of labelled faces."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from .._files import as_path, check_writable, replace_file
from .._forms import validate_params
from ._annotate import check_copy
from ._classify import as_classifier, finder_for, label
from ._find import find_in
from ._finder import FaceFinder, unreadable
from ._journal import Journal
from ._reading import VIDEOS, Source, UnreadableError, list_photos, place_of, refuse_source
from ._table import make_frame
from ._video import TIMES, check_video, label_video


@validate_params({"fps": TIMES["fps"]})
def analyze(
    photos: Any,
    classifier: Any = "fer2013",
    *,
    finder: FaceFinder | None = None,
    fps: float | None = 5,
    annotated: str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Find all faces of some photos and videos, and label each.

    A label says what expression people would name who see the face, at best; not what somebody
    feels. Read the page on ethics and limits before you use it.

    Parameters
    ----------
    photos : path, bytes, file object, array, image of Pillow, or list of these
        As in `find_faces`. Files with the ending of a video, such as ``.mp4``, are read as
        `analyze_video` does, after the photos.
    classifier : str, path-like or fitted classifier, default="fer2013"
        The name of a pretrained model of the package, a file of `save_pretrained` or, with the
        ending ``.onnx``, of `to_onnx`; or a fitted classifier of gray faces: a `FERClassifier`,
        a Pipeline, or another one with `predict_proba`. Pickles are not opened: load them first.
    finder : FaceFinder or None, default=None
        None is ``FaceFinder()``, with faces of the size that a `FERClassifier` was fitted on.
    fps : float or None, default=5
        Frames of a video that are looked at, a second; None looks at all.
    annotated : str, path-like or None, default=None
        Folder to write a copy of each video to, with squares and labels drawn into it:
        ``holiday.mov`` becomes ``holiday.labelled.mp4``. `find_faces_in_video` says what they are
        like. Copies of an earlier run that are among `photos` are left out.
    out : str, path-like or None, default=None
        A CSV file to write the table to. While it is made, the photos and videos that are done are
        kept in a file of the same name with ``.part`` behind it, and a run that was stopped
        continues there with those that it lacks or that have changed; a video that was stopped is
        read again. After a KeyboardInterrupt the table of what is done is written too, unless a
        longer one is there. `photos` must be files then. What is not UTF-8 in a file's name is
        written in ASCII there.
    n_jobs : int or None, default=None
        Processes that look for faces in photos, through joblib; None is 1, unless
        ``joblib.parallel_config`` says otherwise. Meanwhile the faces are labelled here. With 1,
        OpenCV looks with all cores; with more, each process has one.
    verbose : int, default=0
        1 shows a progress bar for the photos, and one for each video.

    Returns
    -------
    frame : DataFrame
        A row a face, and a row for each photo, or frame of a video, without one. The columns are
        those of `find_faces`, and behind `status`:

        label
            The most probable class.
        confidence
            Its probability.
        angry, disgust, ...
            The probability of each class, under the names of `classes_`.

        If there is a video among `photos`, the columns `frame`, `time` and `track` of
        `find_faces_in_video` are before `detail`; photos have none of the three. A video that
        cannot be read has one row with the status "unreadable".

    Raises
    ------
    FileNotFoundError
        If `photos` is a path where nothing is, or `classifier` names no file.
    TypeError, ValueError
        If `photos` is nothing that photos come in; if the classifier is not fitted, takes no
        faces of the finder's size, or has classes with names of other columns; if `out` is one of
        the photos, of the copies, or the classifier's file; or if ``out.part`` is of a run with
        other settings.
    OSError
        If `out` or a copy of a video cannot be written.
    ImportError
        If the extra "photos" is not installed.

    See Also
    --------
    contact_sheet : The table as a page to look at.
    analyze_video : A part of one video.
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
    if out is not None:
        named = (classifier, getattr(finder, "model", None))
        networks = [str(as_path(name)) for name in named if isinstance(name, str | PathLike)]
        refuse_source(as_path(out), networks, "the file of a network")
    classifier = as_classifier(classifier)
    finder = finder_for(classifier, finder)
    sources = list_photos(photos)
    copies = {}
    if annotated is not None:
        sources = _without_copies(as_path(annotated), sources)
        copies = _copies(as_path(annotated), sources)
        for video, copy in copies.items():
            check_copy(copy, Path(video))
            if out is not None and place_of(str(copy)) == place_of(str(as_path(out))):
                raise ValueError(f"{out} is to be the copy of {video} too. Choose another out.")
    run = _Run(classifier, finder, fps, copies, n_jobs, verbose)
    if out is not None:
        return _kept(as_path(out), sources, run)
    found = [row for places, rows in run.batches(sources) for row in zip(places, rows, strict=True)]
    return _table((rows for _, rows in sorted(found, key=lambda pair: pair[0])), sources, run)


@dataclass
class _Run:
    """How sources become rows.

    Attributes
    ----------
    classifier : fitted classifier
    finder : FaceFinder
    fps : float or None
        Looks a second.
    copies : dict of {str: Path}
        Where the copy of each video is to be, by the name of the video.
    n_jobs, verbose
        As in `analyze`.
    """

    classifier: Any
    finder: FaceFinder
    fps: float | None
    copies: dict[str, Path]
    n_jobs: int | None
    verbose: int

    def batches(
        self, sources: list[Source], done: int = 0
    ) -> Generator[tuple[list[int], list[list[dict]]]]:
        """Yield the places of some sources in the list, and the rows of each: photos first."""
        photos = [at for at, source in enumerate(sources) if not _is_video(source)]
        if photos:  # no progress bar over nothing
            start = 0
            given = [sources[at] for at in photos], self.finder, self.n_jobs, self.verbose, done
            with closing(find_in(*given)) as batches:  # at Ctrl-C too, or the processes go on
                for faces, found in batches:
                    label(self.classifier, faces, [row for rows in found for row in rows])
                    yield photos[start : start + len(found)], found
                    start += len(found)
        for at, source in enumerate(sources):
            if _is_video(source):
                yield [at], [self._in_video(source)]

    def _in_video(self, source: Source) -> list[dict]:
        times = self.fps, 0.0, np.inf
        copy = self.copies.get(source.name)
        try:
            check_video(source.content)
        except (OSError, ValueError) as error:  # no error of the copy that is to be written
            return [unreadable(source.name, error)]
        try:
            return label_video(
                source.content, self.classifier, self.finder, times, copy, self.verbose
            )
        except UnreadableError as error:
            return [unreadable(source.name, error)]

    def settings(self, sources: list[Source]) -> dict:
        """Return what the rows depend on."""
        params = self.finder.get_params()
        model = None if params["model"] is None else str(params["model"])
        settings = {"finder": params | {"model": model}, "classifier": joblib.hash(self.classifier)}
        return settings | ({"fps": self.fps} if any(map(_is_video, sources)) else {})

    def lacks_copy(self, source: Source) -> bool:
        """Tell whether the copy of a video is not there."""
        return source.name in self.copies and not self.copies[source.name].exists()


def _is_video(source: Source) -> bool:
    return isinstance(source.content, Path) and source.content.suffix.lower() in VIDEOS


def _copies(folder: Path, sources: list[Source]) -> dict[str, Path]:
    """Return where the copy of each video is to be; videos of one name are numbered."""
    copies: dict[str, Path] = {}
    taken: set[str] = set()
    for video in (source.content for source in sources if _is_video(source)):
        stems = (f"{video.stem}-{n}" if n > 1 else video.stem for n in itertools.count(1))
        stem = next(stem for stem in stems if stem not in taken)
        taken.add(stem)
        copies[str(video)] = folder / f"{stem}.labelled.mp4"
    return copies


def _without_copies(folder: Path, sources: list[Source]) -> list[Source]:
    """Leave out what an earlier run has made of the other videos, in the same folder."""
    copies = {place_of(str(copy)) for copy in _copies(folder, sources).values()}
    return [source for source in sources if place_of(source.name) not in copies]


def _kept(out: Path, sources: list[Source], run: _Run) -> pd.DataFrame:
    """Make the table, with what is done kept in a journal."""
    _refuse_what_is_no_file(sources)
    refuse_source(out, (source.name for source in sources))
    check_writable(out)
    journal = Journal(out, run.settings(sources))
    finished = [source for source in sources if not run.lacks_copy(source)]
    done = _with_classes(journal.done(finished), run.classifier.classes_.tolist())
    rest = [source for source in sources if source.name not in done]
    n_photos = sum(source.name in done and not _is_video(source) for source in sources)
    stamps = journal.stamps(rest)
    try:
        with closing(run.batches(rest, n_photos)) as batches:
            for places, rows in batches:
                names = [rest[at].name for at in places]
                journal.add(names, [stamps[at] for at in places], rows)
                done |= zip(names, rows, strict=True)
    except BaseException:  # Ctrl-C among them
        table = as_csv(_in_order(sources, done, run))
        # A longer table is that of a finished run: it stays until this one is finished too.
        if done and (not out.exists() or out.stat().st_size <= len(table)):
            replace_file(out, table)
        raise
    frame = _in_order(sources, done, run)
    replace_file(out, as_csv(frame))
    journal.remove()
    return frame


def _in_order(sources: list[Source], done: dict[str, list[dict]], run: _Run) -> pd.DataFrame:
    return _table((done.get(source.name, []) for source in sources), sources, run)


def _table(found: Iterable[list[dict]], sources: list[Source], run: _Run) -> pd.DataFrame:
    """Return the rows of all sources; videos among them have columns of their own."""
    classes = run.classifier.classes_.tolist()
    video = any(map(_is_video, sources))
    return make_frame((row for rows in found for row in rows), classes, video=video)


def _with_classes(done: dict[str, list[dict]], classes: list) -> dict[str, list[dict]]:
    """Restore the types of class names that are not strings, which JSON turns into strings."""
    names = dict(zip(json.loads(json.dumps(dict.fromkeys(classes))), classes, strict=True))
    return {
        photo: [{names.get(key, key): cell for key, cell in row.items()} for row in rows]
        for photo, rows in done.items()
    }


def as_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as text that can be read whatever the names of files are."""
    how = {"index": False, "float_format": "%.8g"}
    text = frame.to_csv(**how)
    if "\r" in text:  # such as Icon\r of macOS; it ends a line unless it is in quotes
        text = frame.to_csv(quoting=csv.QUOTE_NONNUMERIC, **how)
    return text.encode("utf-8", "backslashreplace")


def _refuse_what_is_no_file(sources: list[Source]) -> None:
    for source in sources:
        if not isinstance(source.content, Path | Exception):
            raise ValueError(
                "Expected photos that are files, since out notes which files are done, got "
                f"{type(source.content).__name__}. Without out: analyze(...).to_csv(path)."
            )
