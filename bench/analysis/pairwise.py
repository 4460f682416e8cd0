"""Which differences between two runs are real: a row a pair and metric, corrected for how many were asked."""

from __future__ import annotations

import json
import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import slowdown, votes
from bench.analysis.columns import KNOWN
from bench.analysis.comparable import not_comparable_reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.analysis.columns import Cards
    from bench.types import Column

COLUMNS = ("metric", "a", "b", "unit", "higher_is_better", "n", "mean_a", "mean_b", "difference", "low", "high", "cliff", "effect",
           "win", "tie", "loss", "p", "q", "verdict", "detectable", "more", "reason")  # fmt: skip
ALPHA = 0.05
"""The false discovery rate at which a difference counts as shown."""
BETTER, WORSE, LEVEL, FEW, UNLIKE = "better", "worse", "no difference shown", "too few prompts", "not comparable"


def table(
    scores: pd.DataFrame,
    infos: Mapping[str, Mapping[str, Any]],
    timed: Mapping[str, pd.DataFrame],
    duels: pd.DataFrame | None = None,
    cards: Cards = KNOWN,
) -> pd.DataFrame:
    """The frame ``pairwise`` of all runs that are no ceiling, over every metric of pictures that has a better end, and of sets.

    Seeds are averaged within a prompt, and only prompts that both runs have count. ``difference`` is the mean of a - b
    with its 95 % interval, ``p`` that of the sign-flip test, ``q`` the same after Benjamini and Hochberg over the whole
    table. A set's difference and ``p`` come from its resampled halves. ``verdict`` speaks of a: "better" or "worse" where
    q <= 0.05, "too few prompts" below ``bench.stats.paired.LEAST``, "not comparable" with a ``reason``, else "no difference shown".
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
    about = fit.drop_duplicates("metric").set_index("metric")
    rows: list[dict[str, Any]] = []
    means = prompt_means(pictures)
    for metric in means:
        if metric == votes.METRIC:
            rows += _by_votes([run for run in rivals if run in means[metric]], duels)
        else:
            rows += _by_prompt(cards[metric], means[metric], rivals, infos, timed)
    _test(rows, set(about.index[about["unit"] == "share"]))
    for name, group in sets.groupby("metric", sort=False):
        if group["detail"].str.contains('"drawn"', regex=False).any():
            rows += _by_halves(str(name), group, rivals)
    for row in rows:
        row["unit"], row["higher_is_better"] = about.loc[row["metric"], "unit"], bool(about.loc[row["metric"], "higher_is_better"])
    found = pd.DataFrame(rows, columns=[*COLUMNS, "sd"])
    numbers = [str(c) for c in found if c not in {"metric", "a", "b", "unit", "higher_is_better", "n", "verdict", "reason"}]
    found[numbers] = found[numbers].astype(float)
    return _judged(found).drop(columns="sd")


def prompt_means(pictures: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each metric the means over seeds, prompts by runs, NaN where a run has none; prompts that nobody has left out."""
    ok = pictures[pictures["status"] == "ok"]
    means = ok.groupby(["metric", "prompt_id", "run"], sort=False, observed=True)["value"].mean()
    return {str(metric): group.droplevel(0).unstack("run") for metric, group in means.groupby(level=0, sort=False)}  # noqa: PD010 - a level, by name


def _by_prompt(
    column: Column,
    means: pd.DataFrame,
    rivals: Sequence[str],
    infos: Mapping[str, Mapping[str, Any]],
    timed: Mapping[str, pd.DataFrame],
) -> list[dict[str, Any]]:
    rows, metric = [], column.name
    for a, b in combinations([run for run in rivals if run in means], 2):
        both = means[[a, b]].dropna()
        why = not_comparable_reason(column, a, b, infos, timed) or (None if len(both) else "no prompt in common")
        if metric == "latency" and why is None and {a, b} <= timed.keys():
            both = both.groupby(slowdown.resampling_units(timed[a], timed[b], both.index.tolist())).mean()
        rows.append({"metric": metric, "a": a, "b": b, "n": len(both), "reason": why, "values": both.to_numpy(float)})
    return rows


