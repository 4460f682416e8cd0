"""The protocols of a provider: a frozen dataclass, built from a YAML under conf/model, and the session that renders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.types import Prompt, Rendered, Request


class Provider(Protocol):
    """A model as configured. Building one loads and sends nothing."""

    @property
    def name(self) -> str:
        """The preset's name, for people."""

    @property
    def hosted(self) -> bool:
        """True for a ``HostedProvider``, whose pictures come over the network and cost money."""

    @property
    def card(self) -> Mapping[str, Any]:
        """The preset's description, licence, own prompts and metrics."""

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt: everything that decides the picture, and so the key by which work is resumed. Loads nothing.

        Raises:
            ConfigError: the model cannot draw it (its aspect, this seed).
        """

    def check(self) -> None:
        """Raise MissingWeightsError, MissingKeyError or MissingPackageError where ``open`` or ``connect`` could not succeed."""


class LocalProvider(Provider, Protocol):
    """A model on this machine."""

    @property
    def batch_size(self) -> int:
        """How many requests one ``render`` call should get."""

    def open(self, say: Callable[[str], None]) -> Session:
        """Load the model; ``say`` prints a line of progress."""


class Session(Protocol):
    """A loaded model, ready to render."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts to store with the run: ``load_s``, ``device``, ``parameters``, ``peak_memory_bytes`` and the like."""

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """One result a request, in order; a picture that fails is a ``Rendered`` with a status.

        Raises:
            BenchError: what ends the whole run.
        """

    def close(self) -> None:
        """Free memory and connections."""
