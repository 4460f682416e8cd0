"""Where pictures come from. One file a provider; each is a frozen dataclass that a YAML under conf/model fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.types import Prompt, Rendered, Request


class Session(Protocol):
    """A loaded model, ready to render."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What was measured while loading: ``load_s``, ``device``, ``parameters``, ``peak_memory_bytes`` and the like."""

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        """Make one picture a request, in order. Raises only what ends the whole run (BenchError)."""

    def close(self) -> None:
        """Free memory and connections."""


class Provider(Protocol):
    """A model as configured; cheap to build, nothing is loaded before ``open``."""

    @property
    def name(self) -> str:
        """The preset's name, for people."""

    @property
    def hosted(self) -> bool:
        """True when pictures come over the network and cost money."""

    @property
    def batch_size(self) -> int:
        """How many requests one ``render`` call should get."""

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt. Raises ConfigError for what the model cannot do. Loads nothing."""

    def check(self) -> None:
        """Raise MissingWeightsError, MissingKeyError or MissingPackageError if ``open`` could not succeed."""

    def open(self, say: Callable[[str], None]) -> Session:
        """Load the model; ``say`` shows one line of progress."""
