"""What pictures cost: the dated price list, estimates before a run, the budget that stops it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from bench import resources
from bench.errors import BudgetError, ConfigError

if TYPE_CHECKING:
    from bench.types import Rendered, Request

_MEGAPIXEL = 2**20
_SLACK_USD = 1e-9
"""Sums of prices may miss a limit by rounding only."""


def dollars(usd: float) -> str:
    """An amount as people read it: cents, below a dollar three significant digits, below a hundredth of a cent an exponent.

    >>> [dollars(x) for x in (12.3456, 0.5, 0.0412, 0.0000453, 0.0, float("nan"))]
    ['12.35', '0.50', '0.0412', '4.53e-5', '0', 'unknown']
    """
    if math.isnan(usd):
        return "unknown"
    if not usd:
        return "0"
    if abs(usd) < 1e-4:
        mantissa, exponent = f"{usd:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    digits = max(2, 2 - math.floor(math.log10(abs(usd))))
    whole, _, cents = f"{usd:.{digits}f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


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


@dataclass(frozen=True)
class Tariff:
    """The price of one model's pictures.

    Attributes:
        price: USD a picture as the user says.
        entry: the model's entry in conf/prices.yaml, {} where it has none.
        listed: date of the entry.
    """

    price: float | None = None
    entry: Mapping[str, Any] = field(default_factory=dict)
    listed: str | None = None

    @property
    def known(self) -> bool:
        """Whether a picture can be priced before it is made."""
        return self.price is not None or bool(self.entry.keys() & {"per_picture", "first_megapixel", "tokens_out"})

    @property
    def basis(self) -> str:
        """Where the price comes from: "budget.price", "price list of <date>, <source>" or "unknown"."""
        if self.price is not None:
            return "budget.price"
        return f"price list of {self.listed}, {self.entry['source']}" if self.entry else "unknown"

    @property
    def as_of(self) -> str | None:
        """Date of the price list, ISO 8601; None where it is not used."""
        return self.listed if self.price is None else None

    def estimate(self, request: Request) -> float:
        """USD that one attempt may cost, rather too high than too low; NaN where that is unknown.

        A quality or size that is left to the server counts as the dearest. Text is counted as a token a byte.
        """
        if self.price is not None:
            return self.price
        if "per_picture" in self.entry:
            return max(_most(leaf) for leaf in _leaves(self.entry["per_picture"], request.settings))
        if "first_megapixel" in self.entry:
            return self._by_size(request)
        if "tokens_out" not in self.entry:
            return math.nan
        rule, price = self.entry["tokens_out"], self.entry["per_million_tokens"]
        pixels = request.width * request.height or rule["most_pixels"]
        possible = _leaves({"quality": rule["quality"]}, request.settings)
        tokens = [leaf["fixed"] + leaf["per_million_pixels"] * pixels / 1e6 for leaf in possible]
        text = len(f"{request.prompt} {request.negative_prompt or ''}".encode())
        return float((text * price["text_in"] + math.ceil(max(tokens)) * price["image_out"]) / 1e6)

    def cost(self, request: Request, rendered: Rendered) -> float:
        """USD that a finished request cost; NaN where nobody said.

        In this order: money the server reported, tokens it reported, the user's price, the price list. A refusal that
        reports nothing is NaN unless the price list says what one costs, or the user says that pictures are free.
        """
        reported = self._by_tokens(rendered.detail.get("usage")) if math.isnan(rendered.cost_usd) else rendered.cost_usd
        if not math.isnan(reported):
            return reported
        if rendered.status == "ok":
            return self._priced(request) if self.price is None else self.price
        if self.price == 0:
            return 0.0
        return _number(self.entry.get(str(rendered.detail.get("refusal")))) if rendered.status == "refused" else math.nan

    def _priced(self, request: Request) -> float:
        """The price list's word on a finished picture; NaN where it leaves several prices possible."""
        if "per_picture" not in self.entry:
            return self._by_size(request)
        prices = {_number(leaf) for leaf in _leaves(self.entry["per_picture"], request.settings)}
        return prices.pop() if len(prices) == 1 else math.nan

    def _by_size(self, request: Request) -> float:
        """By begun megapixels; NaN without a size or such a price."""
        megapixels = math.ceil(request.width * request.height / _MEGAPIXEL)
        if "first_megapixel" not in self.entry or not megapixels:
            return math.nan
        return float(self.entry["first_megapixel"] + (megapixels - 1) * self.entry["further_megapixel"])

    def _by_tokens(self, usage: object) -> float:
        """By tokens as OpenAI's images API reports them; what it does not split into text and image is text."""
        prices = self.entry.get("per_million_tokens")
        if not prices or not isinstance(usage, Mapping) or not usage.get("output_tokens"):
            return math.nan
        split = usage.get("input_tokens_details") or {"text_tokens": usage.get("input_tokens") or 0}
        counted = (
            (split.get("text_tokens") or 0, prices["text_in"]),
            (split.get("image_tokens") or 0, prices["image_in"]),
            (usage["output_tokens"], prices["image_out"]),
        )
        return float(sum(count * price for count, price in counted) / 1e6)


def tariff(vendor: str | None, model: str, price: float | None) -> Tariff:
    """What ``model`` costs.

    Args:
        vendor: heading in conf/prices.yaml; None at a server of the user's own, whose prices nobody lists.
        model: name the server knows; a dated snapshot ("gpt-image-2-2026-04-21") costs what its model does.
        price: the user's word (``budget.price``), which stands before the price list.
    """
    listed = price_list()
    models = listed.get(vendor or "", {})
    entry = models.get(model) or models.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model), {})
    return Tariff(price, entry, str(entry.get("as_of", listed["as_of"])) if entry else None)


@cache
def price_list() -> Mapping[str, Any]:
    """The content of conf/prices.yaml."""
    import yaml  # noqa: PLC0415 - only where money matters

    data: dict[str, Any] = yaml.safe_load((resources.folder("conf") / "prices.yaml").read_text(encoding="utf-8"))
    return data


def approve(  # noqa: PLR0917 - called in one place, in this order
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


def _leaves(node: Any, settings: Mapping[str, Any]) -> list[Any]:  # noqa: ANN401 - a number, or what stands for one
    """The prices that ``settings`` leave possible."""
    if not isinstance(node, Mapping) or node.keys() & {"at_most", "fixed"}:
        return [node]
    ((name, values),) = node.items()
    said = str(settings.get(name)).lower()
    possible = [values[said]] if said in values else values.values()
    return [leaf for value in possible for leaf in _leaves(value, settings)]


def _most(leaf: Any) -> float:  # noqa: ANN401 - see ``_leaves``
    return float(leaf["at_most"]) if isinstance(leaf, Mapping) else float(leaf)


def _number(leaf: Any) -> float:  # noqa: ANN401 - see ``_leaves``
    return math.nan if leaf is None or isinstance(leaf, Mapping) else float(leaf)
