"""How this program speaks HTTP: proxies, certificates and headers, the same for providers, downloads and judges.

This machine (127.0.0.0/8, ::1, localhost) is never asked through a proxy. What the environment says about proxies and
certificates is read here, before anything is sent, so that a mistake in it ends the command with the variable's name.
"""

from __future__ import annotations

import math
import os
import ssl
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench.errors import BenchError, ConfigError, MissingPackageError, causes

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""Variables that say whose certificates are trusted; the first that is set counts."""
_PROXY_KINDS = ("http", "https", "socks5", "socks5h")


def is_loopback(host: str | None) -> bool:
    """Whether ``host``, a name or an IP address, is this machine.

    >>> [is_loopback(h) for h in ("127.3.2.1", "[::1]", "::ffff:127.0.0.1", "localhost.", "localhost.example.com", "10.0.0.1")]
    [True, True, True, True, False, False]
    """
    if host is None:
        return False
    try:
        ip = ip_address(host.strip("[]"))
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
    inner = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (inner or ip).is_loopback


def proxy_for(url: str) -> str | None:
    """The proxy through which ``url`` is asked, as the environment (or the system) names it; None for none.

    Raises:
        ConfigError: its address cannot be read, or it is of an unknown kind.
        MissingPackageError: a SOCKS proxy, and the package for it is missing.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if is_loopback(host) or _bypassed(host, port):
        return None
    proxies = urllib.request.getproxies()
    key = parts.scheme if proxies.get(parts.scheme) else "all"
    proxy = proxies.get(key)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    name = proxy_variable(url)
    advice = f"correct it, unset it, or name {host} in NO_PROXY"
    try:
        address = urlsplit(proxy)
        readable = bool(address.hostname) and (address.port is None or address.port > 0)
    except ValueError:
        readable = False
    if not readable or any(c.isspace() for c in proxy):
        raise ConfigError(f"{name} holds no proxy's address, like http://proxy.example.com:3128; {advice}")
    if address.scheme.lower() not in _PROXY_KINDS:
        raise ConfigError(f"{name} names a proxy of kind {address.scheme}://, which is not known; write http:// or socks5://, or {advice}")
    if address.scheme.lower().startswith("socks") and find_spec("socksio") is None:
        raise MissingPackageError(f"{name} names a SOCKS proxy, which needs a package: pip install socksio; or {advice}")
    return proxy


def proxy_variable(url: str) -> str:
    """The name of the variable that holds the proxy of ``url``; "the system's proxy setting" where it is none."""
    scheme = urlsplit(url).scheme
    names = [f"{kind}_proxy" for kind in (scheme, "all")]
    spelled = [form for name in names for form in (name, name.upper())]
    return next((name for name in spelled if os.environ.get(name)), "the system's proxy setting")


def _bypassed(host: str, port: int | None) -> bool:
    """Whether NO_PROXY (names, domains, addresses, networks like 10.0.0.0/8) or the system leaves ``host`` out."""
    host = host.lower().rstrip(".")
    for entry in urllib.request.getproxies().get("no", "").lower().replace(",", " ").split():
        try:
            if ip_address(host) in ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            name, _, only = entry.partition(":")
            domain = name.removeprefix("*").removeprefix(".")
            if name == "*" or ((host == domain or host.endswith(f".{domain}")) and only in {"", str(port)}):
                return True
    return not urllib.request.getproxies_environment() and bool(urllib.request.proxy_bypass(host))


def certificates() -> ssl.SSLContext | bool:
    """Whose certificates are trusted: those of the first variable of ``AUTHORITIES`` that is set, True for the system's.

    Raises:
        ConfigError: the file or folder that it names is missing, unreadable or holds no certificate.
    """
    name = next((name for name in AUTHORITIES if os.environ.get(name)), None)
    if name is None:
        return True
    value = os.environ[name]
    folders = name == "SSL_CERT_DIR" or (name == "REQUESTS_CA_BUNDLE" and Path(value).is_dir())
    try:
        if not folders:
            return ssl.create_default_context(cafile=value)
        for folder in value.split(os.pathsep):
            os.listdir(folder)  # noqa: PTH208 - says why it cannot be read
        return ssl.create_default_context(capath=value)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror or type(error).__name__
        what = "a folder of certificates" if folders else "a file of certificates (PEM)"
        raise ConfigError(f"{name}={value} cannot be read as {what}: {reason}; correct it, or unset it for the system's own") from None


def client_options(url: str) -> dict[str, Any]:
    """Arguments of an ``httpx2`` client or transport that speaks to the server of ``url``: proxy and trusted certificates.

    Raises:
        ConfigError, MissingPackageError: as ``proxy_for`` and ``certificates``.
    """
    return {"trust_env": False, "proxy": proxy_for(url), "verify": certificates()}


def refused_for_good(error: BaseException | None, url: str) -> BenchError | None:
    """The error that ends a run at its first connection to ``url``: a certificate that is not trusted, a proxy that wants a password.

    None where ``error``, with all that caused it, is neither.
    """
    where = urlsplit(url).hostname
    for one in causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            name = next((name for name in AUTHORITIES if os.environ.get(name)), None)
            source = f"trusted are those of {name}={os.environ[name]}" if name else "trusted are the system's"
            return BenchError(
                f"the certificate of {where} is not trusted ({one.verify_message}); {source}. For an authority of your own, or a "
                "company's proxy that reads along, name its certificate: export SSL_CERT_FILE=FILE.pem"
            )
        if type(one).__name__ == "ProxyError" and str(one).startswith("407"):
            name = proxy_variable(url)
            return BenchError(f"the proxy of {name} wants a user name and password (407): export {name}=http://USER:PASSWORD@HOST:PORT")
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, as a number or an HTTP date (RFC 9110, 10.2.3); None without one."""
    header = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
