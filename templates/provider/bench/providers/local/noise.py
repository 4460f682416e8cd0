"""``noise``: pictures of random pixels: what does a metric give to no picture at all?"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.errors import ConfigError
from bench.providers import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.providers import Prompt


@dataclass(frozen=True)
class NoiseProvider:
    """Draws blocks of random colours, whatever the prompt says.

    Attributes:
        block: side of a block in pixels, 1 to 128.

    Raises:
        ConfigError: ``block`` is out of range.
    """

    name: str = "noise"
    block: int = 8
    batch_size: int = 1
    card: Mapping[str, Any] = field(default_factory=dict)
    hosted: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.block, bool) or not isinstance(self.block, int) or not 1 <= self.block <= 128:
            raise ConfigError(f"model.block={self.block!r} must be a whole number from 1 to 128")

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """Everything that decides the picture; it is the key by which work is resumed. Loads nothing."""
        return Request("noise", "1", prompt.text, None, seed or 0, 128, 128, {"block": self.block})

    def check(self) -> None:
        """Raise MissingWeightsError, MissingKeyError or MissingPackageError if ``open`` could not succeed; here nothing can be missing."""

    def open(self, say: Callable[[str], None]) -> NoiseSession:
        """Load what is slow to load here, once a run."""
        began = time.monotonic()
        import numpy as np  # noqa: F401, PLC0415 - measured as loading

        say(f"{self.name}: blocks of {self.block} pixels, nothing to load")
        return NoiseSession({"load_s": time.monotonic() - began, "device": "cpu", "parameters": 0})


@dataclass(frozen=True)
class NoiseSession:
    """Ready to render; ``facts`` are kept with the run."""

    facts: Mapping[str, Any]

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """One picture a request, in order. What cannot be drawn is ``Rendered("failed", error="…")``, not an exception."""
        return [self._draw(request) for request in requests]

    def _draw(self, request: Request) -> Rendered:
        import numpy as np  # noqa: PLC0415 - imported by ``open``
        from PIL import Image  # noqa: PLC0415 - slow import

        began = time.perf_counter()  # the clock stands around the work and nothing else
        block = int(str(request.settings["block"]))
        random = np.random.default_rng([request.seed or 0, *request.prompt.encode()])
        blocks = random.integers(0, 256, (-(-request.height // block), -(-request.width // block), 3), np.uint8)
        pixels = blocks.repeat(block, axis=0).repeat(block, axis=1)[: request.height, : request.width]
        took = time.perf_counter() - began
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG")
        return Rendered("ok", data.getvalue(), Timing(latency_s=took), cost_usd=0.0)

    def close(self) -> None:
        """Free memory and connections; here there are none."""
