"""How long pictures take: percentiles first, the rest behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.report import cells, figures, wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Speed", 60

_NAMES = {
    "latency.p50": "median", "latency.p90": "90th", "latency.p95": "95th", "latency.p99": "99th", "latency.mean": "mean",
    "images_per_s": "pictures a second",
}  # fmt: skip
"""Heads of the columns that are always in the table; other headline times come under their names, the rest behind."""


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:
    """The section on time; None without timings.

    ``columns`` and ``rows`` (a row a model), ``rest`` (a row a metric), ``apart``, ``distribution`` (a figure).
    """
    timed = tables.cards.timed(tables["summary"]["metric"])
    first = [m for m in timed if m in _NAMES or tables.cards[m].headline]
    if not timed:
        return None
    turned = cells.rows(tables, labels, first)
    return {
        "columns": [{"name": _NAMES.get(m, m), "metric": m, "unit": row["unit"]} for m, row in zip(first, turned, strict=True)],
        "rows": [_row(run, [row["cells"][i] for row in turned], [row["n"] for row in turned]) for i, run in enumerate(labels)],
        "rest": cells.rows(tables, labels, [m for m in timed if m not in first]),
        "apart": [pair for pair in cells.not_compared(tables) if tables.cards[pair["metrics"].partition(",")[0]].timed],
        "measured": _measured(tables, labels),
        "distribution": figures.latency_distribution(tables["images"], labels),
        "points": figures.POINTS,
    }


def _row(run: str, times: Sequence[dict[str, Any] | None], shared: Sequence[str]) -> dict[str, Any]:
    """A model's row; a count of pictures that all its cells share stands in its own column."""
    counts = {(cell["n"] or head).removeprefix("n\u00a0") for cell, head in zip(times, shared, strict=True) if cell and cell["known"]}
    alike = len(counts) == 1
    return {
        "model": run, "n": counts.pop() if alike else "",
        "cells": [cell and {**cell, "n": "" if alike else cell["n"] or head} for cell, head in zip(times, shared, strict=True)],
    }  # fmt: skip


def _measured(tables: Frames, labels: Sequence[str]) -> list[str]:
    """What rendered each run, and how, where runs were timed in more than one environment."""
    table = tables["environment"]
    if table["environment"].nunique() < 2:
        return []
    where = {run: " and ".join(dict.fromkeys(wording.device(dict(row)) for _, row in group.iterrows()))
             for run, group in table.groupby("run", sort=False)}  # fmt: skip
    return [f"{run}: {where[run]}" for run in labels if run in where]
