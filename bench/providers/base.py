"""What every provider is: a frozen dataclass that a YAML under conf/model fills in. One file a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.types import Prompt, Rendered, Request


class Provider(Protocol):
    """A model as configured; cheap to build, nothing is loaded or sent."""

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
        """The request for a prompt. Raises ConfigError for what the model cannot do. Loads nothing."""

    def check(self) -> None:
        """Raise MissingWeightsError, MissingKeyError or MissingPackageError if ``open`` or ``connect`` could not succeed."""


class LocalProvider(Provider, Protocol):
    """A model on this machine."""

    @property
    def batch_size(self) -> int:
        """How many requests one ``render`` call should get."""

    def open(self, say: Callable[[str], None]) -> Session:
        """Load the model; ``say`` shows one line of progress."""


class Session(Protocol):
    """A loaded model, ready to render."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What was measured while loading: ``load_s``, ``device``, ``parameters``, ``peak_memory_bytes`` and the like."""

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """Make one picture a request, in order. Raises only what ends the whole run (BenchError)."""

    def close(self) -> None:
        """Free memory and connections."""
