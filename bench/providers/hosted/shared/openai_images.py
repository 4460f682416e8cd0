"""One attempt at an ``images/generations`` server: the call, and what its answer means."""

from __future__ import annotations

import base64
import json
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bench.errors import ConfigError, ProviderError
from bench.providers.hosted.base import Hosted
from bench.providers.hosted.shared import responses, retired
from bench.types import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bench.providers.hosted.base import Task
    from bench.types import Request

_MOST_ERROR = 2**20
_MOST_WORDS, _MOST_REVISED = 1000, 4000
"""Characters of an error that are looked at, and of a rewritten prompt that are kept."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_ECHOED = ("size", "quality", "background")
"""What servers repeat of a request; recorded where they did something else than they were told."""
_MODERATION = {"moderation_blocked", "content_policy_violation", "content_filter", "contentfilter", "responsibleaipolicyviolation"}
_MODERATED = re.compile(r"(?i)rejected by content moderation|violates usage guidelines")
"""How xAI says it, whose code is that of any bad request."""
_A_PICTURE = re.compile(r"(?i)\bgenerated image\b")
"""In a refusal: it was the picture that displeased, not the prompt."""
_BAD_KEY = re.compile(r"(?i)incorrect api key")
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_SPENT = re.compile(r"(?i)used all available credits|monthly spending limit|have any credits")


class _NotOkError(Exception):
    """The server answered with another status than success."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status, self.headers, self.body = status, headers, body


@dataclass(frozen=True)
class ServerError:
    """An error in the server's words."""

    message: str
    code: str | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    usage: Any = None


@dataclass
class _Call:
    """An attempt on its way through the SDK, and when its request left."""

    task: Task
    began: float = 0.0


_CALL: ContextVar[_Call] = ContextVar("_CALL")


