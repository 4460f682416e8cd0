"""What may stand beside what: timings only from one machine, and hosted ones only with hosted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMED = ("latency", "images_per_s", "steps_per_s", "load_s", "peak_", "energy_j", "attempts")
"""How columns begin that depend on the machine."""


def obstacle(metric: str, a: str, b: str, infos: Mapping[str, Mapping[str, Any]], environments: Mapping[str, str]) -> str | None:
    """Why a metric of two runs cannot be compared; None where it can.

    Args:
        metric: the column.
        a: label of a run.
        b: label of the other.
        infos: run.json of each run, by label.
        environments: the machine that each run's timings come from, by label.
    """
    if not metric.startswith(TIMED):
        return None
    if bool(infos[a].get("hosted")) != bool(infos[b].get("hosted")):
        return "a hosted model's timing against a local one's"
    if environments.get(a) != environments.get(b):
        return "timed on different machines"
    return None
