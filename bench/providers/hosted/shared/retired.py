"""Models that were shut down: conf/retired.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import yaml

from bench.core import resources


@dataclass(frozen=True)
class Retirement:
    """A model that its vendor has shut down.

    Attributes:
        model: the vendor's name for it.
        vendor: the vendor's name as people write it.
        day: the first day without the model.
        presets: presets of models to use instead.
    """

    model: str
    vendor: str
    day: date
    presets: tuple[str, ...]

    def __str__(self) -> str:
        """What happened, and what to do instead."""
        use = " or ".join(f"model={name}" for name in self.presets)
        return (
            f"{self.model} was shut down on {self.vendor}'s API on {self.day}; use {use}, set model.base_url to a server that still has "
            f"it, or import archived pictures: python -m bench import FOLDER --name {self.model} --prompts SET"
        )


def find_retirement(model: str, today: date | None = None) -> Retirement | None:
    """The retirement of a model that is gone ``today`` (UTC); None for a live or unknown one."""
    for vendor in _vendors():
        day = vendor["models"].get(model)
        if day is not None and day <= (today or datetime.now(UTC).date()):
            return Retirement(model, vendor["called"], day, tuple(vendor["presets"]))
    return None


@cache
def _vendors() -> list[dict[str, Any]]:
    return list(yaml.safe_load((resources.folder("conf") / "retired.yaml").read_text(encoding="utf-8"))["vendors"].values())
