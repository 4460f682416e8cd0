"""Rows of the table that ``python benchmarks/statistics`` prints."""

from __future__ import annotations

import math
from typing import NamedTuple


class Row(NamedTuple):
    """A simulated rate beside what it has to be.

    Attributes:
        world: what was simulated.
        what: which rate it is.
        rate: the share of replicates.
        error: its Monte Carlo standard error.
        low, high: between which it has to lie, three standard errors aside.
    """

    world: str
    what: str
    rate: float
    error: float
    low: float
    high: float

    @property
    def kept(self) -> bool:
        """Whether it lies there, as far as so many replicates can tell."""
        return self.low - 3 * self.error <= self.rate <= self.high + 3 * self.error


def row(world: str, what: str, hits: float, total: int, *, low: float = 0.0, high: float = 1.0) -> Row:
    """The row of ``hits`` of ``total`` replicates."""
    rate = hits / total
    return Row(world, what, rate, math.sqrt(max(rate * (1 - rate), 1 / total) / total), low, high)
