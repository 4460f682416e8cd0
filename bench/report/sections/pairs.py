"""Each model against each other: matrices of verdicts, what is not settled, the ranking, and which metric predicts people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.analysis.pairwise import BETTER, FEW, LEVEL, SESSIONS, TURNED, UNLIKE, WORSE
from bench.report import cells, wording
from bench.report.cells import chance, placed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from bench.analysis.frames import Frames

TITLE, ORDER, ANCHOR = "Pairs", 40, "versus"

KIND = {BETTER: "better", WORSE: "worse", LEVEL: "level", FEW: "few", SESSIONS: "sessions", UNLIKE: "unlike"}
"""Verdicts as words of the style sheet."""
_MOST_CELLS = 1500
"""More cells than these are not put on a page: then the metrics of the first table have theirs."""
_STRONG = 3
"""At least so many models make a ranking."""


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:
    """The section on pairs; None without a pair.

    ``models`` are those compared, ``metrics`` a list of panels: ``matrix`` (a row a model, a cell a rival, None on the
    diagonal), ``open`` (what is not settled) and ``ranking`` (None where there is none). ``overview``: for each metric
    and model how many rivals have which verdict. ``left_out``: metrics without a panel.
    """
    table, ranking = tables["pairwise"], tables["ranking"]
    models = [run for run in labels if run in {*table["a"], *table["b"]}]
    if not models:
        return None
    matrix: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in cells.records(table):
        of = matrix.setdefault(row["metric"], {})
        of[row["a"], row["b"]], of[row["b"], row["a"]] = _cell(row, 1), _cell(row, -1)
    front = tables.cards.first_table(table["metric"])
    shown = {*front, *tables.cards.below_pictures(table["metric"])}
    names = [*front, *(m for m in matrix if m not in front)]
    fit = names if len(names) * len(models) ** 2 <= _MOST_CELLS else front
    head = {row["metric"]: row for row in cells.records(table.drop_duplicates("metric"))}
    panels: list[dict[str, Any]] = []
    for metric in names:
        rows, about = table[table["metric"] == metric], head[metric]
        panels.append({
            "metric": metric, "about": tables.cards[metric].about, "unit": about["unit"],
            "arrow": wording.arrow(higher=about["higher_is_better"]), "front": metric in shown,
            "matrix": [{"model": a, "cells": [matrix[metric].get((a, b)) for b in models]} for a in models],
            "open": _open(rows), "ranking": placed(ranking[ranking["metric"] == metric], min_models=_STRONG),
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
    verdict = verdict if sign > 0 else TURNED.get(verdict, verdict)
    low, high = (row["low"], row["high"]) if sign > 0 else (-row["high"], -row["low"])
    win, loss = (row["win"], row["loss"]) if sign > 0 else (row["loss"], row["win"])
    has_difference, spanned, counted = (not math.isnan(value) for value in (row["difference"], low, win))
    return {
        "verdict": verdict, "kind": KIND[verdict], "n": f"{int(row['n']):,}", "reason": wording.text(row["reason"]),
        "difference": cells.signed(sign * row["difference"], unit) if has_difference else "",
        "interval": f"{cells.signed(low, unit)} to {cells.signed(high, unit)}" if spanned else "",
        "shares": tuple(round(100 * share) for share in (win, row["tie"], loss)) if counted else None,
        "q": chance(row["q"]), "effect": cells.signed(sign * row["effect"], ""),
        "more": wording.rounded(row["more"]) if row["more"] == row["more"] else "",
        "detectable": wording.number(row["detectable"], unit),
    }  # fmt: skip


def _tally(row: Sequence[Mapping[str, Any] | None]) -> dict[str, int]:
    kinds = [cell["kind"] for cell in row if cell]
    return {kind: kinds.count(kind) for kind in KIND.values()} | {"of": len(kinds)}


def _open(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Pairs without a verdict either way, those that prompts would settle soonest first."""
    unsettled = rows[rows["verdict"].isin([LEVEL, FEW])].sort_values("more", na_position="last")
    return [
        {
            "a": row["a"], "b": row["b"], "n": f"{int(row['n']):,}", "verdict": row["verdict"],
            "difference": cells.signed(row["difference"], row["unit"]),
            "detectable": wording.number(row["detectable"], row["unit"]),
            "more": wording.rounded(row["more"]) if row["more"] == row["more"] else "",
        }
        for row in cells.records(unsettled)
    ]  # fmt: skip
