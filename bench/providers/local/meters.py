"""What a model costs besides time: host memory from the kernel, energy from the GPU's own counter."""

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
    """Bytes: the most this process has had resident since it began or since ``reset_host_peak``.

    Linux's VmHWM; elsewhere ``ru_maxrss``, which cannot be reset and may include the process that started this one.
    """
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_host_peak() -> None:
    """Begin a new peak, so that a model's memory is not that of the one before it; does nothing where Linux's way is missing."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


def gpu_joules(uuid: str) -> Callable[[], float] | None:
    """A reading of a GPU's energy counter in joules; None without NVML, its package nvidia-ml-py or such a counter.

    A difference of two readings is what the whole card drew in between, idle draw and other processes included; the
    driver moves the counter some ten times a second, so that single short pictures are coarse and their mean is not.

    Args:
        uuid: of the card, "GPU-…", for NVML counts cards that this process may not see.
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
