"""Synthetic faces, drawn from the movements that make an expression."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_random_state

from .._forms import Interval, validate_params
from ._emotions import FER2013_NAMES

_CHUNK = 256

#: How far each part of the face moves at full expression, in the manner of the facial
#: action coding system (Ekman & Friesen, 1978). Lengths are in half faces, 0 is neutral.
_MOVEMENTS = ("brow_raise", "brow_frown", "eye_open", "mouth_curve", "mouth_open", "mouth_width",
              "lip_raise", "nose_wrinkle")  # fmt: skip
_EXPRESSIONS = {
    #            raise  frown   eyes  curve   open  width    lip wrinkle
    "angry":    (-0.10,  0.20, -0.25, -0.10,  0.03, -0.02, 0.00, 0.30),
    "disgust":  (-0.07,  0.08, -0.50, -0.08,  0.05,  0.02, 0.16, 1.00),
    "fear":     ( 0.12, -0.14,  0.60, -0.04,  0.16,  0.10, 0.00, 0.00),
    "happy":    ( 0.02,  0.00, -0.25,  0.20,  0.12,  0.14, 0.00, 0.00),
    "sad":      ( 0.00, -0.20, -0.40, -0.18,  0.00, -0.04, 0.00, 0.00),
    "surprise": ( 0.17,  0.00,  0.55,  0.00,  0.32, -0.12, 0.00, 0.00),
    "neutral":  ( 0.00,  0.00,  0.00,  0.00,  0.00,  0.00, 0.00, 0.00),
}  # fmt: skip
#: FER-2013's Training split, for ``class_balance="fer2013"``.
_FER2013_COUNTS = np.array([3995, 436, 4097, 7215, 4830, 3171, 4965])


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "image_size": [Interval(Integral, 16, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "class_balance": [str, "array-like"],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
)
def make_faces(
    n_samples: int = 1000,
    *,
    image_size: int = 48,
    noise: float = 0.5,
    class_balance: str | ArrayLike = "uniform",
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Any:
    """Draw faces that show the seven expressions of FER-2013.

    Brows, eyes, nose wrinkles and mouth move as in real expressions; shape of the head, pose, skin,
    hair and light vary at random. Use these faces to try things out without a download, and for
    tests: a small CNN is clearly better at them than a linear model.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of faces.
    image_size : int, default=48
        Height and width in pixels, at least 16.
    noise : float, default=0.5
        How much expressions overlap. It scales the random movements that are added to those of the
        expression, how weak an expression may be, and the grain of the picture. At 0 each
        expression is strong and clean; at 1 people would disagree about some.
    class_balance : {"uniform", "fer2013"} or array-like of shape (7,), default="uniform"
        Shares of the classes: equal, those of FER-2013's Training split (1.5 % disgust), or your
        own in the order of FER-2013's codes.
    random_state : int, RandomState instance or None, default=None
        The same int draws the same faces.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    bunch : :class:`sklearn.utils.Bunch`
        data : ndarray of uint8 of shape (n_samples, image_size, image_size)
            Gray faces.
        target : ndarray of str of shape (n_samples,)
            Names of the expressions.
        target_names : list of str
            The seven names, sorted as in ``classes_`` of a classifier.
        DESCR : str
            What the faces are.
    (data, target) : tuple
        If `return_X_y`.

    Raises
    ------
    ValueError
        If `class_balance` is neither a known name nor seven shares.

    Examples
    --------
    >>> from fer_sklearn.datasets import make_faces
    >>> faces = make_faces(100, random_state=0)
    >>> faces.data.shape, faces.data.dtype
    ((100, 48, 48), dtype('uint8'))
    >>> faces.target[:3].tolist()
    ['disgust', 'neutral', 'angry']
    """
    rng = check_random_state(random_state)
    codes = _draw_classes(n_samples, class_balance, rng)
    data = np.empty((n_samples, image_size, image_size), dtype=np.uint8)
    for start in range(0, n_samples, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        data[chunk] = _draw(codes[chunk], image_size, noise, rng)
    target = np.array(FER2013_NAMES)[codes]
    if return_X_y:
        return data, target
    return Bunch(
        data=data, target=target, target_names=sorted(FER2013_NAMES), DESCR=make_faces.__doc__
    )


def _draw_classes(n_samples: int, class_balance: Any, rng: np.random.RandomState) -> np.ndarray:
    """Return shuffled class codes whose shares are as exact as whole numbers allow."""
    n_classes = len(FER2013_NAMES)
    named = {"uniform": np.ones(n_classes), "fer2013": _FER2013_COUNTS}
    if isinstance(class_balance, str) and class_balance not in named:
        raise ValueError(
            f"class_balance must be one of {list(named)} or 7 shares, got {class_balance!r}."
        )
    shares = named[class_balance] if isinstance(class_balance, str) else class_balance
    shares = np.asarray(shares, dtype=float)
    if shares.shape != (n_classes,) or not (shares >= 0).all() or not 0 < shares.sum() < np.inf:
        raise ValueError(
            f"class_balance must be 7 shares of at least 0, not all 0, got {class_balance!r}."
        )
    limits = np.cumsum(shares) / shares.sum() * n_samples
    return rng.permutation(np.searchsorted(limits, np.arange(n_samples) + 0.5))


# -- drawing: every function works on a chunk of faces at once ---------------------
#
# Coordinates are in half faces: (0, 0) is the middle of the face, x to its left ear
# and y to its chin are about 1. `x` and `y` are (n, size, size), parameters (n, 1, 1).


def _draw(codes: np.ndarray, size: int, noise: float, rng: np.random.RandomState) -> np.ndarray:
    move = _movements(codes, noise, rng)
    x, y, blur = _coordinates(len(codes), size, rng)
    pen = _Pen(_background(x, y, rng), blur)
    _draw_head(pen, x, y, rng)
    _draw_eyes(pen, x, y, move, rng)
    _draw_nose(pen, x, y, move)
    _draw_mouth(pen, x, y, move, rng)
    return _develop(pen.picture, x, y, noise, rng)


class _Pen:
    """Paints shapes onto pictures with soft edges.

    A shape is a signed distance to its edge in half faces, negative inside.
    """

    def __init__(self, picture: np.ndarray, blur: np.ndarray) -> None:
        self.picture = picture
        self.blur = blur

    def paint(self, distance: np.ndarray, gray: Any, opacity: Any = 1.0) -> None:
        cover = opacity / (1 + np.exp(np.clip(distance / self.blur, -30, 30)))
        self.picture += cover * (gray - self.picture)


def _column(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).reshape(-1, 1, 1)


def _uniform(rng: np.random.RandomState, x: np.ndarray, low: float, high: float) -> np.ndarray:
    return _column(rng.uniform(low, high, len(x)))


def _movements(
    codes: np.ndarray, noise: float, rng: np.random.RandomState
) -> dict[str, np.ndarray]:
    full = np.array([_EXPRESSIONS[name] for name in FER2013_NAMES])[codes]
    weakest = max(1 - noise, 0.25)
    strength = rng.uniform(weakest, 1.15, (len(codes), 1))
    spread = 0.3 * np.abs(full).max(axis=0) + 0.25 * np.ptp(
        np.array(list(_EXPRESSIONS.values())), axis=0
    )
    moved = full * strength + 0.4 * noise * spread * rng.standard_normal(full.shape)
    return {name: _column(column) for name, column in zip(_MOVEMENTS, moved.T, strict=True)}


def _coordinates(
    n: int, size: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel centres in the face's own coordinates, under a random pose."""
    step = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    across, down = np.meshgrid(step, step)
    angle = _column(rng.normal(0, 0.12, n))
    zoom = _column(rng.uniform(0.72, 0.95, n))
    dx, dy = across - _column(rng.normal(0, 0.06, n)), down - _column(rng.normal(0.05, 0.06, n))
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = (cos * dx + sin * dy) / zoom, (cos * dy - sin * dx) / zoom
    turn = _column(rng.normal(0, 0.15, n))  # the head turns: its far half becomes narrower
    return x + turn * (1 - np.minimum(x**2, 1)), y, 0.6 / size / zoom


