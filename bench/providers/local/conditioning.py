"""Arguments of a pipeline's call, by family: a prompt's embeddings, and the names that the family has for guidance."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.providers.local.settings import PipelineSettings

Tensors = dict[str, Any]
"""Arguments of the pipeline's call for one prompt: tensors with a batch of one (1, tokens, D), or strings."""


def call_parameters(pipe: Any) -> Mapping[str, inspect.Parameter]:  # noqa: ANN401 - any pipeline
    """The parameters of a pipeline's call."""
    return inspect.signature(pipe.__call__).parameters


def encodes_apart(pipe: Any) -> bool:  # noqa: ANN401 - any pipeline
    """Whether ``embed`` runs the text encoders; those of other families run inside the pipeline's call."""
    return hasattr(pipe, "embed_random") or type(pipe).__name__ in _FAMILIES


def embed(pipe: Any, settings: PipelineSettings, prompt: str, negative: str | None, device: str) -> Tensors:  # noqa: ANN401 - any pipeline
    """The arguments for one prompt and its negative prompt; of families that are not listed here, the texts themselves.

    Negative embeddings are computed only where classifier-free guidance is on. Without a negative prompt they are what the
    pipeline makes of none: SDXL's zeros, the empty text of the others, Qwen's blank.
    """
    family = type(pipe).__name__
    limit = {} if settings.max_sequence_length is None else {"max_sequence_length": settings.max_sequence_length}
    device = str(getattr(pipe, "_execution_device", device))
    guided = _guided(pipe, settings)
    if hasattr(pipe, "embed_random"):
        tensors: Tensors = pipe.embed_random(prompt, device)
        if guided:
            tensors |= _negative(pipe.embed_random(negative or "", device))
    elif family == "FluxPipeline":
        tensors = _pair(pipe.encode_prompt(prompt, None, device=device, **limit))
        if guided:
            tensors |= _negative(_pair(pipe.encode_prompt(negative or "", None, device=device, **limit)))
    elif family in ("StableDiffusion3Pipeline", "StableDiffusionXLPipeline"):
        more_prompts, sd3_limit = ((None, None), limit) if family == "StableDiffusion3Pipeline" else ((None,), {})
        encoded_prompt = pipe.encode_prompt(
            prompt, *more_prompts, device=device, do_classifier_free_guidance=guided, negative_prompt=negative, **sd3_limit
        )
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        tensors = {k: v for k, v in zip(names, encoded_prompt, strict=True) if v is not None}
    elif family == "QwenImagePipeline":
        tensors = _masked(pipe.encode_prompt(prompt, device=device, **limit))
        if guided:
            tensors |= _negative(_masked(pipe.encode_prompt(negative or " ", device=device, **limit)))
    elif family == "Flux2KleinPipeline":
        tensors = {"prompt_embeds": pipe.encode_prompt(prompt, device=device, **limit)[0]}
        if guided:
            tensors |= _negative({"prompt_embeds": pipe.encode_prompt(negative or "", device=device, **limit)[0]})
    else:
        tensors = {"prompt": prompt} | ({"negative_prompt": negative} if negative else {})
    return tensors


_FAMILIES = {"FluxPipeline", "StableDiffusion3Pipeline", "StableDiffusionXLPipeline", "QwenImagePipeline", "Flux2KleinPipeline"}


def alike(parts: Sequence[Tensors]) -> list[list[int]]:
    """Which of ``parts`` can share a call: indices, grouped by the arguments they have, for some have a negative prompt and some none.

    >>> alike([{"prompt": "a"}, {"prompt": "b", "negative_prompt": "c"}, {"prompt": "d"}])
    [[0, 2], [1]]
    """
    groups: dict[frozenset[str], list[int]] = {}
    for index, part in enumerate(parts):
        groups.setdefault(frozenset(part), []).append(index)
    return list(groups.values())


def join(parts: Sequence[Tensors]) -> Tensors:
    """The arguments of a batch from those of its prompts, which are alike; shorter embeddings and masks are padded with zeros."""
    joined: Tensors = {}
    for key in parts[0]:
        values = [part[key] for part in parts]
        if isinstance(values[0], torch.Tensor):
            longest = max(v.shape[1] for v in values)
            joined[key] = torch.cat([_padded(v, longest) for v in values])
        else:
            joined[key] = values
    return joined


def arguments(pipe: Any, settings: PipelineSettings) -> dict[str, Any]:  # noqa: ANN401 - any pipeline
    """Guidance and token limit, as far as this pipeline's call has parameters for them."""
    parameters = call_parameters(pipe)
    values = {
        "guidance_scale": settings.guidance,
        "true_cfg_scale": settings.true_cfg,
        "max_sequence_length": settings.max_sequence_length,
    }
    return {k: v for k, v in values.items() if k in parameters and v is not None}


def _guided(pipe: Any, settings: PipelineSettings) -> bool:  # noqa: ANN401 - any pipeline
    """Whether the denoiser runs a second time for the negative prompt."""
    if "true_cfg_scale" in call_parameters(pipe):
        return settings.true_cfg > 1
    return settings.guidance > 1 and not getattr(pipe.config, "is_distilled", False)


def _pair(encoded: tuple[Any, ...]) -> Tensors:
    return {"prompt_embeds": encoded[0], "pooled_prompt_embeds": encoded[1]}


def _masked(encoded: tuple[Any, ...]) -> Tensors:
    embeds, mask = encoded
    whole = torch.ones(embeds.shape[:2], dtype=torch.long, device=embeds.device)
    return {"prompt_embeds": embeds, "prompt_embeds_mask": whole if mask is None else mask}


def _negative(tensors: Tensors) -> Tensors:
    return {f"negative_{k}": v for k, v in tensors.items()}


def _padded(value: torch.Tensor, length: int) -> torch.Tensor:
    if value.ndim < 2 or value.shape[1] == length:
        return value
    return F.pad(value, (0, 0) * (value.ndim - 2) + (0, length - value.shape[1]))
