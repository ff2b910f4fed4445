"""Where a network runs: names of devices and their `torch.device`."""

from __future__ import annotations

import torch


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device of this name; "auto" is the fastest one available.

    Raises
    ------
    ValueError
        If torch does not know the name, or the device is not available.
    """
    if device == "auto":
        return torch.device(_present()[-1])
    try:
        resolved = torch.device(device)
    except RuntimeError:
        resolved = None
    if resolved is None or not _is_present(resolved):
        raise ValueError(
            f"device={device!r} is not on this machine. Present: {', '.join(_present())}. "
            "Pass one of them, or device='auto' for the fastest."
        )
    return resolved


def resolve_device_or_cpu(device: str | torch.device) -> torch.device:
    """Like `resolve_device`, but use the CPU if the device is not available.

    For prediction: a network that was trained on a GPU predicts anywhere.
    """
    try:
        return resolve_device(device)
    except ValueError:
        return torch.device("cpu")


def multiplies_bfloat16_fast(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return _capabilities().get("avx512_bf16", False)
    return False


def has_amx(device: torch.device) -> bool:
    """Tell whether the device is a CPU that multiplies tiles of bfloat16."""
    return device.type == "cpu" and _capabilities().get("amx_bf16", False)


def is_single_gpu(device: str) -> bool:
    """Tell whether several fits on `device` would share one GPU."""
    kind = resolve_device_or_cpu(device)
    if kind.type == "cpu":
        return False
    return kind.index is not None or kind.type == "mps" or torch.cuda.device_count() == 1


def _capabilities() -> dict:
    return getattr(torch.cpu, "get_capabilities", dict)()


def _present() -> list[str]:
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.append("mps")
    if torch.cuda.is_available():
        present.append("cuda")
    return present


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda" and device.index is not None:
        return device.index < torch.cuda.device_count()
    return device.type in _present()
