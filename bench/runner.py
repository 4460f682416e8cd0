"""From prompts and a provider to records: what is missing is rendered, what is there is kept."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import environment
from bench.errors import BenchError, ProviderError
from bench.types import Job, Prompt, Rendered, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.progress import Progress
    from bench.providers import Provider, Session
    from bench.store import Run
    from bench.types import PromptSet

_PROBE = Prompt("probe", "probe")


@dataclass(frozen=True)
class Outcome:
    """Counts of one call of ``render``; ``kept`` pictures were there already."""

    done: int = 0
    kept: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0


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


def plan(provider: Provider, prompts: Sequence[Prompt], seeds: Sequence[int | None]) -> list[Job]:
    """Every prompt with every seed, the seeds of a prompt together; one job where the model takes no seed."""
    jobs = {(job.key): job for p in prompts for s in seeds for job in [Job(p, provider.request(p, s))]}
    return list(jobs.values())


def pending(jobs: Sequence[Job], run: Run, *, fresh: bool = False) -> list[Job]:
    """The jobs without a final outcome (ok or refused) in ``run``."""
    final = set() if fresh else {r.key for r in run.records() if r.status != "failed"}
    return [job for job in jobs if job.key not in final]


def render(
    jobs: Sequence[Job],
    provider: Provider,
    prompts: PromptSet,
    run: Run,
    *,
    progress: Progress,
    fresh: bool = False,
    warmup: bool = True,
) -> Outcome:
    """Render what is missing, in batches of one size, storing each batch before the next begins.

    Opens the provider only if something is missing. One untimed picture warms it up first. A batch that fails is
    recorded as failed and the run goes on; a BenchError from loading ends it.

    Raises:
        StoreError: another process holds the run, or the disk is full.
    """
    with run.lock():
        todo = pending(jobs, run, fresh=fresh)
        kept = len(jobs) - len(todo)
        if not todo:
            run.compact()
            return Outcome(kept=kept)
        provider.check()
        here = environment.facts()
        where = environment.key(here)
        known = run.info()
        run.update_info(environments={**known.get("environments", {}), where: here}, environment=where)
        began = time.monotonic()
        session = provider.open(progress.say)
        try:
            warm = _warm_up(session, todo[0], provider, progress) if warmup and not provider.hosted else {"pictures": 0, "seconds": 0.0}
            run.update_info(session={**session.facts, "environment": where}, warmup=warm)
            counts = {"ok": 0, "refused": 0, "failed": 0}
            with progress.track(f"render {provider.name}", len(todo)) as advance:
                for batch in batches(todo, provider.batch_size):
                    for job, rendered in zip(batch, _attempt(session, batch), strict=True):
                        run.save(job, rendered, prompt_set=prompts, environment=where)
                        counts[rendered.status] += 1
                    advance(len(batch))
            run.update_info(session={**session.facts, "environment": where})
        finally:
            session.close()
            run.compact()
        return Outcome(counts["ok"], kept, counts["refused"], counts["failed"], time.monotonic() - began)


def batches(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """Runs of at most ``size`` neighbouring jobs of equal width and height."""
    batch: list[Job] = []
    for job in jobs:
        shape = (job.request.width, job.request.height)
        if batch and (len(batch) >= size or shape != (batch[0].request.width, batch[0].request.height)):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _attempt(session: Session, batch: Sequence[Job]) -> list[Rendered]:
    try:
        return session.render([job.request for job in batch])
    except ProviderError as error:
        why = str(error)
    except BenchError:
        raise
    except Exception as error:  # noqa: BLE001 - one broken picture must not end a long run
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return [Rendered("failed", error=why)] * len(batch)


def _warm_up(session: Session, job: Job, provider: Provider, progress: Progress) -> dict[str, float]:
    count = max(1, provider.batch_size)
    progress.say(f"{provider.name}: warm-up, {count} picture{'s' * (count != 1)}, not timed")
    began = time.monotonic()
    _attempt(session, [job] * count)
    return {"pictures": count, "seconds": round(time.monotonic() - began, 4)}
