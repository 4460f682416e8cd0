"""Which differences between two runs are real: a row a pair and metric, corrected for how many were asked."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import sets as whole_sets
from bench.analysis import slowdown, votes
from bench.analysis.columns import EARLIER_CARDS, score_ends, without_worst
from bench.analysis.comparable import not_comparable_reason
from bench.analysis.ratios import ratio_parts

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from bench.analysis.columns import Cards
    from bench.types import Column

COLUMNS = ("metric", "a", "b", "unit", "higher_is_better", "n", "mean_a", "mean_b", "difference", "low", "high", "cliff", "effect",
           "win", "tie", "loss", "p", "q", "verdict", "p_answer", "answer", "detectable", "more", "carried_by", "reason")  # fmt: skip
ALPHA = 0.05
"""The false discovery rate at which a difference of a table counts as shown, and the error rate of an answer's words."""
BETTER, WORSE, LEVEL, FEW, UNLIKE = "better", "worse", "no difference shown", "too few prompts", "not comparable"
SESSIONS = "too few sessions"
TURNED = {BETTER: WORSE, WORSE: BETTER}
"""A verdict on a as one on b; the others are the same both ways."""


class _Values(NamedTuple):
    """What two runs have of a column.

    Attributes:
        a, b: labels.
        sides: float (n, 2), whose means are the figures of the runs.
        reason: why they cannot be compared; None where they can.
        extremes: see ``bench.stats.extremes``.
        prompts: the prompt of each line of ``sides``; () where a line is a group of them.
        people: of votes, the chance in the difference if other people voted; None where these are all it speaks of.
    """

    a: str
    b: str
    sides: np.ndarray
    reason: str | None = None
    extremes: stats.Extremes | None = None
    prompts: tuple[str, ...] = ()
    people: stats.Crossed | None = None


@dataclass(frozen=True)
class PairResult:
    """One column of two runs, as seen from a: a row of the frame, before it is judged beside the others.

    Attributes:
        metric, a, b: the column and the labels of the runs.
        unit, higher_is_better: of the column.
        n: prompts that count, or groups of them.
        reason: why they cannot be compared; None where they can.
        mean_a, mean_b, difference, low, high: means over what counts, and of a - b with its 95 % interval.
        cliff, effect, win, tie, loss: how the prompts lie, positive and won where a is better.
        p: of the test.
        sd: standard deviation of the differences.
        scale: how far the two pairs that the interval reckons with lie from 0; 0 where there are none.
        even: whether all that differ do so by one size, as yes and no do.
        timed: whether n counts sessions, of the run with fewer.
        carried_by: the prompt that makes half of the difference or more; None where no single one does.
        by_people: whether other people are a source of chance besides, which more prompts do not lessen.
    """

    metric: str
    a: str
    b: str
    unit: str
    higher_is_better: bool
    n: int
    reason: str | None = None
    mean_a: float = math.nan
    mean_b: float = math.nan
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    cliff: float = math.nan
    effect: float = math.nan
    win: float = math.nan
    tie: float = math.nan
    loss: float = math.nan
    p: float = math.nan
    sd: float = math.nan
    scale: float = 0.0
    even: bool = False
    timed: bool = False
    carried_by: str | None = None
    by_people: bool = False

    def tested(self, line: _Values, test: stats.Paired) -> PairResult:
        """With what the paired values of a and b say."""
        values = line.sides
        sign = 1.0 if self.higher_is_better else -1.0
        win, loss = (test.wins, test.losses) if self.higher_is_better else (test.losses, test.wins)
        difference = without_worst(votes.widened(test.difference, line.people, (-1.0, 1.0)), self.unit)
        p = test.p if line.people is None else max(test.p, line.people.p(0.0))
        sd = test.sd if line.people is None else line.people.error * math.sqrt(self.n)
        return replace(
            self, mean_a=float(values[:, 0].mean()), mean_b=float(values[:, 1].mean()), difference=difference.value,
            low=difference.low, high=difference.high, cliff=sign * test.cliff, effect=sign * test.effect,
            win=win, tie=test.ties, loss=loss, p=p, sd=sd,
            scale=line.extremes.high if line.extremes and line.extremes.added else 0.0, even=test.even, by_people=line.people is not None,
            carried_by=line.prompts[test.carrier] if test.carrier is not None and line.prompts else None,
        )  # fmt: skip


