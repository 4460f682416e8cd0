"""Which jobs a run consists of, and which of them are left to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.types import Job, Prompt, Rendered, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.providers import Provider
    from bench.store import Run
    from bench.types import PromptSet

    Save = Callable[[Job, Rendered], None]

_PROBE = Prompt("probe", "probe")


def run_name(provider: Provider, prompts: PromptSet, label: str | None) -> str:
    """``<label or model>.<prompt set>.<settings>-<hash>``: the same for every prompt, seed and metric.

    >>> # tiny-dev.tiny.28steps-g3-128x128-float32-5f0c1d2e
    """
    probe = provider.request(_PROBE, 0)
    same = {"model": probe.model, "revision": probe.revision, "size": [probe.width, probe.height], "settings": dict(probe.settings)}
    said = probe.settings
    words = [
        f"{said['steps']}step{'s' * (said['steps'] != 1)}" if said.get("steps") else "",
        f"g{said['guidance']:g}" if isinstance(said.get("guidance"), int | float) else "",
        f"cfg{said['true_cfg']:g}" if isinstance(said.get("true_cfg"), int | float) and said["true_cfg"] != 1 else "",
        f"{probe.width}x{probe.height}" if probe.width else "",
        str(said.get("dtype", "")),
        "random" if said.get("weights") == "random" else "",
        digest(same)[:8],
    ]
    parts = [label or provider.name, prompts.name, "-".join(w for w in words if w)]
    return ".".join(re.sub(r"[^A-Za-z0-9._-]+", "-", p).strip(".-") or "x" for p in parts)


def jobs_for(provider: Provider, prompts: Sequence[Prompt], seeds: Sequence[int | None]) -> list[Job]:
    """Every prompt with every seed, the seeds of a prompt together; one job where the model takes no seed."""
    jobs = {(job.key): job for p in prompts for s in seeds for job in [Job(p, provider.request(p, s))]}
    return list(jobs.values())


def pending(jobs: Sequence[Job], run: Run, *, fresh: bool = False) -> list[Job]:
    """The jobs without a final outcome (ok or refused) in ``run``."""
    final = set() if fresh else {r.key for r in run.records() if not r.failed}
    return [job for job in jobs if job.key not in final]
