"""The budget: what may be spent, and asking before it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
        max: send nothing that could pass it by the estimates, earlier sessions of the run and requests in flight included,
            USD; None sets no limit.
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


def confirm_cost(  # noqa: PLR0917 - called in one place, in this order
    name: str,
    requests: Sequence[Request],
    tariff: Tariff,
    budget: Budget,
    spent: float,
    say: Callable[[str], None],
    ask: Callable[[str], bool | None],
) -> None:
    """Say what ``requests`` may cost and get the user's word for it; returns if they may be sent.

    Args:
        name: the model's, for people.
        requests: what is about to be sent.
        tariff: prices of the model.
        budget: the user's limits.
        spent: USD that earlier sessions of the run cost.
        say: shows a line.
        ask: puts a question; None where there is no terminal.

    Raises:
        ConfigError: ``budget.max`` is set and the price unknown.
        BudgetError: the estimate passes ``budget.max``, or nobody agreed.
    """
    if not requests:
        return
    usd = math.fsum(tariff.estimate(request) for request in requests)
    pictures = f"{len(requests)} picture{'s' * (len(requests) != 1)}"
    unknown = math.isnan(usd)
    before = f"; {dollars(spent)} USD spent on this run before" if spent else ""
    if unknown:
        what = f"{pictures} at an unknown price ({_why(tariff)})"
    else:
        what = f"{pictures} for at most {dollars(usd)} USD, repeats left out ({tariff.basis})"
    say(f"{name}: {what}{before}")
    if budget.max is not None and unknown:
        raise ConfigError(
            f"{name}: budget.max={budget.max:g} cannot be kept at an unknown price ({_why(tariff)}); "
            "say what a picture costs at most with budget.price=USD, or leave budget.max out"
        )
    if budget.max is not None and spent + usd > budget.max + _SLACK_USD:
        raise BudgetError(
            f"{name}: {pictures} may cost {dollars(usd)} USD, and {dollars(spent)} USD are spent: more than budget.max={budget.max:g}. "
            "Nothing was sent; raise budget.max, or ask for less with limit=, seeds= or categories="
        )
    if budget.yes or budget.confirm is None or usd <= budget.confirm:
        return
    answer = ask(f"{name}: {what}. Go on?")
    if answer:
        return
    out = "agree beforehand with budget.yes=true" + (", or say what a picture costs with budget.price=USD" if unknown else "")
    if answer is None:
        above = "its price is unknown" if unknown else f"{dollars(usd)} USD are above budget.confirm={budget.confirm:g}"
        raise BudgetError(f"{name}: {above}, and there is no terminal to ask on; nothing was sent; {out}")
    raise BudgetError(f"{name}: not agreed to, nothing was sent; {out}")


def _why(tariff: Tariff) -> str:
    return f"{tariff.basis}: tokens a picture are not known" if tariff.entry else "the model is in no price list"
