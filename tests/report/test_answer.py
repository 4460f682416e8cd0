"""The answer in words says what the frames show, and no more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from bench.analysis import pairwise
from bench.analysis.frames import Frames
from bench.analysis.pairwise import FEW, LEVEL
from bench.analysis.summary import mark_best
from bench.report.answer import Leader, Mixed, Tie, TooFew, decide, verdict
from bench.report.effort import price_words, speed_words
from bench.report.latex import summary_latex

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


ANSWERS = {"scene", "clip"}
"""Metrics that are questions of the answer."""


def tables(
    pairs: Sequence[tuple[Any, ...]],
    *,
    latency: Mapping[str, float] | None = None,
    usd: Mapping[str, float] | None = None,
    runs: Sequence[str] = ("pro", "dev", "fast"),
    ceilings: Sequence[str] = (),
    status: str = "ok",
    p: float = 0.001,
    **changed: pd.DataFrame,
) -> Frames:
    """Frames with the columns the answer reads; a pair is metric, a, b, verdict and optionally more."""
    images = pd.DataFrame([
        {"run": run, "prompt_id": f"p{i}", "status": status if run == runs[0] and i == 0 else "ok"} for run in runs for i in range(10)
    ])  # fmt: skip
    made = [dict(zip(("metric", "a", "b", "verdict", "more", "reason"), pair, strict=False)) for pair in pairs]
    made = [row | {"answer": row["verdict"] if row["metric"] in ANSWERS else None, "p_answer": p} for row in made]
    base = {"n": 10, "unit": "share", "higher_is_better": True, "mean_a": 0.9, "mean_b": 0.8, "difference": 0.1, "low": 0.05, "high": 0.15,
            "more": math.nan, "reason": "timed on different machines"}  # fmt: skip
    for row in made:
        if row["metric"] == "latency":
            pace = latency if latency and row["verdict"] != "not comparable" else {}
            row.update(unit="s", mean_a=pace.get(row["a"], math.nan), mean_b=pace.get(row["b"], math.nan))
            row.update({} if row["verdict"] in {"not comparable", "too few sessions"} else {"reason": None})
    timed = [{"run": r, "metric": "latency.p50", "mean": s} for r, s in (latency or {}).items()]
    summary = timed or [{"run": runs[0], "metric": "clip", "mean": 1.0}]
    made_up: dict[str, pd.DataFrame] = {
        "images": images,
        "summary": pd.DataFrame(summary).assign(ceiling=[row["run"] in ceilings for row in summary]),
        "pairwise": pd.DataFrame([{**base, **row} for row in made], columns=[*pairwise.COLUMNS]),
        "cost": pd.DataFrame([{"run": r, "per_success": (usd or {}).get(r, math.nan)} for r in runs]),
    }
    return Frames({}) | made_up | changed


def test_one_leader_is_named_with_its_amount() -> None:
    told = verdict(tables([("scene", "pro", "dev", "better"), ("scene", "pro", "fast", "better"), ("scene", "dev", "fast", LEVEL)]))
    assert told.answer == (
        "For quality choose pro: with scene 0.900 against dev's 0.800, 0.050 to 0.150 apart, it is better than dev and "
        "fast on scene, and shown worse on nothing."
    )
    assert told.points[0] == "3 models, 10 prompts, 30 pictures."


def test_a_model_is_advised_only_where_it_is_better_than_every_rival_on_one_metric() -> None:
    level = verdict(tables([("scene", "pro", "dev", "better"), ("scene", "pro", "fast", LEVEL), ("clip", "dev", "fast", "better")]))
    assert level.answer == (
        "No model is shown to be the best: pro is better than dev on scene, and shown worse on nothing; "
        "against fast no difference is shown."
    )
    unsure = verdict(tables([("scene", "pro", "dev", "better")], runs=("pro", "dev"), p=0.04))
    assert unsure.answer.endswith("and shown worse on nothing, but not so surely that it is the one to choose.")
    split = verdict(tables([("scene", "pro", "dev", "better"), ("clip", "pro", "fast", "better")]))
    assert split.answer.startswith("No model is shown to be the best: pro is better than dev on scene and than fast on clip")


def test_a_difference_that_one_prompt_carries_is_said_to_be_so() -> None:
    pairs = [("scene", "pro", "dev", "better")]
    table = tables(pairs, runs=("pro", "dev"))["pairwise"].assign(carried_by="shape-06")
    points = verdict(tables(pairs, runs=("pro", "dev"), pairwise=table)).points
    assert "One prompt, shape-06, makes half or more of the difference between pro and dev on scene." in points


def test_a_leader_that_another_metric_puts_behind_is_not_said_to_lead_everywhere() -> None:
    pairs = [("clip", "pro", "dev", "better"), ("clip.score100", "pro", "dev", "better"), ("ocr.ned", "pro", "dev", "worse")]
    told = verdict(tables(pairs, runs=("pro", "dev")))
    assert told.answer.endswith("it is better than dev on clip, but shown worse on ocr.ned.")
    assert "Shown by other metrics: dev better than pro on ocr.ned." in told.points, "what a part of clip shows is said already"


def test_who_was_not_compared_or_timed_is_not_said_to_be_level() -> None:
    few = ("clip", "pro", "fast", "too few prompts")
    led = verdict(tables([("clip", "pro", "dev", "better"), few]))
    assert led.answer == (
        "No model is shown to be the best: pro is better than dev on clip, and shown worse on nothing; fast is not compared with it."
    )
    level = verdict(tables([("clip", "pro", "dev", LEVEL), few, ("latency", "pro", "dev", "better")], latency={"pro": 1.0, "dev": 2.0}))
    assert "between pro and dev on clip; fast is not compared." in level.answer
    assert level.answer.endswith("dev takes 2.0 times as long; fast was not timed.")


def test_leaders_that_are_level_are_named_together() -> None:
    told = verdict(tables([("scene", "pro", "dev", LEVEL, 240.0), ("scene", "pro", "fast", "better"), ("scene", "dev", "fast", "better")]))
    assert told.answer == "In quality no difference is shown between pro and dev; fast is shown worse on scene."
    assert not any("Not settled" in point for point in told.points), "24 times as many prompts will not be gathered"


def test_metrics_that_disagree_name_no_winner() -> None:
    pairs = [("clip", "pro", "dev", "better"), ("scene", "pro", "dev", "worse")]
    told = verdict(tables(pairs, runs=("pro", "dev")))
    assert told.answer == "No model leads in quality throughout: pro is ahead on clip; dev is ahead on scene."


def test_nothing_shown_is_said_with_what_would_settle_it() -> None:
    told = verdict(tables([("scene", "pro", "dev", LEVEL, 33.0)], runs=("pro", "dev")))
    assert told.answer == "No difference in quality is shown between pro and dev on scene."
    assert told.points[-2].startswith("Not settled: pro against dev on scene; about 33 more prompts would show it four times in five")
    assert told.points[-1].startswith("Choose the number of prompts before looking")


def test_one_open_question_is_asked_once_of_all_rivals() -> None:
    told = verdict(
        tables([("scene", "pro", "fast", LEVEL, 33.0), ("scene", "dev", "fast", LEVEL, 33.0), ("clip", "pro", "dev", LEVEL, 40.0)])
    )
    asked = [point.partition(";")[0] for point in told.points if "Not settled" in point]
    assert asked == ["Not settled: fast against pro and dev on scene", "Not settled: pro against dev on clip"]


def test_speed_is_told_only_where_it_is_shown_and_comparable() -> None:
    quality = [("scene", "pro", "fast", LEVEL)]
    pace = {"pro": 4.0, "fast": 1.0}
    told = verdict(tables([*quality, ("latency", "pro", "fast", "worse")], latency=pace, runs=("pro", "fast")))
    assert told.answer.endswith("fast is the fastest, on average 1.00 s a picture: pro takes 4.0 times as long.")
    level = verdict(tables([*quality, ("latency", "pro", "fast", LEVEL)], latency=pace, runs=("pro", "fast")))
    assert level.answer.endswith("No model is shown to be the fastest.")
    once = ("latency", "pro", "fast", "too few sessions", math.nan, "one session each; repeat with rounds=5 to know")
    few = verdict(tables([*quality, once], latency=pace, runs=("pro", "fast")))
    assert few.answer.endswith(
        "fast took on average 1.00 s a picture; pro took 4.0 times as long, but each was timed in one session only, "
        "which does not tell a faster model from a busier machine: repeat with rounds=5 to know which is faster."
    )
    unlike = verdict(tables([*quality, ("latency", "pro", "fast", "not comparable")], latency=pace, runs=("pro", "fast")))
    assert unlike.answer.endswith("Speeds are not all comparable (timed on different machines).")


def test_what_is_shown_of_speed_is_said_before_what_is_open_and_for_whom() -> None:
    few = ["5 sessions of a, 1 of c; repeat with rounds=5 to know", "5 sessions of b, 1 of c; repeat with rounds=5 to know"]
    pairs = [
        ("latency", "a", "b", "better"),
        ("latency", "a", "c", "too few sessions", math.nan, few[0]),
        ("latency", "b", "c", "too few sessions", math.nan, few[1]),
    ]
    assert speed_words(tables(pairs, latency={"a": 1.0, "b": 1.03, "c": 2.0})["pairwise"], "abc") == (
        "a takes on average 1.00 s a picture: b is shown slower, 1.03 times as long; "
        "how c, at 2.0 times as long, compares is open (5 sessions of a, 1 of c; repeat with rounds=5 to know)."
    )
    other = [pairs[0], ("latency", "a", "c", "not comparable"), ("latency", "b", "c", "not comparable")]
    assert speed_words(tables(other, latency={"a": 1.0, "b": 1.3})["pairwise"], "abc").endswith(
        "b is shown slower, 1.3 times as long; how c compares is open (timed on different machines)."
    )
    level = [("latency", "a", "b", LEVEL), ("latency", "a", "c", LEVEL), ("latency", "b", "c", "better")]
    assert speed_words(tables(level, latency={"a": 1.0, "b": 1.3, "c": 1.6})["pairwise"], "abc") == (
        "No model is shown to be the fastest; c is shown slower than b."
    )


def test_speed_goes_by_the_figure_that_is_judged_and_by_nothing_else() -> None:
    """a has the lower median, b the lower mean of sessions, and b is shown faster."""
    found = tables([("latency", "a", "b", "worse")], latency={"a": 2.0, "b": 1.1}, runs="ab")
    medians = found["summary"].assign(mean=[1.0, 1.1])
    words = "b is the fastest, on average 1.10 s a picture: a takes 1.8 times as long."
    assert verdict(found | {"summary": medians}).answer.endswith(words)
    table = pd.DataFrame([
        {"run": run, "metric": metric, "mean": mean, "ceiling": False, "higher_is_better": metric == "images_per_s"}
        for metric, means in (("latency.p50", (1.0, 1.1)), ("images_per_s", (0.5, 0.9)))
        for run, mean in zip("ab", means, strict=True)
    ])  # fmt: skip
    assert mark_best(table, found["pairwise"])["best"].tolist() == [False, False, False, True]


def test_prices_by_the_hour_are_told_apart_only_where_speeds_are() -> None:
    def words(verdict_on_b: str, hour: Sequence[float] = (2.0, 2.0)) -> str:
        pairs = [("latency", "a", "b", verdict_on_b, math.nan, "one session each; repeat with rounds=5 to know")]
        found = tables(pairs, latency={"a": 1.0, "b": 3.0}, usd={"a": 0.19, "b": 0.57}, runs="ab")
        basis = [f"{usd:g} USD an hour of the machine, loading and warm-up left out" for usd in hour]
        return price_words(found | {"cost": found["cost"].assign(basis=basis)}, "ab")

    shown, open_words = "A successful picture costs 0.19 USD with a and 0.57 USD with b, ", "by prices reckoned from seconds a picture"
    assert words("better") == f"{shown}the dearest."
    for verdict_on_b in ("too few sessions", LEVEL, "not comparable"):
        assert words(verdict_on_b) == f"{shown}{open_words}, and that the speeds differ is not shown."
    assert "dearest" not in words("better", (2.0, 3.0)), "an hour of one machine and an hour of another"


def test_money_is_told_where_it_is_known() -> None:
    quality = [("scene", "pro", "fast", LEVEL)]
    told = verdict(tables(quality, usd={"pro": 0.05, "fast": 0.003}))
    assert told.answer.endswith("costs 0.003 USD with fast and 0.05 USD with pro, the dearest; the price of dev is not known.")
    cheap = verdict(tables(quality, usd={"pro": 0.0042, "fast": 0.0000045, "dev": 0.001}))
    assert cheap.answer.endswith("A thousand successful pictures cost 0.0045 USD with fast and 4.20 USD with pro, the dearest.")
    assert "USD" not in verdict(tables(quality, usd={"pro": 0.05})).answer, "one price is no comparison"


def test_refusals_and_missing_prompts_are_told() -> None:
    pairs = [("scene", "pro", "dev", LEVEL)]
    images = tables(pairs, status="refused")["images"].drop(index=29)
    points = verdict(tables(pairs, images=images)).points
    assert any(p.startswith("Not every model has every prompt: fast 9 of 10 prompts") for p in points)
    assert "pro refused 1 of 10 pictures; means are over the others." in points


def test_a_ceiling_is_never_advised_and_one_model_gets_no_comparison() -> None:
    runs = ("pro", "oracle")
    summary = pd.DataFrame([{"run": run, "metric": "scene", "mean": 1.0, "ceiling": run == "oracle"} for run in runs])
    assert verdict(tables([], runs=runs, summary=summary)).answer == "2 models, 10 prompts, 20 pictures."


@pytest.mark.parametrize("best", [True, False])
def test_the_latex_table_escapes_and_marks_what_is_shown(*, best: bool) -> None:
    base = {"metric": "ocr.exact", "unit": "share", "higher_is_better": True}
    summary = pd.DataFrame([
        {**base, "run": "a_b & 5%", "mean": 0.5, "low": 0.4, "high": 0.62, "best": best},
        {**base, "run": "c", "mean": math.nan, "low": math.nan, "high": math.nan, "best": False},
    ])  # fmt: skip
    text = summary_latex(tables([], summary=summary, images=pd.DataFrame({"run": ["a_b & 5%", "c"]})))
    mean = r"\textbf{0.500}" if best else "0.500"
    assert rf"a\_b \& 5\% & {mean} [0.400, 0.620] \\" in text
    assert r"c & -- \\" in text
    assert text.count(r"\begin{tabular}{lr}") == 1


@pytest.mark.parametrize(
    ("unit", "mean", "low", "high", "cell"),
    [
        ("share", 0.893, 0.728, 0.963, "0.893 [0.728, 0.963]"),
        ("distance", 0.0025, 0.0, 0.0126, "0.00250 [0, 0.0126]"),
        ("MMD²", -0.0004, -0.0012, 0.0004, "$-$0.000400 [$-$0.00120, 0.000400]"),
        ("s", 1.25, math.nan, math.nan, "1.25"),
    ],
)
def test_the_latex_table_prints_both_ends_of_an_interval(unit: str, mean: float, low: float, high: float, cell: str) -> None:
    row = {"run": "a", "metric": "m", "unit": unit, "higher_is_better": False, "mean": mean, "low": low, "high": high, "best": False}
    text = summary_latex(tables([], summary=pd.DataFrame([row]), images=pd.DataFrame({"run": ["a"]})))
    assert f"a & {cell} \\\\" in text
    assert text.startswith("% mean [low, high]: ends of the 95 % interval over prompts")


@pytest.mark.parametrize(
    ("pairs", "decision"),
    [
        ([], TooFew(None)),
        ([("scene", "pro", "dev", FEW)], TooFew(10)),
        ([("scene", "pro", "dev", LEVEL)], Tie(("pro", "dev"), ("scene",), (), (), ("fast",))),
        (
            [("scene", "pro", "dev", LEVEL), ("scene", "pro", "fast", "better"), ("clip", "dev", "fast", "better")],
            Tie(("pro", "dev"), ("scene", "clip"), ("fast",), ("scene", "clip"), ()),
        ),
        (
            [
                ("scene", "pro", "dev", "better"),
                ("clip", "pro", "dev", "worse"),
                ("scene", "pro", "fast", "better"),
                ("clip", "dev", "fast", "better"),
            ],
            Mixed({"pro": ["scene"], "dev": ["clip"]}, ()),
        ),
        (
            [
                ("scene", "pro", "dev", "better"),
                ("clip", "pro", "dev", "better"),
                ("scene", "dev", "fast", "better"),
                ("clip", "pro", "fast", LEVEL),
            ],
            Leader("pro", ("scene", "clip"), {("scene", "clip"): ["dev"]}, (), ("fast",), ()),
        ),
        ([("scene", "dev", "pro", "worse")], Leader("pro", ("scene",), {("scene",): ["dev"]}, (), (), ("fast",))),
    ],
)
def test_who_leads_is_decided_before_it_is_worded(pairs: Sequence[tuple[Any, ...]], decision: object) -> None:
    assert decide(tables(pairs)["pairwise"], ("pro", "dev", "fast")) == decision
