"""Support for scikit-learn's callbacks (`sklearn.callback`, since 1.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ParamSpec, TypeVar

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn 1.8

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Does nothing: this scikit-learn has no callbacks."""

    def _with_callbacks(method: Callable) -> Callable:
        return method


P = ParamSpec("P")
R = TypeVar("R")

__all__ = [
    "CallbackSupportMixin",
    "epoch_tasks",
    "fit_task",
    "has_callbacks",
    "open_context",
    "subtask",
    "with_callbacks",
]


def with_callbacks(fit: Callable[P, R]) -> Callable[P, R]:
    """Decorate `fit`, so that it tells scikit-learn's callbacks when it begins and ends."""
    return _with_callbacks(fit)


def has_callbacks(estimator: BaseEstimator) -> bool:
    """Tell whether callbacks were set on the estimator, or passed down to it."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def open_context(
    estimator: BaseEstimator,
    *,
    X: ArrayLike,
    y: ArrayLike | None,
    max_subtasks: int | None = None,
) -> Any:
    """Tell callbacks that a fit begins; return the context of its tasks.

    The context is None without callbacks.
    """
    if not has_callbacks(estimator) and not hasattr(estimator, "_parent_callback_ctx"):
        return None
    context = estimator._init_callback_context(max_subtasks=max_subtasks)
    return context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)


@contextmanager
def subtask(
    context: Any,
    name: str,
    estimator: BaseEstimator,
    *,
    runs: BaseEstimator | None = None,
    max_subtasks: int | None = 0,
) -> Iterator[Any]:
    """Tell callbacks that a task below `context` begins and ends, and yield its context.

    Parameters
    ----------
    context : CallbackContext or None
        None: there are no callbacks; the block just runs.
    name : str
        Of the task.
    estimator : estimator
        The estimator of the task.
    runs : estimator or None
        An estimator that is fitted in the block and gets the callbacks.
    max_subtasks : int or None
        Largest number of tasks below this one.
    """
    if context is None:
        yield None
        return
    task = context.subcontext(name, max_subtasks=max_subtasks)
    with nullcontext() if runs is None else task.propagate_callback_context(runs):
        task.call_on_fit_task_begin(estimator=estimator)
        yield task
        task.call_on_fit_task_end(estimator=estimator)


@contextmanager
def fit_task(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike | None, *, max_subtasks: int | None = None
) -> Iterator[Any]:
    """Tell callbacks that a fit begins and, if the block completes, that it has ended.

    Yields the context of its tasks, or None without callbacks.
    """
    context = open_context(estimator, X=X, y=y, max_subtasks=max_subtasks)
    yield context
    if context is not None:
        context.call_on_fit_task_end(
            estimator=estimator, X=X, y=y, reconstruction_attributes=lambda: dict(vars(estimator))
        )


def epoch_tasks(
    context: Any,
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike | None,
    attributes: Callable[[], dict],
) -> list[tuple[Callable, Callable]]:
    """Return the functions that tell callbacks of an epoch; none without callbacks.

    Parameters
    ----------
    context : CallbackContext or None
        Of the fit.
    estimator : estimator
        The estimator that is fitted.
    X, y : array-like
        The training data.
    attributes : callable
        Returns the fitted attributes so far.

    Returns
    -------
    pairs : list of (begin, end)
        One pair or none: functions of the net that report the beginning and the end of an epoch.
        The second returns True if the training should stop.
    """
    if not has_callbacks(estimator):
        return []
    tasks = []

    def begin(net: Any) -> None:
        tasks.append(context.subcontext("epoch"))
        tasks[-1].call_on_fit_task_begin(estimator=estimator, X=X, y=y)

    def end(net: Any) -> bool:
        told = {"estimator": estimator, "X": X, "y": y}
        return tasks[-1].call_on_fit_task_end(**told, reconstruction_attributes=attributes)

    return [(begin, end)]
