"""The section on people's votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.analysis import votes as tally
from bench.report import cells, wording
from bench.report.cells import placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Votes", 50


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:  # noqa: ARG001 - every section takes them
    """What people said: ``ranking``, ``metrics`` by how well they predict people, ``raters``; None without votes.

    ``of_whom``: a sentence on what the intervals are of; ``never_met``: one on models of which no vote tells, "" where all met.
    """
    if "votes" not in tables:
        return None
    ranking, agreement = tables["ranking"], tables["agreement"]
    lines = [
        {
            "metric": row["metric"], "about": tables.cards[row["metric"]].about, "kind": row["kind"], "n": f"{int(row['n']):,}",
            "share": f"{100 * row['share']:.0f} %" if row["share"] == row["share"] else "–",
            "interval": f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %" if row["low"] == row["low"] else "",
            "ties": int(row["ties"]), "missing": int(row["missing"]), "reason": wording.text(row["reason"]),
            "alpha": f"{row['alpha']:.2f}" if row["alpha"] == row["alpha"] else "",
        }
        for row in cells.records(agreement)
    ]  # fmt: skip
    table, order = tables["votes"], ranking[ranking["metric"] == tally.METRIC]
    counted = table[table["status"] == tally.COUNTED]
    return {
        "ranking": placed(order),
        "of_whom": tally.of_whom(counted),
        "never_met": tally.never_met(order),
        "metrics": [line for line in lines if line["kind"] == "metric"],
        "raters": next((line for line in lines if line["kind"] == "raters"), None),
        "count": f"{len(counted):,}",
        "people": int(counted["rater"].nunique()),
        "stale": len(table) - len(counted),
    }
