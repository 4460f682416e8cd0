"""What all models behind a server share: address, key, limits, and the protocols of a provider, its client and an attempt."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from bench.core import http
from bench.errors import ConfigError, MissingKeyError
from bench.providers.base import Provider
from bench.providers.hosted.shared.addresses import check_base_url

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from bench.types import Rendered, Request

_MAX_CHARACTERS = 300
_MAX_SEARCHED = 2000
"""Characters of a server's text that are read at all."""
_QUOTED_START = 8
"""Servers quote a key by so many of its first characters."""
_HIDDEN = (
    (re.compile(r"(?i)\bbearer\s+\S+"), "Bearer ***"),
    (re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*"), r"\1"),
    (re.compile(r"[^\s\"']*\*{3,}[^\s\"']*"), "***"),
    (re.compile(r"(?i)\b(team|api key id)\b(:? )[0-9a-f]{8}-[0-9a-f-]{27}"), r"\1\2***"),
)
"""Never stored: echoed headers, signatures of links, keys masked but for their ends, account numbers."""


@dataclass(frozen=True)
class Limits:
    """Limits on rate, concurrency, retries and time.

    Attributes:
        in_flight: requests at once, 1 or more.
        per_minute: requests in any 60 s; None where the server sets no limit. Polls do not count.
        attempts: attempts at one picture in one run, 1 or more.
        retries: retry budget: at most this many retries for each picture of the run, and 20 besides.
        timeout_s: seconds one attempt may take, queue and download included.
        longest_wait_s: seconds; a longer Retry-After is not waited for.

    Raises:
        ConfigError: a value out of range.
    """

    in_flight: int = 4
    per_minute: float | None = None
    attempts: int = 5
    retries: float = 1.0
    timeout_s: float = 180.0
    longest_wait_s: float = 120.0

    def __post_init__(self) -> None:
        for name in ("in_flight", "attempts"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"model.limits.{name}={value!r} must be a whole number above 0")
        for name, low in (("per_minute", 1), ("retries", 0), ("timeout_s", 0.001), ("longest_wait_s", 0)):
            value = getattr(self, name)
            if value is None and name == "per_minute":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < float("inf"):
                raise ConfigError(f"model.limits.{name}={value!r} must be a number of at least {low:g}")


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """The fields and checks that hosted providers share; each adds ``request`` and ``connect``.

    Attributes:
        name: the preset's name.
        model: the server's name for the model.
        api_key_env: the environment variable that holds the key.
        base_url: another server than the vendor's own: https, or http on this machine.
        allow_http: http to another machine too; key and prompts can then be read on the way.
        limits: rate, concurrency, retries and time.
        card: description, licence, default prompts and metrics of the preset.

    Raises:
        ConfigError: ``api_key_env`` is no variable's name, or ``base_url`` is no address, unencrypted, or holds a secret itself.
    """

    name: str
    model: str
    api_key_env: str
    base_url: str | None = None
    allow_http: bool = False
    limits: Limits = field(default_factory=Limits)
    card: Mapping[str, Any] = field(default_factory=dict)
    hosted: bool = True

    default_base_url: ClassVar[str]
    """The vendor's own address."""
    price_list_key: ClassVar[str]
    """The vendor's heading in conf/prices.yaml."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(self.api_key_env)):
            raise ConfigError("model.api_key_env must be the name of an environment variable, not the key itself")
        if self.base_url is not None:
            check_base_url(self.base_url, allow_http=self.allow_http)

    @property
    def address(self) -> str:
        """Where requests go, without a slash at the end."""
        return (self.base_url or self.default_base_url).rstrip("/")

    @property
    def endpoint(self) -> str:
        """The server as recorded in settings: the vendor's name, or the user's own address."""
        return self.base_url or self.price_list_key

    @property
    def vendor(self) -> str | None:
        """Whose price list applies; None at a server of the user's own."""
        return self.price_list_key if self.base_url is None else None

    @property
    def key(self) -> str:
        """The key, "" without one. Never to be stored, shown or logged."""
        return os.environ.get(self.api_key_env, "").strip()

    def check(self) -> None:
        """Raise MissingKeyError without a key, ConfigError for a key, proxy or certificates that cannot be used."""
        if not self.key:
            raise MissingKeyError(f"{self.name} needs a key: export {self.api_key_env}=…; without one, model=tiny-dev runs anywhere")
        if not re.fullmatch(r"[!-~]+", self.key):
            raise ConfigError(f"{self.api_key_env} holds a space or a character that no key has; copy the key again")
        http.client_options(self.address)

    def http_client(self, headers: Mapping[str, str], timeout_s: float | None = None) -> httpx2.AsyncClient:
        """A connection to the server that follows no redirect. ``timeout_s`` in place of ``limits.timeout_s``, if it is shorter.

        Raises:
            ConfigError, MissingPackageError: proxy or certificates of the environment cannot be used.
        """
        import httpx2  # noqa: PLC0415 - slow import

        return httpx2.AsyncClient(
            headers=dict(headers),
            timeout=min(self.limits.timeout_s, timeout_s or self.limits.timeout_s),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=self.limits.in_flight),
            follow_redirects=False,
            **http.client_options(self.address),
        )

    def clean(self, text: object) -> str:
        """A server's text on one line of at most 300 characters, without keys, parts of the key or signatures of links."""
        cleaned = str(self.redact(str(text)[:_MAX_SEARCHED]))
        if len(self.key) >= 2 * _QUOTED_START:
            cleaned = re.sub(re.escape(self.key[:_QUOTED_START]) + r"[^\s\"']*", "***", cleaned)
        for pattern, replacement in _HIDDEN:
            cleaned = pattern.sub(replacement, cleaned)
        return " ".join(cleaned.split())[:_MAX_CHARACTERS]

    def redact(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """A JSON value with the key replaced by ``***`` in every string of it."""
        return redact(value, self.key)


def redact(value: Any, secret: str) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value with ``secret`` replaced by ``***`` in every string of it, names of fields included."""
    if not secret:
        return value
    if isinstance(value, str):
        return value.replace(secret, "***")
    if isinstance(value, Mapping):
        return {redact(k, secret): redact(v, secret) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact(v, secret) for v in value]
    return value


class HostedProvider(Provider, Protocol):
    """A model behind somebody's server."""

    @property
    def model(self) -> str:
        """The server's name for the model."""

    @property
    def limits(self) -> Limits:
        """Limits on rate, concurrency, retries and time."""

    @property
    def vendor(self) -> str | None:
        """Whose price list applies (a heading of conf/prices.yaml); None at a server of the user's own."""

    def clean(self, text: object) -> str:
        """``text`` on one line, short, without the key."""

    def redact(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """A JSON value without the key."""

    async def connect(self, say: Callable[[str], None]) -> Client:
        """Build the connection, inside the event loop that will use it; nothing is sent yet."""


class Client(Protocol):
    """A connection to a server. Many ``make`` calls run at once."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts to store with the run: ``device`` ("hosted"), ``endpoint``, ``load_s`` and the like."""

    async def make(self, request: Request, task: Task) -> Rendered:
        """Make one attempt: a picture or a refusal. Awaits ``task.turn()`` once, sends, waits for the answer and never retries.

        The caller limits time and rate, retries, checks that the bytes are a picture, and fills in the price where
        ``cost_usd`` is NaN.

        Raises:
            ProviderError: this attempt failed; its fields say what to record and whether to try again.
            BenchError: every prompt would fail (key refused, no credit, unknown model); the run ends.
        """

    async def close(self) -> None:
        """Close the connections."""


class Task(Protocol):
    """The caller's side of one attempt: when it may begin, and what is stored about a task that the server works on meanwhile."""

    async def turn(self) -> None:
        """Wait for permission to send; await it once, right before the request. The slot is taken until ``make`` ends.

        Let through whatever it raises: the run is ending, and nothing may be sent.
        """

    @property
    def submission(self) -> Mapping[str, Any] | None:
        """The facts that ``submitted`` stored, perhaps in an earlier process: if there are any, fetch the result and submit nothing."""

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        """Store ``facts`` (task id, polling address; nothing secret). When this returns they are on disk."""
