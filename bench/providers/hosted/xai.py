"""xAI's Grok Imagine: OpenAI's protocol, with an aspect instead of a size."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from bench.errors import ConfigError
from bench.providers import sizes
from bench.providers.hosted.shared.extra_fields import check_extra
from bench.providers.hosted.shared.openai_images import ImagesServer
from bench.types import Request

if TYPE_CHECKING:
    from bench.types import Prompt

_TICKS_PER_USD = 10_000_000_000
"""Ticks in a US dollar (docs.x.ai/developers/cost-tracking)."""
_RESERVED = {"model", "prompt", "n", "size", "quality", "response_format", "aspect_ratio", "resolution", "stream", "endpoint", "aspect"}


@dataclass(frozen=True, kw_only=True)
class XaiProvider(ImagesServer):
    """A Grok Imagine model. It takes no seed and no size: one picture a prompt, whose pixels the server decides.

    Attributes:
        aspects: the "W:H" that the server offers.
        resolution: "1k" or "2k".
        quality: "low" or "medium" of models that have tiers; None for the others.
        extra: further fields of the request, scalars; part of the settings that are recorded.

    Raises:
        ConfigError: a value of the wrong form.
    """

    api_key_env: str = "XAI_API_KEY"
    aspects: Sequence[str]
    resolution: str = "1k"
    quality: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    default_base_url: ClassVar[str] = "https://api.x.ai/v1"
    price_list_key: ClassVar[str] = "xai"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_extra(self.extra, _RESERVED)
        if isinstance(self.aspects, str) or not self.aspects:
            raise ConfigError(f"model.aspects={self.aspects!r} must be a list like [1:1,16:9]")
        for aspect in self.aspects:
            sizes.ratio(aspect)
        if not re.fullmatch(r"\d(\.\d)?k", str(self.resolution)):
            raise ConfigError(f"model.resolution={self.resolution!r} must be 1k or 2k")

    def request(self, prompt: Prompt, seed: int | None) -> Request:  # noqa: ARG002 - the API takes no seed
        """The request for a prompt: its aspect where the server offers it, else the nearest, noted in ``aspect``."""
        near, same = sizes.nearest(prompt.aspect, self.aspects)
        settings = {"aspect_ratio": near, "resolution": self.resolution, "quality": self.quality, "endpoint": self.endpoint, **self.extra}
        if not same:
            settings["aspect"] = prompt.aspect
        return Request(self.model, "", prompt.text, None, None, 0, 0, settings)

    def arguments(self, request: Request) -> dict[str, Any]:
        """The arguments of ``images.generate``."""
        own = {"aspect_ratio": request.settings["aspect_ratio"], "resolution": self.resolution}
        fields = {"model": request.model, "prompt": request.prompt, "n": 1, "response_format": "b64_json"}
        if self.quality is not None:
            fields["quality"] = self.quality
        return {**fields, "extra_body": {**self.extra, **own}}

    def money(self, usage: Mapping[str, Any]) -> float:
        """USD charged, as xAI reports it with answers, refusals included; NaN where it does not."""
        ticks = usage.get("cost_in_usd_ticks")
        return ticks / _TICKS_PER_USD if isinstance(ticks, int | float) and ticks >= 0 else math.nan
