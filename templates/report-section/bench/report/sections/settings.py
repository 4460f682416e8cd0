"""The section on settings: what each model was asked to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames

TITLE, ORDER = "Settings", 95
"""In the page's navigation; place on the page, small first."""


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:
    """``rows``: of each run its model, size and settings in words. None, and no section, where nothing was rendered.

    Everything comes from the frames (docs/frames.md); the template only lays out what this returns.
    """
    images = tables["images"]
    groups = dict(iter(images.groupby("run", sort=False)))
    rows = [_row(run, groups[run].to_dict("records")) for run in labels if run in groups]
    return {"rows": rows} if rows else None


def _row(run: str, records: Sequence[dict[Any, Any]]) -> dict[str, str]:
    """The settings that all pictures of a run share; what differs from picture to picture is left out."""
    settings = [json.loads(record["settings"]) for record in records]
    shared = {key: value for key, value in settings[0].items() if all(other.get(key) == value for other in settings)}
    sizes = dict.fromkeys(f"{record['width']} × {record['height']}" if record["width"] else "as the server decides" for record in records)
    words = [f"{key} {value}" for key, value in shared.items() if value is not None]
    return {"run": run, "model": str(records[0]["model"]), "size": ", ".join(sizes), "settings": ", ".join(words) or "none"}