def _by_votes(runs: Sequence[str], duels: pd.DataFrame | None) -> list[dict[str, Any]]:
    points = {} if duels is None else {pair: group.to_numpy(float) for pair, group in duels.groupby(["a", "b"])["points"]}
    rows = []
    for a, b in combinations(runs, 2):
        mine = points.get((a, b), np.empty(0))
        why = None if len(mine) else "never voted against each other"
        values = np.stack([mine, 1 - mine], axis=1)
        rows.append({"metric": votes.METRIC, "a": a, "b": b, "n": len(mine), "reason": why, "values": values})
    return rows


def _test(rows: list[dict[str, Any]], shares: set[str]) -> None:
    """Fill in what the prompts say, where they may; ``shares``: the metrics that are shares."""
    able = [row for row in rows if row["reason"] is None]
    sides = [(row["values"][:, 0], row["values"][:, 1]) for row in able]
    for row, found in zip(able, stats.paired_many(sides, proportions=[row["metric"] in shares for row in able]), strict=True):
        row |= {
            "mean_a": row["values"][:, 0].mean(), "mean_b": row["values"][:, 1].mean(), "difference": found.difference.value,
            "low": found.difference.low, "high": found.difference.high, "cliff": found.cliff, "effect": found.effect,
            "win": found.wins, "tie": found.ties, "loss": found.losses, "p": found.p, "sd": found.sd,
        }  # fmt: skip


def _by_halves(metric: str, group: pd.DataFrame, rivals: Sequence[str]) -> list[dict[str, Any]]:
    """Differences of a whole set's figure, where both runs were resampled by the same prompts."""
    held = {row["run"]: (float(row["value"]), json.loads(row["detail"])) for row in group[group["status"] == "ok"].to_dict("records")}
    rows: list[dict[str, Any]] = []
    for a, b in combinations([run for run in rivals if run in held], 2):
        (value_a, one), (value_b, other) = held[a], held[b]
        row: dict[str, Any] = {"metric": metric, "a": a, "b": b, "n": min(int(d.get("prompts", d.get("n", 0))) for d in (one, other))}
        row |= {"mean_a": value_a, "mean_b": value_b}
        if one.get("drawn") is None or one.get("drawn") != other.get("drawn"):
            why = one.get("undrawn") or other.get("undrawn") or "not resampled by the same prompts"
            rows.append(row | {"reason": why})
            continue
        halves = np.asarray(one["draws"], dtype=float), np.asarray(other["draws"], dtype=float)
        difference, p = stats.resampled_difference(value_a, value_b, *halves, row["n"])
        sd = float(np.std(halves[0] - halves[1], ddof=1)) * math.sqrt(row["n"])
        row |= {"difference": difference.value, "low": difference.low, "high": difference.high, "p": p, "sd": sd, "reason": None}
        rows.append(row)
    return rows


def _judged(found: pd.DataFrame) -> pd.DataFrame:
    """With q, verdict, the detectable difference and the prompts that are missing."""
    able = found["p"].notna() & (found["n"] >= stats.MIN_PROMPTS)
    found["q"] = stats.adjust(found["p"].where(able).to_numpy(float))
    sign = np.where(found["higher_is_better"].astype(bool), 1.0, -1.0)
    lead = found["difference"] * sign
    swap = sign < 0
    found.loc[swap, ["win", "loss"]] = found.loc[swap, ["loss", "win"]].to_numpy()
    found[["cliff", "effect"]] = found[["cliff", "effect"]].mul(sign, axis=0)
    shown = found["q"].le(ALPHA)
    found["verdict"] = np.select(
        [found["reason"].notna(), found["n"] < stats.MIN_PROMPTS, shown & (lead > 0), shown & (lead < 0)],
        [UNLIKE, FEW, BETTER, WORSE],
        LEVEL,
    )
    level = ALPHA * min(1.0, (shown.sum() + 1) / max(1, int(able.sum())))
    found["detectable"], found["more"] = math.nan, math.nan
    for i in found.index[(found["sd"] > 0) & (found["n"] >= 2)]:
        row = found.loc[i]
        found.loc[i, "detectable"] = stats.detectable(row["sd"], row["n"], alpha=level)
        wanted = stats.needed(row["difference"], row["sd"], alpha=level) - row["n"]
        if row["verdict"] in {LEVEL, FEW} and 0 < wanted < math.inf:
            found.loc[i, "more"] = wanted
    return found
