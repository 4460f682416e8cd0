"""Clients of OpenAI's SDK that send OpenAI's account to OpenAI alone."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench.core import http

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openai import AsyncOpenAI, OpenAI

ADDRESS = "https://api.openai.com/v1"


def client(key: str, address: str, timeout_s: float) -> OpenAI:
    """A client that retries nothing and follows no redirect.

    Raises:
        ConfigError, MissingPackageError: as ``http.client_options``.
    """
    import openai  # noqa: PLC0415 - slow import

    connection = openai.DefaultHttpxClient(follow_redirects=False, timeout=timeout_s, **http.client_options(address))
    with _only_what_is_told(address):
        return openai.OpenAI(api_key=key, base_url=address, timeout=timeout_s, max_retries=0, http_client=connection)


def async_client(key: str, address: str, timeout_s: float, hooks: Mapping[str, Sequence[Any]]) -> AsyncOpenAI:
    """The same for ``asyncio``, with hooks on requests and responses."""
    import openai  # noqa: PLC0415 - slow import

    events = {name: list(calls) for name, calls in hooks.items()}
    options = http.client_options(address)
    connection = openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout_s, event_hooks=events, **options)
    with _only_what_is_told(address):
        return openai.AsyncOpenAI(api_key=key, base_url=address, timeout=timeout_s, max_retries=0, http_client=connection)


@contextmanager
def _only_what_is_told(address: str) -> Iterator[None]:
    """Hide OPENAI_ORG_ID, OPENAI_PROJECT_ID and their like from the SDK, unless ``address`` is OpenAI's.

    The SDK reads them when a client is built, and then sends them wherever the client speaks to.
    """
    host = urlsplit(address).hostname or ""
    if host == "api.openai.com" or host.endswith(".api.openai.com"):
        yield
        return
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name.upper().startswith("OPENAI_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
