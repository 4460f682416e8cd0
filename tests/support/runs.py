"""Small runs for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import prompts
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.plan import jobs_for, run_name
from bench.engine.render import render_jobs
from bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from bench.store import Run


def render_oracle(results: Path, *, limit: int = 4, label: str | None = None, seeds: tuple[int, ...] = (0, 1)) -> Run:
    """A run of the oracle through the ordinary store and runner."""
    provider, chosen = presets.provider("tiny-oracle"), prompts.load("tiny")
    run = Store(results).run(run_name(provider, chosen, label), create=True)
    run.update_info(name=run.name, label=label or "tiny-oracle", model="tiny-oracle", hosted=False)
    jobs = jobs_for(provider, prompts.select(chosen, limit=limit), seeds)
    render_jobs(jobs, provider, chosen, run, progress=Progress())
    return run
