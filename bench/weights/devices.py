"""The device to compute on: which there is, whether it computes, and how its memory is given back. Imports torch only inside functions."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import traceback
import warnings
from contextlib import suppress

from bench.core import environment
from bench.errors import MissingWeightsError, causes

AUTOMATIC: tuple[str, ...] = ("cuda", "mps", "cpu")
"""The devices that "auto" chooses from, the fastest first."""
OLDEST_DRIVERS = {11: 450, 12: 525, 13: 580}
"""The oldest branch of NVIDIA's driver that runs programs built for a major version of CUDA."""
_FULL = ("out of memory", "ALLOC_FAILED", "can't allocate memory", "not enough memory")


def device(preferred: str) -> str:
    """The device to use: ``preferred``, or for "auto" the first of cuda, mps, cpu.

    Raises:
        MissingWeightsError: the preferred device is not there.
    """
    if preferred == "auto":
        return next(name for name in AUTOMATIC if usable(name))
    if not usable(preferred):
        why = unusable_card() if preferred == "cuda" else ""
        raise MissingWeightsError(f"model.device={preferred}, but torch sees no such device here; {why or 'use model.device=auto'}")
    return preferred


def usable(name: str) -> bool:
    """Whether torch can use the device "cuda", "mps" or "cpu" here."""
    import torch  # noqa: PLC0415 - slow import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the driver is too old: ``unusable_card`` says it
        return name == "cpu" or (torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available())


def unusable_card() -> str:
    """Which card the driver lists that torch cannot use, why, and what to do; "" where there is no card or torch uses it."""
    import torch  # noqa: PLC0415 - slow import

    cards = environment.gpus()
    if not cards or usable("cuda"):
        return ""
    card, _, rest = cards[0].partition(", driver ")
    driver, offered, built = rest.partition(",")[0], _offered_cuda(), torch.version.cuda
    hidden, oldest = os.environ.get("CUDA_VISIBLE_DEVICES"), OLDEST_DRIVERS.get(int((built or "0").partition(".")[0]))
    older = f"install torch from PyTorch's index for CUDA {offered} or older" if offered else "install a torch built for an older CUDA"
    update = f"or update the driver to {oldest} or newer" if oldest else "or update the driver"
    if built is None:
        target, fix = "the processor", older if offered else "install torch from PyTorch's index for CUDA"
    elif offered is None or _number(built) > _number(offered):
        target, fix = f"CUDA {built}", f"{older}, {update}"
    elif hidden is not None:
        target, fix = f"CUDA {built}", f"CUDA_VISIBLE_DEVICES={hidden!r} hides the card: unset it"
    else:
        target, fix = f"CUDA {built}", "start the machine or the container again, with its GPU"
    offer = f" offers CUDA {offered}" if offered else ""
    return f"torch cannot use {card}: driver {driver}{offer}, this torch ({torch.__version__}) is built for {target}; {fix}"


def check_computes(name: str, dtype: str) -> None:
    """Multiply two small matrices on the device: a card without kernels in this torch, or without the number type, shows here.

    Args:
        name: "cuda", "mps" or "cpu".
        dtype: "float32", "bfloat16" or "float16".

    Raises:
        MissingWeightsError: it cannot, or gives a wrong product.
    """
    import torch  # noqa: PLC0415 - slow import

    if name == "cpu":
        return
    try:
        square = torch.ones(16, 16, device=name, dtype=getattr(torch, dtype))
        total = float((square @ square).sum())
    except Exception as error:
        full = out_of_memory(error)
        release(error)
        if full:
            why = "its memory is full: other programs use it (nvidia-smi lists them)"
        elif name == "cuda":
            major, minor = torch.cuda.get_device_capability()
            why = f"its generation is sm_{major}{minor}, this torch ({torch.__version__}) has kernels for {', '.join(torch.cuda.get_arch_list())}"
        else:
            why = f"torch {torch.__version__} has no such numbers there; another model.dtype is another run"
        raise MissingWeightsError(f"{called(name)} cannot multiply {dtype} matrices: {why}. model.device=cpu does without it") from None
    if total != 16**3:
        raise MissingWeightsError(f"{called(name)} multiplies {dtype} matrices wrongly ({total:g} for {16**3}): its pictures would be no model's")


def emulates(name: str, dtype: str) -> bool:
    """Whether the device has no such numbers of its own: bfloat16 on NVIDIA cards before Ampere (T4, RTX 20) is many times slower."""
    import torch  # noqa: PLC0415 - slow import

    return name == "cuda" and dtype == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False)


def called(name: str) -> str:
    """What people call the device: a card's name, or the kind.

    >>> called("mps"), called("cpu")
    ("Apple's GPU", 'the processor')
    """
    if name == "cuda":
        import torch  # noqa: PLC0415 - slow import

        return str(torch.cuda.get_device_name())
    return {"mps": "Apple's GPU", "cpu": "the processor"}.get(name, f"the device {name!r}")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: CUDA, its libraries, MPS or the processor's allocator, each in its own words.

    >>> out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 20 GB)")), out_of_memory(ValueError("no"))
    (True, False)
    """
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(text in str(error) for text in _FULL))


def release(error: BaseException | None = None) -> None:
    """Give memory back: collect what nothing uses, and empty the devices' caches.

    Args:
        error: its frames, and those of the errors behind it, let go of their variables first, which may hold a model.
    """
    import torch  # noqa: PLC0415 - slow import

    for one in causes(error):
        traceback.clear_frames(one.__traceback__)
    gc.collect()
    with suppress(RuntimeError):  # of a device that is lost
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()
        elif torch.backends.mps.is_available():
            torch.mps.empty_cache()


def _offered_cuda() -> str | None:
    """The newest CUDA that the driver runs, by its own tool; None where that does not say."""
    try:
        text = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"CUDA(?: \w+)? Version\s*:\s*(\d+\.\d+)", text)
    return match[1] if match else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
