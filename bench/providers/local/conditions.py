"""How a pipeline runs: facts of a session that its timings depend on, and the memory of its device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils.constants import DIFFUSERS_ATTN_BACKEND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.providers.local.settings import PipelineSettings


def conditions(pipe: Any, settings: PipelineSettings, device: str) -> dict[str, Any]:  # noqa: ANN401 - any pipeline
    """What the session's timings depend on.

    Returns:
        ``device`` (the card's name, else "mps" or "cpu"), ``threads``, ``compile``, ``attention`` (diffusers' back end)
        and ``precision`` (of float32 products); of a CUDA device also ``device_uuid``, ``cuda``, ``cudnn`` and ``foreign_bytes``:
        what was allocated on it besides this pipeline when it was loaded.
    """
    facts = {
        "device": device,
        "threads": torch.get_num_threads(),
        "compile": settings.compile,
        "attention": DIFFUSERS_ATTN_BACKEND,
        "precision": torch.get_float32_matmul_precision(),
    }
    if device != "cuda":
        return facts
    card = torch.cuda.get_device_properties()
    own = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(pipe) if tensor.device.type == "cuda")
    return facts | {
        "device": torch.cuda.get_device_name(),
        "device_uuid": f"GPU-{getattr(card, 'uuid', '')}",
        "precision": f"{facts['precision']}, {'TF32' if torch.backends.cudnn.allow_tf32 else 'no TF32'} in convolutions",
        "cuda": torch.version.cuda or torch.version.hip,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "foreign_bytes": max(0, torch.cuda.memory_allocated() - own),
    }


def device_memory(device: str) -> dict[str, int]:
    """The memory of a CUDA device in bytes; nothing of other devices.

    Returns:
        ``peak_reserved_bytes``, what torch's allocator held at most, and ``device_used_bytes``, all that the card has in use now,
        the CUDA context and other processes included.
    """
    if device != "cuda":
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"peak_reserved_bytes": torch.cuda.max_memory_reserved(), "device_used_bytes": total - free}


def _tensors(pipe: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401 - any pipeline
    """Weights and buffers of all its networks, each once."""
    seen = set()
    for network in pipe.components.values():
        if isinstance(network, torch.nn.Module):
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.data_ptr() not in seen:
                    seen.add(tensor.data_ptr())
                    yield tensor