class OpenAIClient:
    """One call a picture, on the official SDK with its retries off.

    The head of the answer ends generation, for servers send it when the picture is there; its body, and the file behind
    a link, are the download. Waiting in the server's queue cannot be told from generation.
    """

    def __init__(self, provider: ImagesServer, began: float) -> None:
        import openai  # noqa: PLC0415 - slow import

        from bench.images import decoding  # noqa: PLC0415 - only with a connection
        from bench.providers.hosted.shared.downloads import Fetcher  # noqa: PLC0415 - as above

        self._provider = provider
        self._most_bytes = decoding.MOST_BYTES * 4 // 3 + 2**20
        limit = provider.limits.timeout_s
        self._fetcher = Fetcher(own=provider.base_url, timeout_s=limit)
        hooks: dict[str, list[Any]] = {"request": [_begin], "response": [_stop_unless_ok]}
        http = openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=limit, event_hooks=hooks)
        self._sdk = openai.AsyncOpenAI(api_key=provider.key, base_url=provider.address, timeout=limit, max_retries=0, http_client=http)
        self._facts = {
            "device": "hosted",
            "endpoint": provider.endpoint,
            "sdk": f"openai {openai.__version__}",
            "load_s": time.perf_counter() - began,
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where pictures are made, and through what."""
        return self._facts

    async def make(self, request: Request, task: Task) -> Rendered:
        """One attempt (``Client.make``). Its turn is awaited when the SDK has built the request, which takes a while."""
        import anyio  # noqa: PLC0415 - imported with the SDK
        import httpx2  # noqa: PLC0415 - as above
        import openai  # noqa: PLC0415 - as above

        call = _Call(task)
        _CALL.set(call)
        try:
            async with self._sdk.images.with_streaming_response.generate(**self._provider.arguments(request)) as response:
                headed = time.perf_counter()
                body = await _at_most(response.iter_bytes(), self._most_bytes)
        except _NotOkError as answered:
            return self._declined(answered, call.began)
        except openai.APIConnectionError as error:
            cause = error.__cause__
            raise responses.error_for_connection(self._provider, cause if isinstance(cause, Exception) else error) from None
        except (httpx2.HTTPError, httpx2.StreamError, anyio.EndOfStream, OSError) as error:
            raise responses.error_for_connection(self._provider, error) from None
        if len(body) > self._most_bytes:
            raise ProviderError(f"the answer is larger than {self._most_bytes // 2**20} MiB", status="invalid_image")
        answer = _json(body)
        if not isinstance(answer, dict):
            raise ProviderError(
                f"the answer is no JSON object: {self._provider.clean(_text(body))}", status="provider_error", transient=True
            )
        return await self._answered(request, answer, call.began, headed)

    async def close(self) -> None:
        """Close the connections."""
        await self._sdk.close()
        await self._fetcher.close()

    async def _answered(self, request: Request, answer: dict[str, Any], began: float, headed: float) -> Rendered:
        """What a successful call brought: a picture, or none."""
        usage = self._provider.redact(_numbers(answer.get("usage")))
        usd = self._provider.money(usage)
        detail: dict[str, Any] = {"usage": usage} if usage else {}
        items = answer.get("data")
        item = items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}
        withheld = item.get("respect_moderation") is False
        if withheld or not (item.get("b64_json") or item.get("url")):
            timing = Timing(latency_s=time.perf_counter() - began, generate_s=headed - began)
            return self._empty(answer, withheld, Rendered("refused", timing=timing, cost_usd=usd, detail=detail))
        image = await self._bytes(item, usd)
        ended = time.perf_counter()
        served = {name: self._provider.clean(answer[name])[:40] for name in _ECHOED if _differs(answer.get(name), request, name)}
        if served:
            detail["served"] = served
        return Rendered(
            "ok",
            image,
            Timing(latency_s=ended - began, generate_s=headed - began, download_s=ended - headed),
            revised_prompt=self._revised(item.get("revised_prompt"), request.prompt),
            cost_usd=usd,
            detail=detail,
        )

    async def _bytes(self, item: Mapping[str, Any], usd: float) -> bytes:
        encoded = item.get("b64_json")
        if not encoded:
            return await self._fetcher.get(str(item["url"]))
        try:
            if encoded.startswith("data:"):
                encoded = encoded.partition(",")[2]
            return base64.b64decode(encoded, validate=True)
        except (ValueError, AttributeError):
            raise ProviderError("the picture is no base64", status="invalid_image", transient=True, usd=usd) from None

    def _revised(self, revised: object, prompt: str) -> str | None:
        """The rewritten prompt, None where the server reports none or drew what it was told."""
        if not isinstance(revised, str) or not revised.strip() or revised == prompt:
            return None
        return str(self._provider.redact(revised))[:_MOST_REVISED]

    def _empty(self, answer: dict[str, Any], withheld: bool, refused: Rendered) -> Rendered:  # noqa: FBT001 - private
        """A success without a picture, which is how some servers decline; ``refused`` holds time and money."""
        told = _parse_error(answer)
        why = _refusal(told)
        reason = next((v for k, v in answer.items() if "reason" in k and isinstance(v, str) and v), None)
        if why:
            return self._refused(told, why, refused)
        if answer.get("error"):
            said, code = self._provider.clean(told.message), self._code(told)
            raise ProviderError(
                f"an error instead of a picture: {said}", status="provider_error", transient=True, usd=refused.cost_usd, code=code
            )
        if withheld:
            return self._refused(
                ServerError("the picture was made and withheld by moderation", "respect_moderation"), ("filtered", []), refused
            )
        if reason:
            return self._refused(ServerError(f"the server answered without a picture: {reason}", reason), ("refused", []), refused)
        return self._refused(ServerError("the server answered without a picture"), ("empty", []), refused)

    def _refused(self, told: ServerError, why: tuple[str, list[str]], refused: Rendered) -> Rendered:
        """``refused`` with its reason: the kind, and the categories in the server's words."""
        kind, found = why
        categories = [self._provider.clean(name)[:60] for name in dict.fromkeys(found)][:16]
        detail = {**refused.detail, "refusal": kind, "code": self._code(told), "categories": categories}
        return Rendered(
            "refused", timing=refused.timing, error=self._provider.clean(told.message), cost_usd=refused.cost_usd, detail=detail
        )

    def _declined(self, answer: _NotOkError, began: float) -> Rendered:
        """A refusal, or what any other unsuccessful answer means, raised."""
        parsed = _json(answer.body)
        told = _parse_error(parsed if isinstance(parsed, dict) else {"message": _text(answer.body)})
        why = _refusal(told)
        if why:
            usage = self._provider.redact(_numbers(told.usage))
            refused = Rendered(
                "refused",
                timing=Timing(latency_s=time.perf_counter() - began),
                cost_usd=self._provider.money(usage),
                detail={"usage": usage} if usage else {},
            )
            return self._refused(told, why, refused)
        status, words = _effective_status(answer.status, told), self._provider.clean(told.message)
        raise responses.error_for_status(self._provider, status, answer.headers, words, code=self._code(told))

    def _code(self, told: ServerError) -> str | None:
        return self._provider.clean(told.code)[:60] if told.code else None


async def _begin(_request: Any) -> None:  # noqa: ANN401 - httpx2.Request
    """Wait for the attempt's turn; called when the request is built and about to leave."""
    call = _CALL.get()
    await call.task.turn()
    call.began = time.perf_counter()


async def _stop_unless_ok(response: Any) -> None:  # noqa: ANN401 - httpx2.Response
    """Raise _NotOkError for redirects and errors, with as much of the body as an error can need, before the SDK reads all of it."""
    import httpx2  # noqa: PLC0415 - imported with the SDK

    if response.is_success:
        return
    try:
        body = await _at_most(response.aiter_bytes(), _MOST_ERROR)
    except httpx2.HTTPError:
        body = b""
    raise _NotOkError(response.status_code, dict(response.headers), body)


async def _at_most(chunks: AsyncGenerator[bytes], most: int) -> bytes:
    """The bytes, read no further than just above ``most``."""
    kept = bytearray()
    async with aclosing(chunks):
        async for chunk in chunks:
            kept += chunk
            if len(kept) > most:
                break
    return bytes(kept)


def _json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value, None where there is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _text(body: bytes) -> str:
    return body[:_MOST_WORDS].decode("utf-8", "replace")


def _parse_error(answer: Mapping[str, Any]) -> ServerError:
    """The error in an answer: ``{"error": {"message", "code", …}}``, xAI's ``{"code", "error": text}``, FastAPI's ``{"detail"}``."""
    inner = answer.get("error")
    error = inner if isinstance(inner, dict) else answer
    words = str(error.get("message") or (inner if isinstance(inner, str) else None) or error.get("detail") or "")[:_MOST_WORDS]
    code = error.get("code")
    return ServerError(
        unquote(words) if "%20" in words else words, str(code) if isinstance(code, str | int) else None, error, answer.get("usage")
    )


def _refusal(told: ServerError) -> tuple[str, list[str]] | None:
    """Kind and categories, None where the error is no moderation.

    OpenAI names categories in ``moderation_details`` and in its message, Azure in the filters' results, xAI in its message.
    """
    filters = told.error.get("inner_error") or told.error.get("innererror")
    filters = filters if isinstance(filters, dict) else {}
    codes = {str(code).casefold() for code in (told.code, filters.get("code"))}
    if not codes & _MODERATION and not _MODERATED.search(told.message):
        return None
    details = told.error.get("moderation_details")
    details = details if isinstance(details, dict) else {}
    named = details.get("categories")
    found = [str(name) for name in named] if isinstance(named, list) else []
    for listed in re.findall(r"safety_violations=\[([^\]\[]*)\]", told.message):
        found += [name.strip() for name in listed.split(",") if name.strip()]
    for results in (filters.get("content_filter_results"), filters.get("content_filter_result")):
        if isinstance(results, dict):
            found += [str(name) for name, result in results.items() if isinstance(result, dict) and result.get("filtered") is True]
    found += re.findall(r"SAFETY_CHECK_TYPE_\w+", told.message)
    made = details.get("moderation_stage") == "output" or _A_PICTURE.search(told.message)
    return ("filtered" if made else "refused"), found


def _effective_status(status: int, told: ServerError) -> int:
    """The status that says what the server means: xAI answers 400 to a wrong key, OpenAI 400 or 429 to an empty account."""
    if told.code in _NO_CREDIT or _SPENT.search(told.message):
        return 402
    if _BAD_KEY.search(told.message):
        return 401
    return 404 if told.code == "model_not_found" or told.error.get("param") == "model" else status


def _numbers(usage: object, depth: int = 2) -> dict[str, Any]:
    """The numbers of a usage report and of the reports inside it, but for NaN and what no count can be."""
    kept: dict[str, Any] = {}
    for name, value in list(usage.items())[:32] if isinstance(usage, dict) else ():
        if not _NAME.fullmatch(name):
            continue
        if isinstance(value, dict) and depth > 1:
            kept[name] = _numbers(value, depth - 1)
        elif isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) < value < 2**63:
            kept[name] = value
    return kept


