"""Data quality: blank faces, copies, contradicting labels, leaks between splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._extras import import_pyplot
from .._forms import check_count
from .._images import gray_images, mosaic, refuse_colour
from ._duplicates import exact_groups, find_near_pairs, join_groups
from ._face_stats import MIN_CONTRAST, as_labels, contrasts, differs

_TITLES = {
    "blank": "blank or nearly so",
    "exact_duplicates": "exact copies",
    "near_duplicates": "near copies",
    "contradictions": "copies under other labels",
    "leaks": "copies in another split",
}


@dataclass(frozen=True)
class FaceReport:
    """The findings of `inspect_faces`: a DataFrame for each, with a row for each face.

    ``print(report)`` summarises them in words, `to_frame` counts them, `plot` shows examples.

    Attributes
    ----------
    blank : DataFrame with columns row, contrast
        Faces whose gray levels hardly differ; contrast is their standard deviation.
    exact_duplicates : DataFrame with columns row, group
        Faces that are the same to the pixel.
    near_duplicates : DataFrame with columns row, copy_of, correlation, mirrored
        Pairs that look alike but are not the same to the pixel.
    contradictions : DataFrame with columns row, group
        Copies, exact or near, whose labels differ.
    leaks : DataFrame with columns row, group
        Copies, exact or near, that are in more than one split.
    class_counts : DataFrame or None
        Faces by label and split.
    n_faces : int
    """

    n_faces: int
    blank: pd.DataFrame = field(repr=False)
    exact_duplicates: pd.DataFrame = field(repr=False)
    near_duplicates: pd.DataFrame = field(repr=False)
    contradictions: pd.DataFrame = field(repr=False)
    leaks: pd.DataFrame = field(repr=False)
    class_counts: pd.DataFrame | None = field(repr=False)
    _X: Any = field(repr=False, default=None)

    def to_frame(self) -> pd.DataFrame:
        """Return the number of faces of each finding, and their share of all."""
        counts = {title: getattr(self, name)["row"].nunique() for name, title in _TITLES.items()}
        frame = pd.DataFrame({"faces": pd.Series(counts)})
        frame["share"] = frame["faces"] / max(self.n_faces, 1)
        groups = {
            _TITLES[name]: getattr(self, name)["group"].nunique()
            for name in ("exact_duplicates", "contradictions", "leaks")
        }
        frame["groups"] = pd.Series(groups).reindex(frame.index).astype("Int64")
        return frame

    def __str__(self) -> str:
        lines = [f"{self.n_faces} faces"]
        for title, row in self.to_frame().iterrows():
            groups = "" if pd.isna(row["groups"]) else f" in {row['groups']} groups"
            lines.append(f"{row['faces']:8.0f}  {row['share']:6.1%}  {title}{groups}")
        if self.class_counts is not None:
            lines += ["", self.class_counts.to_string()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        counts = "" if self.class_counts is None else self.class_counts.to_html()
        findings = self.to_frame().to_html(formatters={"share": "{:.1%}".format})
        return f"{findings}<p>of {self.n_faces} faces</p>{counts}"

    def plot(
        self, finding: str = "near_duplicates", *, n_examples: int = 12, ax: Any = None
    ) -> Any:
        """Show examples of a finding, copies side by side; needs matplotlib.

        Parameters
        ----------
        finding : str, default="near_duplicates"
            Or "blank", "exact_duplicates", "contradictions", "leaks".
        n_examples : int, default=12
            Number of faces of "blank", or of pairs of the others.
        ax : matplotlib Axes or None, default=None
            None makes a figure.

        Returns
        -------
        ax : matplotlib Axes

        Raises
        ------
        ValueError
            If the finding is unknown, or `n_examples` is not a whole number of at least 1.
        """
        if finding not in _TITLES:
            raise ValueError(f"Unknown finding {finding!r}. Known: {', '.join(_TITLES)}.")
        check_count("n_examples", n_examples)
        plt = import_pyplot("FaceReport.plot")
        tiles = [self._tile(rows) for rows in self._examples(finding)[:n_examples]]
        ax = plt.subplots(figsize=(8, 4))[1] if ax is None else ax
        if tiles:
            ax.imshow(mosaic(tiles), cmap="gray", vmin=0, vmax=255)
        found = getattr(self, finding)["row"].nunique()
        ax.set_title(f"{_TITLES[finding]}: {found} of {self.n_faces} faces")
        ax.set_axis_off()
        return ax

    def _examples(self, finding: str) -> list:
        frame = getattr(self, finding)
        if finding == "blank":
            return [[row] for row in frame["row"]]
        if finding == "near_duplicates":
            return frame[["row", "copy_of"]].to_numpy().tolist()
        return [rows.tolist()[:2] for _, rows in frame.groupby("group")["row"]]

    def _tile(self, rows: list[int]) -> np.ndarray:
        images = [gray_images(self._X[row : row + 1])[0] for row in rows]
        return np.concatenate([_to_bytes(image) for image in images], axis=1)


def inspect_faces(
    X: Any,
    y: ArrayLike | None = None,
    *,
    split: ArrayLike | None = None,
    near: bool = True,
    min_correlation: float = 0.95,
    pixel_range: str | tuple[float, float] = "auto",
) -> FaceReport:
    """Find blank faces, copies, contradicting labels and leaks between splits.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_pixels), (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        Faces. Memory maps are read in parts.
    y : array-like of shape (n_samples,) or None, default=None
        Labels, to find copies that contradict each other.
    split : array-like of shape (n_samples,) or None, default=None
        Name of the split of each face, to find copies between splits.
    near : bool, default=True
        Whether to look for near copies: different contrast or compression, slightly different crop,
        mirrored.
    min_correlation : float, default=0.95
        What counts as a near copy: correlation of the two faces, shrunk to 16 x 16.
    pixel_range : "auto" or tuple of (float, float), default="auto"
        Values of black and white. "auto", as in `FaceNormalizer`: bytes, and numbers above 2, lie
        in [0, 255], floats up to 1 in [0, 1]; other values are an error.

    Returns
    -------
    report : FaceReport

    Raises
    ------
    ValueError
        If X, y and split differ in length, or X has values that are not finite or lie outside
        `pixel_range`.

    Examples
    --------
    >>> import numpy as np
    >>> from fer_sklearn.datasets import inspect_faces, make_faces
    >>> faces = make_faces(20, random_state=0).data
    >>> X = np.concatenate([faces, faces[:2], np.zeros_like(faces[:1])])
    >>> report = inspect_faces(X)
    >>> report.to_frame()["faces"].tolist()
    [1, 4, 0, 0, 0]
    """
    refuse_colour(X)
    y, split = (as_labels(X, given, name) for given, name in ((y, "y"), (split, "split")))
    deviations = contrasts(X, pixel_range)
    is_blank = deviations < MIN_CONTRAST
    blank = np.flatnonzero(is_blank)
    exact = exact_groups(X)
    pairs, correlations = np.empty((0, 3), dtype=np.int64), np.empty(0)
    groups = exact
    if near:
        pairs, correlations = find_near_pairs([X], exact, min_correlation)
        groups = join_groups(exact, pairs)
    return FaceReport(
        n_faces=len(X),
        blank=pd.DataFrame({"row": blank, "contrast": deviations[blank]}),
        exact_duplicates=_members(exact, _count(exact) > 1),
        near_duplicates=pd.DataFrame(
            {
                "row": pairs[:, 1],
                "copy_of": pairs[:, 0],
                "correlation": correlations,
                "mirrored": pairs[:, 2].astype(bool),
            }
        ).sort_values("correlation", ascending=False, ignore_index=True),
        contradictions=_members(groups, differs(groups, y) & ~is_blank),
        leaks=_members(groups, differs(groups, split) & ~is_blank),
        class_counts=None if y is None else _class_counts(y, split),
        _X=X,
    )


def _count(groups: np.ndarray) -> np.ndarray:
    """Return the size of the group of each face."""
    return np.bincount(groups)[groups]


def _members(groups: np.ndarray, chosen: np.ndarray) -> pd.DataFrame:
    rows = np.flatnonzero(chosen)
    frame = pd.DataFrame({"row": rows, "group": groups[rows]})
    return frame.sort_values(["group", "row"], ignore_index=True)


def _class_counts(y: np.ndarray, split: np.ndarray | None) -> pd.DataFrame:
    if split is None:
        return pd.Series(y).value_counts().sort_index().rename("faces").to_frame()
    return pd.crosstab(y, split, rownames=["label"], colnames=["split"])


def _to_bytes(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    low, high = image.min(), image.max()
    return (255 * (image - low) / max(high - low, 1e-12)).astype(np.uint8)
