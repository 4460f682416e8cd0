"""Meters of memory (of the kernel and of torch) and of energy (of the GPU's own counter)."""

from __future__ import annotations

import contextlib
import importlib
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def host_peak() -> int:
    """Peak resident memory of this process in bytes, since it began or since ``reset_host_peak``.

    Linux's VmHWM; elsewhere ``ru_maxrss``, which cannot be reset and may include the parent process.
    """
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_host_peak() -> None:
    """Start a new peak, so that it does not include an earlier model's memory. Does nothing where the kernel offers no way."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


_metal_peak = 0


def reset_peaks(device: str) -> None:
    """Start new peaks of this process's and of the device's memory ("cuda", "mps" or "cpu")."""
    import torch  # noqa: PLC0415 - slow import

    global _metal_peak  # noqa: PLW0603 - of the process, as the kernel's and CUDA's peaks are
    reset_host_peak()
    _metal_peak = 0
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def sample_peak(device: str) -> None:
    """Read the memory that Metal holds, which counts no peak itself; it keeps what is freed, so a reading after a picture is close."""
    if device == "mps":
        import torch  # noqa: PLC0415 - slow import

        global _metal_peak  # noqa: PLW0603 - as above
        _metal_peak = max(_metal_peak, torch.mps.driver_allocated_memory())


def device_peak(device: str) -> int:
    """Peak memory in bytes since ``reset_peaks``: allocated by torch on CUDA, sampled on MPS; 0 for the processor."""
    import torch  # noqa: PLC0415 - slow import

    return int(torch.cuda.max_memory_allocated()) if device == "cuda" else _metal_peak


def gpu_joules(uuid: str) -> Callable[[], float] | None:
    """A function that reads a GPU's energy counter in joules; None without NVML, the package nvidia-ml-py or a counter.

    The difference of two readings is the energy of the whole card in between, idle power and other processes included. The
    driver updates the counter about ten times a second: coarse for one short picture, good enough for a mean over many.

    Args:
        uuid: of the card, "GPU-…"; not its index, because NVML also counts cards that this process cannot see.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        card = nvml.nvmlDeviceGetHandleByUUID(uuid)
        nvml.nvmlDeviceGetTotalEnergyConsumption(card)
    except nvml.NVMLError:
        return None
    return lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1000