def _differs(served: object, request: Request, name: str) -> bool:
    """Whether the server says it used something else than it was told."""
    if not isinstance(served, str) or not served:
        return False
    asked = f"{request.width}x{request.height}" if name == "size" else request.settings.get(name)
    return served != asked


@dataclass(frozen=True, kw_only=True)
class ImagesServer(Hosted, ABC):
    """What servers with OpenAI's ``images/generations`` share. Each adds ``request`` and ``arguments``."""

    @abstractmethod
    def arguments(self, request: Request) -> dict[str, Any]:
        """What ``images.generate`` is told."""

    def money(self, usage: Mapping[str, Any]) -> float:  # noqa: ARG002 - OpenAI reports tokens, no money
        """USD that ``usage`` says the answer cost; NaN where it does not."""
        return math.nan

    def check(self) -> None:
        """Raise ConfigError for a model that its vendor shut down; else as ``Hosted.check``."""
        gone = retired.find(self.model) if self.base_url is None else None
        if gone:
            raise ConfigError(str(gone))
        super().check()

    async def connect(self, say: Callable[[str], None]) -> OpenAIClient:
        """Build the client; nothing is sent yet. Raises as ``check`` does."""
        self.check()
        began = time.perf_counter()

        say(f"{self.name}: {self.model} at {self.address}")
        return OpenAIClient(self, began)
