"""The answer in words says what the frames show, and no more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from support.paths import ROOT
from support.worlds import simulated

from bench.analysis import pairwise
from bench.analysis.columns import EARLIER_CARDS
from bench.analysis.frames import Frames
from bench.analysis.pairwise import FEW, LEVEL
from bench.analysis.summary import mark_best
from bench.report.answer import verdict
from bench.report.effort import price_words, speed_words
from bench.report.latex import summary_latex
from bench.report.quality import LOOSER_RULE, Leader, Mixed, Tie, TooFew, decide, quality_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


ANSWERS = {"scene", "clip"}
_PAIR = ("metric", "a", "b", "verdict", "more")
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
    made = [dict(zip((*_PAIR, "reason" if pair[0] == "latency" else "answer"), pair, strict=False)) for pair in pairs]
    made = [{"answer": row["verdict"] if row["metric"] in ANSWERS else None, "p_answer": p} | row for row in made]
    base = {"n": 10, "unit": "share", "higher_is_better": True, "mean_a": 0.9, "mean_b": 0.8, "difference": 0.1, "low": 0.05, "high": 0.15,
            "more": math.nan, "p": 0.5, "q": 0.5, "reason": "timed on different machines"}  # fmt: skip
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
        "against fast no difference is shown on scene."
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
    pairs = [("clip", "pro", "dev", "better"), ("clip.score100", "pro", "dev", "better"), ("ocr.exact", "pro", "dev", "worse")]
    told = verdict(tables(pairs, runs=("pro", "dev")))
    assert told.answer == "No model is shown to be the best: pro is better than dev on clip, but shown worse on ocr.exact."
    part = verdict(tables([("clip", "pro", "dev", "better"), ("ocr.ned_case", "pro", "dev", "worse")], runs=("pro", "dev")))
    assert part.answer.startswith("For quality choose pro: "), "a column that is not weighed keeps nobody from being advised"
    assert part.answer.endswith("it is better than dev on clip, but shown worse on ocr.ned_case.")
    assert "Shown by other metrics: dev better than pro on ocr.exact." in told.points, "what a part of clip shows is said already"


def test_who_was_not_compared_or_timed_is_not_said_to_be_level() -> None:
    few = ("clip", "pro", "fast", "too few prompts")
    led = verdict(tables([("clip", "pro", "dev", "better"), few]))
    assert led.answer == (
        "No model is shown to be the best: pro is better than dev on clip, and shown worse on nothing; "
        "with fast it has too few prompts in common."
    )
    level = verdict(tables([("clip", "pro", "dev", LEVEL), few, ("latency", "pro", "dev", "better")], latency={"pro": 1.0, "dev": 2.0}))
    assert "between pro and dev on clip; fast is not compared, or on too few prompts." in level.answer
    assert level.answer.endswith("dev takes 2.0 times as long; fast was not timed.")


def test_leaders_that_are_level_are_named_together() -> None:
    told = verdict(tables([("scene", "pro", "dev", LEVEL, 240.0), ("scene", "pro", "fast", "better"), ("scene", "dev", "fast", "better")]))
    assert told.answer == "In quality no difference is shown between pro and dev on scene; fast is shown worse on scene."
    assert not any("Not settled" in point for point in told.points), "24 times as many prompts will not be gathered"


def test_metrics_that_disagree_name_no_winner() -> None:
    pairs = [("clip", "pro", "dev", "better"), ("scene", "pro", "dev", "worse")]
    told = verdict(tables(pairs, runs=("pro", "dev")))
    assert told.answer == "No model leads in quality throughout: pro is ahead on clip; dev is ahead on scene."


def test_nothing_shown_is_said_with_what_would_settle_it() -> None:
    told = verdict(tables([("scene", "pro", "dev", LEVEL, 33.0)], runs=("pro", "dev")))
    assert told.answer == "In quality no difference is shown between pro and dev on scene."
    assert told.points[-3] == "Not settled on scene: pro against dev, 0.900 against 0.800 (0.100 apart), about 33 more prompts."
    assert told.points[-2].startswith("So many more prompts would show a difference in four of five such comparisons, if it is as large as")
    assert told.points[-1].startswith("Choose the number of prompts before looking")


def test_what_is_open_on_one_metric_is_said_together_and_how_small_it_is() -> None:
    told = verdict(
        tables([("scene", "pro", "fast", LEVEL, 33.0), ("scene", "dev", "fast", LEVEL, 35.0), ("clip", "pro", "dev", LEVEL, 40.0)])
    )
    assert [point for point in told.points if "Not settled" in point] == [
        (
            "Not settled on scene: pro against fast, 0.900 against 0.800 (0.100 apart), about 33 more prompts; "
            "dev against fast, 0.900 against 0.800 (0.100 apart), about 35 more prompts."
        ),
        "Not settled on clip: pro against dev, 0.900 against 0.800 (0.100 apart), about 40 more prompts.",
    ]


def test_what_only_the_table_shows_is_neither_hidden_nor_counted() -> None:
    unsure = ("scene", "pro", "dev", "worse", math.nan, LEVEL)
    told = verdict(tables([("clip", "pro", "dev", "better"), unsure], runs=("pro", "dev")))
    assert told.answer == f"No model is shown to be the best: pro is better than dev on clip, but shown worse on scene. {LOOSER_RULE}"
    tie = verdict(tables([unsure, ("scene", "pro", "fast", LEVEL), ("scene", "dev", "fast", LEVEL)]))
    assert tie.answer == (
        "In quality no difference is shown between fast and any of pro and dev on scene; "
        f"no difference between pro and dev is sure enough to choose by. {LOOSER_RULE}"
    )
    few = verdict(tables([("scene", "pro", "dev", "better", math.nan, FEW)], runs=("pro", "dev")))
    assert few.answer.startswith("Too few prompts to compare quality: 10 cannot show surely enough which of 2 models is better on scene")
    assert few.answer.endswith(LOOSER_RULE)


def test_models_that_never_met_are_not_said_to_be_alike() -> None:
    """The pairs that share no prompt, of a tie and of a leader."""
    beaten = [("clip", "pro", "fast", "better"), ("clip", "dev", "fast", "better")]
    tie = verdict(tables([("clip", "pro", "dev", "not comparable"), *beaten]))
    assert tie.answer == "In quality pro and dev are not compared with each other; fast is shown worse on clip."
    partly = verdict(tables([("clip", "pro", "dev", "not comparable"), ("clip", "pro", "fast", LEVEL), ("clip", "dev", "fast", LEVEL)]))
    assert partly.answer == (
        "In quality no difference is shown between fast and any of pro and dev on clip; pro and dev are not compared with each other."
    )
    other = verdict(tables([("scene", "pro", "dev", LEVEL), ("clip", "pro", "dev", LEVEL), ("clip", "pro", "fast", LEVEL),
                            ("clip", "dev", "fast", LEVEL), ("scene", "pro", "fast", "not comparable")]))  # fmt: skip
    assert other.answer == "In quality no difference is shown between pro, dev and fast on clip.", "on scene fast was not compared"


def scores(prompts: int, metrics: Mapping[str, tuple[float, float, float]]) -> pd.DataFrame:
    """Of three models, without known ends, so that differences count although they are alike."""
    rows = [
        {"run": run, "metric": metric, "prompt_id": f"p{i}", "value": mean + 0.01 * ((i * (7 + place)) % 5)}
        for metric, means in metrics.items() for place, (run, mean) in enumerate(zip("abc", means, strict=True)) for i in range(prompts)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(
        status="ok", unit="cosine", higher_is_better=True, request_id="r", reason=None, detail="{}", cause=None, fingerprint="f",
        worst=math.nan,
    )  # fmt: skip


def test_too_few_prompts_say_how_many_would_do() -> None:
    metrics = {"clip": (0.5, 0.5, 0.5), "ocr.exact": (0.4, 0.5, 0.6), "scene": (0.3, 0.3, 0.3)}
    infos: dict[str, dict[str, Any]] = {run: {} for run in "abc"}
    few = pairwise.table(scores(8, metrics), infos, {})
    sentence = quality_words(few, "abc", EARLIER_CARDS)
    assert sentence.startswith(
        "Too few prompts to compare quality: 8 cannot show surely enough which of 3 models is better on 3 metrics "
        "(clip, ocr.exact and scene); it takes at least 9, all in favour of one model."
    ), sentence
    enough = pairwise.table(scores(9, metrics), infos, {})
    assert quality_words(enough, "abc", EARLIER_CARDS).startswith("No model is shown to be the best: c is better than a and b on ocr.exact")


def test_the_page_names_the_correction_that_verdicts_have() -> None:
    """Within the family, and with the interval; the answer's own rule beside it."""
    pairs, summary = (
        (ROOT / "bench/report/template/sections" / f"{name}.html.j2").read_text(encoding="utf-8") for name in ("pairs", "summary")
    )
    assert "metrics that ask the same" in pairs
    assert "q ≤ 0.05 and its interval leaves out 0" in pairs
    assert "metrics that ask the same" in summary


