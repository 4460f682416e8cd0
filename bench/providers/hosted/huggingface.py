"""Any provider that Hugging Face's inference client knows, through the official SDK (huggingface_hub)."""

from __future__ import annotations

import io
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from bench.errors import BenchError, ConfigError, ProviderError
from bench.images.decoding import MOST_PIXELS
from bench.providers import sizes
from bench.providers.hosted.base import Hosted
from bench.providers.hosted.shared import responses
from bench.providers.sizes import LATENT_SIDES, parse_size
from bench.types import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.providers.hosted.base import Task
    from bench.types import Prompt

_MODERATION = re.compile(r"nsfw|moderat|safety (checker|filter|system|policy)|content[ _-]polic|sensitive|flagged", re.IGNORECASE)
_MISTAKE = re.compile(r"not supported|doesn't support|No provider mapping|Specifying a model is required|must provide an api_key")
"""Of the SDK's ValueErrors, those about model and provider, raised before anything is asked of the provider."""
_ADDRESS = re.compile(r" ?<[^<>]* at 0x[0-9a-f]+>")
_OWN_FIELDS = {
    "prompt", "inputs", "negative_prompt", "seed", "width", "height", "num_inference_steps", "guidance_scale",
    "endpoint", "inference_provider", "steps", "guidance", "aspect",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class HubProvider(Hosted):
    """A model behind one of the hub's inference providers, a dedicated endpoint, or a server that speaks its protocol.

    What the SDK does not let through:

    - It downloads links that a provider answers with (fal-ai, replicate, wavespeed) itself, outside this package's
      guarded ``Fetcher``: without limits of size or time, in threads that go on when an attempt is given up. nscale,
      together and hf-inference send the picture in the answer.
    - fal-ai blacks a picture out and says so in ``has_nsfw_concepts``, which the SDK drops: it counts as made. A task
      that replicate's filter failed arrives as a time-out. Refusals in the words of an HTTP error (together, nscale,
      hf-inference) or of a failed task (wavespeed) are recognised.
    - With "auto" nobody is told which provider drew the picture. Model and provider are looked up on the hub once, in
      the first attempt.

    Attributes:
        model: hub repository. Ignored by the server at a ``base_url`` of its own, but recorded.
        base_url: a dedicated endpoint; asked as ``hf-inference``.
        inference_provider: "fal-ai", "replicate", "together", "nscale", "wavespeed", "hf-inference", … or "auto". With a
            token of the hub (hf_…) the hub bills; with a provider's own key the provider does.
        steps, guidance: None leaves them to the provider.
        size: "1024x1024" or "1024", multiples of 16; a prompt's aspect is drawn at as many pixels.
        extra: further parameters of the provider, like ``output_format`` of fal-ai.

    Raises:
        ConfigError: a value out of range.
    """

    api_key_env: str = "HF_TOKEN"
    inference_provider: str = "auto"
    steps: int | None = None
    guidance: float | None = None
    size: str | int = "1024x1024"
    extra: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    default_base_url: ClassVar[str] = "https://router.huggingface.co"
    price_list_key: ClassVar[str] = "huggingface"

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_size(self.size)
        if self.steps is not None and (type(self.steps) is not int or not 1 <= self.steps <= 1000):
            raise ConfigError(f"model.steps={self.steps!r} must be a whole number from 1 to 1000")
        if self.guidance is not None and (type(self.guidance) not in {int, float} or not 0 <= self.guidance < math.inf):
            raise ConfigError(f"model.guidance={self.guidance!r} must be a number of at least 0")
        taken = _OWN_FIELDS & set(self.extra)
        if taken:
            raise ConfigError(f"model.extra must not set {', '.join(sorted(taken))}; they have fields of their own")

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt: its aspect at the configured number of pixels, in multiples of 16."""
        width, height = parse_size(self.size)
        if prompt.aspect != "1:1":
            width, height = sizes.fit(prompt.aspect, width * height, LATENT_SIDES)
        settings: dict[str, Any] = {
            "endpoint": self.endpoint,
            "inference_provider": "hf-inference" if self.base_url else self.inference_provider,
            "steps": self.steps,
            "guidance": None if self.guidance is None else float(self.guidance),
            **self.extra,
        }
        if not sizes.has_aspect(width, height, prompt.aspect):
            settings["aspect"] = prompt.aspect
        return Request(self.model, "", prompt.text, prompt.negative_prompt, seed, width, height, settings)

    async def connect(self, say: Callable[[str], None]) -> HubClient:
        """Build the SDK's client; nothing is sent yet."""
        began = time.monotonic()
        from huggingface_hub import AsyncInferenceClient  # noqa: PLC0415 - slow import

        say(f"{self.name}: {self.model} through {self.base_url or self.inference_provider}")
        client = AsyncInferenceClient(
            model=self.base_url or self.model,
            provider=None if self.base_url else self.inference_provider,
            token=self.key,
            timeout=self.limits.timeout_s,
        )
        return HubClient(self, client, time.monotonic() - began)


class HubClient:
    """One ``text_to_image`` a picture; its latency is the whole call, for the SDK tells generation and download apart no more."""

    def __init__(self, provider: HubProvider, client: Any, load_s: float) -> None:  # noqa: ANN401 - SDK client
        self._provider, self._client, self._load_s = provider, client, load_s

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where pictures are made."""
        return {"device": "hosted", "endpoint": self._provider.endpoint, "load_s": self._load_s}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def make(self, request: Request, task: Task) -> Rendered:
        """One attempt; what tasks a provider has the SDK keeps to itself."""
        await task.turn()
        began = time.perf_counter()
        try:
            picture = await self._client.text_to_image(
                request.prompt,
                negative_prompt=request.negative_prompt,
                width=request.width,
                height=request.height,
                num_inference_steps=request.settings["steps"],
                guidance_scale=request.settings["guidance"],
                seed=request.seed,
                extra_body=dict(self._provider.extra),
            )
            image = _encoded(picture)
        except Exception as error:  # noqa: BLE001 - what the SDK lets through of its transport, PIL and the provider's answer
            return self._declined(error, Timing(latency_s=time.perf_counter() - began))
        return Rendered("ok", image, Timing(latency_s=time.perf_counter() - began))

    def _declined(self, error: Exception, timing: Timing) -> Rendered:
        """The refusal that an exception of the SDK tells of. Raises the error that any other one stands for."""
        import httpx2  # noqa: PLC0415 - imported by the SDK
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled  # noqa: PLC0415 - imported by ``connect``

        if isinstance(error, ProviderError):
            raise error
        if isinstance(error, HfHubHTTPError):
            return self._answered(error.response, timing)
        if isinstance(error, OfflineModeIsEnabled):
            raise BenchError(f"{self._provider.name}: HF_HUB_OFFLINE is set, and huggingface_hub asks nobody then; unset it") from None
        if isinstance(error, TimeoutError):
            raise ProviderError("the provider gave no picture in time", status="timeout", transient=True) from None
        if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | httpx2.StreamError):
            raise responses.error_for_connection(self._provider, error) from None
        if isinstance(error, IndexError):
            return _refused("the server answered without a picture", timing, "empty")
        return self._misread(error, timing)

    def _misread(self, error: Exception, timing: Timing) -> Rendered:
        """As ``_declined``, for what the SDK makes of models it does not know and of answers that hold no picture."""
        words = self._provider.clean(_ADDRESS.sub("", str(error)))
        if isinstance(error, RuntimeError) and "StopIteration" in words:
            words = f"model {self._provider.model} is not supported by any provider"
        if "task failed" in words:
            if _MODERATION.search(words):
                return _refused(words, timing, "refused")
            raise ProviderError(words, status="provider_error", transient=True) from None
        if _MISTAKE.search(words):
            raise BenchError(f"{self._provider.name}: {words}; see model.model and model.inference_provider") from None
        raise ProviderError(f"the answer holds no picture: {words}", status="invalid_image", transient=True) from None

    def _answered(self, response: Any, timing: Timing) -> Rendered:  # noqa: ANN401 - the SDK's transport
        """The refusal in an HTTP error. Raises any other one; in the server's words, for the SDK's hold the whole address."""
        answer = responses.fields(response.content)
        said = answer.get("error") or answer.get("message") or answer.get("detail") or answer
        if isinstance(said, dict):
            said = said.get("message") or said
        words = self._provider.clean(said or response.reason_phrase)
        if response.status_code in {400, 403, 422, 451} and _MODERATION.search(words):
            return _refused(words, timing, "refused", str(response.status_code))
        raise responses.error_for_status(self._provider, response.status_code, response.headers, words)


def _refused(words: str, timing: Timing, kind: str, code: str | None = None) -> Rendered:
    return Rendered("refused", None, timing, words, detail={"refusal": kind, "code": code, "categories": []})


def _encoded(picture: Any) -> bytes:  # noqa: ANN401 - PIL image
    """The bytes that were received, with all their metadata; drawn anew as PNG only where PIL has let go of them.

    Raises:
        ProviderError: too many pixels to decode.
    """
    source = picture.fp
    if isinstance(source, io.BytesIO) and not source.closed:
        return source.getvalue()
    if picture.width * picture.height > MOST_PIXELS:
        raise ProviderError("the picture has too many pixels", status="invalid_image", transient=True)
    drawn = io.BytesIO()
    picture.save(drawn, "PNG")
    return drawn.getvalue()
