"""Whether a model fits this machine's memory, and which way of keeping its weights does. Sizes in GB (10^9 bytes)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingWeightsError
from bench.weights import devices

if TYPE_CHECKING:
    from collections.abc import Mapping

MODES = ("none", "model", "group", "sequential")
"""The values of ``model.offload``, the fastest first: each needs less of the GPU than the one before."""
PICTURE_GB = 2.0
"""What a picture of a megapixel and the GPU's own context take beside the weights."""
SMALL_GB = 4.0
"""Models up to this size run on a processor too, and nothing is checked."""
_PINNED = 1.55
"""Memory that is locked for ``group``, a multiple of the weights: torch rounds each block up to a power of two (FLUX.1: 33.7 to 51 GB)."""


@dataclass(frozen=True)
class Footprint:
    """What a model takes.

    Attributes:
        total_gb: all its weights and one picture.
        largest_gb: its largest component and one picture; None where the preset does not say.
    """

    total_gb: float
    largest_gb: float | None = None

    @classmethod
    def of(cls, card: Mapping[str, Any], dtype: str) -> Footprint:
        """From a preset's card, whose ``memory_gb`` and ``largest_gb`` are for numbers of 16 bits; small models are not scaled."""
        total, largest = float(card.get("memory_gb") or 0), card.get("largest_gb")
        times = 2 if dtype == "float32" and total > SMALL_GB else 1
        return cls(total * times, None if largest is None else float(largest) * times)

    def on_gpu(self, mode: str) -> float:
        """GB of the GPU that ``mode`` takes at its fullest."""
        largest = self.total_gb if self.largest_gb is None else self.largest_gb
        return {"none": self.total_gb, "model": largest, "group": min(2 * PICTURE_GB, largest)}.get(mode, min(PICTURE_GB, largest))

    def in_host(self, mode: str) -> float:
        """GB of the machine's memory that ``mode`` takes; without offloading weights go straight to the GPU."""
        return 0.0 if mode == "none" else self.total_gb

    def pins(self, free_gb: float) -> bool:
        """Whether ``group`` can lock all weights in ``free_gb`` of memory ahead, which is faster than locking each when it is due."""
        return free_gb >= _PINNED * (self.total_gb - PICTURE_GB)

    def fitting(self, gpu_gb: float, host_gb: float) -> list[str]:
        """The modes that fit so much memory of GPU and machine, the fastest first.

        >>> Footprint(36, 26).fitting(80, 64), Footprint(36, 26).fitting(24, 64), Footprint(36, 26).fitting(24, 16)
        (['none', 'model', 'group', 'sequential'], ['group', 'sequential'], [])
        """
        return [mode for mode in MODES if self.on_gpu(mode) <= gpu_gb and self.in_host(mode) <= host_gb]


def check_memory(name: str, preferred: str, footprint: Footprint, offload: str) -> None:
    """Refuse a model that cannot fit what is free, or that would fall to the processor without being told to.

    Args:
        name: the model's, for the message.
        preferred: ``model.device``.
        footprint: what it takes.
        offload: ``model.offload``.

    Raises:
        MissingWeightsError: with the one setting that helps, if there is one.
    """
    if footprint.total_gb <= SMALL_GB:
        return
    place, host = devices.device(preferred), host_free()
    if place == "cuda":
        _check_card(name, footprint, offload, host)
    elif place == "mps":
        free = min(unified_free(), host)
        if free < footprint.total_gb:
            raise MissingWeightsError(
                f"{name} needs about {footprint.total_gb:g} GB; {free:.0f} GB of this Mac's unified memory are free for its GPU. "
                "Offloading does not help there: end other programs, or use a machine with more memory, or model=tiny-dev"
            )
    elif preferred == "auto":
        why = devices.unusable_card() or "torch sees none here"
        raise MissingWeightsError(
            f"{name} needs a GPU and about {footprint.total_gb:g} GB; {why}. "
            "model.device=cpu runs it on the processor, for hours a picture; model=tiny-dev runs anywhere"
        )
    elif host < footprint.total_gb:
        raise MissingWeightsError(
            f"{name} needs about {footprint.total_gb:g} GB of memory, of which {host:.0f} GB are free on this machine; model=tiny-dev runs anywhere"
        )


