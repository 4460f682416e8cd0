"""The summary table, a model a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.report import wording
from bench.report.cells import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Summary", 10


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any]:
    """Models by metrics: the headline in ``front``, ``rest`` for the others, ``pictures``, ``costs`` and ``notes`` on both parts.

    ``declined``: some means count refusals too.
    """
    summary = tables["summary"]
    front = tables.cards.first_table(summary["metric"])
    rest = [m for m in dict.fromkeys(summary["metric"]) if m not in front]
    notes = [sorted(set(summary.loc[summary["metric"].isin(which), "note"].dropna())) for which in (front, rest)]
    status = {str(run): group["status"] for run, group in tables["images"].groupby("run", sort=False)}
    short = wording.covered(tables)
    return {
        "front": rows(tables, labels, front),
        "rest": rows(tables, labels, rest),
        "declined": bool(summary["mean_all"].notna().any()),
        "pictures": [{"counts": wording.counted(status.get(run, [])), "covered": short.get(run, "")} for run in labels],
        "costs": _cost_rows(wording.money(tables), labels),
        "notes": {"front": notes[0], "rest": [note for note in notes[1] if note not in notes[0]]},
    }


def _cost_rows(money: dict[str, dict[str, Any]], labels: Sequence[str]) -> list[dict[str, Any]]:
    runs = [money[label] for label in labels]
    spent = [wording.usd(row["usd"] + row["presumed_usd"]) for row in runs]
    beside = {"per_picture": [wording.price_range(row) for row in runs], "per_success": [f"{total} in all" for total in spent]}
    nothing = all(row[column] != row[column] for row in runs for column in wording.COSTS)
    return [
        {"name": "cost" if nothing else name, "cells": [
            {"text": wording.usd(row[column]), "known": row[column] == row[column], "about": also, "why": row["reason"]}
            for row, also in zip(runs, beside[column], strict=True)
        ]}
        for column, name in list(wording.COSTS.items())[: 1 if nothing else None]
    ]  # fmt: skip