def _background(x: np.ndarray, y: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    slope = _uniform(rng, x, -0.15, 0.15) * x + _uniform(rng, x, -0.15, 0.15) * y
    return _uniform(rng, x, 0.1, 0.85) + slope


def _draw_head(pen: Any, x: np.ndarray, y: np.ndarray, rng: np.random.RandomState) -> None:
    skin = _uniform(rng, x, 0.45, 0.8)
    hair = _uniform(rng, x, 0.05, 0.45)
    wide, long = _uniform(rng, x, 0.72, 0.85), _uniform(rng, x, 0.95, 1.1)
    chin = 1 - 0.18 * np.clip(y, 0, 1)  # narrower towards the chin
    head = np.hypot(x / (wide * chin), y / long) - 1
    pen.paint(np.hypot(x / (wide * 1.12), (y + 0.12) / (long * 1.08)) - 1, hair)
    pen.paint(head, skin)
    pen.paint(np.maximum(head, y + _uniform(rng, x, 0.6, 0.85)), hair)  # fringe
    pen.skin, pen.dark = skin, skin * _uniform(rng, x, 0.25, 0.45)


def _draw_eyes(
    pen: Any, x: np.ndarray, y: np.ndarray, move: dict[str, np.ndarray], rng: np.random.RandomState
) -> None:
    apart, height = _uniform(rng, x, 0.33, 0.4), _uniform(rng, x, -0.28, -0.2)
    opening = np.clip(0.085 * (1 + move["eye_open"]), 0.012, 0.2)
    look = _column(rng.normal(0, 0.025, len(x)))
    thick = _uniform(rng, x, 0.025, 0.05)
    brow = height - 0.2 - move["brow_raise"]
    for side in (-1, 1):
        out = (x - side * apart) * side  # from the eye's middle towards the ear
        lid = np.hypot(out / 0.17, (y - height) / opening) - 1
        pen.paint(lid * 0.1, 0.95)
        iris = np.hypot(out * side - look, y - height) - 0.075
        pen.paint(np.maximum(iris, lid * 0.1), 0.08)
        upper = np.abs(y - height + opening * np.sqrt(np.clip(1 - (out / 0.17) ** 2, 0, 1)))
        pen.paint(np.maximum(upper - 0.022, np.abs(out) - 0.17), pen.dark)
        slant = brow - move["brow_frown"] * out / 0.2 + 0.6 * out**2
        pen.paint(np.maximum(np.abs(y - slant) - thick, np.abs(out) - 0.22), pen.dark)


def _draw_nose(pen: Any, x: np.ndarray, y: np.ndarray, move: dict[str, np.ndarray]) -> None:
    bridge = np.maximum(
        np.abs(np.abs(x) - 0.05 - 0.12 * (y + 0.1)) - 0.015, np.abs(y - 0.08) - 0.15
    )
    pen.paint(bridge, pen.dark, 0.35)
    for side in (-1, 1):
        pen.paint(np.hypot(x - side * 0.07, y - 0.24) - 0.035, pen.dark, 0.8)
        # Wrinkles on the bridge and the fold from nose to mouth deepen in disgust.
        fold = np.abs((x * side - 0.2) - 0.35 * (y - 0.25)) - 0.02
        wrinkle = np.clip(move["nose_wrinkle"], 0, 1)
        pen.paint(np.maximum(fold, np.abs(y - 0.33) - 0.14), pen.dark, 0.7 * wrinkle)
    for height in (-0.1, -0.02):
        wave = np.abs(y - height - 0.4 * x**2) - 0.014
        wrinkle = np.clip(move["nose_wrinkle"], 0, 1)
        pen.paint(np.maximum(wave, np.abs(x) - 0.1), pen.dark, 0.7 * wrinkle)


def _draw_mouth(
    pen: Any, x: np.ndarray, y: np.ndarray, move: dict[str, np.ndarray], rng: np.random.RandomState
) -> None:
    middle = _uniform(rng, x, 0.5, 0.58)
    half = np.clip(_uniform(rng, x, 0.24, 0.3) + move["mouth_width"], 0.1, 0.5)
    opening = np.clip(move["mouth_open"], 0, 0.4)
    along = np.clip(x / half, -1, 1)
    # A smile raises the corners; disgust raises only the upper lip, on one side.
    line = middle + move["mouth_curve"] * (0.4 - along**2)
    arch = np.sqrt(np.clip(1 - along**2, 0, 1))
    lifted = np.clip(move["lip_raise"], 0, 0.3) * np.exp(-((along - 0.4) ** 2) / 0.2)
    top = line - 0.45 * opening * arch - lifted
    bottom = line + 0.75 * opening * arch
    beyond = np.abs(x) - half
    inside = np.maximum(np.maximum(top - y, y - bottom), beyond)
    pen.paint(inside, 0.12)
    teeth = np.maximum(inside, y - top - 0.09)
    pen.paint(teeth, 0.92, np.clip(opening * 6 + lifted.max(axis=(1, 2), keepdims=True) * 4, 0, 1))
    lips = np.minimum(np.abs(y - top), np.abs(y - bottom)) - _uniform(rng, x, 0.02, 0.04)
    pen.paint(np.maximum(lips, beyond), pen.dark)


def _develop(
    picture: np.ndarray, x: np.ndarray, y: np.ndarray, noise: float, rng: np.random.RandomState
) -> np.ndarray:
    """Light from one side, contrast, grain; then bytes."""
    light = _column(rng.normal(0, 0.18, len(x))) * x + _column(rng.normal(0, 0.1, len(x))) * y
    picture = picture * (1 + light) * _uniform(rng, x, 0.75, 1.1)
    grain = 0.02 + 0.06 * noise
    picture = picture + grain * rng.standard_normal(picture.shape).astype(np.float32)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)
