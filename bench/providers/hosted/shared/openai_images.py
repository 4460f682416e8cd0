"""OpenAI's ``images/generations``, as several vendors serve it: one call, and what its answer means."""

from __future__ import annotations

import json
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bench.errors import ConfigError, ProviderError
from bench.providers.hosted.base import Hosted
from bench.providers.hosted.shared import responses, retired
from bench.types import Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from bench.providers.hosted.base import Task

_MAX_ERROR_BYTES = 2**20
_MAX_MESSAGE, _MAX_REVISED = 1000, 4000
"""Characters of an error message that are read, and of a rewritten prompt that are stored."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_ECHOED = ("size", "quality", "background")
"""Fields of a request that servers repeat in the answer; recorded where they differ."""
_MODERATION = {"moderation_blocked", "content_policy_violation", "content_filter", "contentfilter", "responsibleaipolicyviolation"}
_MODERATED = re.compile(r"(?i)rejected by content moderation|violates usage guidelines")
"""xAI's messages; its code is that of any bad request."""
_REASON = re.compile(r"(?i)block|filter|refus|declin|moderat|safety|policy|prohibit|violat|nsfw")
"""In the name or the value of a field called a reason: the picture was refused. "finish_reason": "stop" is no such sign."""
_OUTPUT_FILTERED = re.compile(r"(?i)\bgenerated image\b")
"""In a refusal: the picture was filtered, not the prompt."""
_BAD_KEY = re.compile(r"(?i)incorrect api key")
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_NO_CREDIT_MESSAGE = re.compile(r"(?i)used all available credits|monthly spending limit|have any credits")


