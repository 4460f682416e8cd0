"""Forecast the time, disk space and money of a plan, before anything is loaded, sent or written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.engine.plan import Plan

_BYTES_A_PIXEL = 1.5
"""Of a PNG; used where there are no earlier pictures."""


def forecast(plan: Plan) -> str:
    """Pictures, time, disk and money of what is left to render, a line each."""
    run, todo = plan.run, plan.todo
    records = [r for r in run.records() if r.status == "ok"]
    timed = [r.timing.latency_s / r.timing.batch_size for r in records if not math.isnan(r.timing.latency_s)]
    sizes = [run.image_path(r).stat().st_size for r in records]
    pixels = sum(job.request.width * job.request.height for job in todo)
    seconds = len(todo) * sum(timed) / len(timed) if timed else math.nan
    disk = len(todo) * sum(sizes) / len(sizes) if sizes else pixels * _BYTES_A_PIXEL
    in_turn = ", one after the other" if plan.tariff else ""
    duration = f"{seconds:.0f} s{in_turn} (from {len(timed)} earlier pictures)" if timed else "unknown until some are rendered"
    space = f"about {disk / 2**20:.1f} MiB" if disk or not todo else "unknown until some are rendered"
    lines = [f"{run.name}: {len(plan.jobs)} pictures, {len(todo)} to render", f"time: {duration}", f"disk: {space}"]
    return "\n".join([*lines, f"money: {_money(plan, seconds)}"])


def _money(plan: Plan, seconds: float) -> str:
    if plan.tariff is not None:
        usd = math.fsum(plan.tariff.estimate(job.request) for job in plan.todo)
        return f"at most about {usd:.2f} USD, {plan.tariff.basis}" if not math.isnan(usd) else "unknown; set budget.price=USD a picture"
    per_hour = plan.budget.per_hour
    if per_hour is None:
        return "no price given (budget.per_hour=USD an hour of this machine)"
    return "unknown" if math.isnan(seconds) else f"{seconds * per_hour / 3600:.2f} USD at {per_hour:g} USD an hour"
