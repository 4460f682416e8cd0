"""The device to compute on, and whether a model fits its memory."""

from __future__ import annotations

import os

from bench.errors import MissingWeightsError


def device(preferred: str) -> str:
    """The device to use: ``preferred``, or for "auto" the first of cuda, mps, cpu.

    Raises:
        MissingWeightsError: the preferred device is not there.
    """
    import torch  # noqa: PLC0415 - slow import

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if preferred == "auto":
        return next(name for name, usable in available.items() if usable)
    if not available[preferred]:
        raise MissingWeightsError(f"model.device={preferred}, but torch sees no such device here; use model.device=auto")
    return preferred


def check_memory(name: str, preferred: str, needed_gb: float, offload: str) -> None:
    """Refuse a model that cannot fit; ``needed_gb`` is what its weights and one picture take, in GB.

    Raises:
        MissingWeightsError: too little memory, with the setting that helps.
    """
    if needed_gb <= 4:
        return
    import torch  # noqa: PLC0415 - slow import

    if device(preferred) == "cuda":
        present_gb = torch.cuda.get_device_properties(0).total_memory / 1e9
        if present_gb < needed_gb and offload == "none":
            raise MissingWeightsError(
                f"{name} needs about {needed_gb:g} GB of GPU memory and this GPU has {present_gb:.0f} GB; "
                "set model.offload=model (or group, or sequential)"
            )
        return
    present_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if present_gb < needed_gb:
        raise MissingWeightsError(
            f"{name} needs about {needed_gb:g} GB and a GPU; this machine has none and {present_gb:.0f} GB of memory. "
            "Use a machine with a GPU, or model=tiny-dev, which runs anywhere"
        )
