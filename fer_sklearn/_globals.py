"""The global state of the process: it is restored, and does not influence results."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)
_lock = threading.RLock()
#: Cost from which a batch uses several threads: 64 faces of 48 x 48 in the default network.
WORK_FOR_THREADS = 64 * 48 * 48 * 1.9e6


class _Borrowed:
    """Settings of the process that are changed temporarily, possibly by several threads.

    The first thread that needs a setting saves it, and the last one restores it. If each thread
    did this by itself, the second would save, and finally restore, what the first has set.
    """

    def __init__(self) -> None:
        self._held: dict[object, _Held] = {}

    @contextmanager
    def __call__(self, changes: dict[object, Callable[[ExitStack], None]]) -> Iterator[None]:
        """Make the changes that no thread has made yet; the last to need one undoes it."""
        with ExitStack() as leave:
            with _lock:
                for name, change in changes.items():
                    held = self._held.setdefault(name, _Held())
                    held.users += 1
                    leave.callback(self._leave, name, held)
                    if held.users == 1:
                        change(held.undo)
            yield

    def _leave(self, name: object, held: _Held) -> None:
        with _lock:
            held.users -= 1
            if not held.users:
                held.undo.close()
                if self._held.get(name) is held:  # not one of a forked child
                    del self._held[name]

    def forget(self) -> None:
        """Restore at once: the threads that were working belong to another process."""
        for held in self._held.values():
            held.undo.close()
        self._held.clear()


class _Held:
    """A setting that was changed: how to restore it, and how many still need it."""

    def __init__(self) -> None:
        self.undo = ExitStack()
        self.users = 0


_borrowed = _Borrowed()
#: The number of torch's threads, while it is 1 in `threads_for`.
_usual: list[int] = []
#: The threads that have asked for their number.
_known = threading.local()


def _after_fork() -> None:
    """Let a forked child compute: its OpenMP waits for threads that only the parent has."""
    _borrowed.forget()
    _lock.release()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    # Take the lock first; otherwise the child may inherit it from a thread that it lacks.
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork
    )


@contextmanager
def undisturbed(device: torch.device | None = None) -> Iterator[None]:
    """Make results independent of the settings of this process.

    torch's default dtype, default device, autocast and TF32 would change results or cause errors.
    (On a GPU, TF32 keeps ten bits of the factors in float32.)

    Parameters
    ----------
    device : torch.device or None
        Where the block computes; None is the CPU.
    """
    device = device or torch.device("cpu")
    default = torch.get_default_device()  # a mode slows down every call: only if it is needed
    place = nullcontext() if default.type == device.type else device
    # Autocast caches cast weights until the outermost block ends: outdated after a step.
    plain = torch.autocast(device.type, enabled=False, cache_enabled=False)
    with _borrowed({"dtype": _single_dtype, "products": _exact_products}), place, plain:
        yield


def own_threads() -> int:
    """Return how many threads torch uses in this thread.

    A new thread takes over torch's number when it first computes. That is 1 while another thread is
    in `threads_for`, and the new one would keep it for good.
    """
    with _lock:
        if _usual and not hasattr(_known, "here"):
            torch.set_num_threads(_usual[0])
        _known.here = True
        return torch.get_num_threads()


@contextmanager
def threads_for(work: float, device: torch.device) -> Iterator[None]:
    """Compute small batches on a CPU with one thread.

    Two threads wait for each other after every operation. On an idle machine they are faster on
    small batches too. Beside other work, where one of them has to wait for its core, they are
    several times slower (`docs/benchmarks/training_speed.md`). The rule depends only on the batch,
    not on the load, so that results stay repeatable to the bit.

    Parameters
    ----------
    work : float
        Faces of a batch, times pixels, times weights of the network.
    device : torch.device
    """
    threads = own_threads()
    if device.type != "cpu" or threads == 1 or work >= WORK_FOR_THREADS:
        yield
        return

    def note(undo: ExitStack) -> None:
        _usual.append(threads)
        undo.callback(_usual.clear)

    with _borrowed({"threads": note}):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def global_state_preserved(device: torch.device) -> Iterator[None]:
    """Train `undisturbed`, and restore the global state of the process at the end.

    Inside, gradients are computed, cuDNN does not choose a different algorithm in every run, and
    glibc keeps the memory that a step frees for the next one.
    """
    changes: dict[object, Callable[[ExitStack], None]] = {}
    changes["generators", device] = lambda undo: _keep_generators(undo, device)
    if device.type == "cuda":
        changes["cudnn"] = _repeatable_cudnn
    if device.type == "cpu":
        changes["memory"] = _keep_freed_memory
    with undisturbed(device), torch.inference_mode(False), torch.enable_grad(), _borrowed(changes):
        yield


def build_seeded(build: Callable[[], Module], seed: int, device: torch.device) -> Module:
    """Call `build` with torch's global generators at `seed`, one thread at a time."""
    with _lock:
        for generator in global_generators(device):
            generator.manual_seed(seed)
        return build()


def build_aside(build: Callable[[], Module]) -> Module:
    """Call `build`, one thread at a time, and put torch's CPU generator back.

    So it disturbs no `build_seeded` in another thread.
    """
    with undisturbed(), torch.inference_mode(False), _lock, torch.random.fork_rng(devices=[]):
        return build()


def _single_dtype(undo: ExitStack) -> None:
    undo.callback(torch.set_default_dtype, torch.get_default_dtype())
    torch.set_default_dtype(torch.float32)


def _exact_products(undo: ExitStack) -> None:
    """Multiply float32 as float32 on every kind of device."""
    backends: Any = torch.backends  # whose names depend on the version
    cuda, cudnn, mkldnn = backends.cuda, backends.cudnn, backends.mkldnn
    settings: list[tuple[Any, str, object]]
    if hasattr(cudnn, "conv"):  # torch 2.9; mixing the older names with these is an error
        operations = (cudnn.conv, cuda.matmul, mkldnn.conv, mkldnn.matmul)
        settings = [(operation, "fp32_precision", "ieee") for operation in operations]
    else:
        settings = [(flags, "allow_tf32", False) for flags in (cudnn, cuda.matmul)]
        undo.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision("highest")
    for owner, name, wanted in settings:
        undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, wanted)


def _keep_generators(undo: ExitStack, device: torch.device) -> None:
    for generator in global_generators(device):
        undo.callback(generator.set_state, generator.get_state())


def _repeatable_cudnn(undo: ExitStack) -> None:
    cudnn = torch.backends.cudnn
    for name, wanted in {"benchmark": False, "deterministic": True}.items():
        undo.callback(setattr, cudnn, name, getattr(cudnn, name))
        setattr(cudnn, name, wanted)


def _keep_freed_memory(undo: ExitStack) -> None:
    """Make glibc keep freed memory, until undone; do nothing on other systems.

    Otherwise glibc returns the memory of every step to the kernel and asks for it again: tens of
    thousands of page faults per step. Settings in the user's environment are kept.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    chosen = "MALLOC_TRIM_THRESHOLD_" in os.environ or "GLIBC_TUNABLES" in os.environ
    if chosen or not hasattr(libc, "mallopt"):
        return
    trim_threshold, mmap_threshold, mib = -1, -3, 2**20
    undo.callback(libc.malloc_trim, 0)
    for threshold, own in ((trim_threshold, 64 * mib), (mmap_threshold, 32 * mib)):
        libc.mallopt(threshold, own)  # older versions refuse a larger second value
        libc.mallopt(threshold, 1024 * mib)
        # The limit of glibc's own adaptation (mallopt(3)), which stops if a threshold is set.
        undo.callback(libc.mallopt, threshold, own)


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
