"""How long pictures take: percentiles first, the rest behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.analysis.comparable import TIMED
from bench.report import cells, wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

FIRST = ("latency.p50", "latency.p90", "latency.p95", "latency.p99", "latency.mean", "images_per_s")
_NAMES = {
    "latency.p50": "median", "latency.p90": "90th", "latency.p95": "95th", "latency.p99": "99th", "latency.mean": "mean",
    "images_per_s": "pictures a second",
}  # fmt: skip


def speed(tables: dict[str, pd.DataFrame], labels: Sequence[str]) -> dict[str, Any] | None:
    """The section on time: ``columns`` and ``rows`` (a row a model), ``rest`` (a row a metric), ``apart``; None without timings."""
    summary = tables["summary"]
    timed = [m for m in dict.fromkeys(summary["metric"]) if m.startswith(TIMED)]
    first = [m for m in FIRST if m in timed]
    if not timed:
        return None
    turned = cells.rows(summary, labels, first)
    return {
        "columns": [{"name": _NAMES[m], "metric": m, "unit": row["unit"]} for m, row in zip(first, turned, strict=True)],
        "rows": [_row(run, [row["cells"][i] for row in turned], [row["n"] for row in turned]) for i, run in enumerate(labels)],
        "rest": cells.rows(summary, labels, [m for m in timed if m not in first]),
        "apart": [told for told in cells.not_compared(tables) if told["metrics"].startswith(TIMED)],
        "measured": _measured(tables, labels),
    }


def _row(run: str, figures: Sequence[dict[str, Any] | None], shared: Sequence[str]) -> dict[str, Any]:
    """A model's row; a count of pictures that all its cells share stands in its own column."""
    counts = {(cell["n"] or head).removeprefix("n\u00a0") for cell, head in zip(figures, shared, strict=True) if cell and cell["known"]}
    alike = len(counts) == 1
    return {
        "model": run, "n": counts.pop() if alike else "",
        "cells": [cell and {**cell, "n": "" if alike else cell["n"] or head} for cell, head in zip(figures, shared, strict=True)],
    }  # fmt: skip


def _measured(tables: dict[str, pd.DataFrame], labels: Sequence[str]) -> list[str]:
    """The machine of each run, where runs were timed on more than one."""
    table = tables["environment"]
    if table["environment"].nunique() < 2:
        return []
    where = {run: " and ".join(dict.fromkeys(wording.text(r.gpu) or wording.text(r.cpu) or str(r.device) for r in group.itertuples()))
             for run, group in table.groupby("run", sort=False)}  # fmt: skip
    return [f"{run}: {where[run]}" for run in labels if run in where]
