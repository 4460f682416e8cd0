"""What pictures cost: the dated price list, estimates before a run, the cost of each picture after it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.core import resources

if TYPE_CHECKING:
    from bench.types import Rendered, Request

_MEGAPIXEL = 2**20


@dataclass(frozen=True)
class Tariff:
    """The price of one model's pictures.

    Attributes:
        price: USD a picture as set by the user.
        entry: the model's entry in conf/prices.yaml, {} where it has none.
        listed: date of the entry.
    """

    price: float | None = None
    entry: Mapping[str, Any] = field(default_factory=dict)
    listed: str | None = None

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
        """USD that one attempt costs at most; NaN where that is unknown.

        A quality or size that is left to the server counts as the most expensive one. Text counts as one token a byte.
        """
        if self.price is not None:
            return self.price
        if "per_picture" in self.entry:
            return max(_upper_bound(leaf) for leaf in _leaves(self.entry["per_picture"], request.settings))
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
        """USD that a finished request cost; NaN where it is unknown.

        The first of: money the server reported, tokens it reported, the user's price, the price list. A refusal without a
        report is NaN unless the price list has a price for it or the user's price is 0.
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
        """The price list's price of a finished picture; NaN where several are possible."""
        if "per_picture" not in self.entry:
            return self._by_size(request)
        prices = {_number(leaf) for leaf in _leaves(self.entry["per_picture"], request.settings)}
        return prices.pop() if len(prices) == 1 else math.nan

    def _by_size(self, request: Request) -> float:
        """USD by started megapixels; NaN without a size or such a price."""
        megapixels = math.ceil(request.width * request.height / _MEGAPIXEL)
        if "first_megapixel" not in self.entry or not megapixels:
            return math.nan
        return float(self.entry["first_megapixel"] + (megapixels - 1) * self.entry["further_megapixel"])

    def _by_tokens(self, usage: object) -> float:
        """USD by tokens as OpenAI's images API reports them; input that it does not split into text and image counts as text."""
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


def tariff_for(vendor: str | None, model: str, price: float | None) -> Tariff:
    """What ``model`` costs.

    Args:
        vendor: heading in conf/prices.yaml; None at a server of the user's own, whose prices nobody lists.
        model: name the server knows; a dated snapshot ("gpt-image-2-2026-04-21") costs what its model does.
        price: the user's own (``budget.price``), used instead of the price list.
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


def _leaves(node: Any, settings: Mapping[str, Any]) -> list[Any]:  # noqa: ANN401 - a number, or what stands for one
    """The prices that are possible with ``settings``."""
    if not isinstance(node, Mapping) or node.keys() & {"at_most", "fixed"}:
        return [node]
    ((name, values),) = node.items()
    setting = str(settings.get(name)).lower()
    possible = [values[setting]] if setting in values else values.values()
    return [leaf for value in possible for leaf in _leaves(value, settings)]


def _upper_bound(leaf: Any) -> float:  # noqa: ANN401 - see ``_leaves``
    return float(leaf["at_most"]) if isinstance(leaf, Mapping) else float(leaf)


def _number(leaf: Any) -> float:  # noqa: ANN401 - see ``_leaves``
    return math.nan if leaf is None or isinstance(leaf, Mapping) else float(leaf)
