"""Any provider that Hugging Face's inference client knows, through the official SDK (huggingface_hub)."""

from __future__ import annotations

import binascii
import io
import math
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from bench.core import http
from bench.errors import BenchError, ConfigError, ProviderError
from bench.images.decoding import MAX_PIXELS
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
_CONFIG_MISTAKE = re.compile(r"not supported|doesn't support|No provider mapping|Specifying a model is required|must provide an api_key")
"""The SDK's ValueErrors about model and provider, raised before anything is sent to the provider."""
_ANSWER: ContextVar[list[Any]] = ContextVar("_ANSWER")
"""The HTTP answer of the attempt under way, which the SDK does not hand on where it finds no picture in it."""
_ADDRESS = re.compile(r" ?<[^<>]* at 0x[0-9a-f]+>")
_OWN_FIELDS = {
    "prompt", "inputs", "negative_prompt", "seed", "width", "height", "num_inference_steps", "guidance_scale",
    "endpoint", "inference_provider", "steps", "guidance", "aspect",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class HubProvider(Hosted):
    """A model behind one of the hub's inference providers, a dedicated endpoint, or a server that speaks its protocol.

    Limits of the SDK:

    - It downloads the links of fal-ai, replicate and wavespeed itself, outside this package's ``Fetcher``: without a limit
      of size or time, in threads that go on after an attempt is given up. nscale, together and hf-inference send the
      picture in the answer.
    - fal-ai returns a black picture and ``has_nsfw_concepts``, which the SDK drops: the picture counts as a success. A
      task that replicate's filter stopped looks like a time-out. Refusals in the text of an HTTP error (together, nscale,
      hf-inference) or of a failed task (wavespeed) are recognised.
    - With "auto" it does not say which provider drew the picture. It looks model and provider up on the hub once, in the
      first attempt.

    Attributes:
        model: hub repository; a server at ``base_url`` ignores it, but it is recorded.
        base_url: a dedicated endpoint, addressed as ``hf-inference``.
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
        clashes = _OWN_FIELDS & set(self.extra)
        if clashes:
            raise ConfigError(f"model.extra must not set {', '.join(sorted(clashes))}; they have fields of their own")

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
        import httpx2  # noqa: PLC0415 - slow import
        from huggingface_hub import AsyncInferenceClient, constants, set_async_client_factory  # noqa: PLC0415 - as above

        if constants.HF_HUB_OFFLINE:
            raise BenchError(f"{self.name}: HF_HUB_OFFLINE is set, so nothing may be sent; unset it")
        options = http.client_options(self.address)
        hooks = {"response": [_remember]}
        set_async_client_factory(lambda: httpx2.AsyncClient(follow_redirects=True, timeout=None, event_hooks=hooks, **options))
        say(f"{self.name}: {self.model} through {self.base_url or self.inference_provider}")
        client = AsyncInferenceClient(
            model=self.base_url or self.model,
            provider=None if self.base_url else self.inference_provider,
            token=self.key,
            timeout=self.limits.timeout_s,
        )
        return HubClient(self, client, time.monotonic() - began)


class HubClient:
    """One ``text_to_image`` call a picture. Latency is the whole call: the SDK does not separate generation from download."""

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
        """One attempt. The SDK does not show a provider's tasks, so ``task.submitted`` is never called."""
        await task.turn()
        came: list[Any] = []
        _ANSWER.set(came)
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
        except Exception as error:  # noqa: BLE001 - errors of the SDK, its transport, PIL and the answer's parsing
            return self._declined(error, came, Timing(latency_s=time.perf_counter() - began))
        return Rendered("ok", image, Timing(latency_s=time.perf_counter() - began))

    def _declined(self, error: Exception, came: list[Any], timing: Timing) -> Rendered:
        """What an exception of the SDK stands for: a refusal, or a picture that it could not read. Raises any other error."""
        import httpx2  # noqa: PLC0415 - imported by the SDK
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled  # noqa: PLC0415 - imported by ``connect``

        if isinstance(error, ProviderError):
            raise error
        answer = _fields(came)
        image = _picture(answer)
        if image:
            return Rendered("ok", image, timing)
        if isinstance(error, HfHubHTTPError):
            return self._answered(error.response, timing)
        if isinstance(error, OfflineModeIsEnabled):
            raise BenchError(f"{self._provider.name}: HF_HUB_OFFLINE is set, so huggingface_hub sends nothing; unset it") from None
        if isinstance(error, TimeoutError):
            raise ProviderError("the provider gave no picture in time", status="timeout", transient=True) from None
        if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | httpx2.StreamError):
            raise responses.error_for_connection(self._provider, error) from None
        return self._misread(error, came, timing)

    def _misread(self, error: Exception, came: list[Any], timing: Timing) -> Rendered:
        """As ``_declined``, for exceptions about unknown models and about answers without a picture."""
        words = self._provider.clean(_ADDRESS.sub("", str(error)))
        if isinstance(error, RuntimeError) and "StopIteration" in words:
            words = f"model {self._provider.model} is not supported by any provider"
        if "task failed" in words:
            if _MODERATION.search(words):
                return _refused(words, timing, "refused")
            raise ProviderError(words, status="provider_error", transient=True) from None
        if _CONFIG_MISTAKE.search(words):
            raise BenchError(f"{self._provider.name}: {words}; see model.model and model.inference_provider") from None
        whole = self._provider.base_url or self._provider.inference_provider == "hf-inference"  # the picture is the whole answer
        answer = _fields(came)
        if answer and (whole or not isinstance(error, OSError | binascii.Error)):
            raise responses.not_understood(self._provider, answer, status=came[-1].status_code) from None
        raise ProviderError(f"the answer holds no picture: {words}", status="invalid_image", transient=True) from None

    def _answered(self, response: Any, timing: Timing) -> Rendered:  # noqa: ANN401 - the SDK's transport
        """The refusal in an HTTP error. Raises any other error, with the server's message: the SDK's holds the whole address."""
        answer = responses.fields(response.content)
        raw = answer.get("error") or answer.get("message") or answer.get("detail") or answer
        if isinstance(raw, dict):
            raw = raw.get("message") or raw
        message = self._provider.clean(raw or response.reason_phrase)
        if response.status_code in {400, 403, 422, 451} and _MODERATION.search(message):
            return _refused(message, timing, "refused", str(response.status_code))
        raise responses.error_for_status(self._provider, response.status_code, response.headers, message)


