"""Means that say what they are of: n, coverage, refusals with and without their worst value."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from bench.analysis import pairwise
from bench.analysis.summary import mark_best, summarise
from bench.report import wording


def scores(*rows: dict[str, Any]) -> pd.DataFrame:
    base = {
        "run": "a", "metric": "ocr.exact", "fingerprint": "{}", "value": math.nan, "status": "ok", "unit": "share",
        "higher_is_better": True, "worst": 0.0, "request_id": "r", "prompt_id": "p", "seed": 0, "reason": None, "detail": "{}",
        "cause": None,
    }  # fmt: skip
    return pd.DataFrame([{**base, **row} for row in rows])


def test_seeds_are_averaged_within_a_prompt_first() -> None:
    table = summarise(scores({"value": 1.0}, {"value": 0.0}, {"value": 1.0}, {"prompt_id": "q", "value": 0.0}), {"a": {}})
    assert table["mean"].tolist() == [pytest.approx((2 / 3 + 0) / 2)]
    assert table["n"].tolist() == [4]


def test_missing_scores_lower_the_coverage_and_never_the_mean() -> None:
    table = summarise(scores({"value": 1.0}, {"prompt_id": "q", "status": "unscored", "reason": "no engine"}), {"a": {}})
    (row,) = table.to_dict("records")
    assert (row["mean"], row["n"], row["coverage"], row["unscored"], row["reason"]) == (1.0, 1, 0.5, 1, "no engine")
    assert wording.coverage(table.iloc[0]) == "50 % scored"


def test_refused_pictures_count_at_the_worst_value_beside_the_conditional_mean() -> None:
    refused = {"prompt_id": "q", "status": "not_applicable", "reason": "refused: policy", "cause": "refused"}
    beside = {"prompt_id": "s", "status": "not_applicable", "reason": "the prompt asks for no text"}
    table = summarise(scores({"value": 0.9}, refused, beside), {"a": {}})
    (row,) = table.to_dict("records")
    assert (row["mean"], row["refused"], row["not_applicable"], row["coverage"]) == (0.9, 1, 2, 1.0)
    assert row["mean_all"] == pytest.approx(0.45)
    assert wording.with_refused(table.iloc[0]) == "1 refused; 0.450 [0.000, 1.000] with them at worst"


def test_a_metric_without_worst_value_has_no_unconditional_mean() -> None:
    rows = scores({"value": 0.3}, {"prompt_id": "q", "status": "not_applicable", "reason": "refused: policy", "cause": "refused"}).assign(
        worst=math.nan
    )
    table = summarise(rows, {"a": {}})
    assert math.isnan(table["mean_all"].iloc[0])
    assert wording.with_refused(table.iloc[0]) == "1 refused"


def test_published_word_counts_are_averaged_over_words() -> None:
    rows = scores({"metric": "ocr.longtext", "value": 1.0, "detail": '{"hits": 1, "asked": 1}'},
                  {"metric": "ocr.longtext", "prompt_id": "q", "value": 0.0, "detail": '{"hits": 0, "asked": 9}'})  # fmt: skip
    assert summarise(rows, {"a": {}})["mean"].tolist() == [0.1]


def test_a_micro_average_weighs_prompts_alike_in_summary_and_pairs() -> None:
    def line(run: str, prompt: str, hits: int) -> dict[str, Any]:
        return {"run": run, "metric": "ocr.longtext", "prompt_id": prompt, "value": hits / 10, "detail": f'{{"hits": {hits}, "asked": 10}}'}

    rows = scores(*(line("a", "p", 9) for _ in range(4)), line("a", "q", 1), line("b", "p", 6), line("b", "q", 6))
    means = summarise(rows, {"a": {}, "b": {}})["mean"].tolist()
    (pair,) = pairwise.table(rows, {"a": {}, "b": {}}, {}).to_dict("records")
    assert [pair["mean_a"], pair["mean_b"]] == means == pytest.approx([0.5, 0.6])


def test_counts_lie_above_zero_and_have_no_interval_where_all_are_alike() -> None:
    words = [{"metric": "stray_text", "unit": "words", "prompt_id": f"p{i}", "worst": math.nan} for i in range(3)]
    (some,) = summarise(scores(*({**row, "value": v} for row, v in zip(words, (0.0, 0.0, 5.0), strict=True))), {"a": {}}).to_dict("records")
    assert (some["low"], some["note"]) == (0, None)
    (none,) = summarise(scores(*({**row, "value": 0.0} for row in words)), {"a": {}}).to_dict("records")
    assert math.isnan(none["low"])
    assert math.isnan(none["high"])
    assert none["note"].startswith("stray_text: all prompts are alike")


def test_what_applies_to_nothing_is_left_out() -> None:
    rows = scores({"value": 1.0}, {"metric": "clip.revised", "status": "not_applicable", "reason": "no revised prompt"})
    assert summarise(rows, {"a": {}})["metric"].tolist() == ["ocr.exact"]


def best(rows: pd.DataFrame, *runs: str) -> dict[str, bool]:
    infos: dict[str, dict[str, Any]] = {run: {} for run in runs}
    table = mark_best(summarise(rows, infos), pairwise.table(rows, infos, {}))
    return dict(zip(table["run"], table["best"], strict=True))


def test_a_metric_without_a_better_end_has_no_best() -> None:
    pairs = [(run, f"p{i}", value) for run, value in (("a", 0.1), ("b", 0.9)) for i in range(8)]
    rows = scores(*({"run": run, "prompt_id": prompt, "value": value} for run, prompt, value in pairs))
    assert best(rows, "a", "b") == {"a": False, "b": True}
    assert best(rows.assign(higher_is_better=None), "a", "b") == {"a": False, "b": False}
    assert wording.arrow(higher=None) == ""


def test_best_is_who_beats_every_rival_even_where_another_has_the_higher_mean() -> None:
    table = pd.DataFrame([{"run": run, "metric": "human_preference", "mean": mean, "higher_is_better": True, "ceiling": False}
                          for run, mean in (("a", 0.6), ("b", 0.7), ("c", 0.2))])  # fmt: skip
    pairs = pd.DataFrame([("human_preference", "a", "b", "better"), ("human_preference", "a", "c", "better"),
                          ("human_preference", "b", "c", "better")], columns=["metric", "a", "b", "verdict"])  # fmt: skip
    assert mark_best(table, pairs)["best"].tolist() == [True, False, False]


def test_only_the_median_of_latencies_is_marked() -> None:
    table = pd.DataFrame([{"run": run, "metric": metric, "mean": mean, "higher_is_better": False, "ceiling": False}
                          for metric in ("latency.p50", "latency.p90") for run, mean in (("a", 1.0), ("b", 2.0))])  # fmt: skip
    pairs = pd.DataFrame([("latency", "a", "b", "better")], columns=["metric", "a", "b", "verdict"])
    assert mark_best(table, pairs)["best"].tolist() == [True, False, False, False]


def test_figures_of_a_whole_run_bring_their_interval_and_note() -> None:
    whole = {"metric": "fid", "request_id": None, "prompt_id": None, "value": 12.0, "worst": math.nan}
    rows = scores({**whole, "detail": '{"n": 64, "low": 10, "high": 14, "note": "few"}'})
    (row,) = summarise(rows, {"a": {}}).to_dict("records")
    assert (row["mean"], row["low"], row["high"], row["n"], row["note"]) == (12.0, 10.0, 14.0, 64, "few")


def test_a_run_with_seeds_and_one_without_are_paired_by_prompt() -> None:
    """Prompts differ far more than models: only prompt by prompt, seeds averaged, is the small lead shown."""
    with_seeds = [("a", f"p{i}", seed, i / 10 + 0.01 + (0.004 if seed else -0.004)) for i in range(8) for seed in (0, 1)]
    without = [("b", f"p{i}", None, i / 10) for i in range(8)]
    keys = ("run", "prompt_id", "seed", "value")
    rows = scores(*(dict(zip(keys, row, strict=True)) for row in with_seeds + without)).assign(unit="cosine")
    assert best(rows, "a", "b") == {"a": True, "b": False}
    table = summarise(rows, {"a": {}, "b": {}}).set_index("run")
    assert (table.loc["a", "mean"], table.loc["b", "mean"]) == (pytest.approx(0.36), pytest.approx(0.35))
    unlike = rows.assign(prompt_id=[p if r == "a" else f"q{p}" for r, p in zip(rows["run"], rows["prompt_id"], strict=True)])
    assert not any(best(unlike, "a", "b").values()), "no prompt in common, no comparison"


def test_failures_of_a_server_are_told_one_by_one() -> None:
    told = wording.counted(["timeout", "ok", "expired_url", "provider_error", "ok", "invalid_image", "refused", "rate_limited", "failed"])
    assert told == [
        (2, "ok", "ok"), (1, "refused", "refused"), (1, "failed", "failed"), (1, "rate limited", "failed"), (1, "timed out", "failed"),
        (1, "failed at the server", "failed"), (1, "no valid picture", "failed"), (1, "link expired", "failed"),
    ]  # fmt: skip
