"""The faces of several datasets, joined into one to train on."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

import numpy as np
from sklearn.utils import Bunch

from .._forms import Interval, refuse_missing, validate_params
from ._duplicates import exact_groups, group_links, join_groups
from ._emotions import EMOTIONS, labels_of

_NAMES = {emotion.name for emotion in EMOTIONS}


@validate_params(
    {"sources": [Mapping], "min_sources": [Interval(Integral, 1, None, closed="left")]},
)
def join_faces(sources: Mapping[str, Bunch], *, min_sources: int = 1) -> Bunch:
    """Join the faces of several datasets, to train on all of them.

    Parameters
    ----------
    sources : dict of {str: Bunch}
        What the loaders return, by a name of your own. Each needs `data`, uint8 of shape (n, h, w),
        and `target`; `groups` and `usage` are used if they exist. The images of all sources must
        have the same size, and an emotion must have the same name in all of them.
    min_sources : int, default=1
        Faces are left out if fewer sources have their label. A network can recognise a label that
        only one source has by the looks of that source: 2 leaves such labels out.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n, h, w)
            One source after the other.
        target : ndarray of str of shape (n,)
            Label of each face.
        target_names : list of str
            The labels that occur, sorted.
        source : ndarray of str of shape (n,)
            Name of the source.
        groups : ndarray of int of shape (n,)
            Faces of one group belong on one side of a split. A group is one of a source; if a
            source has no groups, each of its faces is a group. Exact copies are in one group,
            whichever sources they are from: FER+ has FER-2013's images.
        usage : ndarray of str of shape (n,)
            Split of each face; "" if the source has none.

    Raises
    ------
    ValueError
        If there is no source; if images differ in size or are not uint8; if a source has no
        target, not a value for each image, or one that is missing; if it calls an emotion by
        another name, or by a number where others have names; or if no label has `min_sources`
        sources.

    See Also
    --------
    load_expressions : Loads many datasets of expressions, with groups.
    fer_sklearn.tuning.HoldOut : Takes these groups, as ``StratifiedGroupKFold`` does.

    Examples
    --------
    >>> from fer_sklearn.datasets import join_faces, make_faces
    >>> first, second = (make_faces(n, random_state=n) for n in (20, 10))
    >>> faces = join_faces({"first": first, "second": second})
    >>> faces.data.shape, faces.source[[0, -1]].tolist()
    ((30, 48, 48), ['first', 'second'])
    """
    if not sources:
        raise ValueError('Expected sources, {"jaffe": load_expressions(...), ...}, got none.')
    for name, bunch in sources.items():
        _check(name, bunch)
    _check_shapes(sources)
    _check_kinds(sources)
    lengths = [len(bunch.data) for bunch in sources.values()]
    joined = Bunch(
        data=np.concatenate([bunch.data for bunch in sources.values()]),
        target=np.concatenate([_names(bunch) for bunch in sources.values()]),
        source=np.repeat(np.array([*map(str, sources)]), lengths),
        groups=_groups(sources),
        usage=np.concatenate([_usage(bunch) for bunch in sources.values()]),
    )
    kept = _kept(sources, joined.target, min_sources)
    if not kept.all():
        joined = Bunch(**{name: values[kept] for name, values in joined.items()})
    joined.target_names = np.unique(joined.target).tolist()
    return joined


def _check(name: str, bunch: Bunch) -> None:
    """Raise if a source cannot be joined."""
    data, target = (getattr(bunch, part, None) for part in ("data", "target"))
    if data is None or target is None:
        raise ValueError(
            f"{name!r}: expected a Bunch with data and target, as load_expressions returns, got "
            f"{type(bunch).__name__} without {'data' if data is None else 'target'}."
        )
    if getattr(data, "dtype", None) != np.uint8 or data.ndim != 3:
        kind = f"{type(data).__name__} of shape {np.shape(data)}"
        raise ValueError(
            f"{name!r}: expected images as uint8 of shape (n, h, w), got {kind}. Load them without "
            "as_frame, and before any normaliser."
        )
    for part, words in {"target": "labels", "groups": "groups", "usage": "usages"}.items():
        values = getattr(bunch, part, None)
        if values is None:
            continue
        if np.size(values) != len(data):  # a column is fine, one-hot columns are not
            raise ValueError(f"{name!r} has {len(data)} images and {np.size(values)} {words}.")
        refuse_missing(np.ravel(values), part)
    usual = labels_of("name")
    for label in np.unique(_names(bunch)).tolist():
        if label not in _NAMES and label.lower() in usual:
            raise ValueError(
                f"{name!r} has the label {label!r}, which is {usual[label.lower()]!r} in this "
                "package: bunch.target = convert_emotions(bunch.target, source='folder')."
            )


def _check_shapes(sources: Mapping) -> None:
    shapes = {name: bunch.data.shape[1:] for name, bunch in sources.items()}
    if len(set(shapes.values())) > 1:
        said = ", ".join(f"{name!r} {h} x {w}" for name, (h, w) in shapes.items())
        raise ValueError(
            f"Expected images of one size, got {said}. Load all with the same image_size, or use "
            "resize_faces."
        )


def _check_kinds(sources: Mapping) -> None:
    """Raise if some sources have numbers as labels, and others names."""
    numbered = {
        name: _labels(bunch).dtype.kind in "biuf"
        for name, bunch in sources.items()
        if len(bunch.target)
    }
    if len(set(numbered.values())) > 1:
        name = next(name for name, is_numbered in numbered.items() if is_numbered)
        raise ValueError(
            f"{name!r} has numbers as labels, other sources have names. If they are FER-2013's: "
            "bunch.target = convert_emotions(bunch.target, source='fer2013')."
        )


def _groups(sources: Mapping) -> np.ndarray:
    """Return the groups: those of each source, and exact copies of any source."""
    copies = exact_groups(*(bunch.data for bunch in sources.values()))
    pairs, start = [], 0
    for bunch in sources.values():
        groups, n = getattr(bunch, "groups", None), len(bunch.data)
        if groups is not None:
            pairs.append(start + group_links(np.ravel(groups)))
        start += n
    return join_groups(copies, np.concatenate(pairs)) if pairs else copies


def _labels(bunch: Bunch) -> np.ndarray:
    """Return the labels of a source; floats that are whole become whole numbers."""
    labels = np.array(np.ravel(np.asarray(bunch.target)).tolist())  # objects are of one type now
    if labels.dtype.kind == "f" and (labels % 1 == 0).all():
        return labels.astype(np.int64)
    return labels


def _names(bunch: Bunch) -> np.ndarray:
    return _labels(bunch).astype(str)


def _usage(bunch: Bunch) -> np.ndarray:
    usage = getattr(bunch, "usage", None)
    return np.full(len(bunch.data), "") if usage is None else np.ravel(np.asarray(usage, dtype=str))


def _kept(sources: Mapping, target: np.ndarray, min_sources: int) -> np.ndarray:
    """Return which faces have a label that enough sources have."""
    each = [np.unique(_names(bunch)) for bunch in sources.values()]
    labels, counts = np.unique(np.concatenate(each), return_counts=True)
    kept = np.isin(target, labels[counts >= min_sources])
    if not kept.any():
        raise ValueError(
            f"Expected labels that at least {min_sources} of the {len(sources)} sources have, got "
            f"none. Lower min_sources."
        )
    return kept
