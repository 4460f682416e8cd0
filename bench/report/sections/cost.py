"""The section on cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.report import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Cost", 70


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001 - every section takes them
    """The frame ``cost`` in words, a row a run, and each run's money in a sentence."""
    money = wording.money(tables)
    return {
        "rows": [
            {
                "run": run, "made": row["ok"], "declined": row["refused"], "failed": row["failed"], "usd": wording.usd(row["usd"]),
                "presumed": wording.usd(row["presumed_usd"]), "unknown": row["unknown"], "picture": wording.usd(row["per_picture"]),
                "range": wording.price_range(row), "success": wording.usd(row["per_success"]), "basis": row["basis"],
                "as_of": wording.text(row["as_of"]), "reason": row["reason"] if row["reason"] != row["basis"] else "",
            }
            for run, row in money.items()
        ],
        "sentences": _together([(str(run), wording.spending(row).removeprefix(f"{run}: ")) for run, row in money.items()]),
        "known": any(row["usd"] == row["usd"] for row in money.values()),
    }  # fmt: skip


def _together(lines: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence for all runs of which it holds."""
    sentences = list(dict.fromkeys(text for _, text in lines))
    return [f"{', '.join(run for run, sentence in lines if sentence == text)}: {text}" for text in sentences]
