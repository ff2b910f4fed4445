"""The codes 0 to K-1 of scikit-learn's encoders, for a trained network that has labels.

VotingClassifier, StackingClassifier and BaggingClassifier encode y before they pass it on. So a
file with the labels 'angry', 'disgust', ... gets 0, 1, ..., which are positions in its sorted
labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Real

_MOST_LISTED = 10


def meaning_of(labels: list, known: list) -> list:
    """Return the labels of a file that `labels` are codes for, or `labels` themselves.

    Parameters
    ----------
    labels : list
        Sorted labels of y.
    known : list
        Sorted labels of the file.
    """
    return known if labels != known and are_codes(labels, len(known)) else labels


def are_codes(labels: list, n_classes: int) -> bool:
    """Return whether sorted labels are exactly the numbers 0 to `n_classes` - 1, not booleans."""
    return labels == list(range(n_classes)) and all(map(_is_number, labels))


def warn_of_labels(labels: list, known: list, source: str) -> None:
    """Warn how the labels of y are read, unless each is clearly a label of the file.

    Parameters
    ----------
    labels, known : list
        As in `meaning_of`.
    source : str
        Name of the file in the warning.
    """
    if labels == known:
        return
    fresh = [label for label in labels if label not in known]
    if meaning_of(labels, known) is known:
        message = _words_of_codes(known, source)
    elif len(fresh) == len(labels) or _may_be_codes(labels, fresh):
        message = _words_of_labels(labels, known, fresh, source)
    else:
        return
    warnings.warn(message, UserWarning, stacklevel=2)


def weights_by_label(class_weight: dict, labels: list, meaning: list) -> dict:
    """Return `class_weight` with labels of y as keys, if its keys are what these are codes for.

    Raises
    ------
    ValueError
        If its keys can be read in both ways.
    """
    by_code, by_meaning = (class_weight.keys() <= set(names) for names in (labels, meaning))
    if labels == meaning or not class_weight or not by_meaning:
        return class_weight
    if by_code:
        raise ValueError(
            f"The keys of class_weight={class_weight} can be labels of the pretrained file, "
            f"{_listed(meaning)}, or the codes {_span(labels)} that y has for them. State a "
            "weight for every class, 1 where there is nothing to change."
        )
    code_of = dict(zip(meaning, labels, strict=True))
    return {code_of[name]: weight for name, weight in class_weight.items()}


def hint_at_codes(labels: list, known: list, decode: str) -> str:
    """Return the end of an error about unknown labels, if one side may be codes of the other.

    Parameters
    ----------
    labels, known : list
        The labels that were passed, and those that were expected, sorted.
    decode : str
        A line of code that turns positions in `known` into labels.
    """
    if are_codes(known, len(known)) and not any(map(_is_number, labels)):
        return " The known ones may be codes of an encoder: pass these labels through it, too."
    codes = range(len(known))
    unknown = not set(labels) <= set(known)
    if not unknown or not all(_is_number(label) and label in codes for label in labels):
        return ""
    return (
        f" If these numbers are codes 0 to {len(known) - 1}, places in the sorted classes as "
        f"scikit-learn's encoders give them, pass the labels: {decode}.{_words_of_fer2013(known)}"
    )


def _is_number(label: object) -> bool:
    return isinstance(label, Real) and not isinstance(label, bool)


def _may_be_codes(labels: list, fresh: list) -> bool:
    """Tell whether an encoder that saw more or fewer classes than the file may have made them."""
    whole = all(isinstance(label, Real) and label >= 0 and label % 1 == 0 for label in labels)  # type: ignore[operator]  # numbers.Real compares with int
    return whole and 0 in labels and (bool(fresh) or labels == list(range(len(labels))))


def _words_of_codes(known: list, source: str) -> str:
    pairs = _listed([f"{code} = {name!r}" for code, name in enumerate(known)], str)
    return (
        f"The labels 0 to {len(known) - 1} are read as places in the sorted labels of {source}: "
        f"{pairs}. This is how VotingClassifier, StackingClassifier, BaggingClassifier and "
        f"LabelEncoder number them. If the numbers mean anything else, pass the labels themselves "
        f"as y.{_words_of_fer2013(known)}"
    )


def _words_of_labels(labels: list, known: list, fresh: list, source: str) -> str:
    if len(fresh) == len(labels):
        found = "None of the labels {0} is among those of {1}, {2}: the last layer starts from "
        found += "random weights."
    elif fresh:
        found = "Of the labels {0}, {3} are not among those of {1}, {2}: their weights in the last "
        found += "layer start at random; the others have those of the file."
    else:
        found = "The labels {0} are read as the same labels of {1}, which has {2}."
    words = found.format(_listed(labels), source, _listed(known), _listed(fresh))
    words += " If they mean classes of the file, pass its labels as y."
    if _may_be_codes(labels, fresh):
        words += (
            f" Codes, as VotingClassifier, StackingClassifier and BaggingClassifier pass them "
            f"on, are understood if y has all {len(known)} classes of the file."
        )
    return words + _words_of_fer2013(known)


def _words_of_fer2013(known: list) -> str:
    """Return how to convert FER-2013's own numbers, if that results in labels of the file."""
    from .datasets import FER2013_NAMES  # which loads pandas

    if not set(FER2013_NAMES) & set(known):
        return ""
    numbers = ", ".join(f"{code} = {name!r}" for code, name in enumerate(FER2013_NAMES))
    return (
        f" FER-2013 has its own numbers ({numbers}): for these pass y = "
        'fer_sklearn.datasets.convert_emotions(y, source="fer2013").'
    )


def _span(codes: list) -> str:
    return f"{codes[0]} to {codes[-1]}"


def _listed(labels: list, form: Callable = repr) -> str:
    listed = ", ".join(map(form, labels[:_MOST_LISTED]))
    more = len(labels) - _MOST_LISTED
    return f"{listed} and {more} more" if more > 0 else listed
