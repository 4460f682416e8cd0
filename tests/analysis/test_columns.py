"""Cards decide what the hand-kept lists of names decided before; ``tests/golden/columns.json`` has what they said."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
from support.paths import GOLDEN

from bench.analysis import votes
from bench.analysis.columns import EARLIER, Cards
from bench.config import presets
from bench.store import schema
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Callable

LISTS: dict[str, dict[str, Any]] = json.loads((GOLDEN / "columns.json").read_text())
MOVED = ({"refused", "refusals"}, {"fd_clip_tiny", "kid"})
"""Where one order cannot be what two lists were: refusals stand before times in every table, as in the first one before; ``fd_clip_tiny``
stands before ``kid`` in every table, as in the full one before."""
CHANGED: dict[str, dict[str, bool]] = {
    "headline": {"fd_clip_tiny": False, "kid_clip_tiny": True},
    "weighed": {"fid": False, "fd_clip_tiny": False, "kid": True, "kid_clip_tiny": True},
}
"""What cards say otherwise since a Fréchet distance of few pictures has no verdict and KID decides; stored cards stay as they were."""


@pytest.fixture(scope="module")
def stored() -> Cards:
    """The cards of all presets, as runs store them."""
    built = presets.metrics(presets.names("metric"))
    return Cards([{column.name: schema.column_to_json(column, metric.name) for column in metric.columns} for metric in built])


@pytest.fixture(scope="module")
def earlier(stored: Cards) -> Cards:
    """Those of runs that stored none: unit and better end come from their scores."""
    import pandas as pd

    rows = [{"metric": name, "unit": card.unit, "higher_is_better": card.higher_is_better} for name, card in stored.items()]
    return Cards(scores=pd.DataFrame(rows).astype({"higher_is_better": object}))


@pytest.fixture(params=["stored", "earlier"])
def cards(request: pytest.FixtureRequest) -> Cards:
    chosen: Cards = request.getfixturevalue(request.param)
    return chosen


SINCE = {"images_per_s.wall", "peak_memory.reserved", "peak_memory.device"}
"""Columns that no list of names ever had."""


def test_every_column_of_every_preset_has_its_card(stored: Cards) -> None:
    assert set(stored) == set(LISTS) | SINCE
    assert all(stored[name].timed and not stored[name].headline for name in SINCE)


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("headline", lambda line: line["headline"] is not None),
        ("weighed", lambda line: line["weighed"] is not None),
        ("timed", lambda line: line["timed"]),
        ("about", lambda line: line["about"]),
    ],
)
def test_a_card_decides_as_the_lists_did(cards: Cards, stored: Cards, decision: str, said: Callable[[dict[str, Any]], object]) -> None:
    expected = {name: said(line) for name, line in LISTS.items()} | (CHANGED.get(decision, {}) if cards is stored else {})
    assert {name: getattr(cards[name], decision) for name in LISTS} == expected


def test_figures_are_made_and_compared_as_before(cards: Cards) -> None:
    assert {name for name in LISTS if cards[name].aggregate == "ratio"} == {name for name, line in LISTS.items() if line["ratio"]}
    assert {name: cards[name].of for name in LISTS if name != "refusals"} == {n: line["of"] for n, line in LISTS.items() if n != "refusals"}
    sets = {name for name in LISTS if cards[name].aggregate == "value" and cards[name].of is None and not cards[name].timed}
    assert sets == {name for name, line in LISTS.items() if line["sets"]}


@pytest.mark.parametrize(("place", "kept"), [("rank", 0), ("headline", 1)])
def test_tables_keep_their_order(cards: Cards, place: str, kept: int) -> None:
    """Where the list put one before another, so do the cards; names it put level may come in any order."""
    placed = [name for name in LISTS if LISTS[name][place] is not None]
    for first, second in combinations(placed, 2):
        if ({first, second} & MOVED[0] and place == "rank") or {first, second} == MOVED[1]:
            continue
        before = LISTS[first][place] - LISTS[second][place]
        keys = [(cards[name].order, name.partition(".")[0] if kept else "") for name in (first, second)]
        if before:
            assert (keys[0] <= keys[1]) if before < 0 else (keys[0] >= keys[1]), (first, second)


def test_the_first_table_is_that_of_before(cards: Cards, stored: Cards) -> None:
    distances = {"fid", "fd_clip_tiny", "kid", "kid_clip_tiny"}
    names = [name for name in LISTS if LISTS[name]["headline"] is not None and name not in distances]
    assert cards.first_table(names) == sorted(names, key=lambda name: LISTS[name]["headline"])
    weighed = sorted((n for n in LISTS if LISTS[n]["weighed"] is not None and n not in distances), key=lambda n: LISTS[n]["weighed"])
    assert [name for name in cards.weighed(LISTS) if name not in distances] == weighed
    assert [n for n in cards.weighed(LISTS) if n in distances] == (["kid", "kid_clip_tiny"] if cards is stored else ["fid", "fd_clip_tiny"])


def test_the_metric_of_each_column_is_known(cards: Cards) -> None:
    metrics = {name: line["preset"] for name, line in LISTS.items() if name != votes.METRIC}
    assert {name: cards.metric(name) for name in metrics} == metrics


def test_earlier_cards_name_no_column_of_today_otherwise(stored: Cards, earlier: Cards) -> None:
    for name in EARLIER.keys() & LISTS.keys():
        assert (stored[name].order, stored[name].aggregate) == (earlier[name].order, earlier[name].aggregate), name


def test_a_variant_that_a_user_made_is_like_its_family_but_no_headline() -> None:
    cards = Cards()
    assert (cards["kid_mine"].order, cards["kid_mine"].headline, cards["kid_mine"].about) == (220, False, cards["kid"].about)
    assert (cards["ocr_mine.longtext"].aggregate, cards["ocr_mine.exact"].weighed) == ("ratio", False)


def test_a_column_nobody_knew_has_the_defaults_of_its_end() -> None:
    assert Cards()["colourfulness"] == Column("colourfulness", "")
    assert Cards()["colourfulness"].headline is Cards()["colourfulness"].weighed is True
    assert Column("nsfw", "score", None).headline is Column("nsfw", "score", None).weighed is False
    assert Column("colours.red", "share").headline is False
    assert Column("joules", "J", timed=True).weighed is False


def test_the_first_run_that_stored_a_card_counts_and_six_columns_stand_for_no_headline() -> None:
    first, second = ({"x": schema.column_to_json(Column("x", "", order=order), "x")} for order in (1, 2))
    assert Cards([first, second])["x"].order == 1
    assert Cards().first_table([f"latency.{i}" for i in range(9)]) == [f"latency.{i}" for i in range(6)]
