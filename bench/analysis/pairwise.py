"""Which differences between two runs are real: a row a pair and metric, corrected for how many were asked."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import sets as whole_sets
from bench.analysis import slowdown, votes
from bench.analysis.columns import EARLIER_CARDS
from bench.analysis.comparable import not_comparable_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.analysis.columns import Cards
    from bench.types import Column

COLUMNS = ("metric", "a", "b", "unit", "higher_is_better", "n", "mean_a", "mean_b", "difference", "low", "high", "cliff", "effect",
           "win", "tie", "loss", "p", "q", "verdict", "detectable", "more", "reason")  # fmt: skip
ALPHA = 0.05
"""The false discovery rate at which a difference counts as shown."""
BETTER, WORSE, LEVEL, FEW, UNLIKE = "better", "worse", "no difference shown", "too few prompts", "not comparable"
TURNED = {BETTER: WORSE, WORSE: BETTER}
"""A verdict on a as one on b; the others are the same both ways."""

_Pair = tuple[str, str, np.ndarray, str | None]
"""Labels of two runs, the values (n, 2) of what both have, and why they cannot be compared."""


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

    def tested(self, values: np.ndarray, test: stats.Paired) -> PairResult:
        """With what the paired values (n, 2) of a and b say."""
        sign = 1.0 if self.higher_is_better else -1.0
        win, loss = (test.wins, test.losses) if self.higher_is_better else (test.losses, test.wins)
        return replace(
            self, mean_a=float(values[:, 0].mean()), mean_b=float(values[:, 1].mean()), difference=test.difference.value,
            low=test.difference.low, high=test.difference.high, cliff=sign * test.cliff, effect=sign * test.effect,
            win=win, tie=test.ties, loss=loss, p=test.p, sd=test.sd,
        )  # fmt: skip


def table(
    scores: pd.DataFrame,
    infos: Mapping[str, Mapping[str, Any]],
    timed: Mapping[str, pd.DataFrame],
    duels: pd.DataFrame | None = None,
    cards: Cards = EARLIER_CARDS,
) -> pd.DataFrame:
    """The frame ``pairwise`` of all runs that are no ceiling, over every metric of pictures that has a better end, and of sets.

    Seeds are averaged within a prompt, and only prompts that both runs have count. ``difference`` is the mean of a - b
    with its 95 % interval, ``p`` that of the sign-flip test, ``q`` the same after Benjamini and Hochberg over the whole
    table. A set's difference and ``p`` come from its resampled halves. ``verdict`` speaks of a: "better" or "worse" where
    q <= 0.05, "too few prompts" below ``bench.stats.MIN_PROMPTS``, "not comparable" with a ``reason``, else "no difference shown".
    What people prefer comes from the votes on the two runs alone: a picture's own points depend on the rivals it met.

    ``detectable``: the difference that this many prompts would have shown with 80 % power; ``more``: how many more would
    show the one observed. Both reckon with the level at which the next difference of the table would have counted.

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
    untested: list[tuple[PairResult, np.ndarray]] = []
    for metric, means in prompt_means(pictures).items():
        runs = [run for run in rivals if run in means]
        pairs = _by_votes(runs, duels) if metric == votes.METRIC else _by_prompt(cards[metric], means, runs, infos, timed)
        untested += [(PairResult(metric, a, b, *ends[metric], len(values), reason), values) for a, b, values, reason in pairs]
    results = _tested(untested)
    for name, group in sets.groupby("metric", sort=False):
        if group["detail"].str.contains('"drawn"', regex=False).any():
            results += _by_halves(str(name), group, rivals, *ends[name])
    return _judged(results)


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
) -> Iterator[_Pair]:
    for a, b in combinations(runs, 2):
        both = means[[a, b]].dropna()
        why = not_comparable_reason(column, a, b, infos, timed) or (None if len(both) else "no prompt in common")
        if column.name == "latency" and why is None and {a, b} <= timed.keys():
            both = both.groupby(slowdown.resampling_units(timed[a], timed[b], both.index.tolist())).mean()
        yield a, b, both.to_numpy(float), why


def _by_votes(runs: Sequence[str], duels: pd.DataFrame | None) -> Iterator[_Pair]:
    points = {} if duels is None else {pair: group.to_numpy(float) for pair, group in duels.groupby(["a", "b"])["points"]}
    for a, b in combinations(runs, 2):
        of_a = points.get((a, b), np.empty(0))
        yield a, b, np.stack([of_a, 1 - of_a], axis=1), None if len(of_a) else "never voted against each other"


def _tested(pairs: Sequence[tuple[PairResult, np.ndarray]]) -> list[PairResult]:
    """With what the prompts say, where they may."""
    able = [i for i, (pair, _) in enumerate(pairs) if pair.reason is None]
    sides = [(pairs[i][1][:, 0], pairs[i][1][:, 1]) for i in able]
    tests = stats.paired_many(sides, proportions=[pairs[i][0].unit == "share" for i in able])
    results = [pair for pair, _ in pairs]
    for i, test in zip(able, tests, strict=True):
        results[i] = results[i].tested(pairs[i][1], test)
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


def _judged(results: Sequence[PairResult]) -> pd.DataFrame:
    """The frame, with q, verdict, the detectable difference and the prompts that are missing."""
    table = pd.DataFrame(results, columns=[field.name for field in fields(PairResult)])
    numbers = [field.name for field in fields(PairResult) if field.type == "float"]
    table[numbers] = table[numbers].astype(float)
    able = table["p"].notna() & (table["n"] >= stats.MIN_PROMPTS)
    table["q"] = stats.adjust(table["p"].where(able).to_numpy(float))
    lead = table["difference"] * np.where(table["higher_is_better"].astype(bool), 1.0, -1.0)
    shown = table["q"].le(ALPHA)
    table["verdict"] = np.select(
        [table["reason"].notna(), table["n"] < stats.MIN_PROMPTS, shown & (lead > 0), shown & (lead < 0)],
        [UNLIKE, FEW, BETTER, WORSE],
        LEVEL,
    )
    level = ALPHA * min(1.0, (shown.sum() + 1) / max(1, int(able.sum())))
    table["detectable"], table["more"] = math.nan, math.nan
    for i in table.index[(table["sd"] > 0) & (table["n"] >= 2)]:
        row = table.loc[i]
        table.loc[i, "detectable"] = stats.detectable(row["sd"], row["n"], alpha=level)
        missing = stats.needed(row["difference"], row["sd"], alpha=level) - row["n"]
        if row["verdict"] in {LEVEL, FEW} and 0 < missing < math.inf:
            table.loc[i, "more"] = missing
    return table[list(COLUMNS)]
