"""Prices, estimates and the budget: an unknown price is never 0, and nothing is sent that was not agreed to."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

from bench.config.instantiate import build
from bench.config.presets import names
from bench.errors import BudgetError, ConfigError
from bench.pricing.amounts import dollars
from bench.pricing.budget import Budget, Estimate, confirm_cost
from bench.pricing.tariff import Tariff, price_list, tariff_for
from bench.types import Rendered, Request

OK = Rendered("ok", b"picture")
GPT = ("openai", "gpt-image-2", None)


def request(width: int = 1024, height: int = 1024, prompt: str = "a cat", **settings: Any) -> Request:
    return Request("m", "", prompt, None, None, width, height, settings)


def refused(kind: str) -> Rendered:
    return Rendered("refused", error="no", detail={"refusal": kind})


def usage(text: int, image: int, out: int) -> dict[str, Any]:
    details = {"text_tokens": text, "image_tokens": image}
    return {"input_tokens": text + image, "output_tokens": out, "total_tokens": text + image + out, "input_tokens_details": details}


def entries() -> list[tuple[str, str, dict[str, Any]]]:
    return [(vendor, name, entry) for vendor, models in price_list().items() if vendor != "as_of" for name, entry in models.items()]


@pytest.mark.parametrize(("vendor", "name", "entry"), entries(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_price_has_a_source_a_date_and_one_unit(vendor: str, name: str, entry: dict[str, Any]) -> None:
    units = entry.keys() & {"per_picture", "first_megapixel", "per_million_tokens"}
    assert len(units) == 1
    assert entry["source"].startswith("https://")
    known = {
        "source",
        "as_of",
        "per_picture",
        "first_megapixel",
        "further_megapixel",
        "per_million_tokens",
        "tokens_out",
        "refused",
        "filtered",
    }
    assert entry.keys() <= known
    found = tariff_for(vendor, name, None)
    assert date.fromisoformat(str(found.as_of)) >= date(2026, 11, 23)
    assert found.basis == f"price list of {found.as_of}, {entry['source']}"
    estimate = found.estimate(request())
    if "tokens_out" in entry or units != {"per_million_tokens"}:
        assert 0.001 < estimate < 1
    else:
        assert math.isnan(estimate)


@pytest.mark.parametrize(
    ("vendor", "model", "size", "usd"),
    [
        ("bfl", "flux-pro-1.1", (1024, 1024), 0.04),
        ("bfl", "flux-2-pro", (1024, 1024), 0.03),
        ("bfl", "flux-2-pro", (1920, 1080), 0.045),
        ("bfl", "flux-2-max", (2048, 2048), 0.07 + 3 * 0.03),
        ("bfl", "flux-2-klein-4b", (512, 512), 0.014),
        ("xai", "grok-imagine-image", (0, 0), 0.02),
        ("stability", "sd3.5-large", (0, 0), 0.065),
    ],
)
def test_a_picture_costs_what_the_list_says(vendor: str, model: str, size: tuple[int, int], usd: float) -> None:
    prices = tariff_for(vendor, model, None)
    assert prices.estimate(request(*size)) == pytest.approx(usd)
    assert prices.cost(request(*size), OK) == pytest.approx(usd)


def test_a_price_by_size_needs_a_size() -> None:
    prices = tariff_for("bfl", "flux-2-pro", None)
    assert math.isnan(prices.estimate(request(0, 0)))
    assert math.isnan(prices.cost(request(0, 0), OK))


def test_a_setting_decides_the_price_and_what_is_left_open_counts_as_the_dearest() -> None:
    prices = tariff_for("xai", "grok-imagine-image-2.0", None)
    low, open_quality = request(resolution="1k", quality="low"), request(resolution="1k", quality=None)
    assert (prices.estimate(low), prices.cost(low, OK)) == (0.04, 0.04)
    assert prices.estimate(request(resolution="1K", quality="medium")) == 0.06
    assert prices.estimate(open_quality) == 0.06
    assert math.isnan(prices.cost(open_quality, OK)), "two prices are possible, so none is stated"
    assert prices.estimate(request(resolution="2k", quality="low")) == 0.08
    assert math.isnan(prices.cost(request(resolution="2k", quality="low"), OK)), "an upper end is no price"
    assert prices.estimate(request()) == 0.08


@pytest.mark.parametrize(
    ("quality", "width", "height", "tokens"),
    [  # OpenAI's calculator, as quoted by https://community.openai.com/t/1382699
        ("high", 1024, 1024, 7024),
        ("high", 1536, 1024, 5488),
        ("high", 1792, 1024, 5063),
        ("high", 3584, 2048, 12329),
        ("medium", 1024, 1024, 1756),
        ("low", 1024, 1024, 196),
    ],
)
def test_estimates_by_tokens_are_never_below_the_vendors_own(quality: str, width: int, height: int, tokens: int) -> None:
    estimate = tariff_for(*GPT).estimate(request(width, height, quality=quality))
    assert estimate >= tokens * 30e-6
    if width == height:
        assert estimate == pytest.approx(tokens * 30e-6, abs=1e-4)


def test_unknown_quality_and_size_are_estimated_at_the_dearest() -> None:
    prices = tariff_for(*GPT)
    dearest = prices.estimate(request(quality="high"))
    assert {prices.estimate(request(quality=q)) for q in (None, "auto", "brilliant")} == {dearest}
    assert prices.estimate(request(0, 0, quality="low")) > prices.estimate(request(3584, 2048, quality="low"))
    assert prices.estimate(request(prompt="語" * 1000)) - prices.estimate(request(prompt="")) == pytest.approx(3000 * 5e-6)


def test_reported_money_stands_before_tokens_before_the_users_price_before_the_list() -> None:
    both = {"usage": usage(20, 0, 1000)}
    by_tokens = 20 * 5e-6 + 1000 * 30e-6
    for price in (None, 0.5, 0.0):
        prices = tariff_for("openai", "gpt-image-2", price)
        assert prices.cost(request(), Rendered("ok", b"x", cost_usd=0.123, detail=both)) == 0.123
        assert prices.cost(request(), Rendered("ok", b"x", detail=both)) == pytest.approx(by_tokens)
    assert tariff_for("openai", "gpt-image-2", 0.5).cost(request(), OK) == 0.5
    assert tariff_for("bfl", "flux-pro-1.1", 0.5).cost(request(), OK) == 0.5
    assert math.isnan(tariff_for(*GPT).cost(request(), OK)), "tokens nobody reported cannot be priced"


def test_tokens_are_priced_by_kind_and_need_a_price() -> None:
    made = Rendered("ok", b"x", detail={"usage": usage(100, 200, 300)})
    assert tariff_for(*GPT).cost(request(), made) == pytest.approx((100 * 5 + 200 * 8 + 300 * 30) / 1e6)
    unsplit = Rendered("ok", b"x", detail={"usage": {"input_tokens": 100, "output_tokens": 300}})
    assert tariff_for(*GPT).cost(request(), unsplit) == pytest.approx((100 * 5 + 300 * 30) / 1e6)
    assert math.isnan(tariff_for(None, "gpt-image-2", None).cost(request(), made)), "a server of the user's own has no list"
    for nothing in ({}, None, [], {"output_tokens": 0}, "many"):
        assert math.isnan(tariff_for(*GPT).cost(request(), Rendered("ok", b"x", detail={"usage": nothing})))


def test_an_unknown_price_is_never_0_and_the_users_0_is() -> None:
    unknown, free = tariff_for("openai", "new-model", None), tariff_for("openai", "new-model", 0)
    assert (unknown.basis, unknown.as_of) == ("unknown", None)
    assert math.isnan(unknown.estimate(request()))
    assert math.isnan(unknown.cost(request(), OK))
    assert (free.basis, free.as_of, free.estimate(request()), free.cost(request(), OK)) == ("budget.price", None, 0, 0)
    assert free.cost(request(), refused("refused")) == 0
    assert tariff_for(None, "flux-pro-1.1", None) == Tariff()


def test_a_refusal_costs_what_somebody_says_and_else_nobody_knows() -> None:
    assert tariff_for("bfl", "flux-2-pro", None).cost(request(), refused("refused")) == 0
    assert tariff_for("bfl", "flux-2-pro", 0.5).cost(request(), refused("filtered")) == 0
    assert tariff_for("stability", "stable-image-ultra", None).cost(request(), refused("refused")) == 0
    assert math.isnan(tariff_for("stability", "stable-image-ultra", None).cost(request(), refused("filtered")))
    assert math.isnan(tariff_for("xai", "grok-imagine-image", None).cost(request(), refused("empty")))
    assert math.isnan(tariff_for("xai", "grok-imagine-image", 0.5).cost(request(), refused("empty")))
    assert math.isnan(tariff_for("xai", "grok-imagine-image", 0.5).cost(request(), Rendered("timeout")))
    assert tariff_for("xai", "grok-imagine-image", None).cost(request(), Rendered("refused", cost_usd=0.05)) == 0.05


def test_a_snapshot_costs_what_its_model_does() -> None:
    assert tariff_for("openai", "gpt-image-2-2026-04-21", None) == tariff_for(*GPT)


@pytest.mark.parametrize("name", ["confirm", "max", "price", "per_hour"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "much"])
def test_a_budget_is_an_amount_of_money(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"budget\.{name}="):
        Budget(**{name: value})


def test_a_budget_composes_with_hydra_and_checks_itself() -> None:
    from hydra import compose, initialize_config_dir

    from bench.core import resources

    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        plain, given = compose("config"), compose("config", overrides=["budget.max=5", "budget.confirm=null", "budget.yes=true"])
        wrong = compose("config", overrides=["budget.yes=perhaps"])
    assert build(plain.budget) == Budget()
    assert build(given.budget) == Budget(confirm=None, max=5, yes=True)
    with pytest.raises(ConfigError, match=r"budget\.yes='perhaps' must be true or false"):
        build(wrong.budget)


class Desk:
    """Whoever is asked; keeps what was said."""

    def __init__(self, *, answer: bool | None = None) -> None:
        self.answer, self.said, self.asked = answer, list[str](), list[str]()

    def ask(self, question: str) -> bool | None:
        self.asked.append(question)
        return self.answer

    def approve(self, count: int, budget: Budget, *, price: float | None = 0.04, spent: float = 0.0) -> None:
        confirm_cost(Estimate("flux", [request()] * count, Tariff(price), spent), budget, self.said.append, self.ask)


def test_little_money_is_spent_without_a_word_asked() -> None:
    desk = Desk()
    desk.approve(25, Budget())
    assert desk.said == ["flux: 25 pictures for at most 1.00 USD, not counting retries (budget.price)"]
    assert desk.asked == []


def test_nothing_pending_says_nothing() -> None:
    desk = Desk()
    desk.approve(0, Budget(confirm=0, max=0), price=None, spent=9.0)
    assert (desk.said, desk.asked) == ([], [])


def test_above_confirm_somebody_must_agree() -> None:
    agreed = Desk(answer=True)
    agreed.approve(26, Budget(), spent=2.5)
    assert "26 pictures for at most 1.04 USD" in agreed.asked[0]
    assert agreed.said[0].endswith("; 2.50 USD spent on this run before")
    with pytest.raises(BudgetError, match=r"you did not agree, nothing was sent; .*budget\.yes=true"):
        Desk(answer=False).approve(26, Budget())
    with pytest.raises(BudgetError, match=r"1\.04 USD are above budget\.confirm=1, and there is no terminal .*budget\.yes=true") as caught:
        Desk().approve(26, Budget())
    assert caught.value.exit_code == 4
    for budget in (Budget(yes=True), Budget(confirm=None), Budget(confirm=1.04)):
        silent = Desk()
        silent.approve(26, budget)
        assert silent.asked == []


def test_an_estimate_above_max_ends_it_whatever_was_agreed() -> None:
    with pytest.raises(BudgetError, match=r"4\.00 USD, and 2\.00 USD are spent: more than budget\.max=5\. Nothing was sent") as caught:
        Desk(answer=True).approve(100, Budget(max=5, yes=True), spent=2.0)
    assert caught.value.exit_code == 4
    Desk(answer=True).approve(100, Budget(max=6), spent=2.0)


def test_an_unknown_price_is_asked_about_and_keeps_no_limit() -> None:
    with pytest.raises(ConfigError, match=r"budget\.max=5 cannot be kept .* budget\.price=USD"):
        Desk(answer=True).approve(1, Budget(max=5, yes=True), price=None)
    with pytest.raises(BudgetError, match=r"its price is unknown.*budget\.yes=true.*budget\.price=USD"):
        Desk().approve(1, Budget(), price=None)
    for budget in (Budget(yes=True), Budget(confirm=None)):
        silent = Desk()
        silent.approve(1, budget, price=None)
        assert silent.said == ["flux: 1 picture at an unknown price (the model is in no price list)"]
        assert silent.asked == []
    desk = Desk(answer=True)
    desk.approve(1, Budget(), price=None)
    assert len(desk.asked) == 1


def test_token_prices_without_token_counts_say_so() -> None:
    desk = Desk(answer=True)
    prices = tariff_for("openai", "gpt-image-2.6-sunburst", None)
    confirm_cost(Estimate("gpt-image", [request()], prices), Budget(), desk.said.append, desk.ask)
    assert "tokens a picture are not known" in desk.asked[0]
    assert prices.cost(request(), Rendered("ok", b"x", detail={"usage": usage(10, 0, 1000)})) == pytest.approx(0.03005)


def test_the_price_list_disturbs_neither_presets_nor_hydra() -> None:
    assert "prices" not in {*names("model"), *names("metric")}


def test_amounts_are_read_by_people() -> None:
    told = [dollars(x) for x in (0.0, 0.00042, 0.04, 0.0412, 0.5, 1.0, 12.345, 1234.5, math.nan)]
    assert told == ["0", "0.00042", "0.04", "0.0412", "0.50", "1.00", "12.35", "1234.50", "unknown"]
