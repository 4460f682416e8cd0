"""The configuration of a diffusers pipeline: a preset's fields and their checks. Loads nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bench.errors import ConfigError, unknown
from bench.providers.sizes import parse_size
from bench.weights.hub import local_folder

Dtype = Literal["float32", "bfloat16", "float16"]
Device = Literal["auto", "cuda", "mps", "cpu"]
Offload = Literal["none", "model", "sequential", "group"]
Weights = Literal["pretrained", "random"]
ImageFormat = Literal["png", "webp"]


@dataclass(frozen=True)
class PipelineSettings:
    """A diffusers pipeline as configured.

    Attributes:
        repo: hub repository ("black-forest-labs/FLUX.1-dev") or a folder in diffusers' layout.
        revision: branch, tag or commit of a hub repository; records have the commit, or a folder's content hash.
        dtype: of the weights and of the computation.
        device: "auto" takes a GPU where there is one.
        steps: sampling steps, 1 or more.
        guidance: guidance scale (embedded in FLUX, classifier-free in SD3 and SDXL), 0 or more.
        true_cfg: classifier-free guidance scale of pipelines where ``guidance`` is another thing; 1 is off.
        max_sequence_length: number of text tokens that are encoded; None leaves it to the pipeline.
        size: "1024x1024" or "1024", multiples of 16 from 64 to 4096.
        fixed_size: draw every prompt at ``size``, whatever its aspect.
        batch_size: pictures in one call of the pipeline.
        lora: LoRA weights on this machine: a file, a folder with one, or a hub repository in the local cache.
        lora_scale: how much of the LoRA is applied; 1 is all.
        offload: how weights are kept in host memory where the GPU is too small for all.
        compile: compile the transformer's repeated blocks before the warm-up.
        image_format: file format of stored pictures; both are lossless, WebP is smaller and slower to write.
        weights: "random" builds the architecture without any download, for timing only.

    Raises:
        ConfigError: a value of the wrong kind or out of range.
    """

    name: str
    repo: str
    revision: str | None = None
    dtype: Dtype = "bfloat16"
    device: Device = "auto"
    steps: int = 28
    guidance: float = 3.5
    true_cfg: float = 1.0
    max_sequence_length: int | None = None
    size: str | int = "1024x1024"
    fixed_size: bool = False
    batch_size: int = 1
    lora: str | None = None
    lora_scale: float = 1.0
    offload: Offload = "none"
    compile: bool = False
    image_format: ImageFormat = "png"
    weights: Weights = "pretrained"
    card: Mapping[str, Any] = field(default_factory=dict)
    hosted: bool = False

    def __post_init__(self) -> None:
        for key, kind in (("dtype", Dtype), ("device", Device), ("offload", Offload), ("weights", Weights), ("image_format", ImageFormat)):
            if getattr(self, key) not in get_args(kind):
                raise unknown(f"value of model.{key}", str(getattr(self, key)), get_args(kind))
        _whole("steps", self.steps, 1, 1000)
        _whole("batch_size", self.batch_size, 1, 256)
        if self.max_sequence_length is not None:
            _whole("max_sequence_length", self.max_sequence_length, 1, 4096)
        for key, low in (("guidance", 0.0), ("true_cfg", 1.0)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < low:
                raise ConfigError(f"model.{key}={value!r} must be a number of at least {low:g}")
        scale = self.lora_scale
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale):
            raise ConfigError(f"model.lora_scale={scale!r} must be a number")
        if self.lora is None and scale != 1:
            raise ConfigError(f"model.lora_scale={scale:g} changes nothing without model.lora")
        for key in ("compile", "fixed_size"):
            if not isinstance(getattr(self, key), bool):
                raise ConfigError(f"model.{key}={getattr(self, key)!r} must be true or false")
        parse_size(self.size)

    @property
    def folder(self) -> Path | None:
        """The local folder behind ``repo``, None for a hub repository."""
        return local_folder(self.repo)


def _whole(key: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"model.{key}={value!r} must be a whole number from {low} to {high}")
