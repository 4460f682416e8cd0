"""Differences between runs, prompt by prompt: what is shown, what is not, and what may not be compared."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from bench import stats
from bench.analysis import pairwise, ranking, slowdown
from bench.analysis.summary import mark_best, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE = {
    "metric": "clip", "fingerprint": "{}", "status": "ok", "unit": "cosine", "higher_is_better": True, "worst": math.nan,
    "request_id": "r", "seed": 0, "reason": None, "detail": "{}", "cause": None,
}  # fmt: skip


def scores(values: Mapping[str, Sequence[float]], **changes: Any) -> pd.DataFrame:
    """Long-form scores: a value a prompt for each run."""
    rows = [{**BASE, "run": run, "prompt_id": f"p{i}", "value": v} for run, mine in values.items() for i, v in enumerate(mine)]
    return pd.DataFrame(rows).assign(**changes)


def infos(*runs: str) -> dict[str, dict[str, Any]]:
    return {run: {} for run in runs}


@pytest.fixture
def planted() -> pd.DataFrame:
    """b a little below a on every prompt, c like a with noise; prompts differ far more than models."""
    draw = np.random.default_rng(3)
    hard = draw.normal(0.3, 0.2, 40)
    return scores({"a": hard, "b": hard - 0.02 + draw.normal(0, 0.01, 40), "c": hard + draw.normal(0, 0.01, 40)})


def test_a_small_steady_lead_is_shown_prompt_by_prompt(planted: pd.DataFrame) -> None:
    table = pairwise.table(planted, infos("a", "b", "c"), {}).set_index(["a", "b"])
    assert table["verdict"].to_dict() == {("a", "b"): "better", ("a", "c"): "no difference shown", ("b", "c"): "worse"}
    lead = table.loc[("a", "b")]
    assert lead["low"] < 0.02 < lead["high"]
    assert lead["low"] > 0
    assert lead["win"] + lead["tie"] + lead["loss"] == pytest.approx(1)
    assert lead["cliff"] == pytest.approx(lead["win"] - lead["loss"])
    assert table["q"].tolist() == pytest.approx(stats.adjust(table["p"].to_numpy()))
    assert lead["mean_a"] - lead["mean_b"] == pytest.approx(lead["difference"])


def test_where_lower_is_better_the_lower_one_wins(planted: pd.DataFrame) -> None:
    table = pairwise.table(planted.assign(higher_is_better=False), infos("a", "b", "c"), {}).set_index(["a", "b"])
    lead = table.loc[("a", "b")]
    assert (lead["verdict"], lead["difference"] > 0) == ("worse", True)
    assert lead["cliff"] < 0
    assert lead["effect"] < 0
    assert lead["loss"] > lead["win"]


def test_seeds_are_averaged_within_a_prompt() -> None:
    twice = pd.concat([scores({"a": [1.0, 0.0] * 4, "b": [0.5] * 8}), scores({"a": [0.0, 1.0] * 4}, seed=1)])
    (row,) = pairwise.table(twice, infos("a", "b"), {}).to_dict("records")
    assert (row["n"], row["tie"], row["difference"], row["verdict"]) == (8, 1.0, 0.0, "no difference shown")
    assert math.isnan(row["more"]), "no number of prompts settles a difference of nothing"


def test_few_prompts_show_nothing_however_large_the_gap() -> None:
    five = scores({"a": [1.0, 0.9, 1.0, 0.8, 0.9], "b": [0.1, 0.0, 0.1, 0.2, 0.0]})
    (row,) = pairwise.table(five, infos("a", "b"), {}).to_dict("records")
    assert (row["n"], row["verdict"]) == (5, "too few prompts")
    assert math.isnan(row["q"])


def test_an_open_question_says_how_many_prompts_would_settle_it() -> None:
    draw = np.random.default_rng(8)
    gap = draw.normal(0.0, 1.0, 30)
    gap += 0.2 - gap.mean()
    (row,) = pairwise.table(scores({"a": gap, "b": np.zeros(30)}), infos("a", "b"), {}).to_dict("records")
    assert row["verdict"] == "no difference shown"
    assert row["more"] == pytest.approx(stats.needed(0.2, gap.std(ddof=1)) - 30, rel=0.01)
    assert row["detectable"] == pytest.approx(stats.detectable(gap.std(ddof=1), 30), rel=0.01)


def pictures(seconds: Sequence[float], machine: str = "one", batch: int = 1, sessions: int = 5, start: float = 0.0) -> pd.DataFrame:
    """What ``bench.analysis.slowdown.timed`` gives: a picture a prompt, in so many sessions, an hour from one to the next."""
    names, session = [f"p{i}" for i in range(len(seconds))], [i * sessions // len(seconds) for i in range(len(seconds))]
    created = [pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(hours=s + start) for s in session]
    return pd.DataFrame(
        {"prompt_id": names, "latency_s": seconds, "retry_s": math.nan, "environment": machine, "batch_size": batch, "session": session,
         "created": [at.isoformat() for at in created]}
    )  # fmt: skip


def paced(held: Mapping[str, pd.DataFrame], told: Mapping[str, dict[str, Any]] | None = None) -> pd.DataFrame:
    rows = scores({run: of["latency_s"].tolist() for run, of in held.items()}, metric="latency", unit="s", higher_is_better=False)
    return pairwise.table(rows, told or infos(*held), held).set_index(["a", "b"])


def test_timings_of_two_machines_are_not_compared() -> None:
    one = pictures([1.0] * 10)
    held = {"a": one, "b": pictures([2.0] * 10, "other"), "c": one}
    table = paced(held, {"a": {}, "b": {}, "c": {"hosted": True}})
    assert set(table["verdict"]) == {"not comparable"}
    assert table.loc[("a", "b"), "reason"] == "timed on different machines"
    assert "hosted" in table.loc[("a", "c"), "reason"]


def test_one_session_each_has_no_verdict_however_many_pictures_and_however_far_apart() -> None:
    """12 of 15 pairs of six runs of one model, one session each, were told apart when prompts were the observations."""
    held = {run: pictures([mine] * 200, sessions=1) for run, mine in (("a", 1.0), ("b", 3.0))}
    held["c"] = pictures([2.0] * 200, sessions=2)
    table = paced(held)
    assert set(table["verdict"]) == {"too few sessions"}
    assert table.loc[("a", "b"), "reason"] == "one session each; repeat with rounds=5 to know"
    assert table.loc[("a", "c"), "reason"] == "1 session of a, 2 of c; repeat with rounds=5 to know"
    assert (table.loc[("a", "b"), "n"], table.loc[("a", "b"), "difference"]) == (1, pytest.approx(-2.0))
    assert table[["low", "high", "p", "q", "more"]].isna().all(axis=None)


def test_rounds_in_turns_are_paired_and_share_what_the_machine_did() -> None:
    """b is 10 % slower in every round, on a machine that is three times as slow in the last as in the first."""
    machine = np.repeat([1.0, 1.4, 1.7, 2.5, 3.0], 2)
    drawn = np.random.default_rng(3).normal(1, 0.01, 10)
    turns = paced({"a": pictures(machine), "b": pictures(1.1 * machine * drawn, start=0.5)}).loc[("a", "b")]
    assert (turns["verdict"], turns["n"]) == ("better", 5)
    figures = (1.1 * machine * drawn).reshape(5, 2).mean(1) / machine[::2]
    assert turns["mean_b"] / turns["mean_a"] == pytest.approx(float(np.exp(np.log(figures).mean())))
    assert turns["p"] == pytest.approx(ttest_1samp(np.log(figures), 0).pvalue)


def test_sessions_that_took_no_turns_have_no_verdict_however_far_apart() -> None:
    """Two commands of rounds=5, one after the other, told one model from itself in 20 to 40 % of tables."""
    held = {"a": pictures([1.0] * 10), "b": pictures([3.0] * 10, start=100)}
    table = paced(held)
    later = table.loc[("a", "b")]
    assert (later["verdict"], later["reason"]) == ("not comparable", "not in turns; render both in one sweep with rounds=5 to know")
    assert (later["n"], later["difference"]) == (5, pytest.approx(-2.0))
    assert later[["low", "high", "p", "q"]].isna().all()
    rows = scores({run: of["latency_s"].tolist() for run, of in held.items()}, metric="latency", unit="s", higher_is_better=False)
    marks = mark_best(summarise(rows, infos("a", "b")), table.reset_index())
    assert not marks[["best", "behind", "compared"]].any(axis=None)


def test_a_session_that_only_tried_failures_again_is_none() -> None:
    odd = pictures([1.0] * 60, sessions=1)
    odd.loc[59, ["session", "latency_s"]] = [1, 9.0]
    found = slowdown.compare(odd, odd, odd["prompt_id"].tolist())
    assert (found.sessions, found.baseline) == ((1, 1), pytest.approx(1.0))


def test_unlike_batches_are_not_compared_and_no_time_is_ranked() -> None:
    held = {run: pictures([2.0] * 32, batch=16 if run != "b" else 1) for run in "ab"}
    assert paced(held).loc[("a", "b"), "reason"] == "pictures made 16 at a time against 1 at a time"
    rows = scores({"a": [1.0] * 8, "b": [2.0] * 8}, metric="latency", unit="s", higher_is_better=False)
    assert ranking.table(rows, infos("a", "b")).empty


def test_answers_that_never_differ_have_an_interval_and_counts_that_do_not_have_none() -> None:
    right = {"a": [1.0] * 20, "b": [1.0] * 20}
    (share,) = pairwise.table(scores(right, unit="share"), infos("a", "b"), {}).to_dict("records")
    assert (share["low"], share["high"]) == (pytest.approx(-0.137, abs=1e-3), pytest.approx(0.137, abs=1e-3))
    (count,) = pairwise.table(scores(right, unit=""), infos("a", "b"), {}).to_dict("records")
    assert (count["low"], count["high"]) == (0, 0)
    (edits,) = pairwise.table(scores(right, unit="edits"), infos("a", "b"), {}).to_dict("records")
    assert math.isnan(edits["low"]), "no worst end: nobody knows how far a prompt not met yet may lie"


def test_what_could_have_been_shown_is_nothing_where_nothing_varies_and_never_below_the_interval() -> None:
    def row(a: np.ndarray, b: np.ndarray, unit: str = "share") -> dict[str, Any]:
        (found,) = pairwise.table(scores({"a": a.tolist(), "b": b.tolist()}, unit=unit), infos("a", "b"), {}).to_dict("records")
        return found

    assert math.isnan(row(np.ones(32), np.ones(32))["detectable"])
    steady = np.linspace(0.1, 0.7, 32)
    assert math.isnan(row(steady + 0.2, steady, "cosine")["detectable"]), "2e-17 is an error of rounding"
    once = np.ones(50)
    once[0] = 0
    assert math.isnan(row(np.ones(50), once)["detectable"]), "with one prompt of 50 that differs the sign test shows nothing"
    often = np.tile([1.0, 0.0], 50)
    some = row(often, np.where(np.arange(100) < 30, 1 - often, often))
    assert some["detectable"] >= max((some["high"] - some["low"]) / 2, stats.detectable_yes_no(0.3, 100))
    draw = np.random.default_rng(2)
    close = row(0.5 + 0.05 * draw.normal(size=20), np.full(20, 0.5))
    assert close["detectable"] >= (close["high"] - close["low"]) / 2
    assert close["detectable"] > stats.detectable(0.05, 20)


def test_runs_without_a_prompt_in_common_are_not_compared() -> None:
    apart = pd.concat([scores({"a": [0.1] * 8}), scores({"b": [0.2] * 8}).assign(prompt_id=[f"q{i}" for i in range(8)])])
    (row,) = pairwise.table(apart, infos("a", "b"), {}).to_dict("records")
    assert (row["verdict"], row["reason"], row["n"]) == ("not comparable", "no prompt in common", 0)


def test_ceilings_and_metrics_without_a_better_end_are_left_out(planted: pd.DataFrame) -> None:
    told = infos("a", "b", "c") | {"c": {"ceiling": True}}
    assert pairwise.table(planted, told, {})[["a", "b"]].to_numpy().tolist() == [["a", "b"]]
    assert pairwise.table(planted.assign(higher_is_better=None), infos("a", "b", "c"), {}).empty
    assert ranking.table(planted, told)["run"].tolist() == ["a", "b"]


def test_sets_are_compared_where_they_were_resampled_by_the_same_prompts() -> None:
    draw = np.random.default_rng(0)
    common, noise = draw.normal(0, 1.0, 50), draw.normal(0, 0.1, (3, 50))
    detail = {
        run: json.dumps({"n": 64, "drawn": key, "draws": list(value + common + noise[i])})
        for i, (run, value, key) in enumerate([("a", 10.0, "k"), ("b", 12.0, "k"), ("c", 12.0, "other")])
    }
    rows = [
        {**BASE, "run": run, "metric": "fid", "unit": "distance", "higher_is_better": False, "request_id": None, "prompt_id": None,
         "value": 10.0 if run == "a" else 12.0, "detail": text}
        for run, text in detail.items()
    ]  # fmt: skip
    table = pairwise.table(pd.DataFrame(rows), infos("a", "b", "c"), {}).set_index(["a", "b"])
    assert table.loc[("a", "b"), "verdict"] == "better"
    assert table.loc[("a", "b"), "low"] < -2 < table.loc[("a", "b"), "high"] < 0
    assert math.isnan(table.loc[("a", "b"), "win"])
    assert table.loc[("a", "c"), "verdict"] == "not comparable"


FEW = "100 pictures for 2,048 features: below about 40,960 a Fréchet distance prefers the less varied model;"


@pytest.mark.parametrize(
    ("metric", "change", "reason"),
    [
        ("fid", {}, f"{FEW} kid decides"),
        ("fd_clip_tiny", {}, f"{FEW} kid_clip_tiny decides"),
        ("fid_clean", {"n": 40_960}, None),
        ("kid", {}, None),
        ("cmmd", {}, None),
        ("prdc.coverage", {}, "100 pictures: below 200 coverage depends on how many there are"),
        ("prdc_clip_tiny.recall", {"n": 199}, "199 pictures: below 200 recall depends on how many there are"),
        ("prdc.recall", {"n": 200}, None),
        ("prdc.precision", {}, None),
    ],
)
def test_a_set_that_is_too_small_for_its_distance_has_no_verdict(metric: str, change: dict[str, int], reason: str | None) -> None:
    """Nor has one with other pictures a prompt than its rival."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 50))
    about = {"n": 100, "prompts": 50, "dimensions": 2048, "drawn": "k", **change}

    def verdict(**other: int) -> tuple[str, str | None, float]:
        rows = [
            {**BASE, "run": run, "metric": metric, "unit": "distance", "higher_is_better": False, "request_id": None, "prompt_id": None,
             "value": value, "detail": json.dumps({**about, "draws": list(value + noise[i]), **(other if i else {})})}
            for i, (run, value) in enumerate([("a", 10.0), ("b", 12.0)])
        ]  # fmt: skip
        (row,) = pairwise.table(pd.DataFrame(rows), infos("a", "b"), {}).to_dict("records")
        return row["verdict"], row["reason"], row["p"]

    word, why, p = verdict()
    assert (word, why) == (("not comparable", reason) if reason else ("better", None))
    assert math.isnan(p) == bool(reason), "what has no verdict is no question of the table"
    unlike = verdict(n=4 * about["n"])
    assert unlike[0] == "not comparable"
    assert f"{about['n']:,} pictures of 50 prompts against {4 * about['n']:,} pictures of 50 prompts" in str(unlike[1])


