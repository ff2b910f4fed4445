"""The fingerprint of a fit or a search: a hash of everything that decides its result."""

from __future__ import annotations

import dis
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

import joblib
import numpy as np

from .networks import network_behind

#: Folders of installed packages; their functions are known by name.
_PACKAGES = {"site-packages", "dist-packages"}
_STDLIB = sysconfig.get_path("stdlib")
#: Constants that a function may take from its module.
_PLAIN = (type(None), bool, int, float, str, tuple)


def fingerprint(parts: Sequence, aside: set[str], data: Any) -> str:
    """Return a hash that is the same in every process for the same work on the same data.

    A function or class of the user, such as a network, counts by its code and by what this code
    takes from its module: an edited one is other work. One of an installed package counts by its
    name, so that an upgrade does not end a study. Another version of Python compiles to other code.

    Parameters
    ----------
    parts : sequence
        Estimators, parameters and functions that affect the result.
    aside : set of str
        Names of parameters that do not affect it.
    data : picklable
        Arrays or tensors, or objects that contain them. A memory map is the same data as an array.
    """
    description = _Description(aside)
    said = [description.of(part) for part in parts], _without_tensors(data)
    return joblib.hash(said, coerce_mmap=True)


def _without_tensors(data: Any) -> Any:
    """Return data with arrays in place of torch's tensors, whose pickles contain addresses."""
    if hasattr(data, "detach"):
        return np.asarray(data.detach().cpu())
    if type(data) is dict:
        return {name: _without_tensors(part) for name, part in data.items()}
    # All elements of a list are of one kind, so that those of a long one need not be looked at.
    if type(data) is tuple or (type(data) is list and data and hasattr(data[0], "detach")):
        return type(data)(_without_tensors(part) for part in data)
    return data


class _Description:
    """Describes values as texts and arrays that are the same in every process.

    Parameters
    ----------
    aside : set of str
        Names of parameters of estimators that are left out.
    """

    def __init__(self, aside: set[str]) -> None:
        self.aside = aside
        self._seen: dict[int, object] = {}  # the objects too, or their ids could come again

    def of(self, value: Any) -> Any:
        """Describe a value; estimators, functions and containers are split into their parts."""
        if hasattr(value, "get_params") and not isinstance(value, type):
            return type(value).__qualname__, self._of_params(value.get_params(deep=False))
        if isinstance(value, dict):
            return {str(name): self.of(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(part) for part in value]
        if isinstance(value, np.ndarray) and value.dtype != object:
            return value
        if isinstance(value, (FunctionType, type)):
            return value.__qualname__ if _is_installed(value) else self._once(value)
        if isinstance(value, MethodType):
            return self.of([value.__func__, value.__self__])
        if isinstance(value, partial):
            return self.of([value.func, value.args, value.keywords])
        if type(value).__repr__ is object.__repr__ and not _is_installed(type(value)):
            return self._once(value)
        text = getattr(value, "__qualname__", None) or _without_addresses(repr(value))
        # Such as the metric of scikit-learn's make_scorer, which its repr names only.
        functions = [part for part in _attributes(value).values() if isinstance(part, FunctionType)]
        own = [part for part in functions if not _is_installed(part)]
        return [text, *map(self.of, own)] if own else text

    def _of_params(self, params: dict) -> dict:
        params = {name: params[name] for name in sorted(params.keys() - self.aside)}
        if "network" in params:  # a registered name
            params["network"] = network_behind(params["network"])
        return self.of(params)

    def _once(self, value: Any) -> Any:
        """Describe an object by its parts; if it is one of its own parts, there by its name."""
        name = getattr(value, "__qualname__", type(value).__qualname__)
        if id(value) in self._seen:
            return name
        self._seen[id(value)] = value
        if isinstance(value, FunctionType):
            return [name, *self._of_function(value)]
        if isinstance(value, type):
            return [name, *map(self.of, value.__bases__), self.of(_members(value))]
        return [self.of(type(value)), self.of(_attributes(value))]

    def _of_function(self, function: FunctionType) -> Iterator[Any]:
        codes = list(_codes(function.__code__))
        for code in codes:
            constants = [part for part in code.co_consts if not isinstance(part, CodeType)]
            yield [code.co_code.hex(), *code.co_names, *code.co_varnames, *map(_text_of, constants)]
        yield self.of([function.__defaults__, function.__kwdefaults__])
        yield [self.of(cell.cell_contents) for cell in function.__closure__ or () if _is_full(cell)]
        for name in sorted({name for code in codes for name in _globals_of(code)}):
            value = function.__globals__.get(name)
            if isinstance(value, (*_PLAIN, FunctionType, type, partial)):
                yield [name, self.of(value)]


def _is_installed(value: Any) -> bool:
    """Tell whether a function or class is from a package that its user does not edit."""
    module = value.__module__ or "__main__"
    if module in ("__main__", "__mp_main__"):
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:  # of the interpreter, or unknown where it was made
        return module in sys.builtin_module_names
    ours = module.partition(".")[0] == __name__.partition(".")[0]
    return ours or file.startswith(_STDLIB) or not _PACKAGES.isdisjoint(Path(file).parts)


def _members(cls: type) -> dict:
    """Return the functions and values that a class defines, without what Python adds."""
    return {
        name: _function_in(part)
        for name, part in sorted(vars(cls).items())
        if not name.startswith("__") or (callable(part) and "annotate" not in name)
    }


def _function_in(part: Any) -> Any:
    """Return the function behind a property, a static method or a class method."""
    if isinstance(part, property):
        return [part.fget, part.fset, part.fdel]
    return getattr(part, "__func__", part)


def _attributes(value: Any) -> dict:
    return dict(getattr(value, "__dict__", {}))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those of the functions in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)


def _globals_of(code: CodeType) -> set[str]:
    """Return the names that a code takes from its module, without those that it sets there."""
    found: dict[str, set[str]] = {"LOAD_GLOBAL": set(), "STORE_GLOBAL": set()}
    for step in dis.get_instructions(code):
        found.get(step.opname, set()).add(step.argval)
    return found["LOAD_GLOBAL"] - found["STORE_GLOBAL"]


def _text_of(constant: Any) -> str:
    """Return a constant as a text; the order of a set differs between processes."""
    is_set = isinstance(constant, frozenset)
    return repr(sorted(map(repr, constant))) if is_set else repr(constant)


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # raises if the variable has no value yet
    except ValueError:
        return False
    return True


def _without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)
