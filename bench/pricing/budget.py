"""The budget: what may be spent, what a run may cost, and asking before it is spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench.errors import BudgetError, ConfigError
from bench.pricing.amounts import dollars
from bench.pricing.tariff import Tariff

if TYPE_CHECKING:
    from bench.types import Request

_SLACK_USD = 1e-9
"""Sums of prices may miss a limit by rounding only."""


@dataclass(frozen=True)
class Budget:
    """What the user allows and knows (``budget.*``).

    Attributes:
        confirm: ask above this estimate, USD; None never asks.
        max: USD that all sessions of the run may cost, requests in flight included; what could pass it is not sent. None sets
            no limit.
        price: USD a picture, instead of the price list; 0 is free.
        per_hour: USD an hour of this machine, for models that run on it.
        yes: go on without asking.

    Raises:
        ConfigError: a value that is no amount of money.
    """

    confirm: float | None = 1.0
    max: float | None = None
    price: float | None = None
    per_hour: float | None = None
    yes: bool = False

    def __post_init__(self) -> None:
        for name in ("confirm", "max", "price", "per_hour"):
            value = getattr(self, name)
            good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
            if value is not None and not good:
                raise ConfigError(f"budget.{name}={value!r} must be a number of US dollars of at least 0, or null")
        if not isinstance(self.yes, bool):
            raise ConfigError(f"budget.yes={self.yes!r} must be true or false")


@dataclass(frozen=True)
class Estimate:
    """What the pictures that a run is about to ask for may cost.

    Attributes:
        name: the model's, for people.
        requests: what is about to be sent.
        tariff: prices of the model.
        spent_usd: what earlier sessions of the run cost.
    """

    name: str
    requests: Sequence[Request]
    tariff: Tariff
    spent_usd: float = 0.0

    @cached_property
    def usd(self) -> float:
        """USD for all requests, not counting retries; NaN where the price is unknown."""
        return math.fsum(self.tariff.estimate(request) for request in self.requests)

    @property
    def pictures(self) -> str:
        """How many pictures, in words."""
        return f"{len(self.requests)} picture{'s' * (len(self.requests) != 1)}"

    @property
    def why_unknown(self) -> str:
        """Why there is no price."""
        return f"{self.tariff.basis}: tokens a picture are not known" if self.tariff.entry else "the model is in no price list"

    def __str__(self) -> str:
        if math.isnan(self.usd):
            return f"{self.pictures} at an unknown price ({self.why_unknown})"
        return f"{self.pictures} for at most {dollars(self.usd)} USD, not counting retries ({self.tariff.basis})"


def check_budget(estimate: Estimate, budget: Budget) -> None:
    """Make sure that ``budget.max`` is not passed, before anything is sent.

    Raises:
        ConfigError: ``budget.max`` is set and the price unknown.
        BudgetError: what is spent and what the requests may cost are more than ``budget.max``.
    """
    if budget.max is None or not estimate.requests:
        return
    if math.isnan(estimate.usd):
        raise ConfigError(
            f"{estimate.name}: budget.max={budget.max:g} cannot be kept at an unknown price ({estimate.why_unknown}); "
            "set the price of a picture with budget.price=USD, or leave budget.max out"
        )
    if estimate.spent_usd + estimate.usd > budget.max + _SLACK_USD:
        raise BudgetError(
            f"{estimate.name}: {estimate.pictures} may cost {dollars(estimate.usd)} USD, and {dollars(estimate.spent_usd)} USD are spent: "
            f"more than budget.max={budget.max:g}. Nothing was sent; raise budget.max, or ask for less with limit=, seeds= or categories="
        )


def confirm_cost(estimate: Estimate, budget: Budget, say: Callable[[str], None], ask: Callable[[str], bool | None]) -> None:
    """Show what the requests may cost and, above ``budget.confirm`` or at an unknown price, ask; returns if they may be sent.

    Args:
        estimate: the requests and their prices.
        budget: the user's limits.
        say: shows a line.
        ask: puts a question; None where there is no terminal.

    Raises:
        ConfigError: as ``check_budget``.
        BudgetError: as ``check_budget``, or nobody agreed.
    """
    if not estimate.requests:
        return
    before = f"; {dollars(estimate.spent_usd)} USD spent on this run before" if estimate.spent_usd else ""
    say(f"{estimate.name}: {estimate}{before}")
    check_budget(estimate, budget)
    if budget.yes or budget.confirm is None or estimate.usd <= budget.confirm:
        return
    answer = ask(f"{estimate.name}: {estimate}. Go on?")
    if answer:
        return
    unknown = math.isnan(estimate.usd)
    out = "agree beforehand with budget.yes=true" + (", or set the price of a picture with budget.price=USD" if unknown else "")
    if answer is None:
        above = "its price is unknown" if unknown else f"{dollars(estimate.usd)} USD are above budget.confirm={budget.confirm:g}"
        raise BudgetError(f"{estimate.name}: {above}, and there is no terminal to ask on; nothing was sent; {out}")
    raise BudgetError(f"{estimate.name}: you did not agree, nothing was sent; {out}")
