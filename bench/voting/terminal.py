"""The results of voting, as tables for a terminal."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.table import Table

from bench import stats
from bench.analysis import votes as tally
from bench.analysis.columns import Cards
from bench.core.fingerprint import difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from bench.store import Run, Vote

_MAX_METRICS = 12
"""Rows of the table of metrics; the report has all."""


def ranking_table(rows: Sequence[Mapping[str, Any]]) -> Table | str:
    """The ranking (``bench.analysis.votes.ranked``) as a table; a sentence where there are no votes."""
    if not rows:
        return "no votes yet"
    table = _table(f"human preference, {sum(r['wins'] + r['ties'] + r['losses'] for r in rows) // 2} votes on {rows[0]['n']} prompts")
    parts = len({row["group"] for row in rows}) > 1
    _columns(table, *(["group"] if parts else []), "rank", "run", "points", "strength", "95 %", "won", "tied", "lost")
    for row in rows:
        span = "" if row["rank_low"] == row["rank_high"] else f" ({row['rank_low']:.0f}-{row['rank_high']:.0f})"
        group = [f"{row['group']:.0f}"] if parts else []
        table.add_row(
            *group, f"{row['rank']:.0f}{span}", str(row["run"]), _percent(row["share"]), f"{row['strength']:+.2f}",
            f"{row['low']:+.2f} to {row['high']:+.2f}", str(row["wins"]), str(row["ties"]), str(row["losses"]),
        )  # fmt: skip
    return table


def print_summary(votes: Sequence[Vote], labels: Mapping[str, Run], console: Console) -> None:
    """Print the ranking, each pair of runs, how each rater votes, and which metrics predict people."""
    table = tally.votes_frame(votes, labels, tally.pictures(labels))
    counted = table[table["status"] == tally.COUNTED]
    order = tally.ranked(votes, labels)
    console.print(ranking_table(order))
    for sentence in (tally.of_whom(counted), tally.never_met(pd.DataFrame(order, columns=list(tally.RANKING)))):
        if sentence:
            console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    changed = len(table) - len(counted)
    if changed:
        console.print(f"{changed} more votes do not count: a picture was rendered again since", highlight=False)
    if counted.empty:
        return
    console.print(_pairs(counted, list(labels)))
    console.print(_raters(counted))
    scores, unlike = _scores(labels)
    cards = Cards([run.info().get("columns", {}) for run in labels.values()], scores)
    agreement = tally.agreement(counted, scores, cards.timed(scores["metric"]))
    console.print(_agreement(agreement[agreement["kind"] == "metric"]))
    for metric in unlike:
        console.print(f"{metric} was scored with other settings in some of these runs and is left out", highlight=False, markup=False)
    raters = agreement[agreement["kind"] == "raters"].iloc[0]
    if raters["n"]:
        share = f"{_percent(raters['share'])} ({_span(raters['low'], raters['high'])})"
        sentence = f"two people chose alike in {share} of {raters['n']} cases; Krippendorff's alpha {raters['alpha']:.2f}"
    else:
        sentence = f"agreement between people: {raters['reason']}"
    console.print(sentence, highlight=False, soft_wrap=True)


def _pairs(counted: pd.DataFrame, labels: Sequence[str]) -> Table:
    table = _table(f"two by two; points of the first, 95 % over prompts and, of {stats.MIN_PEOPLE} people or more, over people")
    _columns(table, "first", "second", "people", "votes", "won", "tied", "bad", "lost", "points", "95 %")
    for first, second in combinations(labels, 2):
        straight = counted[(counted["a"] == first) & (counted["b"] == second)]
        swapped = counted[(counted["a"] == second) & (counted["b"] == first)]
        choices = pd.concat([straight["choice"], swapped["choice"].replace({"a": "b", "b": "a"})])
        if choices.empty:
            continue
        met = pd.concat([straight, swapped])
        share, low, high = tally.share(tally.duels(met, labels))
        numbers = choices.value_counts()
        counts = [str(int(numbers.get(choice, 0))) for choice in ("a", "tie", "bad", "b")]
        table.add_row(first, second, str(met["rater"].nunique()), str(len(choices)), *counts, _percent(share), _span(low, high))
    return table


def _raters(counted: pd.DataFrame) -> Table:
    table = _table("people; left: share of decided votes for the left picture")
    _columns(table, "rater", "votes", "left", "undecided", "seconds a vote")
    for rater, votes in counted.groupby("rater"):
        decided = votes[votes["choice"].isin(["a", "b"])]
        left = _percent((decided["choice"] == decided["left"]).mean()) if len(decided) else "–"
        pace = votes["seconds"].median()
        shown = "–" if math.isnan(pace) else f"{pace:.1f}"
        table.add_row(str(rater), str(len(votes)), left, _percent(1 - len(decided) / len(votes)), shown)
    return table


def _agreement(metrics: pd.DataFrame) -> Table:
    """Metrics that prefer one of two pictures; of columns of one metric with the same preferences, only the first."""
    table = _table("which metric predicts people; share of decided votes for the better score, chance is 50 %")
    _columns(table, "metric", "agrees", "95 %", "votes", "scored alike", "not scored")
    family = metrics["metric"].str.split(".").str[0]
    repeated = metrics.assign(family=family).duplicated(["family", "share", "low", "n", "ties", "missing"])
    for row in metrics[(metrics["n"] > 0) & ~repeated].head(_MAX_METRICS).to_dict("records"):
        counts = (str(row[column]) for column in ("n", "ties", "missing"))
        table.add_row(str(row["metric"]), _percent(row["share"]), _span(row["low"], row["high"]), *counts)
    return table


def _scores(labels: Mapping[str, Run]) -> tuple[pd.DataFrame, list[str]]:
    """The columns of frame ``scores`` that agreement needs, and the metrics left out because the runs' settings differ."""
    columns = ["metric", "value", "status", "unit", "higher_is_better", "request_id", "prompt_id", "fingerprint"]
    rows = [{"run": label, **{c: getattr(s, c) for c in columns}} for label, run in labels.items() for s in run.scores() if s.request_id]
    table = pd.DataFrame(rows, columns=["run", *columns])
    ok = table[table["status"] == "ok"]
    unlike = [str(metric) for metric, group in ok.groupby("metric", sort=False) if difference(group["fingerprint"].unique())]
    return table[~table["metric"].isin(unlike)], unlike


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _span(low: float, high: float) -> str:
    return "–" if math.isnan(low + high) else f"{100 * max(low, 0):.0f} to {100 * min(high, 1):.0f} %"


def _columns(table: Table, *names: str) -> None:
    """Names to the left, numbers to the right; names give way where the terminal is narrow."""
    for name in names:
        word = name in {"run", "first", "second", "rater", "metric"}
        table.add_column(name, justify="left" if word else "right", no_wrap=not word, overflow="fold")
