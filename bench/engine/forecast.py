"""What a run would cost in time, disk and money, said before anything is loaded, sent or written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.pricing.budget import Budget
    from bench.pricing.tariff import Tariff
    from bench.store import Run
    from bench.types import Job

_BYTES_A_PIXEL = 1.5
"""Of a PNG, for want of earlier pictures."""


def forecast(run: Run, jobs: Sequence[Job], todo: Sequence[Job], tariff: Tariff | None, budget: Budget) -> str:
    """Pictures, time, disk and money of what is still to be rendered, a line each; ``tariff`` None for a local model."""
    records = [r for r in run.records() if r.status == "ok"]
    timed = [r.timing.latency_s / r.timing.batch_size for r in records if not math.isnan(r.timing.latency_s)]
    sizes = [run.image_path(r).stat().st_size for r in records]
    pixels = sum(job.request.width * job.request.height for job in todo)
    seconds = len(todo) * sum(timed) / len(timed) if timed else math.nan
    disk = len(todo) * sum(sizes) / len(sizes) if sizes else pixels * _BYTES_A_PIXEL
    one = ", one after the other" if tariff else ""
    took = f"{seconds:.0f} s{one} (from {len(timed)} earlier pictures)" if timed else "unknown until some are rendered"
    room = f"about {disk / 2**20:.1f} MiB" if disk or not todo else "unknown until some are rendered"
    lines = [f"{run.name}: {len(jobs)} pictures, {len(todo)} to render", f"time: {took}", f"disk: {room}"]
    return "\n".join([*lines, f"money: {_money(todo, tariff, budget, seconds)}"])


def _money(todo: Sequence[Job], tariff: Tariff | None, budget: Budget, seconds: float) -> str:
    if tariff is not None:
        usd = math.fsum(tariff.estimate(job.request) for job in todo)
        return f"at most about {usd:.2f} USD, {tariff.basis}" if not math.isnan(usd) else "unknown; set budget.price=USD a picture"
    if budget.per_hour is None:
        return "no price given (budget.per_hour=USD an hour of this machine)"
    return "unknown" if math.isnan(seconds) else f"{seconds * budget.per_hour / 3600:.2f} USD at {budget.per_hour:g} USD an hour"
