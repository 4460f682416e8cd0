"""Stability AI's API (api.stability.ai, v2beta): Stable Diffusion 3.5, Stable Image Ultra and Core. One call a picture.

Parameters, headers and credits: https://platform.stability.ai/docs/api-reference (2026-11).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from bench.errors import ConfigError, ProviderError, unknown
from bench.images.decoding import MAX_BYTES
from bench.providers import sizes
from bench.providers.hosted.base import Hosted
from bench.providers.hosted.shared import responses
from bench.types import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from bench.providers.hosted.base import Task
    from bench.types import Prompt

OutputFormat = Literal["png", "jpeg", "webp"]

ASPECTS = ("1:1", "16:9", "9:16", "3:2", "2:3", "5:4", "4:5", "21:9", "9:21")
_SERVICES = {"stable-image-ultra": "ultra", "stable-image-core": "core"}
_SEED_LIMIT = 4_294_967_294
_OWN_FIELDS = {"prompt", "negative_prompt", "seed", "aspect_ratio", "output_format", "model", "mode"}
_NOT_SENT = {"endpoint", "aspect", "seed_sent"}


@dataclass(frozen=True, kw_only=True)
class StabilityProvider(Hosted):
    """A model behind Stability's API, or a server that speaks it.

    No rewriting of prompts is documented. The server picks the size for an aspect (about 1 megapixel), so requests have
    width and height 0. To the server seed 0 means a random seed, so seed s is sent as s + 1 (``seed_sent`` of the settings)
    and the same seed always asks for the same picture.

    Attributes:
        model: "stable-image-ultra", "stable-image-core", or a model of the ``sd3`` service like "sd3.5-large".
        output_format: "png", "jpeg" or "webp".
        extra: further fields of the request, like ``style_preset`` or ``cfg_scale``.

    Raises:
        ConfigError: a value out of range.
    """

    api_key_env: str = "STABILITY_API_KEY"
    output_format: OutputFormat = "png"
    extra: Mapping[str, str | int | float] = field(default_factory=dict)

    default_base_url: ClassVar[str] = "https://api.stability.ai"
    price_list_key: ClassVar[str] = "stability"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_format not in get_args(OutputFormat):
            raise unknown("value of model.output_format", str(self.output_format), get_args(OutputFormat))
        clashes = (_OWN_FIELDS | _NOT_SENT) & set(self.extra)
        if clashes:
            raise ConfigError(f"model.extra must not set {', '.join(sorted(clashes))}; prompt, seed and preset decide these")

    @property
    def service(self) -> str:
        """Where the model is served: "ultra", "core" or "sd3"."""
        return _SERVICES.get(self.model, "sd3")

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt, at the offered aspect nearest to its own."""
        aspect, same = sizes.nearest(prompt.aspect, ASPECTS)
        settings: dict[str, Any] = {"endpoint": self.endpoint, "output_format": self.output_format, "aspect_ratio": aspect}
        if not same:
            settings["aspect"] = prompt.aspect
        if seed is not None:
            if not 0 <= seed < _SEED_LIMIT:
                raise ConfigError(f"seed {seed} is out of range: {self.name} takes 0 to {_SEED_LIMIT - 1}")
            settings["seed_sent"] = seed + 1
        return Request(self.model, "", prompt.text, prompt.negative_prompt, seed, 0, 0, {**settings, **self.extra})

    async def connect(self, say: Callable[[str], None]) -> StabilityClient:
        """Build the client; nothing is sent yet."""
        began = time.monotonic()
        say(f"{self.name}: {self.model} at {self.address}")
        http = self.http_client({"authorization": f"Bearer {self.key}", "accept": "image/*", "accept-encoding": "identity"})
        return StabilityClient(self, http, time.monotonic() - began)


class StabilityClient:
    """One call a picture. Generation ends when the answer's headers arrive; reading its body, up to a limit, is the download."""

    def __init__(self, provider: StabilityProvider, http: httpx2.AsyncClient, load_s: float) -> None:
        self._provider, self._http, self._load_s = provider, http, load_s
        self._address = f"{provider.address}/v2beta/stable-image/generate/{provider.service}"

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where pictures are made."""
        return {"device": "hosted", "endpoint": self._provider.endpoint, "load_s": self._load_s}

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def make(self, request: Request, task: Task) -> Rendered:
        """One attempt."""
        import httpx2  # noqa: PLC0415 - imported by ``connect``

        await task.turn()
        began = time.perf_counter()
        try:
            async with self._http.stream("POST", self._address, files=self._form(request)) as response:
                generated = time.perf_counter()
                good = response.is_success
                data = await responses.body(response, MAX_BYTES if good else responses.MAX_JSON_BYTES)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise responses.error_for_connection(self._provider, error) from None
        ended = time.perf_counter()
        if not good:
            return self._declined(response, data, Timing(latency_s=ended - began))
        timing = Timing(latency_s=ended - began, generate_s=generated - began, download_s=ended - generated)
        return self._picture(response, data, timing)

    def _form(self, request: Request) -> dict[str, tuple[None, str]]:
        """The multipart form; every field is a file without a name, because httpx sends only files as multipart."""
        sent: dict[str, Any] = {"prompt": request.prompt, **{k: v for k, v in request.settings.items() if k not in _NOT_SENT}}
        if self._provider.service == "sd3":
            sent.update(model=request.model, mode="text-to-image")
        if request.negative_prompt:
            sent["negative_prompt"] = request.negative_prompt
        if request.seed is not None:
            sent["seed"] = request.settings["seed_sent"]
        return {name: (None, str(value)) for name, value in sent.items()}

    def _picture(self, response: httpx2.Response, data: bytes, timing: Timing) -> Rendered:
        """The result of a success: the picture, in the body or as base64 in JSON, or a refusal where it is withheld."""
        reason, seed = response.headers.get("finish-reason"), response.headers.get("seed")
        answer: dict[str, Any] = {}
        if data.lstrip().startswith(b"{"):
            answer = responses.fields(data)
            reason, seed = answer.get("finish_reason", reason), answer.get("seed", seed)
            data = self._decoded(answer.get("image"))
        if reason == "CONTENT_FILTERED":
            detail: dict[str, Any] = {"refusal": "filtered", "code": "CONTENT_FILTERED", "categories": []}
            return Rendered("refused", None, timing, "the picture was made and withheld by the output filter", detail=detail)
        if not data:
            raise responses.not_understood(self._provider, answer, status=response.status_code)
        return Rendered("ok", data, timing, detail={} if seed is None else {"seed_used": self._provider.clean(seed)})

    def _decoded(self, text: object) -> bytes:
        try:
            return responses.picture_from_text(text) if isinstance(text, str) else b""
        except ValueError:
            raise ProviderError("the picture is no valid base64", status="invalid_image", transient=True) from None

    def _declined(self, response: httpx2.Response, data: bytes, timing: Timing) -> Rendered:
        """The refusal that an answer that is no success holds. Raises the error of any other such answer."""
        answer = responses.fields(data)
        name, errors = answer.get("name"), answer.get("errors")
        message = self._provider.clean("; ".join(map(str, errors)) if isinstance(errors, list) else errors or name or "")
        code = None if name is None else self._provider.clean(name)
        if code == "content_moderation":
            detail = {"refusal": "refused", "code": code, "categories": []}
            return Rendered("refused", None, timing, message, detail=detail)
        raise responses.error_for_status(self._provider, response.status_code, response.headers, message, code=code)