class _NotOkError(Exception):
    """The server answered with a status that is no success."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status, self.headers, self.body = status, headers, body


@dataclass(frozen=True)
class ServerError:
    """An error as the server states it; ``fields`` are those of its JSON object."""

    message: str
    code: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    usage: Any = None


@dataclass
class _Call:
    """An attempt inside the SDK, and when its request left."""

    task: Task
    began: float = 0.0


_CALL: ContextVar[_Call] = ContextVar("_CALL")


class OpenAIClient:
    """One call a picture, through the official SDK without its retries.

    Servers send the answer's headers once the picture exists, so generation ends there; reading the body, or the file
    behind a link, is the download. Time in the server's queue counts as generation.
    """

    def __init__(self, provider: ImagesServer, began: float) -> None:
        from bench.core import openai_sdk  # noqa: PLC0415 - only with a connection
        from bench.images import decoding  # noqa: PLC0415 - as above
        from bench.providers.hosted.shared.downloads import Fetcher  # noqa: PLC0415 - as above

        self._provider = provider
        self._max_bytes = decoding.MAX_BYTES * 4 // 3 + 2**20
        limit = provider.limits.timeout_s
        self._fetcher = Fetcher(own=provider.base_url, timeout_s=limit)
        hooks: dict[str, list[Any]] = {"request": [_begin], "response": [_stop_unless_ok]}
        self._sdk = openai_sdk.async_client(provider.key, provider.address, limit, hooks)
        self._facts = {
            "device": "hosted",
            "endpoint": provider.endpoint,
            "sdk": f"openai {version('openai')}",
            "load_s": time.perf_counter() - began,
        }

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where pictures are made, and with which SDK."""
        return self._facts

    async def make(self, request: Request, task: Task) -> Rendered:
        """One attempt (``Client.make``). Its turn is awaited once the SDK has built the request, which takes a while."""
        import anyio  # noqa: PLC0415 - imported with the SDK
        import httpx2  # noqa: PLC0415 - as above
        import openai  # noqa: PLC0415 - as above

        call = _Call(task)
        _CALL.set(call)
        try:
            async with self._sdk.images.with_streaming_response.generate(**self._provider.arguments(request)) as response:
                generated = time.perf_counter()
                status = response.status_code
                body = await _read_up_to(response.iter_bytes(), self._max_bytes)
        except _NotOkError as not_ok:
            return self._declined(not_ok, call.began)
        except openai.APIConnectionError as error:
            cause = error.__cause__
            raise responses.error_for_connection(self._provider, cause if isinstance(cause, Exception) else error) from None
        except (httpx2.HTTPError, httpx2.StreamError, anyio.EndOfStream, OSError) as error:
            raise responses.error_for_connection(self._provider, error) from None
        if len(body) > self._max_bytes:
            raise ProviderError(f"the answer is larger than {self._max_bytes // 2**20} MiB", status="invalid_image")
        answer = _json(body)
        if not isinstance(answer, dict):
            raise ProviderError(
                f"the answer is no JSON object: {self._provider.clean(_text(body))}", status="provider_error", transient=True
            )
        return await self._answered(request, answer, status, (call.began, generated))

    async def close(self) -> None:
        """Close the connections."""
        await self._sdk.close()
        await self._fetcher.close()

    async def _answered(self, request: Request, answer: dict[str, Any], status: int, times: tuple[float, float]) -> Rendered:
        """The result of a successful call: a picture, or a refusal where it says so."""
        began, generated = times
        usage = self._provider.redact(_numbers(answer.get("usage")))
        usd = self._provider.money(usage)
        detail: dict[str, Any] = {"usage": usage} if usage else {}
        items = answer.get("data")
        item = items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}
        if item.get("respect_moderation") is False or not (item.get("b64_json") or item.get("url")):
            timing = Timing(latency_s=time.perf_counter() - began, generate_s=generated - began)
            return self._empty(answer, status, item, Rendered("refused", timing=timing, cost_usd=usd, detail=detail))
        image = await self._bytes(item, usd)
        ended = time.perf_counter()
        served = {name: self._provider.clean(answer[name])[:40] for name in _ECHOED if _differs(answer.get(name), request, name)}
        if served:
            detail["served"] = served
        return Rendered(
            "ok",
            image,
            Timing(latency_s=ended - began, generate_s=generated - began, download_s=ended - generated),
            revised_prompt=self._revised(item.get("revised_prompt"), request.prompt),
            cost_usd=usd,
            detail=detail,
        )

    async def _bytes(self, item: Mapping[str, Any], usd: float) -> bytes:
        encoded = item.get("b64_json")
        if not encoded:
            return await self._fetcher.get(str(item["url"]))
        try:
            return responses.picture_from_text(encoded)
        except (ValueError, TypeError, AttributeError):
            raise ProviderError("the picture is no base64", status="invalid_image", transient=True, usd=usd) from None

    def _revised(self, revised: object, prompt: str) -> str | None:
        """The rewritten prompt; None where the server reports none or left the prompt as it was."""
        if not isinstance(revised, str) or not revised.strip() or revised == prompt:
            return None
        return str(self._provider.redact(revised))[:_MAX_REVISED]

    def _empty(self, answer: dict[str, Any], status: int, item: Mapping[str, Any], refused: Rendered) -> Rendered:
        """The refusal in a successful answer without a picture, as some servers decline; ``refused`` holds its time and cost.

        Raises:
            ProviderError: the answer holds an error, or no sign of a refusal.
        """
        error = _parse_error(answer)
        moderation = _moderation(error)
        told = [(k, v) for k, v in [*answer.items(), *item.items()] if "reason" in k.lower() and isinstance(v, str) and v]
        reason = next((v for k, v in told if _REASON.search(k) or _REASON.search(v)), None)
        if moderation:
            return self._refused(error, moderation, refused)
        if answer.get("error"):
            message, code = self._provider.clean(error.message), self._code(error)
            raise ProviderError(
                f"an error instead of a picture: {message}", status="provider_error", transient=True, usd=refused.cost_usd, code=code
            )
        if item.get("respect_moderation") is False:
            return self._refused(
                ServerError("the picture was made and withheld by moderation", "respect_moderation"), ("filtered", []), refused
            )
        if reason:
            return self._refused(ServerError(f"the server answered without a picture: {reason}", reason), ("refused", []), refused)
        raise responses.not_understood(self._provider, answer, status=status, usd=refused.cost_usd)

    def _refused(self, error: ServerError, moderation: tuple[str, list[str]], refused: Rendered) -> Rendered:
        """``refused`` with its reason: the kind of refusal, and the server's names of the categories."""
        kind, names = moderation
        categories = [self._provider.clean(name)[:60] for name in dict.fromkeys(names)][:16]
        detail = {**refused.detail, "refusal": kind, "code": self._code(error), "categories": categories}
        return Rendered(
            "refused", timing=refused.timing, error=self._provider.clean(error.message), cost_usd=refused.cost_usd, detail=detail
        )

    def _declined(self, answer: _NotOkError, began: float) -> Rendered:
        """The refusal in an answer that is no success. Raises the error of any other such answer."""
        parsed = _json(answer.body)
        error = _parse_error(parsed if isinstance(parsed, dict) else {"message": _text(answer.body)})
        moderation = _moderation(error)
        if moderation:
            usage = self._provider.redact(_numbers(error.usage))
            refused = Rendered(
                "refused",
                timing=Timing(latency_s=time.perf_counter() - began),
                cost_usd=self._provider.money(usage),
                detail={"usage": usage} if usage else {},
            )
            return self._refused(error, moderation, refused)
        status, message = _effective_status(answer.status, error), self._provider.clean(error.message)
        raise responses.error_for_status(self._provider, status, answer.headers, message, code=self._code(error))

    def _code(self, error: ServerError) -> str | None:
        return self._provider.clean(error.code)[:60] if error.code else None


async def _begin(_request: Any) -> None:  # noqa: ANN401 - httpx2.Request
    """Wait for the attempt's turn; the SDK calls this when the request is about to leave."""
    call = _CALL.get()
    await call.task.turn()
    call.began = time.perf_counter()


