"""The parameters worth searching, and their ranges, in one table."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import loguniform, randint, uniform

from .._state import as_python

Range = CategoricalDistribution | FloatDistribution | IntDistribution

#: Learning rates of different optimisers have different scales: {optimizer: range}.
_RATES = {
    "muon": FloatDistribution(0.01, 0.1, log=True),
    "adamw": FloatDistribution(5e-4, 1e-2, log=True),
    "adam": FloatDistribution(5e-4, 1e-2, log=True),
    "sgd": FloatDistribution(0.01, 0.3, log=True),
}
_AUGMENT: dict[str, Range] = {
    "augment__rotation": FloatDistribution(0.0, 20.0),
    "augment__shift": FloatDistribution(0.0, 0.2),
    "augment__scale": FloatDistribution(0.0, 0.2),
    "augment__flip": CategoricalDistribution((0.0, 0.5)),
    "augment__brightness": FloatDistribution(0.0, 0.3),
    "augment__contrast": FloatDistribution(0.0, 0.4),
}
_FAST: dict[str, Range] = {
    "widths": CategoricalDistribution(("32-64-128", "48-96-192", "64-128-256")),
    "depth": IntDistribution(1, 2),
    "dropout": FloatDistribution(0.0, 0.5),
    "optimizer": CategoricalDistribution(("muon", "adamw", "sgd")),
    "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
    "schedule": CategoricalDistribution(("one-cycle", "cosine")),
    "batch_size": CategoricalDistribution((64, 128, 256)),
    "label_smoothing": FloatDistribution(0.0, 0.2),
    "mixup": FloatDistribution(0.0, 0.4),
    "class_balance": CategoricalDistribution((None, "oversample")),
    **_AUGMENT,
    "augment__erase": FloatDistribution(0.0, 0.5),
}
_ACCURATE: dict[str, Range] = {
    **_FAST,
    "widths": CategoricalDistribution(("48-96-192", "64-128-256", "96-192-384")),
    "mixup": FloatDistribution(0.0, 1.0),
    "plain_fraction": FloatDistribution(0.0, 0.3),
    "augment__erase": FloatDistribution(0.0, 1.0),
}
#: The heads share each of the last widths evenly. SGD does not suit transformers.
_HYBRID: dict[str, Range] = {
    **_ACCURATE,
    "widths": CategoricalDistribution(("32-64-128", "48-96-192", "64-128-256")),
    "depth": IntDistribution(2, 6),
    "optimizer": CategoricalDistribution(("muon", "adamw")),
    "weight_decay": FloatDistribution(5e-3, 0.2, log=True),
    "network_params__heads": CategoricalDistribution((4, 8)),
    "network_params__drop_path": FloatDistribution(0.0, 0.3),
}
_VIT: dict[str, Range] = {
    **_HYBRID,
    "widths": CategoricalDistribution(("128", "192", "256")),
    "depth": IntDistribution(4, 8),
}
_REPORT: dict[str, Range] = {
    "widths": CategoricalDistribution(("32-64-128", "32-64-128-256", "64-128-256")),
    "dropout": FloatDistribution(0.2, 0.6),
    "weight_decay": FloatDistribution(1e-6, 1e-3, log=True),
    "schedule": CategoricalDistribution(("one-cycle", "cosine", "step")),
    "batch_size": CategoricalDistribution((64, 128, 256)),
    "class_balance": CategoricalDistribution((None, "oversample")),
    **_AUGMENT,
}
_SMALL: dict[str, Range] = {
    **_FAST,
    "widths": CategoricalDistribution(("16-32-64", "24-48-96", "32-64-128")),
    "dropout": FloatDistribution(0.0, 0.3),
    "plain_fraction": FloatDistribution(0.0, 0.3),
}
#: {preset: (ranges, optimiser whose learning rates are searched if "optimizer" is not)}
_TABLES = {
    "fast": (_FAST, "muon"),
    "accurate": (_ACCURATE, "muon"),
    "hybrid": (_HYBRID, "muon"),
    "vit": (_VIT, "muon"),
    "report": (_REPORT, "adam"),
    "small": (_SMALL, "muon"),
}


class SearchSpace:
    """Ranges of parameters, for Optuna, for scikit-learn's searches and for your own objective.

    Calling it with an Optuna trial draws the parameters of that trial.

    Parameters
    ----------
    ranges : dict of {str: optuna distribution}
        Names as `set_params` takes them. Categories of "widths" are written "64-128-256", because
        Optuna stores only plain values; they are converted to tuples.
    learning_rates : dict of {str: FloatDistribution} or None, default=None
        Range of "learning_rate" under each "optimizer".
    optimizer : str, default="muon"
        The optimiser whose learning rates are searched if "optimizer" is not.

    Raises
    ------
    TypeError
        If a range is not an Optuna distribution.
    """

    #: Prefix of the classifier's parameters: ``classify__`` within a Pipeline.
    prefix = ""

    def __init__(
        self,
        ranges: Mapping[str, Range],
        learning_rates: Mapping[str, FloatDistribution] | None = None,
        optimizer: str = "muon",
    ) -> None:
        self.ranges = dict(ranges)
        self.learning_rates: Any = learning_rates
        self.optimizer = optimizer
        check_ranges({**self.ranges, **(learning_rates or {})})
        self._check_rates()

    def __repr__(self) -> str:
        return f"SearchSpace({', '.join(self.names)})"

    @property
    def names(self) -> list[str]:
        """The parameters that are searched."""
        return [*self.ranges, *([self._rate] if self.learning_rates else [])]

    def __call__(self, trial: Any) -> dict:
        """Return the parameters of an Optuna trial.

        Parameters
        ----------
        trial : optuna.trial.Trial

        Returns
        -------
        params : dict
            For `FERClassifier.set_params`.
        """
        drawn = {name: suggest(trial, name, range_) for name, range_ in self.ranges.items()}
        if self.learning_rates:
            optimizer = drawn.get(self._chooser, self.optimizer)
            name = f"{self._rate}[{optimizer}]"
            drawn[name] = suggest(trial, name, self.learning_rates[optimizer])
        return self.params(drawn)

    def params(self, drawn: Mapping) -> dict:
        """Convert what Optuna stored, such as ``study.best_params``, for `set_params`.

        Parameters
        ----------
        drawn : dict
            ``trial.params``: widths as text, the learning rate under its optimiser's name.

        Returns
        -------
        params : dict
        """
        return {name.split("[")[0]: plain(name, value) for name, value in drawn.items()}

    def only(self, *names: str) -> SearchSpace:
        """Return the space of only these parameters.

        Raises
        ------
        ValueError
            If one is not in the space.
        """
        unknown = set(names) - set(self.names)
        if unknown:
            raise ValueError(f"Not in the space: {sorted(unknown)}. In it: {self.names}.")
        ranges = {name: self.ranges[name] for name in self.ranges if name in names}
        rates = self.learning_rates if self._rate in names else None
        return self._with(ranges=ranges, learning_rates=rates)

    def for_optimizer(self, optimizer: str) -> SearchSpace:
        """Return the space with the learning rates of this optimiser, unless the space searches it.

        `FERSearchCV` does so for the optimiser of its classifier.

        Raises
        ------
        ValueError
            If the space has learning rates, but none for this optimiser.
        """
        return self._with(optimizer=optimizer)

    def for_step(self, step: str, augment: str | None = None) -> SearchSpace:
        """Return the space of a classifier that is part of another estimator, such as a Pipeline.

        Parameters
        ----------
        step : str
            Name of the classifier there: "classify" in a `make_fer_pipeline`.
        augment : str or None, default=None
            Name of the `FaceAugmenter` there, whose strengths the names ``augment__...`` are:
            "augment" in a `make_fer_pipeline`. None: they are the classifier's own.

        Examples
        --------
        >>> from fer_sklearn.tuning import search_space
        >>> space = search_space().only("dropout", "augment__flip")
        >>> space.for_step("classify", augment="augment").names
        ['classify__dropout', 'augment__flip']
        """
        augment = f"{step}__augment" if augment is None else augment
        ranges = {
            f"{augment}__{name.removeprefix('augment__')}"
            if name.startswith("augment__")
            else f"{step}__{name}": range_
            for name, range_ in self.ranges.items()
        }
        return self._with(ranges=ranges, prefix=f"{step}__{self.prefix}")

    def with_rates_times(self, factor: float) -> SearchSpace:
        """Return the space with all learning rates multiplied by `factor`, as for fine-tuning."""
        rates = self.learning_rates and {
            name: FloatDistribution(range_.low * factor, range_.high * factor, log=range_.log)
            for name, range_ in self.learning_rates.items()
        }
        return self._with(learning_rates=rates)

    def distributions(self) -> dict[str, Range]:
        """Return Optuna's distributions by parameter, without the optimiser.

        They are for ``study.ask(fixed_distributions=...)``; `params` then converts what the trial
        has drawn. Calling the space does more: it searches the optimiser together with its learning
        rate.
        """
        table = {name: range_ for name, range_ in self.ranges.items() if name != self._chooser}
        if self.learning_rates:
            table[self._rate] = self._usual_rates()
        return table

    def to_scipy(self) -> list[dict]:
        """Return what `RandomizedSearchCV` takes: one dict of distributions for each optimiser."""
        return self._tables(_to_scipy)

    def to_grid(self, n_values: int = 3) -> list[dict]:
        """Return what `GridSearchCV` takes: one dict of values for each optimiser.

        Parameters
        ----------
        n_values : int, default=3
            Number of values in each range. A grid over many parameters becomes huge: see `only`.
        """
        return self._tables(lambda name, range_: _to_values(name, range_, n_values))

    @property
    def _rate(self) -> str:
        return f"{self.prefix}learning_rate"

    @property
    def _chooser(self) -> str:
        return f"{self.prefix}optimizer"

    def _with(self, **changes: Any) -> SearchSpace:
        chosen = copy.copy(self)
        vars(chosen).update(changes)
        chosen._check_rates()
        return chosen

    def _check_rates(self) -> None:
        if self.learning_rates and self._chooser not in self.ranges:
            self._usual_rates()

    def _usual_rates(self) -> FloatDistribution:
        if self.optimizer not in self.learning_rates:
            raise ValueError(
                f"No range of learning rates for optimizer={self.optimizer!r}. Known: "
                f"{sorted(self.learning_rates)}."
            )
        return self.learning_rates[self.optimizer]

    def _tables(self, convert: Callable[[str, Range], Any]) -> list[dict]:
        chooser, rate = self._chooser, self._rate
        common = {n: convert(n, r) for n, r in self.ranges.items() if n != chooser}
        optimizers: Any = self.ranges.get(chooser)  # choices: no other range has names
        if not self.learning_rates:
            return [{**common, **({chooser: list(optimizers.choices)} if optimizers else {})}]
        if optimizers is None:
            return [{**common, rate: convert(rate, self._usual_rates())}]
        return [
            {**common, chooser: [optimizer], rate: convert(rate, self.learning_rates[optimizer])}
            for optimizer in optimizers.choices
        ]


def search_space(preset: str = "fast") -> SearchSpace:
    """Return the parameters of `FERClassifier` worth searching, with ranges around a preset.

    Parameters
    ----------
    preset : {"fast", "accurate", "hybrid", "report", "small", "vit"}, default="fast"
        "accurate" reaches to wider networks and stronger regularisation; "hybrid" and "vit" are for
        the transformers of these names, whose `heads` and `drop_path` they search as
        ``network_params__heads`` and so on. "report" and "small" are for
        ``FERClassifier(**preset("report"))``, a plain CNN trained with Adam, and
        ``FERClassifier(**preset("small"))``.

    Returns
    -------
    space : SearchSpace
        Augmentation is searched as ``augment__rotation`` and so on. `for_step` gives the names
        within a Pipeline.

    Raises
    ------
    ValueError
        If the preset is unknown.

    Examples
    --------
    >>> from fer_sklearn.tuning import search_space
    >>> space = search_space("fast").only("learning_rate", "dropout")
    >>> space.to_grid(2)
    [{'dropout': [0.0, 0.5], 'learning_rate': [0.01, 0.1]}]
    """
    if preset not in _TABLES:
        raise ValueError(f"Unknown preset {preset!r}. Known: {', '.join(sorted(_TABLES))}.")
    ranges, optimizer = _TABLES[preset]
    return SearchSpace(ranges, _RATES, optimizer)


def check_ranges(space: Mapping) -> None:
    """Raise if a value of a dict is not an Optuna distribution."""
    for name, range_ in space.items():
        if not isinstance(range_, Range):
            raise TypeError(
                f"Expected an Optuna distribution for {name!r}, got {range_!r}. For a list pass "
                "optuna.distributions.CategoricalDistribution(choices), for a range "
                "FloatDistribution(low, high)."
            )


def suggest(trial: Any, name: str, range_: Range) -> Any:
    """Let an Optuna trial draw one parameter."""
    if isinstance(range_, CategoricalDistribution):
        return trial.suggest_categorical(name, as_python(range_.choices))
    if isinstance(range_, IntDistribution):
        return trial.suggest_int(name, range_.low, range_.high, step=range_.step, log=range_.log)
    return trial.suggest_float(name, range_.low, range_.high, step=range_.step, log=range_.log)


def plain(name: str, value: Any) -> Any:
    """Return a drawn value as `set_params` takes it: widths as a tuple."""
    if name.split("__")[-1] == "widths" and isinstance(value, str):
        return tuple(int(width) for width in value.split("-"))
    return value


class _LogInteger:
    """Whole numbers whose logarithm is uniform, for scikit-learn's random searches."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def rvs(self, random_state: Any = None) -> int:
        drawn = loguniform.rvs(self.low - 0.5, self.high + 0.5, random_state=random_state)
        return min(max(round(drawn), self.low), self.high)


