"""One row a run and metric: mean, interval, n, coverage, and which run is shown to be best."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis.columns import EARLIER_CARDS, score_ends, score_limits, without_worst
from bench.analysis.pairwise import BETTER, SESSIONS, TURNED, UNLIKE
from bench.analysis.ratios import ratio_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.analysis.columns import Cards
    from bench.types import Column

_UNKNOWN = stats.Interval(math.nan, math.nan, math.nan)
COLUMNS = ("run", "metric", "fingerprint", "mean", "low", "high", "n", "coverage", "refused", "mean_all", "low_all", "high_all",
           "unscored", "not_applicable", "unit", "higher_is_better", "reason", "environment", "note", "ceiling")  # fmt: skip


_ALIKE = "{}: all prompts are alike and no value is the worst there can be, so that it has no interval"
_TEXTS = ("fingerprint", "status", "unit", "higher_is_better", "request_id", "prompt_id", "reason", "detail", "cause")
"""Columns of ``scores`` that are no numbers."""


def summarise(scores: pd.DataFrame, infos: Mapping[str, Mapping[str, Any]], cards: Cards = EARLIER_CARDS) -> pd.DataFrame:
    """The summary of long-form ``scores``; metrics that apply to nothing in any run are left out.

    ``mean`` is over scored pictures, seeds of a prompt first; ``n`` of them, ``coverage`` of those the metric applies to.
    ``mean_all`` (``low_all``, ``high_all``) also counts every refused picture at the metric's worst value, NaN where it
    has none or nothing was refused. An end of an interval that the pictures cannot bear is open: infinite.
    """
    parts = {name: scores[name].astype(object).where(scores[name].notna(), None).to_numpy() for name in _TEXTS}
    parts |= {name: scores[name].to_numpy(dtype=float) for name in ("value", "worst")}
    groups: Mapping[Any, Any] = scores.groupby(["run", "metric"], sort=False, observed=True).indices
    in_order = sorted(groups.items(), key=lambda group: int(group[1][0]))
    rows = [_row(str(of[0]), cards[str(of[1])], {name: part[places] for name, part in parts.items()}) for of, places in in_order]
    applies = {r["metric"] for r in rows if r["n"] or r["unscored"]}
    if "latency.mean" in applies:
        applies.discard("latency")  # the same mean once more
    rows = [{**r, "ceiling": bool(infos[r["run"]].get("ceiling"))} for r in rows if r["metric"] in applies]
    order = {run: i for i, run in enumerate(infos)}
    first = list(dict.fromkeys(r["metric"] for r in rows))
    rows.sort(key=lambda r: (cards[r["metric"]].order, first.index(r["metric"]), order[r["run"]]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(run: str, column: Column, lines: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Of the ``lines`` of a run and a column, arrays (N,) of the fields of ``scores``."""
    status, cause = lines["status"], lines["cause"]
    ok, unscored, refused = np.flatnonzero(status == "ok"), np.flatnonzero(status == "unscored"), np.flatnonzero(cause == "refused")
    whole = all(request is None for request in lines["request_id"])
    detail = json.loads(lines["detail"][ok[0]]) if len(ok) else {}
    mean, low, high = math.nan, math.nan, math.nan
    if whole and len(ok):
        mean, low, high = float(lines["value"][ok[0]]), *stored_ends(detail)
    elif len(ok):
        mean, low, high = _mean(lines, ok, column)
    worst = lines["worst"][refused]
    worst, everything = worst[~np.isnan(worst)], _UNKNOWN
    if len(worst):
        values = lines["value"].copy()
        values[refused] = np.where(np.isnan(values[refused]), worst[0], values[refused])
        everything = _mean({**lines, "value": values}, np.concatenate([ok, refused]), column)
    notes = [json.loads(text).get("note") for text in lines["detail"]] if whole else []
    if not whole and math.isnan(low) and column.aggregate != "ratio" and len(set(lines["prompt_id"][ok])) > 1:
        notes = [_ALIKE.format(column.name)]
    first = int(ok[0]) if len(ok) else 0
    return {
        "run": run, "metric": column.name, "fingerprint": lines["fingerprint"][first], "mean": mean, "low": low, "high": high,
        "n": int(detail.get("n", len(ok))) if whole else len(ok),
        "coverage": len(ok) / (len(ok) + len(unscored)) if len(ok) + len(unscored) else math.nan,
        "refused": len(refused), "mean_all": everything.value, "low_all": everything.low, "high_all": everything.high,
        "unscored": len(unscored), "not_applicable": int((status == "not_applicable").sum()), "unit": lines["unit"][first],
        "higher_is_better": lines["higher_is_better"][first], "reason": next(filter(None, lines["reason"][unscored]), None),
        "environment": detail.get("environment"), "note": next((s for s in notes if s), None),
    }  # fmt: skip