def table(
    scores: pd.DataFrame,
    infos: Mapping[str, Mapping[str, Any]],
    timed: Mapping[str, pd.DataFrame],
    duels: pd.DataFrame | None = None,
    cards: Cards = EARLIER_CARDS,
) -> pd.DataFrame:
    """The frame ``pairwise`` of all runs that are no ceiling, over every metric of pictures that has a better end, and of sets.

    Seeds are averaged within a prompt, and only prompts that both runs have count. ``difference`` is that of the figures
    that ``summary`` prints (means, or micro averages), over these prompts, with its 95 % interval; ``p`` that of the sign-flip
    test, ``q`` the same after Benjamini and Hochberg within the family of the column (``Cards.family``). A set's
    difference and ``p`` come from its resampled halves. ``verdict`` speaks of a: "better" or "worse" where q <= 0.05 and the
    interval leaves out 0, "too few prompts" where the test cannot reach that level with so many, "not comparable" with a
    ``reason``, else "no difference shown". Latencies are compared by sessions (``bench.analysis.slowdown.compare``): "too few
    sessions" below five, "not comparable" where runs took no turns, ``n`` counts sessions, means are geometric, p is Student's.
    What people prefer comes from the votes on the two runs alone: a picture's own points depend on the rivals it met. Of three
    people or more, the interval and p also hold the chance of other people.

    ``p_answer`` is p after Holm over the questions of the answer: every pair, on one column a family (``Cards.questions``),
    NaN elsewhere; ``answer`` is the verdict by it, None elsewhere. "Better" and "worse" are words of the answer only where the
    table has them too.

    ``detectable``: the difference that this many prompts would have shown with 80 % power; ``more``: how many more would
    show the one observed. Both reckon with the level at which the next difference of the family would have counted.
    ``carried_by``: the prompt that makes half of a shown difference or more.

    Args:
        scores: long form, every run and metric.
        infos: run.json of each run, by label; the order of the runs.
        timed: the pictures of each run whose times are pooled (``bench.analysis.slowdown.timed``), by label.
        duels: who beat whom in votes (``bench.analysis.votes.duels``); None without votes.
        cards: of the columns.
    """
    rivals = [run for run, info in infos.items() if not info.get("ceiling")]
    fit = scores[scores["higher_is_better"].notna() & scores["run"].isin(rivals)]
    pictures, sets = fit[fit["request_id"].notna()], fit[fit["request_id"].isna()]
    first = fit.drop_duplicates("metric")
    ends = {row["metric"]: (row["unit"], bool(row["higher_is_better"])) for row in first.to_dict("records")}
    untested: list[tuple[PairResult, _Values]] = []
    results: list[PairResult] = []
    for metric, means in prompt_means(pictures).items():
        runs = [run for run in rivals if run in means]
        if metric == "latency":
            results += _by_sessions(replace(cards[metric], unit=ends[metric][0]), means, runs, infos, timed)
            continue
        if metric == votes.METRIC:
            pairs = _by_votes(runs, duels)
        elif cards[metric].aggregate == "ratio":
            pairs = _by_words(cards[metric], pictures[pictures["metric"] == metric], runs, infos, timed)
        else:
            pairs = _by_prompt(replace(cards[metric], unit=ends[metric][0]), means, runs, infos, timed)
        untested += [(PairResult(metric, p.a, p.b, *ends[metric], len(p.sides), p.reason), p) for p in pairs]
    results += _tested(untested)
    for name, group in sets.groupby("metric", sort=False):
        if group["detail"].str.contains('"drawn"', regex=False).any():
            results += _by_halves(str(name), group, rivals, *ends[name])
    return _judged(results, cards)


