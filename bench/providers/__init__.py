"""Where pictures come from. One file a provider; each is a frozen dataclass that a YAML under conf/model fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.providers.hosted import Limits
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


class HostedProvider(Provider, Protocol):
    """A model behind somebody's server."""

    @property
    def model(self) -> str:
        """The name the server knows."""

    @property
    def limits(self) -> Limits:
        """How hard the server may be pressed, and for how long one picture is tried."""

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
        """``device`` ("hosted"), ``endpoint``, ``load_s`` and what else is worth keeping with the run."""

    async def make(self, request: Request, task: Task) -> Rendered:
        """One attempt: a picture or a refusal. Tries nothing twice and waits for nothing but the answer.

        The caller bounds its time, paces it, retries it, checks that the bytes are a picture and fills in the price
        where ``cost_usd`` is NaN.

        Raises:
            ProviderError: no picture this time; its fields say what to record and whether to try again.
            BenchError: no other prompt would fare better (key refused, no credit, unknown model); ends the run.
        """

    async def close(self) -> None:
        """Close the connections."""


class Task(Protocol):
    """One attempt as its caller keeps it: when it may begin, and what a server that works in the background knows it by."""

    async def turn(self) -> None:
        """To be awaited once, right before the server is asked: waits for a place in flight, which is held until ``make`` ends.

        Raises what must be let through: the run is ending, nothing may be sent.
        """

    @property
    def known(self) -> Mapping[str, Any] | None:
        """What ``submitted`` was told, perhaps by an earlier process: ask for its result, do not submit again."""

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        """Keep ``facts`` (task id, polling address; nothing secret). They outlive this process when this returns."""