def _check_card(name: str, footprint: Footprint, offload: str, host: float) -> None:
    free, total = card_memory()
    unknown_largest = offload == "model" and footprint.largest_gb is None
    fits = offload in footprint.fitting(free, host)
    if fits or (unknown_largest and footprint.in_host(offload) <= host):
        return
    on_gpu, in_host = footprint.on_gpu(offload), footprint.in_host(offload)
    if in_host > host:
        why = f"with model.offload={offload} {name} keeps about {in_host:g} GB in the machine's memory, of which {host:.0f} GB are free"
    else:
        used = "" if total - free < PICTURE_GB else f" of {total:.0f}; other programs have the rest (nvidia-smi lists them)"
        why = f"{name} needs about {on_gpu:g} GB of GPU memory with model.offload={offload}, and {free:.1f} GB are free{used}"
    raise MissingWeightsError(f"{why}; {_way_out(footprint.fitting(free, host))}")


def _way_out(modes: list[str]) -> str:
    if modes:
        return f"set model.offload={modes[0]}"
    return "no model.offload fits this machine: use one with more memory, or model=tiny-dev, which runs anywhere"


def less_memory(footprint: Footprint, place: str, offload: str, batch_size: int = 1) -> str:
    """What to set after memory ran out: half the batch, else the next smaller mode that fits, else a smaller picture.

    Never the mode that has just failed.

    Args:
        footprint: what the model takes.
        place: "cuda", "mps" or "cpu".
        offload: the mode that failed.
        batch_size: pictures in one call; while a model loads, 1.
    """
    if batch_size > 1:
        return f"set model.batch_size={batch_size // 2}"
    if place == "cuda":
        import torch  # noqa: PLC0415 - slow import

        smaller, own = MODES[MODES.index(offload) + 1 :], torch.cuda.memory_reserved() / 1e9
        modes = [m for m in footprint.fitting(card_memory()[0] + own, host_free() + footprint.in_host(offload)) if m in smaller]
        if modes:
            return f"set model.offload={modes[0]}"
    return "end other programs, lower model.size, or use a machine with more memory"


def card_memory() -> tuple[float, float]:
    """GB of the CUDA card that are free, and GB that it has."""
    import torch  # noqa: PLC0415 - slow import

    free, total = torch.cuda.mem_get_info()
    return free / 1e9, total / 1e9


def unified_free() -> float:
    """GB that Metal recommends to use at most on this Mac, less what this process has of them."""
    import torch  # noqa: PLC0415 - slow import

    return (torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()) / 1e9


def host_free(root: Path = Path("/")) -> float:
    """GB of the machine's memory that this process may still take: the kernel's estimate, within the limits of its containers.

    Where the kernel gives no estimate (macOS), the memory that the machine has.

    Args:
        root: the file system to read it from.
    """
    meminfo = _numbers(root / "proc/meminfo")
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([meminfo["MemAvailable:"] * 1024 if "MemAvailable:" in meminfo else whole, *_container_free(root)]) / 1e9


_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Limit, use, and the entry of memory.stat for file pages that can be dropped; by controller: of version 2 of control groups, and of version 1."""


def _container_free(root: Path) -> list[int]:
    """Bytes that each control group around this process leaves."""
    free = []
    for controller, (limit_file, used_file, droppable) in _FILES.items():
        top = root / "sys/fs/cgroup" / controller
        own = _group(root, controller)
        for folder in {top / path for path in (own, *own.parents)}:
            limit, used = _whole(folder / limit_file), _whole(folder / used_file)
            if limit is not None and used is not None:
                free.append(max(0, limit - used + _numbers(folder / "memory.stat").get(droppable, 0)))
    return free


def _group(root: Path, controller: str) -> Path:
    """The control group of this process below its controller's folder: a line of /proc/self/cgroup is NUMBER:CONTROLLERS:/PATH."""
    try:
        lines = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    except OSError:
        lines = []
    return Path(next((path.strip("/") for _, names, path in lines if controller in names.split(",")), ""))


def _whole(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _numbers(file: Path) -> dict[str, int]:
    """The first number of each line of a file by the line's first word; nothing where it cannot be read."""
    try:
        lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}
