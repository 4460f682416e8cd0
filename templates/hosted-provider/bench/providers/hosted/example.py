"""A server with an API of its own: one POST with JSON a picture, answered with the picture's bytes.

The address of the vendor's reference stands here, with the date on which it was read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.errors import ConfigError
from bench.providers import Hosted, Rendered, Request, Timing
from bench.providers.hosted.shared import responses

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from bench.providers import Prompt, Task

_MAX_BYTES = 64 * 2**20
"""Of an answer: what is longer is no picture."""


@dataclass(frozen=True, kw_only=True)
class ExampleProvider(Hosted):
    """A model behind the example server. Address, key and limits are fields of ``Hosted``.

    Attributes:
        style: "photo" or "drawing", the server's own option.

    Raises:
        ConfigError: another style.
    """

    api_key_env: str = "EXAMPLE_API_KEY"
    style: str = "photo"

    default_base_url: ClassVar[str] = "https://api.example.com"
    price_list_key: ClassVar[str] = "example"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.style not in {"photo", "drawing"}:
            raise ConfigError(f"model.style={self.style!r} must be photo or drawing")

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """Everything that decides the picture. Width and height 0: the server picks the size; seed None where it takes none."""
        return Request(self.model, "", prompt.text, prompt.negative_prompt, seed, 0, 0, {"endpoint": self.endpoint, "style": self.style})

    async def connect(self, say: Callable[[str], None]) -> ExampleClient:
        """Build the client; nothing is sent yet."""
        began = time.monotonic()
        say(f"{self.name}: {self.model} at {self.address}")
        http = self.http_client({"authorization": f"Bearer {self.key}", "accept-encoding": "identity"})
        return ExampleClient(self, http, time.monotonic() - began)


class ExampleClient:
    """One call a picture. Pace, retries, money, checks of the picture and storage are its caller's."""

    def __init__(self, provider: ExampleProvider, http: httpx2.AsyncClient, load_s: float) -> None:
        self._provider, self._http, self._load_s = provider, http, load_s

    @property
    def facts(self) -> Mapping[str, Any]:
        """Kept with the run."""
        return {"device": "hosted", "endpoint": self._provider.endpoint, "load_s": self._load_s}

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def make(self, request: Request, task: Task) -> Rendered:
        """One attempt: a picture or a refusal. Raises the error that any other answer stands for."""
        import httpx2  # noqa: PLC0415 - imported by ``connect``

        sent = {"model": request.model, "prompt": request.prompt, "seed": request.seed, "style": request.settings["style"]}
        await task.turn()  # waits for a place within the limits; the clock starts after it
        began = time.perf_counter()
        try:
            async with self._http.stream("POST", f"{self._provider.address}/v1/images", json=sent) as response:
                generated = time.perf_counter()
                data = await responses.body(response, _MAX_BYTES)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise responses.error_for_connection(self._provider, error) from None
        ended = time.perf_counter()
        timing = Timing(latency_s=ended - began, generate_s=generated - began, download_s=ended - generated)
        if response.status_code == 200:
            return Rendered("ok", data, timing)
        words = self._provider.clean(responses.fields(data).get("message", ""))  # never a server's words as they came
        if response.status_code == 422:
            return Rendered("refused", None, timing, words, detail={"refusal": "refused", "code": "422", "categories": []})
        raise responses.error_for_status(self._provider, response.status_code, response.headers, words)