def _to_scipy(name: str, range_: Range) -> Any:
    if isinstance(range_, CategoricalDistribution):
        return [plain(name, choice) for choice in range_.choices]
    if isinstance(range_, IntDistribution) and range_.log:
        return _LogInteger(range_.low, range_.high)
    if isinstance(range_, IntDistribution) and range_.step == 1:
        return randint(range_.low, range_.high + 1)
    if range_.step is not None:
        return [_snapped(value, range_) for value in _steps(range_)]
    if range_.log:
        return loguniform(range_.low, range_.high)
    return uniform(range_.low, range_.high - range_.low)


def _to_values(name: str, range_: Range, n_values: int) -> list:
    if isinstance(range_, CategoricalDistribution):
        return [plain(name, choice) for choice in range_.choices]
    between = np.geomspace if range_.log else np.linspace
    values = between(range_.low, range_.high, n_values)
    return list(dict.fromkeys(_snapped(value, range_) for value in values))


def _steps(range_: Any) -> np.ndarray:
    n_steps = round((range_.high - range_.low) / range_.step)
    return range_.low + range_.step * np.arange(n_steps + 1)


def _snapped(value: float, range_: Any) -> int | float:
    """Return the value of the range that is nearest to `value`."""
    if range_.step is not None:
        value = range_.low + round((value - range_.low) / range_.step) * range_.step
    return int(value) if isinstance(range_, IntDistribution) else float(f"{value:.6g}")
