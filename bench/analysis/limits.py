"""The limits of the gate: ``clip=0.02``, ``p50=10%``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis import slowdown
from bench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence


REFUSALS = {"refusals": "refused", "refused": "refused"}
"""Columns of which neither end is better; whoever guards them means that they must not rise."""


@dataclass(frozen=True)
class Limit:
    """How much worse a metric may get.

    Attributes:
        metric: a column, or a figure of latencies (``bench.analysis.slowdown.LATENCY_STATISTICS``).
        margin: in the metric's unit, or a share of the baseline's value.
        relative: whether it is that share.
    """

    metric: str
    margin: float
    relative: bool = False

    @property
    def column(self) -> str:
        """The column whose scores it is judged by."""
        return "latency" if self.metric in slowdown.LATENCY_STATISTICS else REFUSALS.get(self.metric, self.metric)

    def __str__(self) -> str:
        return f"{self.metric}={100 * self.margin:g}%" if self.relative else f"{self.metric}={self.margin:g}"


def parse(drops: Sequence[str], slowdowns: Sequence[str] = ()) -> list[Limit]:
    """Limits from words such as ``scene=0.05``, ``clip=2%`` and (of ``slowdowns``) ``p50=10%``; commas part several.

    Raises:
        ConfigError: a word that is none, a margin that is no number from 0 on, an unknown figure, or no limit at all.
    """
    limits = [_limit(word) for given in drops for word in given.split(",")]
    for word in (word for given in slowdowns for word in given.split(",")):
        limit = _limit(word)
        name = limit.metric if limit.metric in slowdown.LATENCY_STATISTICS else f"latency.{limit.metric}"
        if name not in slowdown.LATENCY_STATISTICS:
            raise unknown("figure of latency", limit.metric, [n.removeprefix("latency.") for n in slowdown.LATENCY_STATISTICS if "." in n])
        limits.append(Limit(name, limit.margin, limit.relative))
    if not limits:
        raise ConfigError("a gate needs a limit, such as --max-drop scene=0.05, --max-drop clip=2% or --max-slowdown p50=10%")
    return limits


def _limit(word: str) -> Limit:
    name, _, size = (part.strip() for part in word.partition("="))
    try:
        margin = float(size.removesuffix("%")) / (100 if size.endswith("%") else 1)
    except ValueError:
        margin = math.nan
    if not name or not 0 <= margin < math.inf:
        how = "write METRIC=MARGIN with a margin from 0 on, in the metric's unit or in %, like scene=0.05 or clip=2%"
        raise ConfigError(f"{word!r} is no limit; {how}")
    return Limit(name, margin, size.endswith("%"))


def share(text: str) -> float:
    """A share from ``0.9`` or ``90%``. Raises ConfigError for what is none from 0 to 1."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ConfigError(f"{text!r} is no share; write it like 90% or 0.9")
    return value
