"""The pictures side by side; ``bench.report.gallery`` writes what the page's script shows here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER, ANCHOR = "Pictures", 110, "gallery"


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ARG001 - every section takes them
    """Nothing: the place for the pictures is the same in every report."""
    return {}
