"""What the timings of a picture depend on: the machine, and how the model ran on it; nothing personal (no host name, path or variable)."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.types import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

RENDERING = ("torch", "diffusers", "transformers", "accelerate", "numpy", "pillow")
"""Packages whose versions timings depend on."""
PACKAGES = (*RENDERING, "safetensors", "openai", "rapidocr", "onnxruntime")
CONDITIONS = ("device", "threads", "offload", "compile", "attention", "precision", "cuda", "cudnn", "in_flight")
"""Facts of a session that timings depend on: what rendered, with how many threads, with which weights in host memory, compiled
or not, with which attention back end, precision of float32 products, CUDA and cuDNN; and how many requests a server got at once."""
_UNSAID = {"offload": "none", "compile": False}
"""Conditions that hold where a session says nothing of them."""


def facts() -> dict[str, Any]:
    """Python, system, processor, memory, GPU, driver, clocks, package versions and the git commit. Loads no torch."""
    clock = _clock()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        **({"cpu_clock": clock} if clock else {}),
        "cores": _cores(),
        "memory_gib": _memory(),
        "gpu": gpus(),
        "packages": packages(),
        "commit": _commit(),
    }


def threads() -> int:
    """How many threads computations of this process take unless they are told otherwise: OMP_NUM_THREADS, else a core each."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(given) if given.isdecimal() and int(given) else _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def conditions(session: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a session's facts that timings depend on (``CONDITIONS``)."""
    return {name: session[name] for name in CONDITIONS if session.get(name) is not None}


def key(environment: Mapping[str, Any]) -> str:
    """Short hash of all that timings depend on: facts of the machine and conditions of the session.

    The git commit and packages that do not render are left out, and so are GPUs where the processor rendered. Stored runs keep
    the keys they have.
    """
    return digest(_relevant(environment))[:12]


def difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> str | None:
    """How two environments differ in what timings depend on, in words; None where nothing is known to.

    A fact that only one of them has says nothing: programs of other versions noted fewer.

    >>> difference({"cores": 2, "threads": 1}, {"cores": 2, "threads": 2})
    '1 thread against 2 threads'
    >>> difference({"cpu": "X"}, {"cpu": "Y"})
    'timed on different machines'
    """
    of_a, of_b = ({**_UNSAID, **_relevant(environment)} for environment in (a, b))
    versions_a, versions_b = ({"python": of.pop("python", None)} | of.pop("packages", {}) for of in (of_a, of_b))
    unlike = {name for name in of_a.keys() & of_b.keys() if of_a[name] != of_b[name]}
    if not unlike <= set(CONDITIONS):
        return "timed on different machines"
    said = [f"{condition(name, of_a[name])} against {condition(name, of_b[name])}" for name in CONDITIONS if name in unlike]
    for name, number in versions_a.items():
        other = versions_b.get(name)
        if None not in {number, other} and number != other:
            said.append(f"{name} {number} against {other}")
    return ", ".join(said) or None


def condition(name: str, value: object) -> str:
    """A condition of a session in words.

    >>> condition("threads", 1), condition("in_flight", 4), condition("offload", "model"), condition("compile", False)
    ('1 thread', '4 requests in flight', 'offload=model', 'not compiled')
    """
    match name:
        case "threads":
            return f"{value} thread{'s' * (value != 1)}"
        case "in_flight":
            return f"{value} request{'s' * (value != 1)} in flight"
        case "compile":
            return "compiled" if value else "not compiled"
        case "offload":
            return f"offload={value}"
        case "device":
            return str(value)
        case _:
            return f"{name} {value}"


def _relevant(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What timings depend on."""
    without = {"commit"} | ({"gpu"} if environment.get("device") == "cpu" else set())
    kept = {name: value for name, value in environment.items() if name not in without}
    if "packages" in kept:
        kept["packages"] = {name: number for name, number in kept["packages"].items() if name in RENDERING}
    return kept


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
        git = ["git", "--no-optional-locks", "-C", str(root)]  # which writes nothing into the checkout
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=20, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
