"""What an HTTP answer means for a picture: status codes, broken connections, bodies, pictures as text, answers without a picture."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from bench.core import http
from bench.errors import BenchError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from bench.providers.hosted.base import Hosted

MAX_JSON_BYTES = 8 * 2**20
"""Of an answer that is no picture."""
_NAMES, _DEPTH = 16, 3
"""Fields of an answer that are named, and how deep they are looked for."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")


async def body(response: httpx2.Response, max_bytes: int) -> bytes:
    """The rest of a streamed answer, decompressed.

    Raises:
        ProviderError: more than ``max_bytes``; reading stops there.
    """
    data = bytearray()
    async for piece in response.aiter_bytes(2**16):
        data += piece
        if len(data) > max_bytes:
            raise ProviderError(f"the answer is larger than {max_bytes / 2**20:g} MiB", status="invalid_image")
    return bytes(data)


def fields(data: bytes) -> dict[str, Any]:
    """The fields of the object in a JSON body; {} where there is none."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def picture_from_text(text: str) -> bytes:
    r"""The bytes of a picture that came as text: base64, or a ``data:`` address.

    Base64 of both alphabets (RFC 4648: ``+/`` and ``-_``), in lines or in one, with or without its padding.

    >>> picture_from_text("iVBORw0K\r\nGgo") == picture_from_text("data:image/png;base64,iVBORw0KGgo=")
    True

    Raises:
        ValueError: it is neither.
    """
    head, comma, data = text.partition(",") if is_data_address(text) else ("", "", text)
    raw = unquote_to_bytes(data.strip()) if comma else data.encode()
    if comma and not head.lower().endswith(";base64"):
        return raw
    packed = b"".join(raw.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    if not _BASE64.fullmatch(packed):
        raise ValueError("no base64")
    return base64.b64decode(packed + b"=" * (-len(packed) % 4))


def is_data_address(text: str) -> bool:
    """Whether ``text`` is an address that holds the picture itself."""
    return text[:5].lower() == "data:"


def field_names(answer: object) -> list[str]:
    """The names of an answer's fields, those of objects inside it after a dot; "[]" where a list's first entry was looked at.

    >>> field_names({"created": 1, "data": [{"task_id": "t", "state": {"code": 3}}]})
    ['created', 'data[].task_id', 'data[].state.code']
    """

    def names(value: object, depth: int) -> list[str]:
        if isinstance(value, list) and value and depth:
            return [f"[]{name}" for name in names(value[0], depth)]
        if isinstance(value, dict) and value and depth:
            return [f".{key}{name}" for key, inner in value.items() for name in names(inner, depth - 1)]
        return [""]

    return [name.removeprefix(".") or type(answer).__name__ for name in names(answer, _DEPTH)]


def not_understood(provider: Hosted, answer: object, *, status: int = 200, usd: float = math.nan) -> ProviderError:
    """The error for an answer that holds neither a picture nor a sign of refusal: it names the fields that came, never their values.

    It is no refusal, for nothing says so, and is not asked again at once, for each answer may have been paid.
    """
    came = field_names(answer) if answer else []
    shown = ", ".join(provider.clean(name) for name in came[:_NAMES]) + (", …" if len(came) > _NAMES else "")
    code = "" if status == 200 else f" ({status})"
    what = f"its fields are {shown}" if shown else "it is empty"
    return ProviderError(f"the answer{code} holds no picture and no sign of a refusal; {what}", status="provider_error", usd=usd)


def error_for_status(provider: Hosted, status: int, headers: Mapping[str, str], message: str, *, code: str | None = None) -> BenchError:
    """The error that an answer other than 200 stands for: a ProviderError, or a plain BenchError where every prompt would fail.

    Args:
        provider: whose server answered.
        status: HTTP status, not 200.
        headers: of the answer, for ``Retry-After``.
        message: the server's, through ``provider.clean``.
        code: the server's code for the error.
    """
    detail = f": {message}" if message else ""
    fatal = {
        401: f"the server refuses the key in {provider.api_key_env} (401){detail}",
        402: f"no credits are left on the account of the key in {provider.api_key_env} (402){detail}; top it up and repeat the command",
        403: f"the server refuses the key in {provider.api_key_env} (403){detail}",
        404: f"the server knows no model {provider.model!r} (404){detail}; see model.model and model.base_url",
    }
    if status in fatal:
        return BenchError(f"{provider.name}: {fatal[status]}")
    if 300 <= status < 400:
        return BenchError(f"{provider.name}: the server redirects ({status}), which is not followed with a key; correct model.base_url")
    if status == 429:
        wait = http.retry_after(headers)
        return ProviderError(
            f"too many requests (429){detail}", status="rate_limited", transient=True, retry_after=wait, usd=0.0, code=code
        )
    transient = status in {408, 409} or status >= 500
    wait = http.retry_after(headers) if transient else None
    text = f"the server answered {status}{detail}"
    return ProviderError(text, status="provider_error", transient=transient, retry_after=wait, usd=0.0, code=code)


def error_for_connection(provider: Hosted, error: Exception) -> BenchError:
    """The error for a connection that failed (nothing paid), or was too slow or broke off (perhaps paid: the cost is NaN).

    A plain BenchError, which ends the run, where every connection would fail: a certificate that is not trusted.
    """
    import httpx2  # noqa: PLC0415 - slow import

    fatal = http.refused_for_good(error, provider.address)
    if fatal:
        return BenchError(f"{provider.name}: {fatal}")
    if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return ProviderError("the request cannot be sent as it is", status="provider_error", usd=0.0)
    reason = provider.clean(error) or type(error).__name__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError):
        return ProviderError(f"no connection to the server: {reason}", status="provider_error", transient=True, usd=0.0)
    if isinstance(error, httpx2.TimeoutException):
        return ProviderError(f"the server was too slow: {reason}", status="timeout", transient=True, usd=math.nan)
    return ProviderError(f"the answer broke off: {reason}", status="provider_error", transient=True, usd=math.nan)
