"""Networks by name: the registry `NETWORKS`, and how a network is built.

A network is anything that, called as ``network(n_classes=..., image_shape=...,
**params)``, returns a `torch.nn.Module` that maps normalised faces (B, 1, H, W) to
logits (B, n_classes). Add one with `register_network`, or pass it to
``FERClassifier(network=...)`` directly.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from ._attention import Hidden
from ._bounded import find_shapes
from ._layers import SpaceToDepth
from .cnn import CNN
from .hybrid import Hybrid
from .resnet import ResNet
from .vit import ViT

try:
    import cloudpickle
except ImportError:  # joblib before 1.6 has it inside
    from joblib.externals import cloudpickle

__all__ = [
    "CNN",
    "NETWORKS",
    "Hidden",
    "Hybrid",
    "ResNet",
    "SpaceToDepth",
    "ViT",
    "build_network",
    "default_params",
    "register_network",
]

#: The networks that `FERClassifier(network=name)` knows.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "cnn": CNN,
    "hybrid": Hybrid,
    "resnet": ResNet,
    "vit": ViT,
}
#: The built-in names, which every process knows.
_SHIPPED = frozenset(NETWORKS)
#: Arguments of every network that the faces decide, not the user.
OF_THE_FACES = ("n_classes", "image_shape")
#: Names of networks in pickles that could not be restored, and the reasons.
_LOST: dict[str, str] = {}
#: Networks that are known to return logits.
_OWN = tuple(NETWORKS.values())


def register_network(name: str, network: Callable[..., nn.Module]) -> None:
    """Make `network` known to ``FERClassifier(network=name)``.

    A pickled classifier stores only the name: register the network before you load it.
    `FERSearchCV` sends registered networks to its workers.

    Parameters
    ----------
    name : str
        Must be new, or name the same network.
    network : nn.Module class or callable
        Called as ``network(n_classes=..., image_shape=..., **params)``.

    Raises
    ------
    ValueError
        If the name is taken by another network.
    """
    if NETWORKS.setdefault(name, network) is not network:
        raise ValueError(f"The name {name!r} is taken by {NETWORKS[name]!r}: choose another.")


class CarriedNetwork:
    """A registered network inside a pickle, for a process that may not know its name.

    Unpickling registers it, unless the name is already known. A function of an importable module is
    pickled by name, a function of a script or notebook by its code.

    Parameters
    ----------
    name : str
        In `NETWORKS`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple:
        # As bytes, because the plain pickle module cannot write a function of a script.
        return _arrive, (self.name, _pack(NETWORKS[self.name]))


def carried_networks(*names) -> list[CarriedNetwork]:
    """Return the networks that were added with `register_network`, for another process.

    Parameters
    ----------
    *names : str or other
        Which ones; anything that does not name such a network is ignored. No names: all.
    """
    added = [name for name in NETWORKS if name not in _SHIPPED]
    return [CarriedNetwork(name) for name in added if not names or name in names]


def network_behind(
    network: str | Callable[..., nn.Module],
) -> str | Callable[..., nn.Module]:
    """Return what was registered under a name; built-in names and all else as they are."""
    if not isinstance(network, str) or network in _SHIPPED or network not in NETWORKS:
        return network
    return NETWORKS[network]


def _pack(factory: Callable[..., nn.Module]) -> bytes | str:
    """Return the pickled factory, or why it cannot be pickled."""
    try:
        return cloudpickle.dumps(factory)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _arrive(name: str, packed: bytes | str) -> CarriedNetwork:
    if name not in NETWORKS:
        try:
            # The user trusts the pickle that it is from. A text (why there is none) raises here.
            NETWORKS[name] = pickle.loads(packed)  # type: ignore[arg-type]  # noqa: S301
        except Exception as error:  # for example, its module is missing: reported on use
            _LOST[name] = packed if isinstance(packed, str) else f"{type(error).__name__}: {error}"
    return CarriedNetwork(name)


def build_network(
    network: str | Callable[..., nn.Module],
    *,
    n_classes: int,
    image_shape: tuple[int, int],
    **params,
) -> nn.Module:
    """Build a network and check that it returns logits.

    Parameters
    ----------
    network : str, nn.Module class or callable
        A name from `NETWORKS`, or a callable that builds the network.
    n_classes : int
        Number of logits.
    image_shape : tuple of (int, int)
        Height and width of the faces in pixels.
    **params
        Passed on to the network.

    Returns
    -------
    module : nn.Module

    Raises
    ------
    ValueError
        If the name is unknown, a layer has no weights, or the network does not return logits
        (B, n_classes).
    TypeError
        If `network` is an instance, does not take these parameters, or does not return a module.
    """
    factory = _look_up(network)
    module = _call(factory, n_classes, image_shape, params)
    if factory in _OWN:  # faces may be of any size that a file states, and would take memory
        _check_layers(module, network)
        return module.eval()
    logits = _try_out(module, network, image_shape)
    shape = tuple(getattr(logits, "shape", ()))
    if shape != (2, n_classes):
        raise ValueError(
            f"The network {network!r} must return logits of shape (B, {n_classes}) for faces "
            f"of shape (B, 1, {image_shape[0]}, {image_shape[1]}); for B = 2 it returned "
            f"{shape or type(logits).__name__}."
        )
    return module


