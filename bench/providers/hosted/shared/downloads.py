"""Safe downloads of pictures from untrusted links.

Every hop of a link is checked before its request: https, no user name, and only public IP addresses. The one exception is
the server that the user configured, as long as no other server has been contacted on the way. A name may resolve to a
private address after the check (DNS rebinding); then TLS still wants a certificate for that name, and the peer's address
is checked again before its answer is read. With a proxy from the environment (``bench.core.http``) the peer is the proxy,
which resolves names itself; then IP addresses, and names that this machine can resolve, are checked. A ``data:`` address
holds the picture itself and contacts nobody.

No key, cookie or referrer is sent. The size of the answer is limited here; ``bench.images.decoding`` checks its content.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Literal

from bench.core import http
from bench.errors import ProviderError
from bench.images.decoding import MAX_BYTES
from bench.providers.hosted.shared import responses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_EXPIRED = {400, 403, 404, 410}  # 400 is Google Cloud Storage's word for an expired signature
_UNICAST, _NAT64 = IPv6Network("2000::/3"), IPv6Network("64:ff9b::/96")


async def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a name. Raises OSError where it has none."""
    entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in entries]


def is_public(address: str) -> bool:
    """Whether an IP address is on the internet: not this machine, a private network, a cloud's metadata service or multicast.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64) is judged by that.
    """
    try:
        ip: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:  # a zone ("fe80::1%eth0") is never public either
        return False
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is None:
            return ip in _UNICAST and ip.is_global
        ip = inner
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local)


