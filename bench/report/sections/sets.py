"""The section on distances between sets of pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.report.cells import records, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

SETS = ("fid", "kid", "fd_", "cmmd", "prdc", "diversity", "duplicates")
"""How metrics begin that speak of a whole set of pictures."""


def sets(tables: dict[str, pd.DataFrame], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Metrics of whole sets: as ``rows``, each cell with the ``reference`` it was measured against and its ``notes``."""
    summary, scores = tables["summary"], tables["scores"]
    metrics = [m for m in dict.fromkeys(summary["metric"]) if m.startswith(SETS)]
    whole = scores[scores["request_id"].isna() & scores["metric"].isin(metrics)]
    details = {(row["metric"], row["run"]): json.loads(row["detail"]) for row in records(whole)}
    made = rows(summary, labels, metrics)
    for row in made:
        for run, cell in zip(labels, row["cells"], strict=True):
            if cell:
                detail = details.get((row["metric"], run), {})
                cell["reference"] = f"{detail['reference_n']:,}" if detail.get("reference_n") else ""
        row["notes"] = list(dict.fromkeys(d["note"] for (metric, _), d in details.items() if metric == row["metric"] and "note" in d))
    return made
