"""Any text-to-image pipeline of the diffusers library, from the hub, its cache or a local folder."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bench import resources
from bench.errors import ConfigError, MissingWeightsError, unknown
from bench.providers import weights
from bench.types import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.providers.pipeline import PipelineSession
    from bench.types import Prompt

Dtype = Literal["float32", "bfloat16", "float16"]
Device = Literal["auto", "cuda", "mps", "cpu"]
Offload = Literal["none", "model", "sequential", "group"]
Weights = Literal["pretrained", "random"]
ImageFormat = Literal["png", "webp"]


@dataclass(frozen=True)
class DiffusersProvider:
    """A pipeline as configured.

    Attributes:
        repo: hub repository ("black-forest-labs/FLUX.1-dev") or a folder in diffusers' layout.
        revision: branch, tag or commit; records carry the commit (hub) or a content hash (folder).
        steps: sampling steps, 1 or more.
        guidance: guidance scale (embedded in FLUX, classifier-free in SD3 and SDXL), 0 or more.
        true_cfg: classifier-free guidance of pipelines that distinguish it from ``guidance``; 1 is off.
        max_sequence_length: text tokens the pipeline encodes; None leaves it to the pipeline.
        size: "1024x1024" or "1024", multiples of 16 from 64 to 4096.
        fixed_size: ignore a prompt's aspect.
        batch_size: pictures a call.
        lora: repository or file of LoRA weights.
        offload: where weights wait on a small GPU.
        compile: compile the transformer's repeated blocks before the warm-up.
        image_format: how pictures are kept; both are lossless, WebP is smaller and slower to write.
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
        for key in ("compile", "fixed_size"):
            if not isinstance(getattr(self, key), bool):
                raise ConfigError(f"model.{key}={getattr(self, key)!r} must be true or false")
        parse_size(self.size)

    @property
    def folder(self) -> Path | None:
        """The local folder behind ``repo``, None for a hub repository."""
        if self.repo.startswith("weights/"):
            return resources.folder("weights") / self.repo.removeprefix("weights/")
        path = Path(self.repo).expanduser()
        return path if path.is_dir() else None

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt: its aspect at the configured number of pixels, in multiples of 16."""
        width, height = parse_size(self.size)
        if prompt.aspect != "1:1" and not self.fixed_size:
            width, height = at_aspect(width * height, prompt.aspect)
        settings = {
            "steps": self.steps,
            "guidance": float(self.guidance),
            "true_cfg": float(self.true_cfg),
            "max_sequence_length": self.max_sequence_length,
            "dtype": self.dtype,
            "lora": self.lora,
            "weights": self.weights,
        }
        folder = self.folder
        if self.weights == "random":
            model, revision = self.repo, "random"
        elif folder is not None:
            model, revision = folder.name, weights.folder_hash(folder)
        else:
            model, revision = self.repo, weights.cached_commit(self.repo, self.revision) or self.revision or "main"
        return Request(model, revision, prompt.text, prompt.negative_prompt, seed, width, height, settings)

    def check(self) -> None:
        """Raise MissingWeightsError unless weights, device and memory are there."""
        if self.weights == "random":
            from bench import architectures  # noqa: PLC0415 - only for this mode

            architectures.find(self.repo)
        elif self.folder is None and weights.cached_commit(self.repo, self.revision) is None:
            raise MissingWeightsError(weights.how_to_get(self.name, self.repo, gated=bool(self.card.get("gated"))))
        elif self.folder is not None and not (self.folder / "model_index.json").is_file():
            raise MissingWeightsError(f"{self.repo} holds no model_index.json: it is no folder that diffusers wrote")
        weights.check_memory(self.name, self.device, float(self.card.get("memory_gb", 0)), self.offload)

    def open(self, say: Callable[[str], None]) -> PipelineSession:
        """Load (or build) the pipeline on its device."""
        from bench.providers.pipeline import PipelineSession  # noqa: PLC0415 - imports torch

        say(f"{self.name}: loading {self.repo}")
        return PipelineSession.load(self)


def _whole(key: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"model.{key}={value!r} must be a whole number from {low} to {high}")


def parse_size(size: str | int) -> tuple[int, int]:
    """Width and height from "1024x768" or "1024".

    Raises:
        ConfigError: not of that form, not multiples of 16, or outside 64 to 4096.
    """
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(size))
    if match:
        width = int(match[1])
        height = int(match[2] or width)
        if all(64 <= side <= 4096 and side % 16 == 0 for side in (width, height)):
            return width, height
    raise ConfigError(f"model.size={size!r} must be WIDTHxHEIGHT in multiples of 16 from 64 to 4096, like 1024x768")


def at_aspect(pixels: int, aspect: str) -> tuple[int, int]:
    """Width and height of about ``pixels`` at "W:H", in multiples of 16.

    >>> at_aspect(1024 * 1024, "16:9")
    (1360, 768)
    """
    wide, high = (int(x) for x in aspect.split(":"))
    width = round(math.sqrt(pixels * wide / high) / 16) * 16
    height = round(math.sqrt(pixels * high / wide) / 16) * 16
    return max(width, 64), max(height, 64)
