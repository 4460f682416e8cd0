"""The device to compute on, and whether a model fits its memory."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from bench.errors import MissingWeightsError


def device(wanted: str) -> str:
    """The device to use: ``wanted``, or for "auto" the first of cuda, mps, cpu.

    Raises:
        MissingWeightsError: the wanted device is not there.
    """
    import torch  # noqa: PLC0415 - slow import

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(d for d, usable in there.items() if usable)
    if not there[wanted]:
        raise MissingWeightsError(f"model.device={wanted}, but torch sees no such device here; use model.device=auto")
    return wanted


def check_memory(name: str, wanted: str, needed_gb: float, offload: str) -> None:
    """Refuse a model that cannot fit; ``needed_gb`` is what its weights and one picture take, in GB.

    Raises:
        MissingWeightsError: too little memory, with the setting that helps.
    """
    if needed_gb <= 4:
        return
    import torch  # noqa: PLC0415 - slow import

    where = device(wanted)
    if where == "cuda":
        have = torch.cuda.get_device_properties(0).total_memory / 1e9
        if have < needed_gb and offload == "none":
            raise MissingWeightsError(
                f"{name} needs about {needed_gb:g} GB of GPU memory and this GPU has {have:.0f} GB; "
                "set model.offload=model (or group, or sequential)"
            )
        return
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if have < needed_gb:
        raise MissingWeightsError(
            f"{name} needs about {needed_gb:g} GB and a GPU; this machine has none and {have:.0f} GB of memory. "
            "Use a machine with a GPU, or model=tiny-dev, which runs anywhere"
        )
