"""Each model against each other: matrices of verdicts, what is not settled, the ranking, and which metric predicts people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report import sections, wording
from bench.report.pairwise import BETTER, FEW, LEVEL, UNLIKE, WORSE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

KIND = {BETTER: "better", WORSE: "worse", LEVEL: "level", FEW: "few", UNLIKE: "unlike"}
"""Verdicts as words of the style sheet."""
_MOST_CELLS = 1500
"""More cells than these are not put on a page: then the metrics of the first table have theirs."""
_TURNED = {BETTER: WORSE, WORSE: BETTER}
_STRONG = 3
"""At least so many models make a ranking."""


def versus(tables: dict[str, pd.DataFrame], labels: Sequence[str]) -> dict[str, Any] | None:
    """The section on pairs; None without a pair.

    ``models`` are those compared, ``metrics`` a list of panels: ``matrix`` (a row a model, a cell a rival, None on the
    diagonal), ``open`` (what is not settled) and ``ranking`` (None where there is none). ``overview``: for each metric
    and model how many rivals have which verdict. ``left_out``: metrics without a panel.
    """
    table, ranking = tables["pairwise"], tables["ranking"]
    models = [run for run in labels if run in {*table["a"], *table["b"]}]
    if not models:
        return None
    cells: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in sections.records(table):
        of = cells.setdefault(row["metric"], {})
        of[row["a"], row["b"]], of[row["b"], row["a"]] = _cell(row, 1), _cell(row, -1)
    front = wording.headline(table)
    names = [*front, *(m for m in cells if m not in front)]
    fit = names if len(names) * len(models) ** 2 <= _MOST_CELLS else front
    head = {row["metric"]: row for row in sections.records(table.drop_duplicates("metric"))}
    panels: list[dict[str, Any]] = []
    for metric in names:
        mine, about = table[table["metric"] == metric], head[metric]
        panels.append({
            "metric": metric, "about": sections.about(metric), "unit": about["unit"],
            "arrow": wording.arrow(higher=about["higher_is_better"]), "front": metric in front or metric == "latency",
            "matrix": [{"model": a, "cells": [cells[metric].get((a, b)) for b in models]} for a in models],
            "open": _open(mine), "ranking": placed(ranking[ranking["metric"] == metric], least=_STRONG),
        })  # fmt: skip
    return {
        "models": models,
        "metrics": [panel for panel in panels if panel["metric"] in fit],
        "overview": [{**panel, "tallies": [_tally(row["cells"]) for row in panel["matrix"]]} for panel in panels],
        "left_out": [m for m in names if m not in fit],
    }


def _cell(row: Mapping[str, Any], sign: int) -> dict[str, Any]:
    """One pair as seen from a (sign 1) or from b (-1)."""
    unit, verdict = row["unit"], row["verdict"]
    verdict = verdict if sign > 0 else _TURNED.get(verdict, verdict)
    low, high = (row["low"], row["high"]) if sign > 0 else (-row["high"], -row["low"])
    win, loss = (row["win"], row["loss"]) if sign > 0 else (row["loss"], row["win"])
    known, spanned, counted = (not math.isnan(value) for value in (row["difference"], low, win))
    return {
        "verdict": verdict, "kind": KIND[verdict], "n": f"{int(row['n']):,}", "reason": wording.text(row["reason"]),
        "difference": sections.signed(sign * row["difference"], unit) if known else "",
        "interval": f"{sections.signed(low, unit)} to {sections.signed(high, unit)}" if spanned else "",
        "shares": tuple(round(100 * share) for share in (win, row["tie"], loss)) if counted else None,
        "q": chance(row["q"]), "effect": sections.signed(sign * row["effect"], ""),
        "more": wording.rounded(row["more"]) if row["more"] == row["more"] else "",
        "detectable": wording.number(row["detectable"], unit),
    }  # fmt: skip


def chance(q: float) -> str:
    """A corrected p-value for reading.

    >>> chance(0.00012), chance(0.0312), chance(0.4), chance(float("nan"))
    ('< 0.001', '0.031', '0.40', '')
    """
    return "" if math.isnan(q) else "< 0.001" if q < 0.001 else f"{q:.3f}" if q < 0.1 else f"{q:.2f}"


def _tally(cells: Sequence[Mapping[str, Any] | None]) -> dict[str, int]:
    kinds = [cell["kind"] for cell in cells if cell]
    return {kind: kinds.count(kind) for kind in KIND.values()} | {"of": len(kinds)}


def _open(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Pairs without a verdict either way, those that prompts would settle soonest first."""
    unsettled = rows[rows["verdict"].isin([LEVEL, FEW])].sort_values("more", na_position="last")
    return [
        {
            "a": row["a"], "b": row["b"], "n": f"{int(row['n']):,}", "verdict": row["verdict"],
            "difference": sections.signed(row["difference"], row["unit"]),
            "detectable": wording.number(row["detectable"], row["unit"]),
            "more": wording.rounded(row["more"]) if row["more"] == row["more"] else "",
        }
        for row in sections.records(unsettled)
    ]  # fmt: skip


