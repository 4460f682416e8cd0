"""The machine that made a picture: what its timings depend on, and nothing personal (no host name, path or variable)."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.types import digest

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy", "pillow", "openai", "rapidocr", "onnxruntime")


def facts() -> dict[str, Any]:
    """Python, system, processor, memory, GPU, driver, clocks, package versions and the git commit. Loads no torch."""
    clock = _clock()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        **({"cpu_clock": clock} if clock else {}),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory(),
        "gpu": gpus(),
        "packages": packages(),
        "commit": _commit(),
    }


def key(environment: dict[str, Any]) -> str:
    """Short hash of all that timings depend on: everything but the git commit."""
    return digest({k: v for k, v in environment.items() if k != "commit"})[:12]


def packages() -> dict[str, str]:
    """Installed versions of the packages that touch pixels, scores or timings."""
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


_CPUINFO = Path("/proc/cpuinfo")


def _cpu() -> str:
    """The processor's name: the kernel's, on a Mac the chip's ("Apple M4 Max")."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8")
    except OSError:
        chip = ["sysctl", "-n", "machdep.cpu.brand_string"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(chip, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "unknown")


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def _clock() -> str | None:
    """Highest clock of the first core and its governor, like "3.50 GHz, performance"; None where the system hides them."""
    folder = Path("/sys/devices/system/cpu/cpu0/cpufreq")
    try:
        highest = int((folder / "cpuinfo_max_freq").read_text(encoding="utf-8"))
        governor = (folder / "scaling_governor").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return f"{highest / 1e6:.2f} GHz, {governor}"


def gpus() -> list[str]:
    """One line a GPU, from the driver's own tool: name, driver, memory, highest clocks (SM, memory) and power limit.

    These are settings, not readings: the clock of one moment would make every run a machine of its own.
    """
    fields = "name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit"
    try:
        answer = subprocess.run(
            ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [gpu_line(line) for line in answer.stdout.strip().splitlines()]


def gpu_line(answer: str) -> str:
    """One line of nvidia-smi's answer with its numbers named.

    >>> gpu_line("NVIDIA H100, 550.54, 81559 MiB, 1980 MHz, 2619 MHz, 700.00 W")
    'NVIDIA H100, driver 550.54, 81559 MiB, SM up to 1980 MHz, memory up to 2619 MHz, limit 700.00 W'
    """
    names = ("", "driver ", "", "SM up to ", "memory up to ", "limit ")
    return ", ".join(f"{name}{value.strip()}" for name, value in zip(names, answer.split(","), strict=False))


def _commit() -> str | None:
    """Commit of the checkout this package runs from, with "+" when it has changes; None outside of one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=20, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