def stored_ends(detail: Mapping[str, Any]) -> tuple[float, float]:
    """The interval that a row of a whole run keeps: JSON has no infinity, so an end that is open has no number there."""
    low, high = detail.get("low"), detail.get("high")
    if not detail.get("open"):
        return (math.nan if low is None else float(low)), (math.nan if high is None else float(high))
    return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))


def _mean(lines: Mapping[str, np.ndarray], chosen: np.ndarray, column: Column) -> stats.Interval:
    """The mean of a column over prompts; of one whose authors sum over words, the ratio of what prompts have on average."""
    prompts = lines["prompt_id"][chosen].astype(str)
    if column.aggregate == "ratio":
        return stats.cluster_ratio(*ratio_parts(lines["detail"][chosen]), prompts)
    values, unit = lines["value"][chosen], str(lines["unit"][chosen[0]])
    mean = stats.cluster_mean(values, prompts, ends=score_ends(unit, values), limits=score_limits(unit))
    return without_worst(mean, unit)


def mark_best(table: pd.DataFrame, pairs: pd.DataFrame, cards: Cards = EARLIER_CARDS) -> pd.DataFrame:
    """``table`` with the columns ``best``, ``behind`` and ``compared``.

    ``best``: shown better than every rival (frame ``pairwise``); ``behind``: shown worse than the run with the top mean;
    ``compared``: there was a rival to compare with. A figure of the whole run goes by the pictures behind it
    (``Column.of``), such as the median of latencies, where its own order agrees; other percentiles are not marked.
    """
    verdicts: dict[tuple[str, str, str], str] = {}
    for row in pairs.itertuples():
        verdicts[str(row.metric), str(row.a), str(row.b)] = str(row.verdict)
        verdicts[str(row.metric), str(row.b), str(row.a)] = TURNED.get(str(row.verdict), str(row.verdict))
    marks = np.zeros((3, len(table)), dtype=bool)
    best, behind, compared = marks
    for metric, group in table.groupby("metric", sort=False):
        rivals = group[~group["ceiling"].astype(bool) & group["mean"].notna()]
        if len(rivals) < 2 or rivals["higher_is_better"].isna().any():
            continue
        order = rivals.sort_values("mean", ascending=not rivals["higher_is_better"].iloc[0])
        name, runs = cards[str(metric)].of or str(metric), order["run"].tolist()
        verdicts_on_rivals = [verdicts.get((name, runs[0], run), UNLIKE) for run in runs[1:]]
        compared[order.index] = not {UNLIKE, SESSIONS}.intersection(verdicts_on_rivals)
        behind[order.index[1:]] = [verdict == BETTER for verdict in verdicts_on_rivals]
        best[order.index] = [all(verdicts.get((name, run, rival)) == BETTER for rival in runs if rival != run) for run in runs]
        if name != metric:
            alone = int(order["mean"].iloc[0] != order["mean"].iloc[1])
            best[order.index[alone:]] = False
    return table.assign(best=best, behind=behind, compared=compared)
