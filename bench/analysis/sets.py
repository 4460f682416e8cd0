"""When two runs can be compared by a figure of their whole sets of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.metrics.distribution.guards import no_verdict_reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def not_comparable_reason(column: str, details: Sequence[Mapping[str, Any]]) -> str | None:
    """Why two runs cannot be compared by a distance, an interval of the difference included; None where they can.

    Both must have been resampled by the same halves of the same prompts with as many pictures of each, and have enough of them
    (``bench.metrics.distribution.guards.no_verdict_reason``).

    Args:
        column: of the figure.
        details: of its score in each run.
    """
    if any(detail.get("drawn") is None for detail in details):
        undrawn = next((str(detail["undrawn"]) for detail in details if "undrawn" in detail), None)
        return undrawn or f"{column} is one figure of the whole run, and how much chance is in it is not known"
    sizes = [(detail.get("n"), detail.get("prompts")) for detail in details]
    if sizes[0] != sizes[1] and all(n and prompts for n, prompts in sizes):
        one, other = (f"{n:,} pictures of {prompts:,} prompts" for n, prompts in sizes)
        return f"{one} against {other}: the value depends on both; render the same prompts and seeds in both"
    if details[0]["drawn"] != details[1]["drawn"]:
        return "not resampled by the same pictures of the same prompts; score both again, or render the same prompts and seeds"
    few = min(details, key=lambda detail: detail.get("n") or 0)
    return no_verdict_reason(column, few["n"], few["dimensions"]) if few.get("n") and few.get("dimensions") else None
