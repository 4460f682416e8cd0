"""What an answer over HTTP means for one picture, where no SDK says it: status codes, broken connections, bodies."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from bench.core.http import retry_after
from bench.errors import BenchError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from bench.providers.hosted.base import Hosted

MOST_JSON = 8 * 2**20
"""Bytes of an answer that is no picture."""


async def body(response: httpx2.Response, most: int) -> bytes:
    """The rest of a streamed answer, decompressed.

    Raises:
        ProviderError: more than ``most`` bytes; reading stops there.
    """
    data = bytearray()
    async for piece in response.aiter_bytes(2**16):
        data += piece
        if len(data) > most:
            raise ProviderError(f"the answer is larger than {most / 2**20:g} MiB", status="invalid_image")
    return bytes(data)


def fields(data: bytes) -> dict[str, Any]:
    """The object in a JSON body; empty where there is none."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def error_for_status(provider: Hosted, status: int, headers: Mapping[str, str], words: str, *, code: str | None = None) -> BenchError:
    """The error for an answer that is no success; no ProviderError where no other prompt would fare better.

    Args:
        provider: who was asked.
        status: of the answer, not 200.
        headers: of the answer, for ``Retry-After``.
        words: what the server says about it, through ``provider.clean``.
        code: the server's own word for it.
    """
    said = f": {words}" if words else ""
    ends = {
        401: f"the server refuses the key in {provider.api_key_env} (401){said}",
        402: f"no credits are left on the account of the key in {provider.api_key_env} (402){said}; top it up and repeat the command",
        403: f"the server refuses the key in {provider.api_key_env} (403){said}",
        404: f"the server knows no model {provider.model!r} (404){said}; see model.model and model.base_url",
    }
    if status in ends:
        return BenchError(f"{provider.name}: {ends[status]}")
    if 300 <= status < 400:
        return BenchError(f"{provider.name}: the server redirects ({status}), which is not followed with a key; correct model.base_url")
    if status == 429:
        wait = retry_after(headers)
        return ProviderError(f"too many requests (429){said}", status="rate_limited", transient=True, retry_after=wait, usd=0.0, code=code)
    transient = status in {408, 409} or status >= 500
    wait = retry_after(headers) if transient else None
    message = f"the server answered {status}{said}"
    return ProviderError(message, status="provider_error", transient=transient, retry_after=wait, usd=0.0, code=code)


def error_for_connection(provider: Hosted, error: Exception) -> ProviderError:
    """The error for a connection that did not come about (nothing paid), was too slow, or broke off (perhaps paid)."""
    import httpx2  # noqa: PLC0415 - slow import

    if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return ProviderError("the request cannot be sent as it is", status="provider_error", usd=0.0)
    words = provider.clean(error) or type(error).__name__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError):
        return ProviderError(f"no connection to the server: {words}", status="provider_error", transient=True, usd=0.0)
    if isinstance(error, httpx2.TimeoutException):
        return ProviderError(f"the server was too slow: {words}", status="timeout", transient=True, usd=math.nan)
    return ProviderError(f"the answer broke off: {words}", status="provider_error", transient=True, usd=math.nan)
