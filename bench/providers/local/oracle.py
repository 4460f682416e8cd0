"""``tiny-oracle``: draws the prompt exactly; the upper bound of every metric on the embedded domain."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.errors import PromptError
from bench.tiny.revision import REVISION
from bench.types import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.types import Prompt


@dataclass(frozen=True)
class OracleProvider:
    """The renderer of the embedded domain as a model; the revision of its requests is the renderer's."""

    name: str = "tiny-oracle"
    batch_size: int = 1
    card: Mapping[str, Any] = field(default_factory=dict)
    hosted: bool = False

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt; one outside the domain fails when it is drawn."""
        return Request("tiny-oracle", REVISION, prompt.text, None, seed or 0, 128, 128)

    def check(self) -> None:
        """Nothing can be missing."""

    def open(self, say: Callable[[str], None]) -> OracleSession:
        """Import the renderer."""
        began = time.monotonic()
        from bench.tiny import scenes  # noqa: PLC0415 - measured as loading

        say(f"{self.name}: draws scenes, nothing to load")
        scenes.draw(scenes.parse("a red circle on the left, on white"), 0)
        return OracleSession({"load_s": time.monotonic() - began, "device": "cpu", "parameters": 0})


@dataclass(frozen=True)
class OracleSession:
    """Draws one picture a request."""

    facts: Mapping[str, Any]

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """A PNG picture a request; a prompt outside the domain gives a result "failed" with the reason."""
        return [self._draw(request) for request in requests]

    def _draw(self, request: Request) -> Rendered:
        from bench.tiny import scenes  # noqa: PLC0415 - imported by ``open``

        began = time.perf_counter()
        try:
            image = scenes.draw(scenes.parse(request.prompt), request.seed or 0)
        except PromptError as error:
            return Rendered("failed", error=str(error))
        took = time.perf_counter() - began
        data = io.BytesIO()
        image.save(data, "PNG")
        return Rendered("ok", data.getvalue(), Timing(latency_s=took), cost_usd=0.0)

    def close(self) -> None:
        """There is nothing to free."""