def test_one_run_has_frames_with_columns_and_no_rows(planted: pd.DataFrame) -> None:
    alone = planted[planted["run"] == "a"]
    assert list(pairwise.table(alone, infos("a"), {}).columns) == list(pairwise.COLUMNS)
    assert pairwise.table(alone, infos("a"), {}).empty
    assert list(ranking.table(alone, infos("a")).columns) == list(ranking.COLUMNS)


def test_the_ranking_follows_the_wins_and_tells_ties_apart(planted: pd.DataFrame) -> None:
    table = ranking.table(planted, infos("a", "b", "c")).set_index("run")
    assert table.loc["b", "rank"] == 3
    assert table.loc["b", "rank_low"] == 3
    assert table["strength"].mean() == pytest.approx(0, abs=1e-9)
    assert (table["wins"] + table["ties"] + table["losses"]).tolist() == [80, 80, 80]
    assert table.loc[["a", "c"], "rank_low"].tolist() == [1, 1], "which of the two is first is not known"


def test_best_is_better_than_every_rival(planted: pd.DataFrame) -> None:
    def best(table: pd.DataFrame, told: dict[str, dict[str, Any]]) -> list[bool]:
        return mark_best(summarise(table, told), pairwise.table(table, told, {}))["best"].tolist()

    assert best(planted, infos("a", "b", "c")) == [False, False, False], "c is level with a"
    two = planted[planted["run"] != "c"]
    assert best(two, infos("a", "b")) == [True, False]
    assert best(planted, infos("a", "b") | {"c": {"ceiling": True}}) == [True, False, False], "a ceiling is no rival"
