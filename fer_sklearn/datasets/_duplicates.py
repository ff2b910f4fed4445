"""Copies of faces: exact ones by a digest, near ones by a perceptual hash and correlation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils import assert_all_finite

from .._images import (
    MIN_FACE_PIXELS,
    PixelValues,
    as_numbers,
    as_rows,
    gray_images,
    infer_pixel_range,
    refuse_colour,
)

#: Side of the thumbnail that is compared, and of its block of low frequencies.
_SIDE, _LOW = 16, 8
#: A hash has 64 bits; two copies agree in at least one of these bands and differ in few bits.
_BANDS, _BAND_BITS, _MAX_BITS = 4, 16, 10
#: A face is compared with those of its bucket that are closer than this in the order of hashes.
_NEIGHBOURS = 256
#: Thumbnails with less contrast all look alike; as a share of the range of values.
_MIN_TEXTURE = 8 / 255
_CHUNK = 1024


def duplicate_groups(X: Any, *, near: bool = False, min_correlation: float = 0.95) -> np.ndarray:
    """Return a number for each face, the same for copies.

    For `GroupKFold`, `StratifiedGroupKFold` and `LeaveOneGroupOut`: with these groups all copies
    of a face are on one side of a split.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        Faces. Memory maps are read in parts.
    near : bool, default=False
        Whether near copies count too: different contrast or compression, a slightly different crop,
        mirrored.
    min_correlation : float, default=0.95
        What counts as near: correlation of the two faces, shrunk to 16 x 16.

    Returns
    -------
    groups : ndarray of int of shape (n_samples,)

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.datasets import duplicate_groups, make_faces
    >>> faces = make_faces(3, random_state=0).data
    >>> duplicate_groups(np.concatenate([faces, faces[:1]])).tolist()
    [0, 1, 2, 0]
    """
    refuse_colour(X)
    groups = exact_groups(X)
    if not near:
        return groups
    return join_groups(groups, find_near_pairs([X], groups, min_correlation)[0])


def groups_and_copies(
    X: Any, others: Any, *, near: bool = False, min_correlation: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the groups of X among X and `others`, and which of X have a copy in `others`.

    Their forms may differ: rows or images, gray or RGB, bytes or numbers in [0, 1].
    """
    for faces in (X, others):
        refuse_colour(faces)
    parts = [as_numbers(X), as_numbers(others)]
    groups = exact_groups(*parts, forms=_common_form(*parts))
    if near:
        groups = join_groups(groups, find_near_pairs(parts, groups, min_correlation)[0])
    mine, theirs = groups[: len(X)], groups[len(X) :]
    return mine, np.isin(mine, theirs)


def _common_form(X: np.ndarray, others: np.ndarray) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Return two functions that bring faces of X and of `others` to one shape, type and scale.

    If shapes, types or scales differ, both are compared as bytes. So a face in [0, 1] is a copy of
    the same face in bytes, whatever its precision.
    """
    as_they_are = X.shape[1:] == others.shape[1:]
    if not as_they_are:
        _check_sizes(X, others)
    whites = _white(X), _white(others)
    if whites.count(None) == 1:
        raise ValueError(
            "Expected the faces of both as they came, bytes or numbers in [0, 255] or [0, 1], or "
            f"copies cannot be found, got values from {X.min():.6g} to {X.max():.6g} and from "
            f"{others.min():.6g} to {others.max():.6g}. Pass both as they were before a normaliser."
        )
    alike = as_they_are and whites[0] == whites[1] and X.dtype == others.dtype
    to_bytes = None not in whites and not alike

    def form(white: Any, faces: np.ndarray) -> np.ndarray:
        faces = faces if as_they_are else as_rows(faces)[0]
        if not to_bytes:
            return faces.astype(np.result_type(X, others, faces), copy=False)
        if faces.dtype == np.uint8:
            return faces
        return np.rint(faces * (255 / white)).astype(np.uint8)

    return [partial(form, white) for white in whites]


def _check_sizes(X: np.ndarray, others: np.ndarray) -> None:
    (mine, shape), (theirs, other_shape) = as_rows(X[:1]), as_rows(others[:1])
    if mine.shape[1:] != theirs.shape[1:] or (shape and other_shape and shape != other_shape):
        raise ValueError(
            "Expected faces of one size, or copies cannot be found, got arrays of shape "
            f"{X.shape} and {others.shape}. `resize_faces` brings images to one size."
        )


def _white(X: np.ndarray) -> float | None:
    """Return the value of white pixels; None if it is unknown."""
    if X.dtype == np.uint8:
        return 255.0
    rows = X.reshape(len(X), math.prod(X.shape[1:]))
    if not rows.size or rows.shape[1] < MIN_FACE_PIXELS or rows.dtype.kind not in "biuf":
        return None
    try:
        return infer_pixel_range(PixelValues(rows))[1]
    except ValueError:
        return None


def join_groups(groups: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Merge groups so that the rows of each pair are in one group."""
    n, links = len(groups), np.concatenate([pairs[:, :2], group_links(groups)])
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), (n, n))
    return _in_order(connected_components(graph, directed=False)[1])


