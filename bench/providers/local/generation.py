"""One call of a loaded pipeline: what it is given, what it made, how long each part took. Imported only when a model is opened."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from bench.errors import ConfigError
from bench.providers.local import conditioning
from bench.providers.sizes import parse_size
from bench.types import Rendered, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from bench.providers.local.settings import PipelineSettings
    from bench.types import Request


_DECODED_TOGETHER = 4 * 1024 * 1024
"""Pixels of a batch up to which it is decoded in one piece, as the pipeline does by itself; more takes many GB."""


class Generated(NamedTuple):
    """What a call made.

    Attributes:
        images: the pictures, in order.
        finite: whether each picture and its last latents hold neither NaN nor infinity.
        timing: of the call alone, without text encoders that ran before it and without energy.
    """

    images: list[Image.Image]
    finite: list[bool]
    timing: Timing


class Clock:
    """Moments in a device's work, in seconds from the first. On CUDA events are recorded, so that the host need not wait for a step.

    Args:
        device: "cuda", "mps" or "cpu".
    """

    def __init__(self, device: str) -> None:
        self._device, self._moments = device, list[Any]()

    def __len__(self) -> int:
        return len(self._moments)

    def record(self) -> None:
        """Note this moment: on CUDA in the stream of work, elsewhere once the device has done what it was given."""
        if self._device == "cuda":
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record()
            self._moments.append(event)
        else:
            synchronise(self._device)
            self._moments.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """Seconds from the first moment to each one. On CUDA only after the device was synchronised."""
        if self._device == "cuda":
            return [self._moments[0].elapsed_time(event) / 1000 for event in self._moments]
        return [moment - self._moments[0] for moment in self._moments]


def configure(pipe: Any, settings: PipelineSettings) -> None:  # noqa: ANN401 - any pipeline
    """Set a pipeline up as configured: no progress bar, no invisible watermark, decoding in slices or tiles, compilation.

    Raises:
        ConfigError: ``vae_tiling`` of a pipeline that cannot.
    """
    pipe.set_progress_bar_config(disable=True)
    if getattr(pipe, "watermark", None) is not None:  # SDXL with the package invisible-watermark, which not everybody has
        pipe.watermark = None
    vae: Any = getattr(pipe, "vae", None)
    width, height = parse_size(settings.size)
    if settings.batch_size > 1 and settings.batch_size * width * height > _DECODED_TOGETHER and hasattr(vae, "use_slicing"):
        vae.enable_slicing()
    if settings.vae_tiling:
        if not hasattr(vae, "use_tiling"):
            raise ConfigError(f"model.vae_tiling=true: the autoencoder of {settings.name} cannot decode in tiles; leave the option out")
        vae.enable_tiling()
    denoiser = _denoiser(pipe)
    if settings.compile and denoiser is not None:
        blocks = getattr(denoiser, "_repeated_blocks", None)
        denoiser.compile_repeated_blocks() if blocks else denoiser.compile()


def generate(
    pipe: Any,  # noqa: ANN401 - any pipeline
    settings: PipelineSettings,
    tensors: conditioning.Tensors,
    requests: Sequence[Request],
    device: str,
) -> Generated:
    """Call the pipeline for a batch with what its signature knows; the noise of each picture comes from its own CPU generator.

    The sampling loop is timed from the call to the end of the last step. Of pipelines whose text encoders run inside the call it
    is timed from the denoiser's first call, or where that is compiled as a whole from the end of the first step, and ``encode_s``
    is NaN; of those that cannot report their steps ``denoise_s`` and ``decode_s`` are NaN.
    """
    clock, latents = Clock(device), list[torch.Tensor]()

    def end_step(_pipe: object, _step: int, _time: object, values: dict[str, Any]) -> dict[str, Any]:
        clock.record()
        latents[:] = [values["latents"]] if "latents" in values else []
        return values

    first = requests[0]
    values = {
        "width": first.width,
        "height": first.height,
        "num_inference_steps": settings.steps,
        "generator": [torch.Generator("cpu").manual_seed(r.seed or 0) for r in requests],
        "output_type": "np",
        "callback_on_step_end": end_step,
    }
    values = {k: v for k, v in values.items() if k in conditioning.call_parameters(pipe)}
    apart = conditioning.encodes_apart(pipe)
    watched = None if apart else _watch_first_step(pipe, clock)
    synchronise(device)
    began = time.perf_counter()
    clock.record()
    try:
        drawn = pipe(**tensors, **conditioning.arguments(pipe, settings), **values).images
    finally:
        if watched:
            watched.remove()
    with np.errstate(invalid="ignore"):  # NaN has no colour; such pictures are not kept
        images = pipe.numpy_to_pil(drawn) if isinstance(drawn, np.ndarray) else list(drawn)
    synchronise(device)
    took = time.perf_counter() - began
    moments = clock.seconds()
    before = 1 if apart else 2
    steps = len(moments) - before
    sampled, start = (moments[-1], moments[before - 1]) if steps > 0 else (math.nan, math.nan)
    timing = Timing(took, 0.0 if apart else math.nan, sampled - start, took - sampled, max(steps, 0), len(requests))
    return Generated(images, _finite(drawn, latents, len(images)), timing)


def rendered(images: Sequence[bytes], generated: Generated, settings: PipelineSettings) -> list[Rendered]:
    """A result a picture: the stored ``images``, but failed where the model's output was not finite."""
    note = {"random_weights": True} if settings.weights == "random" else {}
    failed = Rendered("failed", error=not_finite(settings))
    return [
        Rendered("ok", image, generated.timing, cost_usd=0.0, detail=note) if finite else failed
        for image, finite in zip(images, generated.finite, strict=True)
    ]


def not_finite(settings: PipelineSettings) -> str:
    """The reason of a picture whose latents or pixels are NaN or infinite, with what to try."""
    wider = {"float16": "bfloat16 or model.dtype=float32", "bfloat16": "float32"}.get(settings.dtype)
    strengths = [f"model.{key}={getattr(settings, key):g}" for key in ("guidance", "true_cfg") if getattr(settings, key) > 1]
    advice = [f"take model.dtype={wider}, for {settings.dtype} overflows"] if wider else [f"model.dtype={settings.dtype} is the widest"]
    advice += [f"lower {' and '.join(strengths)}"] if strengths else []
    return f"the model's output is not finite (NaN or infinity), so there is no picture: {', or '.join(advice)}, or check the weights"


def synchronise(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def _denoiser(pipe: Any) -> Any:  # noqa: ANN401 - any pipeline
    return getattr(pipe, "transformer", None) or getattr(pipe, "unet", None)


def _watch_first_step(pipe: Any, clock: Clock) -> Any:  # noqa: ANN401 - any pipeline
    """Record the denoiser's first call. None where there is no denoiser, or one compiled as a whole, into which no hook may reach."""
    denoiser = _denoiser(pipe)
    if denoiser is None or getattr(denoiser, "_compiled_call_impl", None) is not None:
        return None
    return denoiser.register_forward_pre_hook(lambda *_: clock.record() if len(clock) == 1 else None)


def _finite(drawn: Any, latents: Sequence[torch.Tensor], count: int) -> list[bool]:  # noqa: ANN401 - an array or a list of pictures
    finite = [bool(np.isfinite(picture).all()) for picture in drawn] if isinstance(drawn, np.ndarray) else [True] * count
    for value in latents:
        apart = value if value.shape[0] == count else value[None].expand(count, *value.shape)
        finite = [a and b for a, b in zip(finite, torch.isfinite(apart).flatten(1).all(1).tolist(), strict=True)]
    return finite
