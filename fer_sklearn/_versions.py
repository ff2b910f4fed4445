"""What a bug report should say about the machine and the packages: `show_versions`."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from . import __version__


def show_versions() -> None:
    """Print versions, processor, threads and GPU, for bug reports.

    .. versionadded:: 0.2

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn, with its threading libraries.

    Examples
    --------
    >>> import fer_sklearn
    >>> fer_sklearn.show_versions()
    System:
             fer_sklearn: ...
                  python: 3...
    """
    needed, optional = _packages()
    _show("System", _system())
    _show("Packages", {name: found or "missing" for name, found in needed.items()})
    _show("Optional packages", {name: found for name, found in optional.items() if found})
    _show("Computing", _computing())  # last: a broken torch raises here


def _show(title: str, facts: dict[str, object]) -> None:
    print(f"{title}:")
    for name, fact in facts.items():
        print(f"{name:>20}: {fact}")
    print()


def _system() -> dict[str, object]:
    return {
        "fer_sklearn": __version__,
        "python": sys.version.replace("\n", " "),
        "executable": sys.executable,
        "machine": platform.platform(),
    }


def _packages() -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Return the versions of the required packages and of those of the extras."""
    try:
        requirements = requires("fer-sklearn") or []
    except PackageNotFoundError:  # sources that were not installed have no list of requirements
        requirements = ["numpy", "scikit-learn", "skorch", "torch"]
    needed: dict[str, str | None] = {}
    optional: dict[str, str | None] = {}
    for requirement in requirements:
        name = re.split(r"[^\w.-]", requirement)[0]
        if name != "fer-sklearn":
            (optional if "extra ==" in requirement else needed)[name] = _version(name)
    return needed, optional


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _computing() -> dict[str, object]:
    import torch

    from ._device import multiplies_bfloat16_fast, resolve_device

    device = resolve_device("auto")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    precision = "bfloat16" if multiplies_bfloat16_fast(device) else "float32"
    return {
        "processors": os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch's threads": torch.get_num_threads(),
        "CUDA of torch": torch.version.cuda or "none",
        "GPU": ", ".join(gpus) or ("mps" if device.type == "mps" else "none"),
        "device 'auto'": device,
        "precision 'auto'": f"trains in {precision}",
    }
