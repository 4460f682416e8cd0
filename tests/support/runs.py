"""Small runs for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import engine, prompts
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.render import render

if TYPE_CHECKING:
    from pathlib import Path

    from bench.store import Run


def render_oracle(results: Path, *, limit: int = 4, label: str | None = None, seeds: tuple[int, ...] = (0, 1)) -> Run:
    """A run of the oracle, not scored; compared like any model, not left out as the ceiling that it is."""
    provider, chosen = presets.provider("tiny-oracle"), prompts.load("tiny")
    plan = engine.plan(provider, chosen, limit=limit, label=label, seeds=seeds, results=results)
    render(plan, Progress())
    plan.run.update_info(ceiling=False)
    return plan.run