def group_links(groups: np.ndarray) -> np.ndarray:
    """Return each row with the first row of its group, for `join_groups`."""
    _, firsts, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.column_stack([np.arange(len(inverse)), firsts[inverse]])


def near_pairs(X: Any, *, min_correlation: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Find pairs of faces that look alike and are not the same to the pixel.

    Candidates share 16 of the 64 bits of a perceptual hash (signs of low cosine frequencies), at
    one of four positions. Their correlation then decides whether they are copies. Copies that
    differ a lot may be missed.

    Faces that share the same 16 bits are sorted by their whole hashes, and each is compared with
    255 on either side, so the time grows in proportion to n. Among 100,000 faces like those of
    FER-2013, none shares its bits with more than that. Among 500,000 about one in ten does
    (extrapolated from FER-2013's 32,298), and some of their copies are missed. Thumbnails take 1 kB
    per face.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        Faces, as `FERClassifier.fit` takes them.
    min_correlation : float, default=0.95
        Smallest correlation of two faces that count as a pair; at most 1.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 3)
        Two row numbers, the smaller first, then 1 if one face is mirrored, else 0.
    correlations : ndarray of float of shape (n_pairs,)
    """
    refuse_colour(X)
    return find_near_pairs([X], exact_groups(X), min_correlation)


def find_near_pairs(
    parts: Sequence[Any], exact: np.ndarray, min_correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Do what `near_pairs` does, for the faces of all parts; `exact` are their exact groups.

    Only the thumbnails of all faces are in memory at the same time.
    """
    if not 0 < min_correlation <= 1:
        raise ValueError(f"Expected min_correlation in (0, 1], got {min_correlation!r}.")
    thumbs, textured = _thumbnails(parts)
    n = len(thumbs)
    hashes = np.concatenate([_hashes(thumbs, textured), _hashes(thumbs, textured, mirror=True)])
    ids = np.concatenate([textured, textured + n])
    _standardize(thumbs)
    found = [np.empty((0, 3), dtype=np.int64)]
    for band in range(_BANDS):
        for pairs in _candidates(hashes, ids, n, band):
            found.append(pairs[_correlations(thumbs, pairs) >= min_correlation])
    pairs = np.unique(np.concatenate(found), axis=0)
    pairs = pairs[exact[pairs[:, 0]] != exact[pairs[:, 1]]]
    return pairs, _correlations(thumbs, pairs)


def _candidates(hashes: np.ndarray, ids: np.ndarray, n: int, band: int) -> Iterator[np.ndarray]:
    """Yield the pairs whose hashes agree in a band and differ in few other bits, (n_pairs, 3)."""
    keys = (hashes >> np.uint64(band * _BAND_BITS)).astype(np.uint16)  # keeps the low 16
    order = np.lexsort((hashes, keys))
    keys, hashes, ids = keys[order], hashes[order], ids[order]
    for step in range(1, min(_NEIGHBOURS, len(keys))):
        same = np.flatnonzero(keys[step:] == keys[:-step])
        if not len(same):
            break
        near = np.bitwise_count(hashes[same] ^ hashes[same + step]) <= _MAX_BITS
        one, two = ids[same[near]], ids[same[near] + step]
        pairs = np.sort(np.column_stack([one % n, two % n]), axis=1)
        mirrored = (one >= n) != (two >= n)
        yield np.column_stack([pairs, mirrored])[pairs[:, 0] != pairs[:, 1]]


def _correlations(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Correlate the standardised thumbnails of each pair; mirror one if the pair says so."""
    correlations = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), _CHUNK):
        left, right, mirrored = pairs[start : start + _CHUNK].T
        others = thumbs[right]
        flipped = mirrored == 1
        others[flipped] = others[flipped][:, :, ::-1]
        correlations[start : start + _CHUNK] = np.einsum("ijk,ijk->i", thumbs[left], others)
    return correlations


def _thumbnails(parts: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean gray of 16 x 16 cells, (n, 16, 16), and the rows that are not blank."""
    thumbs = np.empty((sum(map(len, parts)), _SIDE, _SIDE), dtype=np.float32)
    textured, stop = [], 0
    for X in parts:
        start, stop = stop, stop + len(X)
        own = thumbs[start:stop]
        _shrink(X, own)
        assert_all_finite(own, input_name="X")  # one NaN would make all look blank
        span = own.max(initial=0) - own.min(initial=0)
        textured.append(start + np.flatnonzero(np.ptp(own, axis=(1, 2)) > _MIN_TEXTURE * span))
    return thumbs, np.concatenate(textured)


def _shrink(X: Any, out: np.ndarray) -> None:
    for start in range(0, len(X), _CHUNK):
        images = gray_images(X[start : start + _CHUNK])
        by_row = _cells(images.astype(np.float32), axis=1)
        out[start : start + _CHUNK] = _cells(by_row, axis=2)


def _cells(images: np.ndarray, axis: int) -> np.ndarray:
    side = images.shape[axis]
    edges = np.linspace(0, side, _SIDE + 1)
    starts = np.minimum(edges[:-1].astype(int), side - 1)
    sums = np.add.reduceat(images, starts, axis=axis)
    sizes = np.maximum(np.diff(np.append(starts, side)), 1)
    return sums / sizes.reshape(-1, *[1] * (images.ndim - 1 - axis))


def _standardize(thumbs: np.ndarray) -> None:
    """Give each thumbnail mean 0 and length 1, so that a product of two is their correlation."""
    for start in range(0, len(thumbs), _CHUNK):
        part = thumbs[start : start + _CHUNK]
        part -= part.mean(axis=(1, 2), keepdims=True)
        part /= np.maximum(np.linalg.norm(part, axis=(1, 2), keepdims=True), 1e-6)


def _hashes(thumbs: np.ndarray, rows: np.ndarray, *, mirror: bool = False) -> np.ndarray:
    """Return whether each low frequency is above their median (pHash), 64 bits per face."""
    hashes = np.empty(len(rows), dtype=np.uint64)
    for start in range(0, len(rows), _CHUNK):
        chunk = thumbs[rows[start : start + _CHUNK]]
        chunk = chunk[:, :, ::-1] if mirror else chunk
        low = dctn(chunk, axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW].reshape(len(chunk), -1)
        bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
        bits[:, 0] = bits[:, 1] ^ bits[:, 2]  # the mean gray does not matter
        packed = np.packbits(bits, axis=1)
        hashes[start : start + _CHUNK] = packed.view(">u8")[:, 0]
    return hashes


def exact_groups(
    *parts: Any, forms: Sequence[Callable[[np.ndarray], np.ndarray]] | None = None
) -> np.ndarray:
    """Return a number for each face of all parts, the same for exact copies only.

    `forms` has a function for each part that converts its faces for the comparison.
    """
    digests = [
        hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()
        for X, form in zip(parts, forms or [as_numbers] * len(parts), strict=True)
        for start in range(0, len(X), _CHUNK)
        for image in form(X[start : start + _CHUNK])
    ]
    return _in_order(np.unique(np.array(digests, dtype="S16"), return_inverse=True)[1])


def _in_order(groups: np.ndarray) -> np.ndarray:
    """Renumber groups by their first member."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
