"""The process's global state: a fit leaves seeds and cuDNN's settings as it found them."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

_lock = threading.RLock()
_undo = ExitStack()
_devices: set[torch.device] = set()
_fits = 0


@contextmanager
def global_state_preserved(device: torch.device) -> Iterator[None]:
    """Restore the process's global state at the end, also with fits in several threads.

    Inside, cuDNN does not choose another algorithm in every run, and glibc keeps the memory
    that a step frees for the next one.

    `torch.random.fork_rng` per fit would not do: the second thread to enter would
    save, and at last restore, the state that the first one has left. So the first
    fit to enter saves and the last one to leave restores.
    """
    global _fits
    with _lock:
        if device not in _devices:
            _save(device)
            _devices.add(device)
        _fits += 1
    try:
        yield
    finally:
        with _lock:
            _fits -= 1
            if not _fits:
                _devices.clear()
                _undo.close()


def build_seeded(build: Callable[[], nn.Module], seed: int, device: torch.device) -> nn.Module:
    """Call `build` with torch's global generators at `seed`, one thread at a time."""
    with _lock:
        for generator in global_generators(device):
            generator.manual_seed(seed)
        return build()


def build_aside(build: Callable[[], nn.Module]) -> nn.Module:
    """Call `build`, one thread at a time, and put torch's CPU generator back.

    So it disturbs no `build_seeded` in another thread.
    """
    with _lock, torch.random.fork_rng(devices=[]):
        return build()


def _save(device: torch.device) -> None:
    """Let `_undo` restore what is now; what is saved first is restored last."""
    for generator in global_generators(device):
        _undo.callback(generator.set_state, generator.get_state())
    if device.type == "cuda":
        cudnn = torch.backends.cudnn
        for name, wanted in {"benchmark": False, "deterministic": True}.items():
            _undo.callback(setattr, cudnn, name, getattr(cudnn, name))
            setattr(cudnn, name, wanted)
    if device.type == "cpu":
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let glibc keep what is freed, until `_undo`; elsewhere do nothing.

    It would hand the tensors of every step back to the kernel, and take them anew: tens
    of thousands of page faults a step. What the user has set in the environment stays.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    chosen = "MALLOC_TRIM_THRESHOLD_" in os.environ or "GLIBC_TUNABLES" in os.environ
    if chosen or not hasattr(libc, "mallopt"):
        return
    trim_threshold, mmap_threshold, mib = -1, -3, 2**20
    _undo.callback(libc.malloc_trim, 0)
    for threshold, own in ((trim_threshold, 64 * mib), (mmap_threshold, 32 * mib)):
        libc.mallopt(threshold, own)  # older versions refuse more of the second
        libc.mallopt(threshold, 1024 * mib)
        # Where glibc's own adaptation ends (mallopt(3)); to set either threshold has stopped it.
        _undo.callback(libc.mallopt, threshold, own)


def global_generators(device: torch.device) -> list[torch.Generator]:
    """Return torch's global generators that a fit on `device` may draw from."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    elif device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    return generators
