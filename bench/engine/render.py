"""From prompts and a provider to records: what is missing is rendered, what is there is kept."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bench.core import environment
from bench.engine.plan import pending
from bench.engine.worker import attempt, batches, warm_up
from bench.types import Job, Rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.core.progress import Progress
    from bench.pricing.tariff import Tariff
    from bench.providers import HostedProvider, LocalProvider, Provider
    from bench.store import Run
    from bench.types import PromptSet

    Save = Callable[[Job, Rendered], None]


@dataclass(frozen=True)
class Outcome:
    """Counts of one call of ``render``; ``kept`` pictures were there already."""

    done: int = 0
    kept: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0


def render_jobs(
    jobs: Sequence[Job],
    provider: Provider,
    prompts: PromptSet,
    run: Run,
    *,
    progress: Progress,
    fresh: bool = False,
    warmup: bool = True,
    tariff: Tariff | None = None,
    max_usd: float | None = None,
) -> Outcome:
    """Render what is missing, each picture stored before the next is waited for; opens the provider only if something is.

    A local model renders in batches of one size, after untimed pictures that warm it up; a batch that fails is recorded
    as failed and the run goes on. A hosted one is asked for many pictures at once (``bench.engine.hosted.dispatch``), at the
    prices of ``tariff`` and for at most ``max_usd`` in all sessions of the run.

    Raises:
        StoreError: another process holds the run, or the disk is full.
        BudgetError: the next hosted picture could pass ``max_usd``; what is there is stored.
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
                render_hosted(todo, cast("HostedProvider", provider), run, save, progress, tariff=tariff, max_usd=max_usd)
            else:
                render_local(todo, cast("LocalProvider", provider), run, save, progress, warmup=warmup)
        finally:
            run.compact([job.key for job in jobs])
        made, refused = counts["ok"], counts["refused"]
        return Outcome(made, kept, refused, counts.total() - made - refused, time.monotonic() - began)


def render_local(todo: Sequence[Job], provider: LocalProvider, run: Run, save: Save, progress: Progress, *, warmup: bool = True) -> None:
    """Render with a model on this machine, batch by batch."""
    known = run.info()
    where, sessions = known["environment"], known.get("sessions", {})
    session = provider.open(progress.say)
    try:
        warm = warm_up(session, todo, provider, progress) if warmup else {"pictures": 0, "seconds": 0.0}
        record_session(run, session.facts, where, warm, sessions)
        with progress.track(f"render {provider.name}", len(todo)) as advance:
            for batch in batches(todo, provider.batch_size):
                for job, rendered in zip(batch, attempt(session, batch), strict=True):
                    save(job, rendered)
                advance(len(batch))
        record_session(run, session.facts, where, warm, sessions)
    finally:
        session.close()


def render_hosted(
    todo: Sequence[Job],
    provider: HostedProvider,
    run: Run,
    save: Save,
    progress: Progress,
    *,
    tariff: Tariff | None,
    max_usd: float | None,
) -> None:
    """Render with a model behind a server; run.json's ``spending`` says afterwards what all sessions cost."""
    import PIL.Image  # noqa: PLC0415 - hosted models only
    import pyarrow.parquet  # noqa: F401, PLC0415 - as above

    from bench.engine.hosted.dispatch import Dispatch  # noqa: PLC0415 - as above
    from bench.pricing import tariff as money  # noqa: PLC0415 - as above
    from bench.store import schema  # noqa: PLC0415 - as above
    from bench.store.attempts import Ledger  # noqa: PLC0415 - as above

    PIL.Image.preinit()
    schema.records_table(())  # what checking and storing load at their first use takes a second: before anything is under way
    known = run.info()
    ledger, prices = Ledger(run), tariff or money.tariff_for(provider.vendor, provider.model, None)

    async def session() -> None:
        client = await provider.connect(progress.say)
        try:
            record_session(run, client.facts, known["environment"], {"pictures": 0, "seconds": 0.0}, known.get("sessions", {}))
            with progress.track(f"render {provider.name}", len(todo)) as advance:

                def keep(job: Job, rendered: Rendered) -> None:
                    save(job, rendered)
                    advance(1)

                await Dispatch(provider, client, ledger, prices, max_usd=max_usd, save=keep).run(todo)
        finally:
            await client.close()

    try:
        asyncio.run(session())
    finally:
        run.update_info(spending={**ledger.spending(), "basis": prices.basis, "as_of": prices.as_of, "price": prices.price})


def record_session(
    run: Run, facts: Mapping[str, Any], where: str, warm: Mapping[str, float], earlier: Mapping[str, Sequence[object]]
) -> None:
    """Write what the session measured: ``session`` and ``warmup`` are the last one's, ``sessions`` holds all of each machine."""
    facts = {**facts, "environment": where}
    mine = [*earlier.get(where, []), {**facts, "warmup": dict(warm)}]
    run.update_info(session=facts, warmup=dict(warm), sessions={**earlier, where: mine})
