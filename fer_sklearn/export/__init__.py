"""Trained classifiers as ONNX files, and a classifier that runs them without torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Where the public names live; loaded when asked for, so that running a file does not import
#: torch, which writing one needs.
_HOMES = {"ONNXClassifier": "_classifier", "to_onnx": "_to_onnx"}

__all__ = ["ONNXClassifier", "to_onnx"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
