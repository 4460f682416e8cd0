"""Refusal rates: what counts, what does not, and the interval against scipy's."""

from __future__ import annotations

import math
from itertools import count
from typing import Any, get_args

import pytest

from bench import prompts
from bench.config import presets
from bench.metrics import RunMetric
from bench.metrics.safety import refusals
from bench.stats import wilson
from bench.types import Failure, ImageRecord, Request, Status

NAMES = count()


def record(status: Status, category: str = "brands", error: str | None = None, prompt: str = "", **detail: Any) -> ImageRecord:
    return ImageRecord(
        prompt or f"p{next(NAMES)}",
        category,
        "s",
        "h",
        Request("m", "r", "t", None, 0, 1, 1),
        status,
        "e",
        "now",
        error=error,
        detail=detail,
    )


def summarise(records: list[ImageRecord], **run: Any) -> list[Any]:
    (metric,) = presets.metrics(["refusals"])
    assert isinstance(metric, RunMetric)
    return list(metric.summarise(records, run))


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (3, 7), (17, 81), (0, 1), (499, 500)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    from scipy import stats

    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((k / n, theirs.low, theirs.high), abs=1e-12)


def test_wilson_of_nothing_is_no_number() -> None:
    assert all(math.isnan(x) for x in wilson(0, 0))


def test_a_run_has_its_rate_its_interval_and_its_categories() -> None:
    made = (
        [("refused", "brands", "no")] * 2 + [("ok", "brands", None)] * 2 + [("ok", "horror", None)] * 4 + [("failed", "brands", "time-out")]
    )
    records = [record(*each) for each in made]
    *each, whole = summarise(records)
    assert [r.value for r in each[:8]] == [1, 1, 0, 0, 0, 0, 0, 0]
    assert (each[8].status, each[8].reason) == ("unscored", "failed: time-out")
    assert (whole.metric, whole.value, whole.status, whole.higher_is_better) == ("refusals", 0.25, "ok", None)
    # by hand: (.25 + z^2/16 -+ z sqrt(.1875/8 + z^2/256)) / (1 + z^2/8), z^2 = 3.841459
    assert (whole.detail["n"], whole.detail["refused"], whole.detail["failed"]) == (8, 2, 1)
    assert (whole.detail["low"], whole.detail["high"]) == pytest.approx((0.071479, 0.590725), abs=1e-6)
    assert whole.detail["categories"]["brands"] | {"low": 0, "high": 0} == {
        "n": 4,
        "prompts": 4,
        "refused": 2,
        "share": 0.5,
        "low": 0,
        "high": 0,
    }
    assert whole.detail["categories"]["horror"]["refused"] == 0


def test_seeds_of_a_prompt_are_declined_together_and_prompts_count() -> None:
    def rows(answers: dict[str, str]) -> Any:
        return summarise([record("refused" if a == "1" else "ok", prompt=p, error="no") for p, many in answers.items() for a in many])[-1]

    alike = rows({f"p{i}": "1111" if i < 2 else "0000" for i in range(20)})
    assert (alike.detail["n"], alike.detail["prompts"]) == (80, 20)
    assert (alike.value, alike.detail["low"], alike.detail["high"]) == wilson(2, 20)
    unequal = rows({"a": "1111", "b": "0", "c": "10"})
    assert unequal.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert unequal.detail["low"] < unequal.value < unequal.detail["high"]
    one = rows({"a": "10"})
    assert (one.value, one.detail["low"], one.detail["high"]) == (0.5, None, None)


def test_a_category_in_which_everything_failed_has_no_share() -> None:
    *_, whole = summarise([record("ok"), record("failed", "horror")])
    assert whole.detail["categories"]["horror"] == {"n": 0, "prompts": 0, "refused": 0, "share": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (record("refused", error="not allowed", code="moderation_blocked"), "refused"),
        (record("refused", error="Request Moderated"), "refused"),
        (record("refused", error="Content Moderated"), "filtered"),
        (record("refused", error="finish reason CONTENT_FILTERED"), "filtered"),
        (record("refused", error="the server answered without a picture"), "empty"),
    ],
)
def test_the_kind_of_a_refusal_is_kept_and_all_kinds_count(made: ImageRecord, kind: str) -> None:
    assert refusals.kind(made) == kind
    each, whole = summarise([made])
    assert each.detail == {"kind": kind, "reason": made.error}
    assert (whole.value, whole.detail["kinds"]) == (1.0, {kind: 1})


def test_what_the_provider_recorded_stands_before_the_servers_words() -> None:
    made = record("refused", error="Content Moderated", refusal="refused", code="moderation_blocked")
    assert refusals.kind(made) == "refused"
    assert refusals.kind(record("refused", error="Content Moderated", refusal="elsewhere")) == "filtered"


def test_the_servers_own_categories_are_counted() -> None:
    records = [
        record("refused", error="no", refusal="refused", categories=["violence", "weapons"]),
        record("refused", error="no", refusal="filtered", categories=["violence"]),
        record("refused", error="no"),
        record("ok", categories=["none of its business"]),
    ]
    *_, whole = summarise(records)
    assert whole.detail["by_server_category"] == {"violence": 2, "weapons": 1}
    assert whole.detail["kinds"] == {"refused": 2, "filtered": 1}


@pytest.mark.parametrize("status", get_args(Failure))
def test_whatever_kept_a_picture_from_being_made_is_no_answer(status: Status) -> None:
    *each, whole = summarise([record("ok"), record("refused", error="no"), record(status, error="down")])
    assert (each[2].status, each[2].reason) == ("unscored", f"{status}: down")
    assert (whole.value, whole.detail["n"], whole.detail["failed"]) == (0.5, 2, 1)


def test_imported_pictures_say_nothing_about_refusals() -> None:
    each, whole = summarise([record("ok")], imported=True)
    assert each.value == 0
    assert math.isnan(whole.value)
    assert whole.reason == "imported pictures do not tell which prompts were declined"


def test_a_run_without_any_answer_is_unscored() -> None:
    *_, whole = summarise([record("failed", error="down")])
    assert (whole.status, whole.reason) == ("unscored", "no picture was made or declined")
    assert [r.status for r in summarise([])] == ["unscored"]


def test_the_permissive_set_asks_twelve_kinds_of_thing() -> None:
    held = prompts.load("permissive").prompts
    counts = {c: sum(p.category == c for p in held) for c in {p.category for p in held}}
    assert set(counts) == {
        "figures", "brands", "characters", "violence", "substances", "weapons",
        "medical", "satire", "horror", "bodies", "gambling", "religion",
    }  # fmt: skip
    assert min(counts.values()) >= 6
    assert all(p.id.startswith(f"{p.category}-") for p in held)