class Fetcher:
    """Downloads of one run; many at once.

    Args:
        own: the address of the server that the user configured; None without one. Its host is trusted, also over http if
            ``own`` is http. All names and addresses of this machine count as one host.
        timeout_s: seconds a download may take, redirects included.
        max_bytes: a larger picture is not read to its end.
        resolver: looks names up for the check.
    """

    def __init__(
        self,
        *,
        own: str | None,
        timeout_s: float,
        max_bytes: int = MAX_BYTES,
        resolver: Callable[[str, int], Awaitable[list[str]]] = resolve,
    ) -> None:
        self._own = _url(own) if own else None
        self._timeout_s, self._max_bytes, self._resolver = timeout_s, max_bytes, resolver
        self._transports: dict[str | None, httpx2.AsyncHTTPTransport] = {}

    async def get(self, url: str) -> bytes:
        """The bytes behind ``url``.

        Raises:
            ProviderError: with status "expired_url" (400, 403, 404, 410), "rate_limited", "timeout", "invalid_image" (too
                large) or "provider_error" (everything else; not transient where the address is refused). The cost is
                unknown, for the server did make the picture. Messages name scheme and host only: the rest of a link may
                hold a signature.
        """
        if responses.is_data_address(url):
            return self._inside(url)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(_url(url))
        except TimeoutError:
            raise ProviderError(f"the picture did not arrive within {self._timeout_s:g} s", status="timeout", transient=True) from None

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()

    def _inside(self, url: str) -> bytes:
        """The picture that a ``data:`` address holds."""
        if len(url) > self._max_bytes * 4 // 3 + 2**10:
            raise ProviderError(f"the picture is larger than {self._max_bytes / 2**20:g} MiB", status="invalid_image")
        try:
            return responses.picture_from_text(url)
        except ValueError:
            raise ProviderError("the picture's data: address holds no base64", status="invalid_image", transient=True) from None

    async def _follow(self, url: httpx2.URL) -> bytes:
        own = True
        for _ in range(_MAX_REDIRECTS + 1):
            allowed = self._rule(url, own=own)
            own = own and allowed is not is_public
            proxy = http.proxy_for(str(url))
            if allowed:
                await self._check(url, allowed, proxied=proxy is not None)
            answer = await self._request(url, proxy, allowed)
            if isinstance(answer, bytes):
                return answer
            url = answer
        raise _error(f"{_where(url)}: more than {_MAX_REDIRECTS} redirects")

    def _rule(self, url: httpx2.URL, *, own: bool) -> Callable[[str], bool] | None:
        """Which IP addresses ``url`` may lead to: a test of an address, None where any may be used.

        ``own``: only the user's own server has been contacted so far.
        """
        if url.scheme not in {"http", "https"} or not url.host:
            raise _error("the picture's address is no https address", transient=False)
        if url.userinfo:
            raise _error(f"{_where(url)}: the picture's address holds a user name", transient=False)
        rule: Callable[[str], bool] | None = is_public
        if own and self._own:
            if url.host == self._own.host:
                rule = None
            elif http.is_loopback(url.host) and http.is_loopback(self._own.host):
                rule = http.is_loopback
        secure = url.scheme == "https" or (rule is not is_public and self._own is not None and self._own.scheme == "http")
        if not secure:
            raise _error(f"{_where(url)}: the picture's address is not https", transient=False)
        return rule

    async def _check(self, url: httpx2.URL, allowed: Callable[[str], bool], *, proxied: bool) -> None:
        host = url.raw_host.decode("ascii")
        try:
            addresses = [str(ip_address(host))]
        except ValueError:
            try:
                addresses = await self._resolver(host, url.port or 443)
            except OSError as error:
                if proxied:
                    return
                raise _error(f"{_where(url)}: the name cannot be resolved: {error.strerror or error}") from None
            except UnicodeError:
                raise _error(f"{_where(url)}: the picture's address is malformed", transient=False) from None
        if not addresses or not all(map(allowed, addresses)):
            raise _unsafe(url)

    async def _request(self, url: httpx2.URL, proxy: str | None, allowed: Callable[[str], bool] | None) -> bytes | httpx2.URL:
        """The body, or the address that the server redirects to."""
        import httpx2  # noqa: PLC0415 - slow import

        if proxy not in self._transports:
            self._transports[proxy] = httpx2.AsyncHTTPTransport(**http.client_options(str(url)))
        # a transport instead of a client: it keeps no cookies, adds no credentials and follows no redirects
        request = httpx2.Request(
            "GET",
            url,
            headers={"accept": "*/*", "accept-encoding": "identity", "user-agent": "bench"},
            extensions={"timeout": httpx2.Timeout(self._timeout_s).as_dict()},
        )
        try:
            response = await self._transports[proxy].handle_async_request(request)
            try:
                stream = response.extensions.get("network_stream")
                peer = stream and stream.get_extra_info("server_addr")
                if allowed and proxy is None and not (peer and allowed(str(peer[0]))):
                    raise _unsafe(url)
                if response.status_code in _REDIRECTS:
                    return _url(str(url.join(response.headers["location"])))
                if response.status_code != 200:
                    raise _refused(url, response)
                return await self._body(url, response)
            finally:
                await response.aclose()
        except (httpx2.InvalidURL, KeyError):
            raise _error(f"{_where(url)}: a redirect to nowhere") from None
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except (httpx2.HTTPError, OSError) as error:
            fatal = http.refused_for_good(error, str(url))
            raise _error(str(fatal or f"{_where(url)}: {str(error) or type(error).__name__}"), transient=fatal is None) from None

    async def _body(self, url: httpx2.URL, response: httpx2.Response) -> bytes:
        too_large = ProviderError(
            f"{_where(url)}: the picture is larger than {self._max_bytes / 2**20:g} MiB", status="invalid_image", transient=False
        )
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            raise too_large
        data = bytearray()
        async with contextlib.aclosing(response.aiter_raw()) as pieces:
            async for piece in pieces:
                data += piece
                if len(data) > self._max_bytes:
                    raise too_large
        return bytes(data)


def _url(text: str) -> httpx2.URL:
    import httpx2  # noqa: PLC0415 - slow import

    with contextlib.suppress(httpx2.InvalidURL, UnicodeError):
        url = httpx2.URL(text)
        if (url.port or 443) < 1 << 16:
            return url
    raise _error("the picture's address is malformed", transient=False)


def _where(url: httpx2.URL) -> str:
    """Scheme and host: the only parts of an address that may be shown."""
    return f"{url.scheme}://{url.host}"


def _error(message: str, *, transient: bool = True) -> ProviderError:
    return ProviderError(" ".join(message.split())[:300], status="provider_error", transient=transient)


def _unsafe(url: httpx2.URL) -> ProviderError:
    return _error(f"{_where(url)}: the picture's address leads into a private network", transient=False)


def _refused(url: httpx2.URL, response: httpx2.Response) -> ProviderError:
    code = response.status_code
    status: Literal["expired_url", "rate_limited", "provider_error"] = "provider_error"
    if code in _EXPIRED:
        status = "expired_url"
    elif code == 429:
        status = "rate_limited"
    return ProviderError(
        f"{_where(url)}: HTTP {code} instead of the picture",
        status=status,
        transient=status != "provider_error" or code in {408, 409} or code >= 500,
        retry_after=http.retry_after(response.headers),
    )
