"""Seeds: a fit leaves torch's global generators as it found them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

_lock = threading.RLock()
_fork = None
_fits = 0


@contextmanager
def global_rng_preserved() -> Iterator[None]:
    """Restore torch's global generators at the end, also with fits in several threads.

    `torch.random.fork_rng` per fit would not do: the second thread to enter would
    save, and at last restore, the state that the first one has left. So the first
    fit to enter saves and the last one to leave restores.
    """
    global _fork, _fits
    with _lock:
        if not _fits:
            _fork = torch.random.fork_rng(range(torch.cuda.device_count()))
            _fork.__enter__()
        _fits += 1
    try:
        yield
    finally:
        with _lock:
            _fits -= 1
            if not _fits:
                _fork.__exit__(None, None, None)


def build_seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Call `build` with torch's global generator at `seed`, one thread at a time."""
    with _lock:
        torch.manual_seed(seed)
        return build()
