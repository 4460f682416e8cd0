"""A loaded diffusers pipeline: rendering and timing. Imported only when a model is opened."""

from __future__ import annotations

import io
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from bench.errors import MissingWeightsError, ProviderError
from bench.providers.local import architectures, conditioning, meters
from bench.types import Rendered, Timing
from bench.weights import devices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PIL import Image

    from bench.providers.local.settings import PipelineSettings
    from bench.types import Request


class _Embedded(NamedTuple):
    """A prompt's arguments of the pipeline's call, and the time and energy that encoding took."""

    tensors: conditioning.Tensors
    seconds: float
    joules: float


class PipelineSession:
    """Renders batches; the noise of each picture comes from its own CPU generator, seeded with the request's seed.

    Args:
        pipe: a diffusers pipeline on its device.
        settings: how it is configured.
        device: "cuda", "mps" or "cpu".
        load_s: seconds that loading took.
        joules: reads the energy used so far; None where nothing measures it.
    """

    def __init__(
        self,
        pipe: Any,  # noqa: ANN401 - any pipeline
        settings: PipelineSettings,
        device: str,
        load_s: float,
        joules: Callable[[], float] | None = None,
    ) -> None:
        self._pipe, self._settings, self._device, self._joules = pipe, settings, device, joules
        self._embedded: dict[tuple[str, str | None], _Embedded] = {}
        self._cold = True
        self._facts = {
            "load_s": load_s,
            "device": torch.cuda.get_device_name() if device == "cuda" else device,
            "threads": torch.get_num_threads(),
            "pipeline": type(pipe).__name__,
            "parameters": sum(p.numel() for m in pipe.components.values() if isinstance(m, torch.nn.Module) for p in m.parameters()),
        }

    @classmethod
    def load(cls, settings: PipelineSettings) -> PipelineSession:
        """Load the weights (or build random ones) and move them to the device."""
        diffusers.logging.set_verbosity_error()
        transformers.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        began = time.monotonic()
        device, dtype = devices.device(settings.device), getattr(torch, settings.dtype)
        meters.reset_host_peak()
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        pipe = (
            architectures.build_random_pipeline(settings.repo, device, dtype)
            if settings.weights == "random"
            else _pretrained(settings, dtype)
        )
        if settings.lora:
            pipe.load_lora_weights(settings.lora)
        _move_to_device(pipe, settings, device)
        pipe.set_progress_bar_config(disable=True)
        if settings.compile:
            backbone = getattr(pipe, "transformer", None) or pipe.unet
            backbone.compile_repeated_blocks() if hasattr(backbone, "compile_repeated_blocks") else backbone.compile()
        _synchronise(device)
        took = time.monotonic() - began
        joules = meters.gpu_joules(f"GPU-{getattr(torch.cuda.get_device_properties(0), 'uuid', '')}") if device == "cuda" else None
        return cls(pipe, settings, device, took, joules)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Load time, device, parameters, and the peak memory since loading began.

        ``peak_memory_bytes``: what torch allocated on a CUDA device, otherwise the process's resident memory, which is
        ``peak_host_memory_bytes`` everywhere.
        """
        host = meters.host_peak()
        peak = torch.cuda.max_memory_allocated() if self._device == "cuda" else host
        return {**self._facts, "peak_memory_bytes": peak, "peak_host_memory_bytes": host}

    @torch.inference_mode()
    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """One picture a request, all in one call of the pipeline.

        A prompt is encoded once; its time counts in the latency of each of its pictures. Embeddings of the first call are
        dropped: a cold model took longer to make them.

        Raises:
            ProviderError: out of memory.
        """
        try:
            images, timing = self._generate(requests)
        except torch.OutOfMemoryError as error:
            raise ProviderError("out of memory on the device; lower model.batch_size or model.size, or set model.offload=model") from error
        if self._cold:
            self._cold = False
            self.clear_cache()
        note = {"random_weights": True} if self._settings.weights == "random" else {}
        return [Rendered("ok", _encoded(image, self._settings.image_format), timing, cost_usd=0.0, detail=note) for image in images]

    def clear_cache(self) -> None:
        """Drop the embeddings, so that the next call encodes and times its own."""
        self._embedded.clear()

    def close(self) -> None:
        """Drop the pipeline and the device's cached memory."""
        self._pipe = None
        self.clear_cache()
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def _generate(self, requests: Sequence[Request]) -> tuple[list[Image.Image], Timing]:
        settings, first = self._settings, requests[0]
        texts = [(r.prompt, r.negative_prompt) for r in requests]
        embedded = {text: self._embed(*text) for text in dict.fromkeys(texts)}
        encode = sum(text.seconds for text in embedded.values())
        step_ends: list[float] = []

        def record_step(_pipe: object, _step: int, _time: object, values: dict[str, Any]) -> dict[str, Any]:
            _synchronise(self._device)
            step_ends.append(time.perf_counter())
            return values

        _synchronise(self._device)
        energy_before, began = self._energy(), time.perf_counter()
        images = self._pipe(
            **conditioning.join([embedded[text].tensors for text in texts]),
            **conditioning.arguments(self._pipe, settings),
            width=first.width,
            height=first.height,
            num_inference_steps=settings.steps,
            generator=[torch.Generator("cpu").manual_seed(r.seed or 0) for r in requests],
            callback_on_step_end=record_step,
        ).images
        _synchronise(self._device)
        ended = time.perf_counter()
        joules = self._energy() - energy_before + sum(text.joules for text in embedded.values())
        sampled = step_ends[-1] if step_ends else ended
        timing = Timing(
            encode + ended - began, encode, sampled - began, ended - sampled, len(step_ends), len(requests), energy_j=joules / len(requests)
        )
        return images, timing

    def _energy(self) -> float:
        return self._joules() if self._joules else math.nan

    def _embed(self, prompt: str, negative: str | None) -> _Embedded:
        key = (prompt, negative)
        if key not in self._embedded:
            _synchronise(self._device)
            energy_before, began = self._energy(), time.perf_counter()
            tensors = conditioning.embed(self._pipe, self._settings, prompt, negative, self._device)
            _synchronise(self._device)
            while len(self._embedded) >= _MAX_EMBEDDED:
                self._embedded.pop(next(iter(self._embedded)))
            self._embedded[key] = _Embedded(tensors, time.perf_counter() - began, self._energy() - energy_before)
        return self._embedded[key]


_MAX_EMBEDDED = 64
"""Prompts whose embeddings stay in memory; a prompt's seeds are rendered one after another, so few are enough."""


def _pretrained(settings: PipelineSettings, dtype: torch.dtype) -> Any:  # noqa: ANN401 - any pipeline
    source = str(settings.folder or settings.repo)
    try:
        pipe = DiffusionPipeline.from_pretrained(source, revision=settings.revision, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())[:300]
        raise MissingWeightsError(f"{settings.name}: diffusers cannot load {settings.repo}: {why}") from error
    return pipe.to(dtype=dtype)


def _move_to_device(pipe: Any, settings: PipelineSettings, device: str) -> None:  # noqa: ANN401 - any pipeline
    if settings.offload == "none" or device == "cpu":
        pipe.to(device)
    elif settings.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
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
