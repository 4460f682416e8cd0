"""Black Forest Labs' API (api.bfl.ai): FLUX.1.1 and FLUX.2, submitted as tasks and polled.

Parameters, statuses and moderation reasons: https://docs.bfl.ai and https://api.bfl.ai/openapi.json (2026-11).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from bench.errors import ConfigError, ProviderError, unknown
from bench.providers import sizes
from bench.providers.hosted.base import Hosted
from bench.providers.hosted.shared import responses
from bench.providers.hosted.shared.downloads import Fetcher
from bench.providers.sizes import Sides, parse_size
from bench.types import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from bench.providers.hosted.base import Task
    from bench.types import Prompt

OutputFormat = Literal["png", "jpeg", "webp"]

_CREDIT_USD = 0.01
_MAX_IN_FLIGHT = 24
_FLUX1_SIDES = Sides(32, 256, 1440)
_FLUX2_MAX_PIXELS = 4 * 2**20
_FLUX2_SIDES = Sides(16, 64, _FLUX2_MAX_PIXELS // 64)
_WAITING = {"Pending", "Reasoning", "Generating"}
_MODERATED = {"Request Moderated": "refused", "Content Moderated": "filtered"}
_NOT_FOUND = "Task not found"
_MAX_FAILED_POLLS = 5
"""Failed polls in a row after which an attempt gives up; the task stays open."""
_CALL_S = 30.0
"""Seconds that the submission or a poll may take; neither waits for the picture."""
_NOT_SENT = {"endpoint", "prompt_rewriting", "aspect"}
_OWN_FIELDS = {
    "prompt", "seed", "width", "height", "aspect_ratio", "safety_tolerance", "output_format", "prompt_upsampling", "disable_pup",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BFLProvider(Hosted):
    """A FLUX model behind Black Forest Labs' API, or a server that speaks it.

    Prompts are not rewritten: ``prompt_upsampling`` is off, FLUX.2 [pro] and [max], which rewrite by default, get
    ``disable_pup``, and FLUX.2 [klein] cannot rewrite. There is no negative prompt.

    Attributes:
        size: "1024x1024" or "1024". FLUX.1: multiples of 32 from 256 to 1440; FLUX.2: multiples of 16 from 64, at most 4
            megapixels. null for the ultra models, which take an aspect from 21:9 to 9:21 and choose about 4 megapixels:
            their requests have width and height 0.
        safety_tolerance: 0 (strictest) to 5, of prompt and picture.
        output_format: "png", "jpeg" or "webp".
        extra: further fields of the request, like ``steps`` and ``guidance`` of FLUX.2 [flex] or ``raw`` of ultra.
        poll_s: seconds from submission to the first poll; the interval grows to four times as much. Latency is measured
            no more finely than that.

    Raises:
        ConfigError: a value out of range, or more than 24 tasks at once at BFL itself.
    """

    api_key_env: str = "BFL_API_KEY"
    size: str | int | None = "1024x1024"
    safety_tolerance: int = 2
    output_format: OutputFormat = "png"
    extra: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    poll_s: float = 0.5

    default_base_url: ClassVar[str] = "https://api.bfl.ai"
    price_list_key: ClassVar[str] = "bfl"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.base_url is None and self.limits.in_flight > _MAX_IN_FLIGHT:
            raise ConfigError(f"model.limits.in_flight={self.limits.in_flight}: BFL takes at most {_MAX_IN_FLIGHT} tasks at once")
        if self.output_format not in get_args(OutputFormat):
            raise unknown("value of model.output_format", str(self.output_format), get_args(OutputFormat))
        if type(self.safety_tolerance) is not int or not 0 <= self.safety_tolerance <= 5:
            raise ConfigError(f"model.safety_tolerance={self.safety_tolerance!r} must be a whole number from 0 to 5")
        if type(self.poll_s) not in {int, float} or not 0 < self.poll_s <= 60:
            raise ConfigError(f"model.poll_s={self.poll_s!r} must be a number above 0, at most 60")
        clashes = (_OWN_FIELDS | _NOT_SENT) & set(self.extra)
        if clashes:
            raise ConfigError(f"model.extra must not set {', '.join(sorted(clashes))}; they have fields of their own, and rewriting is off")
        self._size()

    @property
    def _ultra(self) -> bool:
        return self.model.endswith("-ultra")

    @property
    def _is_flux2(self) -> bool:
        return self.model.startswith("flux-2")

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt: its aspect at the configured number of pixels."""
        settings: dict[str, Any] = {
            "endpoint": self.endpoint,
            "safety_tolerance": self.safety_tolerance,
            "output_format": self.output_format,
            **self._disable_prompt_rewriting(),
            "prompt_rewriting": "off",
        }
        width, height = 0, 0
        if self._ultra:
            if not 9 / 21 <= sizes.ratio(prompt.aspect) <= 21 / 9:
                raise ConfigError(f"{self.name} cannot draw prompt {prompt.id} at {prompt.aspect}; its aspects end at 21:9 and 9:21")
            settings["aspect_ratio"] = prompt.aspect
        else:
            width, height = self._shape(prompt.aspect)
            if not sizes.has_aspect(width, height, prompt.aspect):
                settings["aspect"] = prompt.aspect
        return Request(self.model, "", prompt.text, None, seed, width, height, {**settings, **self.extra})

    async def connect(self, say: Callable[[str], None]) -> BFLClient:
        """Build the client; nothing is sent yet."""
        began = time.monotonic()
        say(f"{self.name}: {self.model} at {self.address}")
        http = self.http_client({"x-key": self.key, "accept": "application/json"}, _CALL_S)
        return BFLClient(self, http, Fetcher(own=self.base_url, timeout_s=self.limits.timeout_s), time.monotonic() - began)

    def _size(self) -> tuple[int, int]:
        """The configured size, (0, 0) where the model chooses its own. Raises ConfigError for one that it does not draw."""
        if self._ultra:
            if self.size is not None:
                raise ConfigError(f"model.size={self.size!r}: {self.model} chooses its own size; set model.size=null")
            return 0, 0
        if self.size is None:
            raise ConfigError(f"model.size=null: {self.model} needs a size, like 1024x1024")
        if not self._is_flux2:
            return parse_size(self.size, _FLUX1_SIDES)
        width, height = parse_size(self.size)
        if width * height > _FLUX2_MAX_PIXELS:
            raise ConfigError(f"model.size={self.size!r}: {self.model} draws at most 4 megapixels, like 2048x2048")
        return width, height

    def _shape(self, aspect: str) -> tuple[int, int]:
        width, height = self._size()
        if aspect == "1:1":
            return width, height
        if not self._is_flux2:
            return sizes.fit(aspect, width * height, _FLUX1_SIDES)
        pixels = width * height
        while True:
            width, height = sizes.fit(aspect, pixels, _FLUX2_SIDES)
            if width * height <= _FLUX2_MAX_PIXELS:
                return width, height
            pixels = int(pixels * 0.99)

    def _disable_prompt_rewriting(self) -> dict[str, bool]:
        """The field that keeps the server from rewriting the prompt; FLUX.2 [klein] needs none."""
        if self.model.startswith("flux-2-klein"):
            return {}
        return {"disable_pup": True} if self._is_flux2 and "flex" not in self.model else {"prompt_upsampling": False}