NAMES = ("m0", "m1", "m2")


def contradictions(table: pd.DataFrame) -> Iterator[str]:
    """What the answer on three models says that a verdict of ``table`` denies."""
    verdicts = {(r.metric, r.a, r.b): r.verdict for r in table.itertuples()}
    verdicts |= {(r.metric, r.b, r.a): pairwise.TURNED.get(r.verdict, r.verdict) for r in table.itertuples()}
    asked, weighed = list(dict.fromkeys(table.loc[table["answer"].notna(), "metric"])), EARLIER_CARDS.weighed(table["metric"])
    words = {pairwise.BETTER, pairwise.WORSE}
    found = decide(table, NAMES, weighed)
    sentence = quality_words(table, NAMES, EARLIER_CARDS)
    if isinstance(found, Leader):
        yield from (
            f"{found.run} better than {rival} on {metric}"
            for metrics, rivals in found.ahead.items() for rival in rivals for metric in metrics
            if verdicts[metric, found.run, rival] != pairwise.BETTER
        )  # fmt: skip
        worse = {metric for (metric, run, _), word in verdicts.items() if run == found.run and word == pairwise.WORSE}
        if worse and "shown worse on nothing" in sentence:
            yield f"worse on nothing, and worse on {worse}"
        if "For quality choose" in sentence and worse & set(weighed):
            yield f"advised, and worse on {worse}"
        best = [m for m in asked if all(verdicts[m, found.run, rival] == pairwise.BETTER for rival in NAMES if rival != found.run)]
        if "For quality choose" in sentence and not best:
            yield "advised without a best mark"
    level = found.level if isinstance(found, Tie) else [(found.run, rival) for rival in found.level] if isinstance(found, Leader) else []
    yield from (f"no difference between {pair} on {metric}" for pair in level for metric in asked if verdicts[metric, *pair] in words)
    if isinstance(found, Mixed):
        yield from (f"{run} ahead on {m}" for run, led in found.ahead.items() for m in led for rival in NAMES
                    if rival != run and verdicts[m, run, rival] != pairwise.BETTER)  # fmt: skip
    yield from (f"{r.answer} on {r.metric} only in the answer" for r in table.itertuples() if r.answer in words and r.answer != r.verdict)
    more = any(r.verdict in words and r.answer not in words for r in table.itertuples() if r.metric in asked)
    if more != (LOOSER_RULE in sentence):
        yield "more differences in the table, and not a word on it"


