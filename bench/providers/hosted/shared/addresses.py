"""Which addresses a key may be sent to."""

from __future__ import annotations

from urllib.parse import urlsplit

from bench.core.http import is_loopback
from bench.errors import ConfigError


def check_base_url(url: str, *, allow_http: bool) -> None:
    """Raise ConfigError unless a key may be sent to ``url``: https, or http to this machine (anywhere with ``allow_http``)."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"model.base_url is no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(f"model.base_url={url!r} must begin with https:// and name a server")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("model.base_url must hold no user name, password or query; the key goes into the environment variable")
    if parts.scheme == "http" and not is_loopback(host) and not allow_http:
        raise ConfigError(f"model.base_url={url!r} would send key and prompts unencrypted; use https, or set model.allow_http=true")
