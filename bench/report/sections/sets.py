"""The section on distances between sets of pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.report.cells import records, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Sets", 90


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:
    """Metrics of whole sets as ``rows``; None without any."""
    lines = sets(tables, labels)
    return {"rows": lines} if lines else None


def sets(tables: Frames, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Metrics of whole sets: as ``rows``, each cell with the ``reference`` it was measured against and its ``notes``.

    They are the figures of a whole run behind which no column of single pictures stands, times left out.
    """
    scores = tables["scores"]
    of_pictures = set(scores.loc[scores["request_id"].notna(), "metric"])
    cards = {metric: tables.cards[metric] for metric in tables["summary"]["metric"] if metric not in of_pictures}
    metrics = [metric for metric, card in cards.items() if card.of is None and not card.timed]
    whole = scores[scores["request_id"].isna() & scores["metric"].isin(metrics)]
    details = {(row["metric"], row["run"]): json.loads(row["detail"]) for row in records(whole)}
    lines = rows(tables, labels, metrics)
    for row in lines:
        for run, cell in zip(labels, row["cells"], strict=True):
            if cell:
                detail = details.get((row["metric"], run), {})
                cell["reference"] = f"{detail['reference_n']:,}" if detail.get("reference_n") else ""
        row["notes"] = list(dict.fromkeys(d["note"] for (metric, _), d in details.items() if metric == row["metric"] and "note" in d))
    return lines
