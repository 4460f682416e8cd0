"""Where pictures come from: ``local`` models and ``hosted`` ones. What the author of a provider needs is imported from here."""

from bench.providers.base import LocalProvider, Provider, Session
from bench.providers.hosted.base import Client, HostedProvider, Task
from bench.types import Prompt, Rendered, Request, Timing

__all__ = [
    "Client",
    "HostedProvider",
    "LocalProvider",
    "Prompt",
    "Provider",
    "Rendered",
    "Request",
    "Session",
    "Task",
    "Timing",
]
