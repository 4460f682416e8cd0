"""What an HTTP answer means for a picture: status codes, broken connections, bodies. For vendors without an SDK."""

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

MAX_JSON_BYTES = 8 * 2**20
"""Of an answer that is no picture."""


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
        wait = retry_after(headers)
        return ProviderError(
            f"too many requests (429){detail}", status="rate_limited", transient=True, retry_after=wait, usd=0.0, code=code
        )
    transient = status in {408, 409} or status >= 500
    wait = retry_after(headers) if transient else None
    text = f"the server answered {status}{detail}"
    return ProviderError(text, status="provider_error", transient=transient, retry_after=wait, usd=0.0, code=code)


def error_for_connection(provider: Hosted, error: Exception) -> ProviderError:
    """The error for a connection that failed (nothing paid), or was too slow or broke off (perhaps paid: the cost is NaN)."""
    import httpx2  # noqa: PLC0415 - slow import

    if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return ProviderError("the request cannot be sent as it is", status="provider_error", usd=0.0)
    reason = provider.clean(error) or type(error).__name__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError):
        return ProviderError(f"no connection to the server: {reason}", status="provider_error", transient=True, usd=0.0)
    if isinstance(error, httpx2.TimeoutException):
        return ProviderError(f"the server was too slow: {reason}", status="timeout", transient=True, usd=math.nan)
    return ProviderError(f"the answer broke off: {reason}", status="provider_error", transient=True, usd=math.nan)
