"""The notes: what was not scored, on which machines, with which fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.core.fingerprint import parse_fingerprint
from bench.report import wording
from bench.report.cells import not_compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Notes", 100


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001 - every section takes them
    """All notes: ``apart`` (what was not compared), ``unscored``, ``environments`` and ``fingerprints``."""
    return {
        "apart": not_compared(tables),
        "unscored": unscored(tables),
        "environments": environments(tables),
        "fingerprints": fingerprints(tables),
    }


def unscored(tables: Frames) -> list[dict[str, Any]]:
    """Gaps, with the metrics of one run that share a count and a reason together."""
    missing = tables["summary"][tables["summary"]["unscored"] > 0].fillna({"reason": ""})
    return [
        {"run": run, "count": count, "reason": reason, "metrics": ", ".join(group["metric"])}
        for (run, count, reason), group in missing.groupby(["run", "unscored", "reason"], sort=False)
    ]


def environments(tables: Frames) -> list[dict[str, Any]]:
    """The frame ``environment``, runs that share a machine together."""
    table = tables["environment"].fillna("").astype(object)
    columns = [str(c) for c in table if c not in {"run", "environment"}]
    return [
        {**(row := dict(zip(columns, key, strict=True))), "rendered": wording.device(row), "runs": list(dict.fromkeys(group["run"]))}
        for key, group in table.groupby(columns, sort=False, dropna=False)
    ]  # fmt: skip


def fingerprints(tables: Frames) -> list[dict[str, Any]]:
    """What each number depends on: metrics with one fingerprint together, its fields as pairs."""
    marks = tables["summary"].drop_duplicates(["metric", "fingerprint"])
    return [
        {"metrics": ", ".join(dict.fromkeys(group["metric"])), "fields": list(parse_fingerprint(str(text)).items())}
        for text, group in marks.groupby("fingerprint", sort=False)
    ]
