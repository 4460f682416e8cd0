"""A loaded diffusers pipeline: rendering and timing. Imported only when a model is opened."""

from __future__ import annotations

import io
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from bench import architectures
from bench.errors import MissingWeightsError, ProviderError
from bench.providers import conditioning, weights
from bench.types import Rendered, Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from bench.providers.diffusers import DiffusersProvider
    from bench.types import Request


class PipelineSession:
    """Renders batches; each picture's noise comes from a CPU generator of its own."""

    def __init__(self, pipe: Any, provider: DiffusersProvider, device: str, load_s: float) -> None:  # noqa: ANN401 - any pipeline
        self._pipe, self._provider, self._device = pipe, provider, device
        self._embedded: dict[tuple[str, str | None], tuple[conditioning.Tensors, float]] = {}
        self._facts = {
            "load_s": load_s,
            "device": torch.cuda.get_device_name() if device == "cuda" else device,
            "threads": torch.get_num_threads(),
            "pipeline": type(pipe).__name__,
            "parameters": sum(p.numel() for m in pipe.components.values() if isinstance(m, torch.nn.Module) for p in m.parameters()),
        }

    @classmethod
    def load(cls, provider: DiffusersProvider) -> PipelineSession:
        """Load the weights (or build random ones) and move them to the device."""
        diffusers.logging.set_verbosity_error()
        transformers.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        began = time.monotonic()
        device, dtype = weights.device(provider.device), getattr(torch, provider.dtype)
        pipe = architectures.build(provider.repo, device, dtype) if provider.weights == "random" else _pretrained(provider, dtype)
        if provider.lora:
            pipe.load_lora_weights(provider.lora)
        _place(pipe, provider, device)
        pipe.set_progress_bar_config(disable=True)
        if provider.compile:
            backbone = getattr(pipe, "transformer", None) or pipe.unet
            backbone.compile_repeated_blocks() if hasattr(backbone, "compile_repeated_blocks") else backbone.compile()
        _synchronise(device)
        return cls(pipe, provider, device, time.monotonic() - began)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Load time, device, parameters, and the peak memory so far."""
        if self._device == "cuda":
            peak = torch.cuda.max_memory_allocated()
        else:
            unit = 1 if sys.platform == "darwin" else 1024
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return {**self._facts, "peak_memory_bytes": peak}

    @torch.inference_mode()
    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """One picture a request. Embeddings are made once a prompt; their time counts in every picture's latency."""
        try:
            images, timing = self._generate(requests)
        except torch.OutOfMemoryError as error:
            raise ProviderError("out of memory on the device; lower model.batch_size or model.size, or set model.offload=model") from error
        note = {"random_weights": True} if self._provider.weights == "random" else {}
        return [Rendered("ok", _encoded(image, self._provider.image_format), timing, cost_usd=0.0, detail=note) for image in images]

    def close(self) -> None:
        """Drop the pipeline and the device's cached memory."""
        self._pipe = None
        self._embedded.clear()
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def _generate(self, requests: Sequence[Request]) -> tuple[list[Image.Image], Timing]:
        p, first = self._provider, requests[0]
        texts = [(r.prompt, r.negative_prompt) for r in requests]
        embedded = {text: self._embed(*text) for text in dict.fromkeys(texts)}
        encode = sum(seconds for _, seconds in embedded.values())
        marks: list[float] = []

        def mark(_pipe: object, _step: int, _time: object, values: dict[str, Any]) -> dict[str, Any]:
            _synchronise(self._device)
            marks.append(time.perf_counter())
            return values

        _synchronise(self._device)
        began = time.perf_counter()
        images = self._pipe(
            **conditioning.join([embedded[text][0] for text in texts]),
            **conditioning.arguments(self._pipe, p),
            width=first.width,
            height=first.height,
            num_inference_steps=p.steps,
            generator=[torch.Generator("cpu").manual_seed(r.seed or 0) for r in requests],
            callback_on_step_end=mark,
        ).images
        _synchronise(self._device)
        ended = time.perf_counter()
        sampled = marks[-1] if marks else ended
        timing = Timing(encode + ended - began, encode, sampled - began, ended - sampled, len(marks), len(requests))
        return images, timing

    def _embed(self, prompt: str, negative: str | None) -> tuple[conditioning.Tensors, float]:
        key = (prompt, negative)
        if key not in self._embedded:
            _synchronise(self._device)
            began = time.perf_counter()
            tensors = conditioning.embed(self._pipe, self._provider, prompt, negative, self._device)
            _synchronise(self._device)
            while len(self._embedded) >= _KEEP:
                self._embedded.pop(next(iter(self._embedded)))
            self._embedded[key] = (tensors, time.perf_counter() - began)
        return self._embedded[key]


_KEEP = 64
"""Prompts whose embeddings stay in memory; the seeds of a prompt are rendered next to one another."""


def _pretrained(provider: DiffusersProvider, dtype: torch.dtype) -> Any:  # noqa: ANN401 - any pipeline
    source = str(provider.folder or provider.repo)
    try:
        pipe = DiffusionPipeline.from_pretrained(source, revision=provider.revision, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())[:300]
        raise MissingWeightsError(f"{provider.name}: diffusers cannot load {provider.repo}: {why}") from error
    return pipe.to(dtype=dtype)


def _place(pipe: Any, provider: DiffusersProvider, device: str) -> None:  # noqa: ANN401 - any pipeline
    if provider.offload == "none" or device == "cpu":
        pipe.to(device)
    elif provider.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif provider.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.enable_group_offload(onload_device=torch.device(device), offload_type="leaf_level", use_stream=device == "cuda")


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def _encoded(image: Image.Image, image_format: str) -> bytes:
    data = io.BytesIO()
    image.save(data, image_format, **({"lossless": True} if image_format == "webp" else {}))
    return data.getvalue()