async def _remember(response: Any) -> None:  # noqa: ANN401 - httpx2.Response
    """Keep the answer for its attempt."""
    _ANSWER.get([]).append(response)


def _fields(came: list[Any]) -> dict[str, Any]:
    """The fields of the JSON that came; {} where none came, or not whole."""
    import httpx2  # noqa: PLC0415 - imported by the SDK

    try:
        return responses.fields(came[-1].content) if came and came[-1].is_success else {}
    except httpx2.ResponseNotRead:
        return {}


def _picture(answer: Mapping[str, Any]) -> bytes | None:
    """The picture of ``data[0]`` or ``images[0]`` where it is text that the SDK cannot read: it knows plain base64 and links."""
    items = answer.get("data") or answer.get("images")
    item = items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}
    text = item.get("b64_json") or item.get("url")
    try:
        return responses.picture_from_text(text) if isinstance(text, str) and "://" not in text else None
    except ValueError:
        return None


def _refused(words: str, timing: Timing, kind: str, code: str | None = None) -> Rendered:
    return Rendered("refused", None, timing, words, detail={"refusal": kind, "code": code, "categories": []})


def _encoded(picture: Any) -> bytes:  # noqa: ANN401 - PIL image
    """The bytes as received, with their metadata; encoded again as PNG only where PIL no longer holds them.

    Raises:
        ProviderError: too many pixels to decode.
    """
    source = picture.fp
    if isinstance(source, io.BytesIO) and not source.closed:
        return source.getvalue()
    if picture.width * picture.height > MAX_PIXELS:
        raise ProviderError("the picture has too many pixels", status="invalid_image", transient=True)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return encoded.getvalue()