def placed(rows: pd.DataFrame, *, least: int = 2) -> list[dict[str, Any]] | None:
    """A ranking for reading, best first; ``left``, ``width`` and ``at`` place the interval on a line, in percent of it."""
    if len(rows) < least:
        return None
    low, high = float(np.nanmin(rows[["low", "strength"]])), float(np.nanmax(rows[["high", "strength"]]))
    return [_place(row, low, (high - low) or 1.0) for row in sections.records(rows.sort_values("rank"))]


def _place(row: Mapping[str, Any], start: float, span: float) -> dict[str, Any]:
    first, last = int(row["rank_low"]), int(row["rank_high"])
    ends = (row["low"], row["high"]) if row["low"] == row["low"] else (row["strength"], row["strength"])
    left, right, at = (round(float(100 * (value - start) / span), 1) for value in (*ends, row["strength"]))
    strength, low, high = (f"{row[k]:+.2f}".replace("-", "−") for k in ("strength", "low", "high"))
    return {
        "run": row["run"], "rank": int(row["rank"]), "ranks": f"{first}" if first == last else f"{first} to {last}",
        "strength": strength, "interval": f"{low} to {high}" if row["low"] == row["low"] else "",
        "at": at, "left": left, "width": round(right - left, 1),
        "record": " / ".join(f"{row[k]:,.0f}" for k in ("wins", "ties", "losses")), "n": f"{int(row['n']):,}",
    }  # fmt: skip


def votes(tables: dict[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What people said: ``ranking``, ``metrics`` by how well they predict people, ``raters``; None without votes."""
    if "votes" not in tables:
        return None
    ranking, agreement = tables["ranking"], tables["agreement"]
    lines = [
        {
            "metric": row["metric"], "about": sections.about(row["metric"]), "kind": row["kind"], "n": f"{int(row['n']):,}",
            "share": f"{100 * row['share']:.0f} %" if row["share"] == row["share"] else "–",
            "interval": f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %" if row["low"] == row["low"] else "",
            "ties": int(row["ties"]), "missing": int(row["missing"]), "reason": wording.text(row["reason"]),
            "alpha": f"{row['alpha']:.2f}" if row["alpha"] == row["alpha"] else "",
        }
        for row in sections.records(agreement)
    ]  # fmt: skip
    told = tables["votes"]
    return {
        "ranking": placed(ranking[ranking["metric"] == "human_preference"]),
        "metrics": [line for line in lines if line["kind"] == "metric"],
        "raters": next((line for line in lines if line["kind"] == "raters"), None),
        "count": f"{int((told['status'] == 'counted').sum()):,}",
        "people": int(told.loc[told["status"] == "counted", "rater"].nunique()),
        "stale": int((told["status"] != "counted").sum()),
    }
