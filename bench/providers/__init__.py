"""Where pictures come from: ``local`` and ``hosted`` models.

What a provider's author needs is imported from here; errors are in ``bench.errors``.
"""

from bench.providers.base import LocalProvider, Provider, Session
from bench.providers.hosted.base import Client, Hosted, HostedProvider, Limits, Task
from bench.types import Prompt, Rendered, Request, Timing

__all__ = [
    "Client",
    "Hosted",
    "HostedProvider",
    "Limits",
    "LocalProvider",
    "Prompt",
    "Provider",
    "Rendered",
    "Request",
    "Session",
    "Task",
    "Timing",
]
