"""A loaded diffusers pipeline: rendering and timing. Imported only when a model is opened."""

from __future__ import annotations

import io
import math
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from bench.errors import ProviderError
from bench.providers.local import conditioning, loading, meters
from bench.providers.local.conditions import conditions, device_memory
from bench.providers.local.generation import configure, generate, rendered, synchronise
from bench.weights import devices, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PIL import Image

    from bench.providers.local.settings import PipelineSettings
    from bench.types import Rendered, Request


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
        place: where its weights are (``loading.placement``).
        joules: reads the energy used so far; None where nothing measures it.
    """

    def __init__(
        self,
        pipe: Any,  # noqa: ANN401 - any pipeline
        settings: PipelineSettings,
        device: str,
        load_s: float,
        *,
        place: str = "none",
        joules: Callable[[], float] | None = None,
    ) -> None:
        self._pipe, self._settings, self._device, self._joules = pipe, settings, device, joules
        self._embedded: dict[tuple[str, str | None], _Embedded] = {}
        self._cold = True
        self._facts = {
            "load_s": load_s,
            **conditions(pipe, settings, device),
            "offload": place,
            "pipeline": type(pipe).__name__,
            "parameters": sum(p.numel() for m in pipe.components.values() if isinstance(m, torch.nn.Module) for p in m.parameters()),
        }

    @classmethod
    def load(cls, settings: PipelineSettings, say: Callable[[str], None]) -> PipelineSession:
        """Load the weights (or build random ones) and move them to the device; ``say`` prints what is worth knowing.

        Raises:
            BenchError: they do not fit, or cannot be loaded; nothing of them stays in memory.
        """
        device = devices.device(settings.device)
        return loading.guarded(settings, device, lambda: cls._load(settings, device, say))

    @classmethod
    def _load(cls, settings: PipelineSettings, device: str, say: Callable[[str], None]) -> PipelineSession:
        loading.prepare(settings, device, say)
        began, place = time.monotonic(), loading.placement(settings, device)
        pipe = loading.load_pipeline(settings, device, place)
        configure(pipe, settings)
        synchronise(device)
        took = time.monotonic() - began
        joules = meters.gpu_joules(f"GPU-{getattr(torch.cuda.get_device_properties(0), 'uuid', '')}") if device == "cuda" else None
        return cls(pipe, settings, device, took, place=place, joules=joules)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Load time, device, parameters, and the peak memory since loading began.

        ``peak_memory_bytes``: what torch allocated on a CUDA device, what Metal held after a picture on a Mac, otherwise the
        process's resident memory, which is ``peak_host_memory_bytes`` everywhere. The rest is in ``bench.providers.local.conditions``.
        """
        host = meters.host_peak()
        peak = meters.device_peak(self._device) or host
        return {**self._facts, "peak_memory_bytes": peak, "peak_host_memory_bytes": host, **device_memory(self._device)}

    @torch.inference_mode()
    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """One picture a request, those whose calls have the same arguments in one call; "failed" where the output is not finite.

        A prompt is encoded once; its time counts in the latency of each of its pictures. Embeddings of the first call are
        dropped: a cold model took longer to make them.

        Raises:
            ProviderError: out of memory.
        """
        try:
            results = self._generate(requests)
        except Exception as error:
            self._recover(error)
            if devices.out_of_memory(error):
                settings = self._settings
                advice = memory.less_memory(loading.footprint(settings), self._device, settings.offload, len(requests))
                raise ProviderError(f"out of memory on {devices.called(self._device)}; {advice}") from None
            raise
        meters.sample_peak(self._device)
        if self._cold:
            self._cold = False
            self.clear_cache()
        return results

    def clear_cache(self) -> None:
        """Drop the embeddings, so that the next call encodes and times its own."""
        self._embedded.clear()

    def close(self) -> None:
        """Free the pipeline's memory: its networks refer to themselves in circles, so they are collected."""
        self._pipe = None
        self.clear_cache()
        devices.release()

    def _recover(self, error: BaseException) -> None:
        """After an error while a picture was made: networks go back to where offloading keeps them, and what it used is freed."""
        self.clear_cache()
        with suppress(RuntimeError):  # of a device that is lost; the error itself is the one to show
            if hasattr(self._pipe, "maybe_free_model_hooks"):
                self._pipe.maybe_free_model_hooks()
        devices.release(error)

    def _generate(self, requests: Sequence[Request]) -> list[Rendered]:
        embedded = [self._embed(r.prompt, r.negative_prompt) for r in requests]
        results: dict[int, Rendered] = {}
        for group in conditioning.alike([e.tensors for e in embedded]):
            made = self._generate_alike([requests[i] for i in group], [embedded[i] for i in group])
            results |= dict(zip(group, made, strict=True))
        return [results[i] for i in range(len(requests))]

    def _generate_alike(self, requests: Sequence[Request], embedded: Sequence[_Embedded]) -> list[Rendered]:
        energy_before = self._energy()
        tensors = conditioning.join([e.tensors for e in embedded])
        generated = generate(self._pipe, self._settings, tensors, requests, self._device)
        encodings = {id(e): e for e in embedded}.values()
        encode, call = sum(e.seconds for e in encodings), generated.timing
        joules = self._energy() - energy_before + sum(e.joules for e in encodings)
        timing = replace(call, latency_s=encode + call.latency_s, encode_s=encode + call.encode_s, energy_j=joules / len(requests))
        pictures = [_encoded(image, self._settings.image_format) for image in generated.images]
        return rendered(pictures, generated._replace(timing=timing), self._settings)

    def _energy(self) -> float:
        return self._joules() if self._joules else math.nan

    def _embed(self, prompt: str, negative: str | None) -> _Embedded:
        key = (prompt, negative)
        if key not in self._embedded:
            synchronise(self._device)
            energy_before, began = self._energy(), time.perf_counter()
            tensors = conditioning.embed(self._pipe, self._settings, prompt, negative, self._device)
            synchronise(self._device)
            while len(self._embedded) >= _MAX_EMBEDDED:
                self._embedded.pop(next(iter(self._embedded)))
            self._embedded[key] = _Embedded(tensors, time.perf_counter() - began, self._energy() - energy_before)
        return self._embedded[key]


_MAX_EMBEDDED = 64
"""Prompts whose embeddings stay in memory; a prompt's seeds are rendered one after another, so few are enough."""


def _encoded(image: Image.Image, image_format: str) -> bytes:
    data = io.BytesIO()
    image.save(data, image_format, **({"lossless": True} if image_format == "webp" else {}))
    return data.getvalue()
