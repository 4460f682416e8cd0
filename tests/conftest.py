"""What several tests share."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from bench import presets, prompts, runner
from bench.progress import Progress
from bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from bench.store import Run


def require(program: str) -> str:
    """The path of a program; skips the test without it, or fails where FLUXBENCH_REQUIRE names it."""
    found = shutil.which(program)
    if found is None:
        if program in os.environ.get("FLUXBENCH_REQUIRE", "").split(","):
            pytest.fail(f"{program} is required here and not installed")
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture
def oracle_run(tmp_path: Path) -> Run:
    """Four prompts of the embedded domain with two seeds each, drawn by the oracle."""
    return render_oracle(tmp_path / "results", limit=4)


def render_oracle(results: Path, *, limit: int = 4, label: str | None = None, seeds: tuple[int, ...] = (0, 1)) -> Run:
    """A run of the oracle through the ordinary store and runner."""
    provider, chosen = presets.provider("tiny-oracle"), prompts.load("tiny")
    run = Store(results).run(runner.run_name(provider, chosen, label), create=True)
    run.update_info(name=run.name, label=label or "tiny-oracle", model="tiny-oracle", hosted=False)
    jobs = runner.plan(provider, prompts.select(chosen, limit=limit), seeds)
    runner.render(jobs, provider, chosen, run, progress=Progress())
    return run