def state_shapes(
    network: str,
    params: dict,
    *,
    n_classes: int,
    image_shape: tuple[int, int],
    n_tensors: int,
    n_weights: int,
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Return shape and dtype of each array of a network's state, without allocating them.

    Parameters
    ----------
    network : str
        A name from `NETWORKS`.
    params : dict
        Its parameters.
    n_classes, image_shape : as in `build_network`
    n_tensors, n_weights : int
        Arrays and numbers in the file; a network that needs far more is not built.

    Raises
    ------
    ValueError
        If the name is unknown, the network does not take these parameters, or needs far more
        weights.
    """
    factory = _look_up(network)

    def build() -> nn.Module:
        module = _call(factory, n_classes, image_shape, params)
        _check_layers(module, network)
        return module

    try:
        return find_shapes(build, n_tensors, n_weights)
    except Exception as error:
        given = f"{params!s:.200}"
        raise ValueError(
            f"The network {network!r} cannot be built with {given}: {error}"
        ) from error


def default_params(name: object) -> dict:
    """Return the parameters that the network of this name takes, with their defaults.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is not a name: a class that a file cannot name.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"Expected the name of a network, got {name!r}. Add it with "
            "fer_sklearn.networks.register_network, and fit with its name."
        )
    parameters = inspect.signature(_look_up(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def check_arguments(network: str | Callable[..., nn.Module], names: Iterable[str]) -> None:
    """Raise if a network takes no arguments of these names beside those of the faces.

    Raises
    ------
    ValueError
        If it does not, or the name of the network is unknown.
    """
    unknown = unknown_arguments(network, names)
    if unknown:
        known = inspect.signature(_look_up(network)).parameters
        raise ValueError(
            f"The network {network!r} has no argument {unknown[0]!r}; it has "
            f"{', '.join(name for name in known if name not in OF_THE_FACES)}."
        )


def unknown_arguments(network: str | Callable[..., nn.Module], names: Iterable[str]) -> list[str]:
    """Return the names that a network does not take as arguments, beside those of the faces.

    Raises
    ------
    ValueError
        If the name of the network is unknown.
    """
    parameters = inspect.signature(_look_up(network)).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return []
    return [name for name in names if name not in parameters or name in OF_THE_FACES]


def _look_up(network: str | Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    if isinstance(network, nn.Module):
        raise TypeError(
            f"network is an instance of {type(network).__name__}; pass the class, or a "
            "function that builds it, so that every fit starts from fresh weights."
        )
    if isinstance(network, str):
        if network not in NETWORKS:
            raise ValueError(
                f"Unknown network {network!r}. Known: {', '.join(sorted(NETWORKS))}. Add yours "
                "with fer_sklearn.networks.register_network, or pass its class."
                + (f" It could not be loaded here: {_LOST[network]}." if network in _LOST else "")
            )
        return NETWORKS[network]
    return network


def _check_layers(module: nn.Module, network: str | Callable[..., nn.Module]) -> None:
    """Raise if a layer has a width of 0."""
    empty = [name for name, weights in module.state_dict().items() if not weights.numel()]
    if empty:
        raise ValueError(f"The network {network!r} has layers without weights: {', '.join(empty)}.")


def _call(
    factory: Callable[..., nn.Module],
    n_classes: int,
    image_shape: tuple[int, int] | None,
    params: dict,
) -> nn.Module:
    name = getattr(factory, "__name__", factory)
    try:
        module = factory(n_classes=n_classes, image_shape=image_shape, **params)
    except TypeError as error:
        given = ", ".join([*OF_THE_FACES, *params])
        raise TypeError(f"{name!s} was called with {given}: {error}") from error
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"{name!s} has to return a torch.nn.Module, got {module!r:.200}. Has a function no "
            "return statement, or does it return the class?"
        )
    return module


def _try_out(
    module: nn.Module, network: str | Callable[..., nn.Module], image_shape: tuple[int, int]
) -> torch.Tensor:
    """Return the output of the network for two black faces."""
    faces = torch.zeros(2, 1, *image_shape)
    try:
        with torch.no_grad():
            return module.eval()(faces)
    except Exception as error:
        raise ValueError(
            f"The network {network!r} fails on two faces of shape {tuple(faces.shape)}: "
            f"{type(error).__name__}: {error}"
        ) from error