class BFLClient:
    """Submits a task once, polls its own address until it ends, and downloads the picture at once: its link lives 10 minutes.

    A failure after the submission leaves the task open (``keep_task``), so that nothing is paid twice, unless the server
    has ended or lost the task. The price that the server names at submission is the picture's; for a moderated task the
    price list decides.
    """

    def __init__(self, provider: BFLProvider, http: httpx2.AsyncClient, fetcher: Fetcher, load_s: float) -> None:
        self._provider, self._http, self._fetcher = provider, http, fetcher
        self._load_s = load_s
        self._undelivered: set[str] = set()

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where pictures are made."""
        return {"device": "hosted", "endpoint": self._provider.endpoint, "load_s": self._load_s}

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._fetcher.close()

    async def make(self, request: Request, task: Task) -> Rendered:
        """One attempt; where ``task.submission`` holds a task, its picture is fetched and nothing is submitted."""
        await task.turn()
        began = time.perf_counter()
        submission, fresh = task.submission, task.submission is None
        if submission is None:
            submission = await self._submit(request)
            task.submitted(submission)
        answer, started = await self._follow(self._trusted(submission["polling_url"]), wait_first=fresh)
        ready = time.perf_counter()
        late: dict[str, Any] = {} if fresh else {"no_latency": "fetched by a later attempt"}
        status = answer["status"]
        if status in _MODERATED:
            timing = Timing(latency_s=ready - began) if fresh else Timing()
            return self._refusal(status, answer, timing, late)
        image = await self._picture(answer, str(submission["id"]))
        ended = time.perf_counter()
        cost, timing = submission.get("cost_usd"), Timing()
        if fresh:
            queued = started - began
            generated = ready - (began if math.isnan(started) else started)
            timing = Timing(latency_s=ended - began, queue_s=queued, generate_s=generated, download_s=ended - ready)
        usd = math.nan if cost is None else float(cost)
        return Rendered("ok", image, timing, cost_usd=usd, detail={"task": self._provider.clean(submission["id"]), **late})

    async def _submit(self, request: Request) -> dict[str, str | float | None]:
        sent = {k: v for k, v in request.settings.items() if k not in _NOT_SENT}
        fields: dict[str, Any] = {"prompt": request.prompt, **sent}
        if request.seed is not None:
            fields["seed"] = request.seed
        if request.width:
            fields.update(width=request.width, height=request.height)
        status, headers, answer = await self._call("POST", f"{self._provider.address}/v1/{request.model}", fields)
        if not 200 <= status < 300:
            raise responses.error_for_status(self._provider, status, headers, self._message(answer))
        task, address, cost = (answer.get(key) for key in ("id", "polling_url", "cost"))
        if not isinstance(task, str) or not isinstance(address, str):
            if not answer:
                raise ProviderError("the answer to the submission is no JSON object", status="provider_error", transient=True)
            raise responses.not_understood(self._provider, answer, status=status)
        if self._provider.redact([task, address]) != [task, address]:
            raise ProviderError("the server puts the key into its task's name, which would be stored", status="provider_error")
        self._trusted(address)
        credit = cost if isinstance(cost, int | float) else math.nan
        return {"id": task, "polling_url": address, "cost_usd": credit * _CREDIT_USD if 0 <= credit < math.inf else None}

    async def _follow(self, address: str, *, wait_first: bool) -> tuple[dict[str, Any], float]:
        """Poll until a task ends: its last answer, and when it was first seen being worked on (NaN if never).

        Raises:
            ProviderError: too many polls in a row failed, or the server lost the task.
        """
        wait, failed, started = self._provider.poll_s, 0, math.nan
        pause = wait if wait_first else 0.0
        while True:
            await asyncio.sleep(pause)
            pause, wait = wait, min(wait * 1.5, 4 * self._provider.poll_s)
            try:
                answer = await self._poll(address)
            except ProviderError as error:
                failed += 1
                retry_after = error.retry_after or 0.0
                if not error.keep_task or failed > _MAX_FAILED_POLLS or retry_after > self._provider.limits.longest_wait_s:
                    raise
                pause = max(pause, retry_after)
                continue
            failed = 0
            if answer["status"] not in _WAITING:
                return answer, started
            if answer["status"] != "Pending" and math.isnan(started):
                started = time.perf_counter()

    async def _poll(self, address: str) -> dict[str, Any]:
        """A task's state. Raises ProviderError, with ``keep_task`` where asking again may help."""
        try:
            status, headers, answer = await self._call("GET", address)
        except ProviderError as error:
            raise _keep_open(error) from None
        if status == 200 and isinstance(answer.get("status"), str):
            self._check(answer)
            return answer
        if status == 200:
            names = self._provider.clean(", ".join(responses.field_names(answer))) if answer else "none"
            raise _keep_open(
                ProviderError(f"the answer to a poll holds no status; its fields: {names}", status="provider_error", transient=True)
            )
        if status == 404:
            raise self._lost()
        failure = responses.error_for_status(self._provider, status, headers, self._message(answer))
        raise _keep_open(failure) if isinstance(failure, ProviderError) else failure

    def _check(self, answer: Mapping[str, Any]) -> None:
        """Raise ProviderError for a status from which neither a picture nor a refusal can come."""
        status = self._provider.clean(answer["status"])
        if status == _NOT_FOUND:
            raise self._lost()
        if status == "Error":
            message = f"the task failed: {self._message(answer)}".rstrip(": ")
            raise ProviderError(message, status="provider_error", transient=True, code=status)
        if status not in {"Ready", *_WAITING, *_MODERATED}:
            raise _keep_open(
                ProviderError(f"the task is in an unknown state, {status}", status="provider_error", transient=True, code=status)
            )

    async def _picture(self, answer: Mapping[str, Any], task: str) -> bytes:
        result = answer.get("result")
        link = result.get("sample") if isinstance(result, dict) else None
        if not isinstance(link, str):
            raise responses.not_understood(self._provider, answer)
        try:
            return await self._fetcher.get(link)
        except ProviderError as error:
            if task in self._undelivered:
                raise
            self._undelivered.add(task)
            raise _keep_open(error) from None

    def _refusal(self, status: str, answer: Mapping[str, Any], timing: Timing, late: Mapping[str, Any]) -> Rendered:
        details = answer.get("details")
        reasons = details.get("Moderation Reasons") if isinstance(details, dict) else None
        listed = reasons if isinstance(reasons, list) else [] if reasons is None else [reasons]
        categories = [self._provider.clean(reason) for reason in listed[:20]]
        detail = {"refusal": _MODERATED[status], "code": status, "categories": categories, **late}
        return Rendered("refused", None, timing, f"{status}: {', '.join(categories)}".rstrip(": "), detail=detail)

    def _trusted(self, address: object) -> str:
        """``address`` if the key may be sent there: https under bfl.ai, or the host that the user configured.

        Raises:
            ProviderError: the address is another server's.
        """
        import httpx2  # noqa: PLC0415 - imported by ``connect``

        try:
            url, own = httpx2.URL(str(address)), httpx2.URL(self._provider.address)
        except httpx2.InvalidURL:
            url = own = httpx2.URL("")
        is_vendor = url.scheme == "https" and (url.host == "bfl.ai" or url.host.endswith(".bfl.ai"))
        is_own = url.scheme in {"https", own.scheme} and url.host == own.host
        if url.userinfo or not url.host or not (is_vendor or is_own):
            where = self._provider.clean(url.host) or "no address"
            raise ProviderError(
                f"the server wants its task polled at {where}, and the key does not go there",
                status="provider_error", code="foreign polling_url",
            )  # fmt: skip
        return str(address)

    def _lost(self) -> ProviderError:
        return ProviderError("the server no longer knows the task", status="provider_error", transient=True, code=_NOT_FOUND)

    def _message(self, answer: Mapping[str, Any]) -> str:
        """The server's message about an error: ``detail`` of HTTP errors, ``details`` or ``result`` of tasks."""
        message = next((answer[key] for key in ("detail", "details", "result", "message", "error") if answer.get(key)), "")
        return self._provider.clean(message)

    async def _call(
        self, method: str, address: str, fields: Mapping[str, Any] | None = None
    ) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        """Status, headers and JSON fields of one call. Raises ProviderError where no whole answer came."""
        import httpx2  # noqa: PLC0415 - imported by ``connect``

        try:
            async with self._http.stream(method, address, json=fields) as response:
                data = await responses.body(response, responses.MAX_JSON_BYTES)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise responses.error_for_connection(self._provider, error) from None
        return response.status_code, response.headers, responses.fields(data)


def _keep_open(error: ProviderError) -> ProviderError:
    """``error`` of a submitted task: paid at an unknown price, and polled again later where the error is transient."""
    error.keep_task, error.usd = error.transient, math.nan
    return error