def prompt_means(pictures: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each metric the means over seeds, prompts by runs, NaN where a run has none; prompts that nobody has left out."""
    ok = pictures[pictures["status"] == "ok"]
    means = ok.groupby(["metric", "prompt_id", "run"], sort=False, observed=True)["value"].mean()
    return {str(metric): group.droplevel(0).unstack("run") for metric, group in means.groupby(level=0, sort=False)}  # noqa: PD010 - a level, by name


def _by_prompt(
    column: Column,
    means: pd.DataFrame,
    runs: Sequence[str],
    infos: Mapping[str, Mapping[str, Any]],
    timed: Mapping[str, pd.DataFrame],
) -> Iterator[_Values]:
    prompts, of = np.array(list(map(str, means.index)), dtype=object), {run: means[run].to_numpy(float) for run in runs}
    for a, b in combinations(runs, 2):
        values = np.stack([of[a], of[b]], axis=1)
        kept = ~np.isnan(values).any(axis=1)
        values, names = values[kept], tuple(prompts[kept])
        why = not_comparable_reason(column, a, b, infos, timed) or (None if len(values) else "no prompt in common")
        yield _Values(a, b, values, why, _extremes(values, column.unit), names)


def _by_sessions(
    column: Column,
    means: pd.DataFrame,
    runs: Sequence[str],
    infos: Mapping[str, Mapping[str, Any]],
    timed: Mapping[str, pd.DataFrame],
) -> Iterator[PairResult]:
    """Latencies, by the mean of each session."""
    for a, b in combinations(runs, 2):
        prompts = means[[a, b]].dropna().index.tolist()
        pair = PairResult(column.name, a, b, column.unit, higher_is_better=False, n=0, timed=True)
        why = not_comparable_reason(column, a, b, infos, timed) or (None if {a, b} <= timed.keys() else "not both were timed")
        why = why or (None if prompts else "no prompt in common")
        if why:
            yield replace(pair, reason=why)
            continue
        change = slowdown.compare(timed[a], timed[b], prompts)
        value, high, low = (change.candidate * (1 / end - 1) for end in change.ratio)
        how = "repeat" if min(change.sessions) < slowdown.MIN_SESSIONS else "render both in one sweep"
        why = change.unsettled_by(a, b)
        yield replace(
            pair, n=min(change.sessions), reason=why and f"{why}; {how} with {slowdown.ROUNDS} to know", mean_a=change.baseline,
            mean_b=change.candidate, difference=value, low=low, high=high, p=change.p,
        )  # fmt: skip


def _by_words(
    column: Column,
    rows: pd.DataFrame,
    runs: Sequence[str],
    infos: Mapping[str, Mapping[str, Any]],
    timed: Mapping[str, pd.DataFrame],
) -> Iterator[_Values]:
    """A micro average: a prompt counts by its hits over the mean number of words asked, so that means are the averages printed."""
    ok = rows[rows["status"] == "ok"]
    hits, asked = ratio_parts(ok["detail"])
    hit, words = (
        pd.Series(parts, index=pd.MultiIndex.from_frame(ok[["prompt_id", "run"]])).groupby(level=[0, 1], sort=False).mean().unstack("run")  # noqa: PD010 - a level, by name
        for parts in (hits, asked)
    )
    for a, b in combinations(runs, 2):
        prompts = hit[[a, b]].dropna().index
        of_hits, of_asked = (part.loc[prompts, [a, b]].to_numpy(float) for part in (hit, words))
        why = not_comparable_reason(column, a, b, infos, timed) or (None if len(prompts) else "no prompt in common")
        near = _extremes(of_hits / np.maximum(of_asked, 1e-300), "share")
        yield _Values(a, b, of_hits / of_asked.mean(0) if len(prompts) else of_hits, why, near, tuple(map(str, prompts)))


def _extremes(values: np.ndarray, unit: str) -> stats.Extremes | None:
    return stats.extremes(values[:, 0], values[:, 1], score_ends(unit, values)) if len(values) else None


def _by_votes(runs: Sequence[str], duels: pd.DataFrame | None) -> Iterator[_Values]:
    met = {} if duels is None else dict(iter(duels.groupby(["a", "b"], sort=False)))
    for a, b in combinations(runs, 2):
        found = met.get((a, b))
        if found is None:
            yield _Values(a, b, np.empty((0, 2)), "never voted against each other")
            continue
        of_a = (found["points"] * found["weight"]).groupby(found["prompt_id"], sort=False).sum()
        values = np.stack([of_a, 1 - of_a], axis=1)
        people = votes.chance(found.assign(points=2 * found["points"] - 1), (-1.0, 1.0))
        yield _Values(a, b, values, None, _extremes(values, "share"), tuple(map(str, of_a.index)), people)


def _tested(pairs: Sequence[tuple[PairResult, _Values]]) -> list[PairResult]:
    """With what the prompts say, where they may."""
    able = [i for i, (pair, _) in enumerate(pairs) if pair.reason is None]
    lines = [pairs[i][1] for i in able]
    tests = stats.paired_many([(line.sides[:, 0], line.sides[:, 1]) for line in lines], extremes=[line.extremes for line in lines])
    results = [pair for pair, _ in pairs]
    for i, line, test in zip(able, lines, tests, strict=True):
        results[i] = results[i].tested(line, test)
    return results


def _by_halves(metric: str, group: pd.DataFrame, rivals: Sequence[str], unit: str, higher: bool) -> list[PairResult]:  # noqa: FBT001 - as a row has them
    """Differences of a whole set's figure, where both runs were resampled by the same pictures of the same prompts."""
    figures = {row["run"]: (float(row["value"]), json.loads(row["detail"])) for row in group[group["status"] == "ok"].to_dict("records")}
    results = []
    for a, b in combinations([run for run in rivals if run in figures], 2):
        (value_a, detail_a), (value_b, detail_b) = figures[a], figures[b]
        n = min(int(detail.get("prompts", detail.get("n", 0))) for detail in (detail_a, detail_b))
        pair = PairResult(metric, a, b, unit, higher, n, mean_a=value_a, mean_b=value_b)
        why = whole_sets.not_comparable_reason(metric, (detail_a, detail_b))
        if why:
            results.append(replace(pair, reason=why))
            continue
        halves = np.asarray(detail_a["draws"], dtype=float), np.asarray(detail_b["draws"], dtype=float)
        difference, p = stats.resampled_difference(value_a, value_b, *halves, n)
        sd = float(np.std(halves[0] - halves[1], ddof=1)) * math.sqrt(n)
        results.append(replace(pair, difference=difference.value, low=difference.low, high=difference.high, p=p, sd=sd))
    return results


def _judged(results: Sequence[PairResult], cards: Cards) -> pd.DataFrame:
    """The frame, with q, verdicts, the detectable difference and the prompts that are missing."""
    table = pd.DataFrame(results, columns=[field.name for field in fields(PairResult)])
    numbers = [field.name for field in fields(PairResult) if field.type == "float"]
    table[numbers] = table[numbers].astype(float)
    table["q"], table["detectable"], table["more"], table["verdict"] = math.nan, math.nan, math.nan, LEVEL
    families = table["metric"].map({metric: cards.family(metric) for metric in table["metric"].unique()})
    for _, family in table.groupby(families, sort=False):
        able = family["p"].notna() & (family["n"] >= _min_units(family))
        table.loc[family.index, "q"] = stats.adjust(family["p"].where(able).to_numpy(float))
        level = ALPHA * min(1.0, (int(table.loc[family.index, "q"].le(ALPHA).sum()) + 1) / max(1, int(able.sum())))
        table.loc[family.index, "verdict"] = _verdicts(table.loc[family.index], table.loc[family.index, "q"], level)
        _plan(table, family.index, level)
    asked = table["metric"].isin(cards.questions(table.loc[table["p"].notna(), "metric"]))
    able = asked & table["p"].notna() & (table["n"] >= _min_units(table))
    table["p_answer"] = stats.holm(table["p"].where(able).to_numpy(float))
    answer = _verdicts(table, table["p_answer"], ALPHA / max(1, int(able.sum())))
    softer = ~table["verdict"].isin([BETTER, WORSE]) & (answer != FEW)
    table["answer"] = answer.mask(softer, table["verdict"]).where(asked, None)
    table["carried_by"] = table["carried_by"].where(table["verdict"].isin([BETTER, WORSE]), None)
    return table[list(COLUMNS)]


def _min_units(table: pd.DataFrame) -> np.ndarray:
    """The fewest prompts, or sessions, of which there is a verdict."""
    return np.where(table["timed"].astype(bool), slowdown.MIN_SESSIONS, stats.MIN_PROMPTS)


def _verdicts(table: pd.DataFrame, adjusted: pd.Series[float], level: float) -> pd.Series[str]:
    """What is said of each row: ``adjusted`` is its corrected p, ``level`` what its own p would have to reach."""
    lead = table["difference"] * np.where(table["higher_is_better"].astype(bool), 1.0, -1.0)
    shown = adjusted.le(ALPHA) & ((table["low"] > 0) | (table["high"] < 0))
    fewest = np.where(table["even"].astype(bool), stats.fewest_differing(level, even=True), stats.fewest_differing(level))
    few = (table["n"] < _min_units(table)) | (table["win"].notna() & (table["n"] < fewest))
    short = table["timed"].astype(bool) & table["difference"].notna() & few
    words = np.select(
        [short, table["reason"].notna(), shown & (lead > 0), shown & (lead < 0), few], [SESSIONS, UNLIKE, BETTER, WORSE, FEW], LEVEL
    )
    return pd.Series(words, index=table.index, dtype=object)


def _plan(table: pd.DataFrame, rows: pd.Index[int], level: float) -> None:
    """Fill in the difference that could have been shown, and the prompts that would show the one observed."""
    table.loc[rows, "detectable"] = [_detectable(row, level) for row in table.loc[rows].to_dict("records")]
    table.loc[rows, "more"] = [_missing(row, level) for row in table.loc[rows].to_dict("records")]


def _detectable(row: Mapping[Hashable, Any], level: float) -> float:
    """The difference that so many prompts show, which its interval leaves out 0 with; NaN where there is none."""
    found = stats.detectable(row["sd"], row["n"], alpha=level, scale=row["scale"])
    if row["even"] and not row["by_people"] and row["sd"] > 0:
        share, n = row["win"] + row["loss"], row["n"]
        size = math.sqrt((row["sd"] ** 2 * (n - 1) / n + row["difference"] ** 2) / share)
        shown = size * stats.detectable_yes_no(round(share, 12), n, alpha=level)
        found = stats.beyond_pairs(row["sd"], n, row["scale"]) if row["scale"] > 0 else 0.0
        found = max(found, shown) if shown > 0 else math.nan
    half = (row["high"] - row["low"]) / 2
    return max(found, half) if half > 0 else found


def _missing(row: Mapping[Hashable, Any], level: float) -> float:
    """Prompts that would show the difference observed, less those there are; NaN where none would or none is needed."""
    spread = row["sd"] > 0 or (row["sd"] == 0 and row["scale"] > 0)
    if row["verdict"] not in {LEVEL, FEW} or row["by_people"] or not spread or row["n"] < 2:
        return math.nan
    if row["even"]:
        needed = stats.needed_yes_no(row["win"] - row["loss"], 1 - row["tie"], alpha=level)
    else:
        needed = stats.needed(row["difference"], row["sd"], alpha=level)
    if row["scale"] > 0:
        needed = max(needed, stats.needed_beyond(row["difference"], row["sd"], row["scale"]))
    return needed - row["n"] if 0 < needed - row["n"] < math.inf else math.nan