@pytest.mark.slow
def test_no_sentence_of_the_answer_contradicts_a_verdict() -> None:
    """Three models of which one writes somewhat better, so that rules at the edge part ways."""
    world, rng = simulated("answers"), np.random.default_rng(5)
    wrong: list[str] = []
    parted = 0
    for prompts in (8, 12, 30, 50) * 8:
        table = world["judged"](rng, 3, {0: 0.5}, prompts)
        parted += bool((table["answer"].notna() & (table["answer"] != table["verdict"])).any())
        wrong += contradictions(table)
    assert not wrong
    assert parted > 3, "no world here puts the property to the test"


def test_a_word_of_the_answer_is_one_of_the_table() -> None:
    """One column differs, and nine of its family do not: by Holm over two questions it is shown, by its family's q it is not."""
    prompts = 40
    lost, alike = np.where(np.arange(prompts) < 7, 0.0, 1.0), np.where(np.arange(prompts) % 9 == 4, 0.9, 1.0)
    columns = ("exact", "exact_case", "recall", "precision", "f1", "ned", "ned_case", "anytext_ned", "oneig_cr")
    parts = [
        pd.DataFrame({"run": run, "metric": f"ocr.{name}", "prompt_id": [f"p{i}" for i in range(prompts)],
                      "value": (lost if run == "b" else np.ones(prompts)) if name == "exact" else alike if run == "b" else alike[::-1]})
        for name in columns for run in "ab"
    ]  # fmt: skip
    frame = pd.concat(parts, ignore_index=True).assign(
        status="ok", unit="share", higher_is_better=True, request_id="r", reason=None, detail="{}", cause=None, fingerprint="f",
        worst=math.nan,
    )  # fmt: skip
    row = pairwise.table(frame, {"a": {}, "b": {}}, {}).set_index("metric").loc["ocr.exact"]
    assert row["p_answer"] <= 0.05 < row["q"]
    assert (row["answer"], row["verdict"]) == (LEVEL, LEVEL)


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
        ([("scene", "pro", "dev", FEW)], TooFew(10, 2, ("scene",))),
        ([("scene", "pro", "dev", LEVEL)], Tie(("pro", "dev"), (("pro", "dev"),), ("scene",), missing=("fast",))),
        (
            [("scene", "pro", "dev", LEVEL), ("scene", "pro", "fast", "better"), ("clip", "dev", "fast", "better")],
            Tie(("pro", "dev"), (("pro", "dev"),), ("scene",), behind=("fast",), behind_on=("scene", "clip")),
        ),
        (
            [
                ("scene", "pro", "dev", "better"),
                ("clip", "pro", "dev", "worse"),
                ("scene", "pro", "fast", "better"),
                ("clip", "dev", "fast", "better"),
            ],
            Mixed({"pro": ("scene",), "dev": ("clip",)}),
        ),
        (
            [
                ("scene", "pro", "dev", "better"),
                ("clip", "pro", "dev", "better"),
                ("scene", "dev", "fast", "better"),
                ("clip", "pro", "fast", LEVEL),
            ],
            Leader("pro", {("scene", "clip"): ["dev"]}, level=("fast",), level_on=("clip",)),
        ),
        ([("scene", "dev", "pro", "worse")], Leader("pro", {("scene",): ["dev"]}, apart=("fast",))),
    ],
)
def test_who_leads_is_decided_before_it_is_worded(pairs: Sequence[tuple[Any, ...]], decision: object) -> None:
    assert decide(tables(pairs)["pairwise"], ("pro", "dev", "fast")) == decision
