"""OpenAI's image API and every server that speaks it (Azure, vLLM, LocalAI, …), through the official SDK."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bench.errors import ConfigError
from bench.providers.hosted.shared.extra_fields import check_extra
from bench.providers.hosted.shared.openai_images import ImagesServer
from bench.providers.sizes import ANY_SIDES, Sides, fit, has_aspect, nearest, parse_size, ratio
from bench.types import Request

if TYPE_CHECKING:
    from bench.types import Prompt

_RESERVED = {"model", "prompt", "n", "size", "quality", "response_format", "stream", "partial_images", "endpoint", "aspect"}
"""Names that ``extra`` must not set: fields of the preset, what would make several pictures in a call, names in the settings."""


@dataclass(frozen=True)
class AnySize:
    """The limits of a server that draws any size within them.

    Attributes:
        multiple: both sides are multiples of it.
        longest: maximum of the longer side, pixels.
        least_pixels: minimum of width × height.
        most_pixels: maximum of width × height.
        widest: maximum of longer / shorter side.
    """

    multiple: int
    longest: int
    least_pixels: int
    most_pixels: int
    widest: float

    def fit(self, aspect: str, pixels: int) -> tuple[int, int]:
        """Width and height of about ``pixels`` in all at an aspect. Raises ConfigError where none fits."""
        width, height = fit(aspect, pixels, Sides(self.multiple, self.multiple, self.longest))
        shape = ratio(aspect)
        if max(width, height) > self.widest * min(width, height) and max(shape, 1 / shape) <= self.widest:
            width, height = (width - self.multiple, height) if width > height else (width, height - self.multiple)
        self.check(width, height, f"{width}x{height}, which the aspect {aspect} asks for at this model.size,")
        return width, height

    def check(self, width: int, height: int, what: str) -> None:
        """Raise ConfigError, beginning with ``what``, unless the server draws this size."""
        sides = (min(width, height), max(width, height))
        if any(side % self.multiple for side in sides):
            raise ConfigError(f"{what} must have sides that are multiples of {self.multiple}")
        if sides[1] > self.longest or sides[1] > self.widest * sides[0]:
            raise ConfigError(f"{what} must have no side above {self.longest} pixels and be at most {self.widest:g} times as long as short")
        if not self.least_pixels <= width * height <= self.most_pixels:
            raise ConfigError(f"{what} must have {self.least_pixels:,} to {self.most_pixels:,} pixels")


@dataclass(frozen=True, kw_only=True)
class OpenAIProvider(ImagesServer):
    """An image model behind ``images.generate``. It takes no seed: one picture a prompt.

    Attributes:
        sizes: the sizes that the server offers, a list of "WIDTHxHEIGHT"; None where ``any_size`` decides.
        any_size: the limits of a server that draws any size within them.
        size: "1024x1024" or "1024", drawn for prompts of aspect 1:1; other aspects get about as many pixels. "auto" leaves
            the size to the server.
        quality: the server's word for it ("low", "high", "hd", …); None leaves it to the server.
        response_format: "b64_json" or "url" for servers in the manner of DALL·E; None for GPT image models, which refuse it.
        extra: further fields of the request, scalars; part of the settings that are recorded.

    Raises:
        ConfigError: a size that is not offered, or a field that is no part of the protocol.
    """

    api_key_env: str = "OPENAI_API_KEY"
    sizes: Sequence[str] | None = None
    any_size: AnySize | None = None
    size: str = "1024x1024"
    quality: str | None = None
    response_format: Literal["b64_json", "url"] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    price_list_key: ClassVar[str] = "openai"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.response_format not in {None, "b64_json", "url"}:
            raise ConfigError(f"model.response_format={self.response_format!r} must be b64_json, url or null")
        check_extra(self.extra, _RESERVED)
        if isinstance(self.sizes, str) or not (self.sizes or self.any_size):
            raise ConfigError(f"model.sizes={self.sizes!r} must be a list like [1024x1024,1536x1024]")
        offered = self._offered()
        if self.size == "auto":
            return
        width, height = self._size()
        if self.any_size and not self.sizes:
            self.any_size.check(width, height, f"model.size={self.size}")
        elif self.sizes and (width, height) not in offered:
            choices = ", ".join(map(str, self.sizes))
            raise ConfigError(f"model.size={self.size} is not offered by {self.model}; say one of {choices} or auto")

    def request(self, prompt: Prompt, seed: int | None) -> Request:  # noqa: ARG002 - the API takes no seed
        """The request for a prompt: its aspect exactly where the server offers it, else the nearest, noted in ``aspect``."""
        settings = {"quality": self.quality, "endpoint": self.endpoint, **self.extra}
        width, height, same = self._shape(prompt.aspect)
        if not same:
            settings["aspect"] = prompt.aspect
        return Request(self.model, "", prompt.text, None, None, width, height, settings)

    def arguments(self, request: Request) -> dict[str, Any]:
        """The arguments of ``images.generate``."""
        fields: dict[str, Any] = {"model": request.model, "prompt": request.prompt, "n": 1, "extra_body": dict(self.extra)}
        fields["size"] = f"{request.width}x{request.height}" if request.width else "auto"
        if self.quality is not None:
            fields["quality"] = self.quality
        if self.response_format is not None:
            fields["response_format"] = self.response_format
        return fields

    def _shape(self, aspect: str) -> tuple[int, int, bool]:
        """Width and height for an aspect (0 and 0 where the server decides), and whether they have that aspect."""
        if self.size == "auto":
            return 0, 0, aspect == "1:1"
        width, height = self._size()
        if aspect == "1:1":
            return width, height, has_aspect(width, height, aspect)
        pixels = width * height
        if self.any_size and not self.sizes:
            width, height = self.any_size.fit(aspect, pixels)
            return width, height, has_aspect(width, height, aspect)
        offered = {f"{wide}x{high}": (wide, high) for wide, high in self._offered()}
        by_pixels = sorted(offered, key=lambda size: abs(math.log(math.prod(offered[size]) / pixels)))
        size, same = nearest(aspect, by_pixels)
        return *offered[size], same

    def _size(self) -> tuple[int, int]:
        return parse_size(self.size, ANY_SIDES, keyword="auto")

    def _offered(self) -> list[tuple[int, int]]:
        return [parse_size(size, ANY_SIDES, field="model.sizes") for size in self.sizes or ()]
