"""How long pictures take: percentiles first, the rest behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.analysis import slowdown
from bench.analysis.pairwise import SESSIONS
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

    ``columns`` and ``rows`` (a row a model, with its ``course``), ``rest`` (a row a metric), ``apart``, ``distribution`` (a figure).
    """
    timed = tables.cards.timed(tables["summary"]["metric"])
    first = [m for m in timed if m in _NAMES or tables.cards[m].headline]
    if not timed:
        return None
    turned = cells.rows(tables, labels, first)
    course = _courses(tables)
    return {
        "columns": [{"name": _NAMES.get(m, m), "metric": m, "unit": row["unit"]} for m, row in zip(first, turned, strict=True)],
        "rows": [
            {**_row(run, [row["cells"][i] for row in turned], [row["n"] for row in turned]), "course": course.get(run)}
            for i, run in enumerate(labels)
        ],
        "few": _few(tables),
        "rest": cells.rows(tables, labels, [m for m in timed if m not in first]),
        "apart": [pair for pair in cells.not_compared(tables) if tables.cards[pair["metrics"].partition(",")[0]].timed],
        "measured": _measured(tables, labels),
        "distribution": figures.latency_distribution(tables["images"].assign(latency_s=slowdown.seconds), labels),
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


def _courses(tables: Frames) -> dict[str, dict[str, str]]:
    """Of each run how many sessions were timed, how alike neighbours are and how much changed from the first to the last picture."""
    medians = tables["scores"].loc[lambda table: (table["metric"] == "latency.p50") & (table["status"] == "ok")]
    told = {str(row["run"]): json.loads(row["detail"]) for row in cells.records(medians)}
    return {
        run: {
            "sessions": str(of["sessions"]), "lag1": cells.signed(of["lag1"], "share") if "lag1" in of else "–",
            "drift": f"{cells.signed(100 * of['drift'], '')} %" if "drift" in of else "–",
        }
        for run, of in told.items() if "sessions" in of
    }  # fmt: skip


def _few(tables: Frames) -> list[str]:
    """Why speeds have no verdict, where that is for want of sessions."""
    pairs = tables["pairwise"]
    return [str(reason) for reason in pairs.loc[pairs["verdict"] == SESSIONS, "reason"].unique()]


def _measured(tables: Frames, labels: Sequence[str]) -> list[str]:
    """What rendered each run, and how, where runs were timed in more than one environment."""
    table = tables["environment"]
    if table["environment"].nunique() < 2:
        return []
    where = {run: " and ".join(dict.fromkeys(wording.device(dict(row)) for _, row in group.iterrows()))
             for run, group in table.groupby("run", sort=False)}  # fmt: skip
    return [f"{run}: {where[run]}" for run in labels if run in where]
