"""The default space of an estimator, and checks of a space that was passed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from sklearn.base import clone

from .._state import as_python
from ..augment import FaceAugmenter
from ..classifier import FERClassifier
from ..networks import unknown_arguments
from ..normalize import FaceNormalizer
from ..training import FINE_TUNING_RATE
from ._space import SearchSpace, search_space

#: Networks with their own space, of the same name, because their layers differ from the others.
_WITH_A_SPACE = ("hybrid", "vit")


def parts_of(estimator: Any, kind: type) -> dict[str, Any]:
    """Return the parts of this class by the parameter that holds them; "" is the estimator."""
    parts = {"": estimator, **estimator.get_params()}
    return {name: part for name, part in parts.items() if isinstance(part, kind)}


def usual_space(estimator: Any) -> SearchSpace:
    """Return the space of an estimator's network, without what it has fixed or leaves to others.

    Raises
    ------
    ValueError
        If the estimator contains no `FERClassifier`, or several.
    """
    classifiers = parts_of(estimator, FERClassifier)
    if len(classifiers) != 1:
        raise ValueError(
            "space=None stands for the parameters of one FERClassifier, got "
            f"{type(estimator).__name__} with {len(classifiers)} of them. Pass a space: a dict of "
            "Optuna distributions by parameter."
        )
    ((step, classifier),) = classifiers.items()
    augment = _augmenter_of(estimator, step, classifier)
    network = classifier.network
    space = search_space(network if network in _WITH_A_SPACE else "fast")
    if classifier.pretrained is not None:
        of_the_network = ("widths", "depth", "network_params__")
        fixed = {name for name in space.names if name.startswith(of_the_network)}
    else:
        fixed = set(unknown_arguments(network, ("widths", "depth", "dropout")))
    if augment is None:
        fixed |= {name for name in space.names if name.startswith("augment__")}
    space = space.only(*(name for name in space.names if name not in fixed))
    if classifier.pretrained is not None:
        space = space.with_rates_times(FINE_TUNING_RATE)
    return space.for_step(step, augment) if step else space


def _augmenter_of(estimator: Any, step: str, classifier: FERClassifier) -> str | None:
    """Return the parameter that holds the augmenter whose strengths count, or None."""
    own = f"{step}__augment" if step else "augment"
    if isinstance(classifier.augment, FaceAugmenter):
        return own
    if classifier.augment == "off":
        return None
    # The faces carry the settings of the last step that they went through.
    steps = [name for name in parts_of(estimator, FaceAugmenter) if name]
    if steps:
        return steps[-1]
    return own if classifier.augment is None else None


def check_storable(space: Mapping | Callable) -> None:
    """Raise if a choice cannot be written to a storage: each trial would fail.

    Raises
    ------
    ValueError
        Says which choice, and how to search it.
    """
    ranges = getattr(space, "ranges", space)
    for name, range_ in ranges.items() if isinstance(ranges, Mapping) else ():
        for choice in getattr(range_, "choices", ()):
            try:
                json.dumps(as_python(choice))
            except TypeError:
                raise ValueError(
                    f"A storage, and workers (n_jobs), need choices that are plain values, got "
                    f"{choice!r:.100} for {name!r}. Search its parameters ('augment__rotation'), "
                    "or pass a function as space that draws a text, by "
                    "trial.suggest_categorical, and returns what it stands for."
                ) from None


def names_of(space: Mapping | Callable) -> list[str]:
    """Return the names that a space draws; those of a function are known only when it draws."""
    if isinstance(space, SearchSpace):
        return space.names
    return list(space) if isinstance(space, Mapping) else []


def check_names(space: Mapping | Callable, estimator: Any) -> None:
    """Raise if a name of the space is not a parameter of the estimator."""
    names, known = names_of(space), _known(estimator)
    # If a part itself is searched, it may have parameters that the present one lacks.
    replaced = tuple(f"{name}__" for name in names)
    unknown = [
        name
        for name in names
        if name not in known and not name.startswith(replaced) and not _takes(estimator, name)
    ]
    if not unknown:
        return
    said = "; ".join(f"{name!r}{_near(name, known)}" for name in unknown)
    steps = [step for step in parts_of(estimator, FERClassifier) if step]
    way_out = ""
    if isinstance(space, SearchSpace) and not space.prefix and steps:
        way_out = f" space.for_step({steps[0]!r}) has the names of the classifier in there."
    raise ValueError(
        f"space has names that are not parameters of {type(estimator).__name__}: {said}.{way_out}"
    )


def _known(estimator: Any) -> list[str]:
    """Return all parameters, including those of parts that are None, which `set_params` creates."""
    full = clone(estimator)
    for classifier in parts_of(full, FERClassifier).values():
        for part, usual in {"augment": FaceAugmenter(), "normalize": FaceNormalizer()}.items():
            if getattr(classifier, part) is None:
                classifier.set_params(**{part: usual})
    return list(full.get_params())


def _takes(estimator: Any, name: str) -> bool:
    """Tell whether `set_params` takes a name that `get_params` does not list."""
    try:
        clone(estimator).set_params(**{name: None})
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _near(name: str, known: list[str]) -> str:
    inner = [other for other in known if other.endswith(f"__{name}")]
    near = list(dict.fromkeys([*inner, *get_close_matches(name, known)]))[:3]
    return f" (near: {', '.join(map(repr, near))})" if near else ""
