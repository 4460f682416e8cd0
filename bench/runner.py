"""From prompts and a provider to records: what is missing is rendered, what is there is kept."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bench import environment
from bench.errors import BenchError, ProviderError
from bench.types import Job, Prompt, Rendered, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bench.hosted.money import Tariff
    from bench.progress import Progress
    from bench.providers import HostedProvider, LocalProvider, Provider, Session
    from bench.store import Run
    from bench.types import PromptSet

    Save = Callable[[Job, Rendered], None]

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
    final = set() if fresh else {r.key for r in run.records() if not r.failed}
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
    tariff: Tariff | None = None,
    most_usd: float | None = None,
) -> Outcome:
    """Render what is missing, each picture stored before the next is waited for; opens the provider only if something is.

    A local model renders in batches of one size, after untimed pictures that warm it up; a batch that fails is recorded
    as failed and the run goes on. A hosted one is asked for many pictures at once (``bench.hosted.dispatch``), at the
    prices of ``tariff`` and for at most ``most_usd`` in all sessions of the run.

    Raises:
        StoreError: another process holds the run, or the disk is full.
        BudgetError: the next hosted picture could pass ``most_usd``; what is there is stored.
        BenchError: the model cannot be loaded, or its server refuses the key or only fails.
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
        run.update_info(environments={**run.info().get("environments", {}), where: here}, environment=where)
        run.forget_scores({job.key for job in todo})
        counts: Counter[str] = Counter()

        def save(job: Job, rendered: Rendered) -> None:
            run.save(job, rendered, prompt_set=prompts, environment=where)
            counts[rendered.status] += 1

        began = time.monotonic()
        try:
            if provider.hosted:
                ask(todo, cast("HostedProvider", provider), run, save, progress, tariff=tariff, most_usd=most_usd)
            else:
                make(todo, cast("LocalProvider", provider), run, save, progress, warmup=warmup)
        finally:
            run.compact([job.key for job in jobs])
        made, refused = counts["ok"], counts["refused"]
        return Outcome(made, kept, refused, counts.total() - made - refused, time.monotonic() - began)


def make(todo: Sequence[Job], provider: LocalProvider, run: Run, save: Save, progress: Progress, *, warmup: bool = True) -> None:
    """Render with a model on this machine, batch by batch."""
    known = run.info()
    where, sessions = known["environment"], known.get("sessions", {})
    session = provider.open(progress.say)
    try:
        warm = warm_up(session, todo, provider, progress) if warmup else {"pictures": 0, "seconds": 0.0}
        _note(run, session.facts, where, warm, sessions)
        with progress.track(f"render {provider.name}", len(todo)) as advance:
            for batch in batches(todo, provider.batch_size):
                for job, rendered in zip(batch, attempt(session, batch), strict=True):
                    save(job, rendered)
                advance(len(batch))
        _note(run, session.facts, where, warm, sessions)
    finally:
        session.close()


def ask(
    todo: Sequence[Job],
    provider: HostedProvider,
    run: Run,
    save: Save,
    progress: Progress,
    *,
    tariff: Tariff | None,
    most_usd: float | None,
) -> None:
    """Render with a model behind a server; run.json's ``spending`` says afterwards what all sessions cost."""
    import PIL.Image  # noqa: PLC0415 - hosted models only
    import pyarrow.parquet  # noqa: F401, PLC0415 - as above

    from bench import schema  # noqa: PLC0415 - as above
    from bench.hosted import money  # noqa: PLC0415 - as above
    from bench.hosted.dispatch import Dispatch  # noqa: PLC0415 - as above
    from bench.hosted.ledger import Ledger  # noqa: PLC0415 - as above

    PIL.Image.preinit()
    schema.records_table(())  # what checking and storing load at their first use takes a second: before anything is under way
    known = run.info()
    ledger, prices = Ledger(run), tariff or money.tariff(provider.vendor, provider.model, None)

    async def session() -> None:
        client = await provider.connect(progress.say)
        try:
            _note(run, client.facts, known["environment"], {"pictures": 0, "seconds": 0.0}, known.get("sessions", {}))
            with progress.track(f"render {provider.name}", len(todo)) as advance:

                def keep(job: Job, rendered: Rendered) -> None:
                    save(job, rendered)
                    advance(1)

                await Dispatch(provider, client, ledger, prices, most_usd=most_usd, save=keep).run(todo)
        finally:
            await client.close()

    try:
        asyncio.run(session())
    finally:
        run.update_info(spending={**ledger.spending(), "basis": prices.basis, "as_of": prices.as_of, "price": prices.price})


def batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
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


def sizes(jobs: Iterable[Job]) -> list[Job]:
    """The first job of each width and height, in order."""
    first: dict[tuple[int, int], Job] = {}
    for job in jobs:
        first.setdefault((job.request.width, job.request.height), job)
    return list(first.values())


def attempt(session: Session, batch: Sequence[Job]) -> list[Rendered]:
    """Render a batch; an error that is not of the whole run makes its pictures failed ones that say why."""
    try:
        return session.render([job.request for job in batch])
    except ProviderError as error:
        why = str(error)
    except BenchError:
        raise
    except Exception as error:  # noqa: BLE001 - one broken picture must not end a long run
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return [Rendered("failed", error=why)] * len(batch)


def warm_up(session: Session, jobs: Sequence[Job], provider: LocalProvider, progress: Progress) -> dict[str, float]:
    """Render a batch of each width and height that is thrown away, for a model is cold again at a new size.

    ``first_s`` is the latency of the very first picture where it was measured.
    """
    cold = sizes(jobs)
    count = max(1, provider.batch_size) * len(cold)
    progress.say(f"{provider.name}: warm-up, {count} picture{'s' * (count != 1)}, not timed")
    began = time.monotonic()
    made = [attempt(session, [job] * max(1, provider.batch_size)) for job in cold]
    first = made[0][0]
    facts = {"pictures": count, "seconds": round(time.monotonic() - began, 4)}
    measured = first.status == "ok" and not math.isnan(first.timing.latency_s)
    return facts | ({"first_s": first.timing.latency_s} if measured else {})


def _note(run: Run, facts: Mapping[str, Any], where: str, warm: Mapping[str, float], earlier: Mapping[str, Sequence[object]]) -> None:
    """Write what the session measured: ``session`` and ``warmup`` are the last one's, ``sessions`` holds all of each machine."""
    facts = {**facts, "environment": where}
    mine = [*earlier.get(where, []), {**facts, "warmup": dict(warm)}]
    run.update_info(session=facts, warmup=dict(warm), sessions={**earlier, where: mine})
