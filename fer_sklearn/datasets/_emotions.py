"""The seven emotions: their names, their order in FER-2013, and their names in other datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._forms import refuse_missing, refuse_mixed


class Emotion(NamedTuple):
    """One emotion in the vocabularies that datasets use."""

    name: str
    fer2013: int | None  # code in fer2013.csv
    ferplus: str  # column of fer2013new.csv
    aliases: tuple[str, ...]  # folder names seen in the wild


#: In FER-2013's order; only FER+ has the last one.
EMOTIONS = (
    Emotion("angry", 0, "anger", ("anger", "angry")),
    Emotion("disgust", 1, "disgust", ("disgust", "disgusted")),
    Emotion("fear", 2, "fear", ("afraid", "fear", "fearful", "scared")),
    Emotion("happy", 3, "happiness", ("happiness", "happy", "joy")),
    Emotion("sad", 4, "sadness", ("sad", "sadness")),
    Emotion("surprise", 5, "surprise", ("surprise", "surprised")),
    Emotion("neutral", 6, "neutral", ("calm", "neutral", "neutrality")),
    Emotion("contempt", None, "contempt", ("contempt", "contemptuous")),
)
#: Names in the order of FER-2013's codes.
FER2013_NAMES = tuple(emotion.name for emotion in EMOTIONS if emotion.fer2013 is not None)


def _numbered(first: int, *names: str) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names, first)}


#: Labels of other datasets, as they appear in file names and lists.
_LABELS = {
    "affectnet": _numbered(
        0, "neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"
    ),
    "ck+": _numbered(
        0, "neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"
    ),
    "expw": _numbered(0, *FER2013_NAMES),
    "jaffe": {
        **{"an": "angry", "di": "disgust", "fe": "fear", "ha": "happy"},
        **{"ne": "neutral", "sa": "sad", "su": "surprise"},
    },
    "kdef": {
        **{"af": "fear", "an": "angry", "di": "disgust", "ha": "happy"},
        **{"ne": "neutral", "sa": "sad", "su": "surprise"},
    },
    "raf-db": _numbered(1, "surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"),
}
_BY_NAME = {emotion.name: emotion for emotion in EMOTIONS}
_VOCABULARIES: dict[str, dict[Any, Emotion]] = {
    "name": _BY_NAME,
    "fer2013": {emotion.fer2013: emotion for emotion in EMOTIONS if emotion.fer2013 is not None},
    "ferplus": {emotion.ferplus: emotion for emotion in EMOTIONS},
    "folder": {alias: emotion for emotion in EMOTIONS for alias in emotion.aliases},
    **{
        source: {label: _BY_NAME[name] for label, name in labels.items()}
        for source, labels in _LABELS.items()
    },
}


class EmotionCodes:
    """Meaning of the emotions of a table, which are codes 0, 1, ... or names.

    Parameters
    ----------
    emotions : sequence of str
        Names of the codes 0, 1, ...

    Attributes
    ----------
    names : list of str
        `emotions`, followed by the other known names, which have no code in tables.
    """

    def __init__(self, emotions: Sequence[str]) -> None:
        self.emotions = _check_names(emotions)
        lower = {name.lower(): name for name in self.emotions}
        called = {
            emotion.name: next((lower[a] for a in emotion.aliases if a in lower), emotion.name)
            for emotion in EMOTIONS
        }
        self.names = list(dict.fromkeys([*self.emotions, *called.values()]))
        aliases = {a: called[emotion.name] for emotion in EMOTIONS for a in emotion.aliases}
        self._places = {text: self.names.index(name) for text, name in {**aliases, **lower}.items()}

    def find(self, text: str) -> int | None:
        """Return the position in `names` of a name, in any case, or of a code; None if unknown."""
        text = text.strip().lower()
        number, _, zeros = text.partition(".")
        if number.isascii() and number.isdigit() and not zeros.strip("0"):
            number = number.lstrip("0") or "0"
            return int(number) if len(number) < 4 and int(number) < len(self.emotions) else None
        return self._places.get(text)

    def present(self, codes: Iterable[int]) -> list[str]:
        """Return `emotions`, and those of the other names that are among the codes."""
        n = len(self.emotions)
        return [
            *self.emotions,
            *(self.names[code] for code in sorted({c for c in codes if c >= n})),
        ]

    def __str__(self) -> str:
        return ", ".join(f"{code} {name}" for code, name in enumerate(self.emotions))


def _check_names(emotions: Any) -> list[str]:
    names = [] if isinstance(emotions, str) else list(emotions)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(
            f"Expected emotions as a list of names, those of the codes 0, 1, ..., got {emotions!r}."
        )
    if len({name.lower() for name in names}) < len(names):
        raise ValueError(f"Expected each name once in emotions, got {emotions!r}.")
    return names


def convert_emotions(
    labels: ArrayLike, *, source: str = "name", target: str = "name"
) -> np.ndarray:
    """Translate emotion labels from one vocabulary into another.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Labels in the vocabulary `source`.
    source : str, default="name"
        - "name": angry, disgust, fear, happy, sad, surprise, neutral (and contempt).
        - "fer2013": the codes 0 to 6 of ``fer2013.csv``, as numbers or digits.
        - "ferplus": the columns of FER+: anger, disgust, fear, happiness, ...
        - "folder": names of folders, in any case: Anger, happiness, Surprised, ...
        - "affectnet", "ck+", "expw", "raf-db": the numbers of these datasets, as numbers or
          digits. RAF-DB's begin with 1.
        - "jaffe", "kdef": the two letters in the file names of these datasets, in any case. AF is
          KDEF's afraid, and FE is JAFFE's fear.
    target : {"name", "fer2013", "ferplus"}, default="name"
        The vocabulary of the result.

    Returns
    -------
    converted : ndarray of shape (n_samples,)
        int64 for "fer2013", else str.

    Raises
    ------
    ValueError
        If a label is missing or not in the vocabulary, or has no counterpart ("contempt" has no
        code in FER-2013); or if there are several labels for a face.

    Examples
    --------
    >>> from fer_sklearn.datasets import convert_emotions
    >>> convert_emotions([3, 6], source="fer2013").tolist()
    ['happy', 'neutral']
    >>> convert_emotions(["Happiness", "anger"], source="folder", target="fer2013").tolist()
    [3, 0]
    >>> convert_emotions([1, 7], source="raf-db").tolist()
    ['surprise', 'neutral']
    """
    _check_vocabulary("source", source, _VOCABULARIES)
    _check_vocabulary("target", target, ("name", "fer2013", "ferplus"))
    labels = np.asarray(labels)
    if labels.ndim > 1 and labels.size > len(labels):
        raise ValueError(
            f"Expected one label for each face, got an array of shape {labels.shape}. One-hot "
            "columns become numbers by np.argmax(labels, axis=1)."
        )
    refuse_missing(labels.ravel(), "labels")
    refuse_mixed(labels.ravel(), "labels")
    labels, inverse = np.unique(labels, return_inverse=True)
    found = [getattr(_look_up(label, source), target) for label in labels.tolist()]
    if None in found:
        lost = labels[[name is None for name in found]].tolist()
        raise ValueError(f"{lost} have no counterpart in {target!r}: drop these rows first.")
    return np.asarray(found, dtype=None if found else str)[inverse.reshape(-1)]


def _look_up(label: Any, source: str) -> Emotion:
    key = label
    if source in ("fer2013", "folder", *_LABELS):
        key = label_key(label)
    if source == "fer2013" and key.isdecimal():
        key = int(key)
    vocabulary = _VOCABULARIES[source]
    if key not in vocabulary:
        known = ", ".join(str(entry) for entry in vocabulary)
        raise ValueError(f"Unknown emotion {label!r} in {source!r}. Known: {known}.")
    return vocabulary[key]


def label_key(label: Any) -> str:
    """Return a label in the form of the vocabularies: lower case, a number as its digits."""
    text = str(label).strip().lower()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def labels_of(source: str) -> dict[str, str]:
    """Return the name of the emotion for each label of a dataset and for each usual name."""
    known = {**_VOCABULARIES["folder"], **_VOCABULARIES[source]}
    return {str(label): emotion.name for label, emotion in known.items()}


def _check_vocabulary(parameter: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ValueError(f"{parameter} must be one of {sorted(known)}, got {value!r}.")