async def _stop_unless_ok(response: Any) -> None:  # noqa: ANN401 - httpx2.Response
    """Raise _NotOkError for redirects and errors, with at most 1 MiB of the body, before the SDK reads all of it."""
    import httpx2  # noqa: PLC0415 - imported with the SDK

    if response.is_success:
        return
    try:
        body = await _read_up_to(response.aiter_bytes(), _MAX_ERROR_BYTES)
    except httpx2.HTTPError:
        body = b""
    raise _NotOkError(response.status_code, dict(response.headers), body)


async def _read_up_to(chunks: AsyncGenerator[bytes], max_bytes: int) -> bytes:
    """The bytes; reading stops at the first chunk that passes ``max_bytes``."""
    data = bytearray()
    async with aclosing(chunks):
        async for chunk in chunks:
            data += chunk
            if len(data) > max_bytes:
                break
    return bytes(data)


def _json(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value, None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _text(body: bytes) -> str:
    return body[:_MAX_MESSAGE].decode("utf-8", "replace")


def _parse_error(answer: Mapping[str, Any]) -> ServerError:
    """The error in an answer: ``{"error": {"message", "code", …}}``, xAI's ``{"code", "error": text}``, FastAPI's ``{"detail"}``."""
    inner = answer.get("error")
    fields = inner if isinstance(inner, dict) else answer
    message = str(fields.get("message") or (inner if isinstance(inner, str) else None) or fields.get("detail") or "")[:_MAX_MESSAGE]
    code = fields.get("code")
    return ServerError(
        unquote(message) if "%20" in message else message, str(code) if isinstance(code, str | int) else None, fields, answer.get("usage")
    )


def _moderation(error: ServerError) -> tuple[str, list[str]] | None:
    """Kind of refusal ("refused": the prompt, "filtered": the picture) and categories; None where the error is no moderation.

    OpenAI names categories in ``moderation_details`` and in its message, Azure in the filters' results, xAI in its message.
    """
    filters = error.fields.get("inner_error") or error.fields.get("innererror")
    filters = filters if isinstance(filters, dict) else {}
    codes = {str(code).casefold() for code in (error.code, filters.get("code"))}
    if not codes & _MODERATION and not _MODERATED.search(error.message):
        return None
    details = error.fields.get("moderation_details")
    details = details if isinstance(details, dict) else {}
    named = details.get("categories")
    categories = [str(name) for name in named] if isinstance(named, list) else []
    for listed in re.findall(r"safety_violations=\[([^\]\[]*)\]", error.message):
        categories += [name.strip() for name in listed.split(",") if name.strip()]
    for results in (filters.get("content_filter_results"), filters.get("content_filter_result")):
        if isinstance(results, dict):
            categories += [str(name) for name, result in results.items() if isinstance(result, dict) and result.get("filtered") is True]
    categories += re.findall(r"SAFETY_CHECK_TYPE_\w+", error.message)
    filtered = details.get("moderation_stage") == "output" or _OUTPUT_FILTERED.search(error.message)
    return ("filtered" if filtered else "refused"), categories


def _effective_status(status: int, error: ServerError) -> int:
    """The HTTP status that fits the error: xAI answers 400 to a wrong key, OpenAI 400 or 429 to an account without credit."""
    if error.code in _NO_CREDIT or _NO_CREDIT_MESSAGE.search(error.message):
        return 402
    if _BAD_KEY.search(error.message):
        return 401
    return 404 if error.code == "model_not_found" or error.fields.get("param") == "model" else status


def _numbers(usage: object, depth: int = 2) -> dict[str, Any]:
    """The numbers of a usage report and of the reports inside it, without NaN and numbers beyond 64 bits."""
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
    """Whether the server says that it used another value than the request's."""
    if not isinstance(served, str) or not served:
        return False
    requested = f"{request.width}x{request.height}" if name == "size" else request.settings.get(name)
    return served != requested


@dataclass(frozen=True, kw_only=True)
class ImagesServer(Hosted, ABC):
    """What providers of OpenAI's ``images/generations`` share. Each adds ``request`` and ``arguments``."""

    @abstractmethod
    def arguments(self, request: Request) -> dict[str, Any]:
        """The arguments of the SDK's ``images.generate``."""

    def money(self, usage: Mapping[str, Any]) -> float:  # noqa: ARG002 - OpenAI reports tokens, no money
        """USD that the answer cost according to ``usage``; NaN where it does not say."""
        return math.nan

    def check(self) -> None:
        """As ``Hosted.check``; raise ConfigError for a model that its vendor has shut down."""
        gone = retired.find_retirement(self.model) if self.base_url is None else None
        if gone:
            raise ConfigError(str(gone))
        super().check()

    async def connect(self, say: Callable[[str], None]) -> OpenAIClient:
        """Build the client; nothing is sent yet. Raises as ``check`` does."""
        self.check()
        began = time.perf_counter()

        say(f"{self.name}: {self.model} at {self.address}")
        return OpenAIClient(self, began)
