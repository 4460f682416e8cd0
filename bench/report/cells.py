"""Cells of the page's tables: rows of frames to dictionaries of text, which the templates only lay out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.pairwise import UNLIKE
from bench.report import wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from bench.analysis.frames import Frames


def signed(value: float, unit: str) -> str:
    """A number with its sign.

    >>> signed(-0.0123, "share"), signed(2.0, "s")
    ('−0.012', '+2.00')
    """
    text = wording.number(abs(value), unit)
    return text if text == "–" or float(text) == 0 else f"{'−' if value < 0 else '+'}{text}"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, by column."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def summary_cell(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the frame ``summary`` as a cell: ``known`` or the ``reason``, ``mean``, ``interval``, ``n`` and what to add."""
    has_mean = row["mean"] == row["mean"]
    return {
        "known": has_mean, "mean": wording.number(row["mean"], row["unit"]), "interval": wording.span(row["low"], row["high"], row["unit"]),
        "n": f"n\u00a0{row['n']:,}" if has_mean else "", "best": bool(row["best"]),
        "coverage": f"{100 * row['coverage']:.0f} % scored" if row["coverage"] < 1 else "",
        "refused": "" if math.isnan(row["mean_all"]) else f"{wording.number(row['mean_all'], row['unit'])} with refusals",
        "reason": "" if has_mean else wording.text(row["reason"]) or _absent(row),
    }  # fmt: skip


def _absent(row: Mapping[str, Any]) -> str:
    if not row["not_applicable"]:
        return ""
    return f"all {row['refused']} refused" if row["refused"] == row["not_applicable"] else "does not apply"


def rows(tables: Frames, labels: Sequence[str], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """A row a metric with a cell a run, None where a run lacks it; an n that all share stands at the row's head."""
    summary = {(r["metric"], r["run"]): r for r in records(tables["summary"])}
    lines = []
    for metric in metrics:
        of_runs = [summary.get((metric, run)) for run in labels]
        first = next(row for row in of_runs if row is not None)
        cells = [row and summary_cell(row) for row in of_runs]
        counts = {cell["n"] for cell in cells if cell and cell["known"]}
        shared = len(counts) == 1 and not any(cell and cell["coverage"] for cell in cells)
        if shared:
            cells = [cell and cell | {"n": ""} for cell in cells]
        lines.append({
            "metric": metric, "about": tables.cards[metric].about, "unit": first["unit"],
            "arrow": wording.arrow(higher=first["higher_is_better"]),
            "n": counts.pop() if shared else "", "cells": cells,
        })  # fmt: skip
    return lines


def not_compared(tables: Frames) -> list[dict[str, Any]]:
    """What was not compared and why: for each pair of runs and reason the metrics."""
    pairs = tables["pairwise"]
    unlike = pairs[pairs["verdict"] == UNLIKE]
    return [
        {"a": a, "b": b, "reason": reason, "metrics": ", ".join(dict.fromkeys(group["metric"]))}
        for (a, b, reason), group in unlike.groupby(["a", "b", "reason"], sort=False)
    ]


def chance(q: float) -> str:
    """A corrected p-value for reading.

    >>> chance(0.00012), chance(0.0312), chance(0.4), chance(float("nan"))
    ('< 0.001', '0.031', '0.40', '')
    """
    return "" if math.isnan(q) else "< 0.001" if q < 0.001 else f"{q:.3f}" if q < 0.1 else f"{q:.2f}"


def placed(rows: pd.DataFrame, *, min_models: int = 2) -> list[dict[str, Any]] | None:
    """A ranking for reading, best first; ``left``, ``width`` and ``at`` place the interval on a line, in percent of it.

    ``group``: of the models that met, where not all did; "" where all did.
    """
    if len(rows) < min_models:
        return None
    parts = len(set(rows["group"])) > 1
    low, high = float(np.nanmin(rows[["low", "strength"]])), float(np.nanmax(rows[["high", "strength"]]))
    ordered = records(rows.sort_values(["group", "rank"]))
    return [{**_place(row, low, (high - low) or 1.0), "group": f"group {row['group']}" if parts else ""} for row in ordered]


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
