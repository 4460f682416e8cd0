"""Render every job that has no final record yet."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from bench.core import environment
from bench.engine.continuing import adopt, by_request, set_aside
from bench.engine.worker import Strikes, batches, by_size, local_facts, opened, render_batch, warm_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.core.progress import Progress
    from bench.engine.plan import Plan
    from bench.providers import HostedProvider, LocalProvider
    from bench.types import Job, Rendered

_NO_WARMUP = {"pictures": 0, "seconds": 0.0}


@dataclass(frozen=True)
class Counts:
    """What became of the jobs of a plan; ``kept`` ones were final already, ``seconds`` is how long the others took."""

    rendered: int = 0
    kept: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0


def render(plan: Plan, progress: Progress, *, warmup: bool = True) -> Counts:
    """Render what is missing of the plan's turn, each picture stored before the next is waited for.

    The provider is opened only if something is missing.

    A local model renders in batches of one size, after untimed pictures that warm it up; a batch that fails is recorded as
    failed and the run goes on, until the same error comes three times in a row. A hosted one is asked for many pictures at
    once (``bench.engine.hosted.dispatch``), for at most ``plan.budget.max`` in all sessions of the run.

    Raises:
        StoreError: another process is working on the run, or the disk is full.
        BudgetError: the next hosted picture could pass ``budget.max``; what is there is stored.
        RenderingError: the warm-up failed, the device is lost, or an error came three times in a row; pictures not tried stay pending.
        BenchError: the model cannot be loaded, or its server refuses the key or keeps failing.
    """
    plan.check()
    run, hosted = plan.run, plan.provider.hosted
    with run.lock():
        plan = plan.updated()
        if plan.budget.per_hour is not None and not hosted:
            run.update_info(per_hour=plan.budget.per_hour)
        adopt(run, plan.prompt_set, by_request(plan.provider), plan.description(run.info()))
        if aside := set_aside(run):
            progress.say(f"{run.name}: pictures of prompts that {plan.prompt_set.name} does not have: {aside}, kept, and counted nowhere")
        if not plan.now:
            run.compact([job.key for job in plan.jobs])
            return Counts(kept=plan.kept)
        rendering = Rendering(plan, progress)
        rendering.describe()
        began = time.monotonic()
        try:
            if hosted:
                asyncio.run(rendering.hosted(cast("HostedProvider", plan.provider)))
            else:
                rendering.local(cast("LocalProvider", plan.provider), warmup=warmup)
        finally:
            run.compact([job.key for job in plan.jobs])
        statuses = rendering.statuses
        failed = statuses.total() - statuses["ok"] - statuses["refused"]
        return Counts(statuses["ok"], plan.kept, statuses["refused"], failed, time.monotonic() - began)


class Rendering:
    """One session that renders what a plan has left to do in its turn; the caller has locked the run.

    Attributes:
        statuses: how many pictures ended in which status.
    """

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan, self._run, self._progress, self._todo = plan, plan.run, progress, plan.now
        self._machine, self._environment, self._session = environment.facts(), "", 0
        self._earlier: dict[str, Sequence[object]] = self._run.info().get("sessions", {})
        self.statuses: Counter[str] = Counter()

    def describe(self) -> None:
        """Write to run.json what is rendered, and delete the scores of pictures that are rendered again."""
        self._run.update_info(**self._plan.description(self._run.info()))
        self._run.delete_scores({job.key for job in self._todo})

    def local(self, provider: LocalProvider, *, warmup: bool = True) -> None:
        """Render with a model on this machine, batch by batch."""
        todo = self._todo
        planned = list(batches(by_size(todo, provider.batch_size), provider.batch_size))
        strikes = Strikes(provider.name, len({job.prompt.id for job in todo}))
        with opened(provider, self._progress.say) as session:
            warm = warm_up(session, planned, provider.name, self._progress) if warmup else _NO_WARMUP
            self._begin_session(local_facts(session), warm)
            began = time.monotonic()
            with self._progress.track(f"render {provider.name}", len(todo)) as advance:
                for batch in planned:
                    pictures = render_batch(session, batch)
                    for job, rendered in zip(batch, pictures, strict=True):
                        self._save(job, rendered)
                    strikes.add(batch, pictures)
                    advance(len(batch))
            self._record_session(local_facts(session), warm, time.monotonic() - began)

    async def hosted(self, provider: HostedProvider) -> None:
        """Render with a model behind a server; run.json's ``spending`` says afterwards what all sessions cost."""
        import PIL.Image  # noqa: PLC0415 - hosted models only
        import pyarrow.parquet  # noqa: F401, PLC0415 - as above

        from bench.engine.hosted.dispatch import Dispatch  # noqa: PLC0415 - as above
        from bench.store import schema  # noqa: PLC0415 - as above
        from bench.store.attempts import Ledger  # noqa: PLC0415 - as above

        PIL.Image.preinit()
        schema.records_table(())  # what checking and storing load at their first use takes a second: before anything is under way
        plan, todo, tariff, ledger = self._plan, self._todo, self._plan.tariff, Ledger(self._run)
        assert tariff is not None, "the plan of a hosted model has one"
        try:
            client = await provider.connect(self._progress.say)
            try:
                alike = len(plan.jobs) // plan.turn.of  # rounds differ by a prompt, and that makes no other conditions
                facts = {**client.facts, "in_flight": min(provider.limits.in_flight, len(todo), alike)}
                self._begin_session(facts, _NO_WARMUP)
                began = time.monotonic()
                with self._progress.track(f"render {provider.name}", len(todo)) as advance:

                    def save(job: Job, rendered: Rendered) -> None:
                        self._save(job, rendered)
                        advance(1)

                    await Dispatch(provider, client, ledger, tariff, max_usd=plan.budget.max, save=save).run(todo)
                self._record_session(facts, _NO_WARMUP, time.monotonic() - began)
            finally:
                await client.close()
        finally:
            self._run.update_info(spending={**ledger.spending(), "basis": tariff.basis, "as_of": tariff.as_of, "price": tariff.price})

    def _save(self, job: Job, rendered: Rendered) -> None:
        told = replace(rendered, detail={**rendered.detail, "session": self._session})
        self._run.save(job, told, prompt_set=self._plan.prompt_set, environment=self._environment)
        self.statuses[rendered.status] += 1

    def _begin_session(self, facts: Mapping[str, Any], warmup: Mapping[str, float]) -> None:
        """Write to run.json on which machine and under which conditions the pictures that follow are made."""
        here = {**self._machine, **environment.conditions(facts)}
        self._environment = environment.key(here)
        self._session = len(self._earlier.get(self._environment, []))
        environments = {**self._run.info().get("environments", {}), self._environment: here}
        self._run.update_info(environments=environments, environment=self._environment)
        self._record_session(facts, warmup)

    def _record_session(self, facts: Mapping[str, Any], warmup: Mapping[str, float], wall_s: float = math.nan) -> None:
        """Write what this session measured so far: ``sessions`` has all of each environment, ``session`` and ``warmup`` are this one's.

        Args:
            facts: of the session.
            warmup: of it.
            wall_s: seconds in which all its pictures were made and stored; NaN while it goes on.
        """
        turn = self._plan.turn
        session = {**facts, "environment": self._environment, **({"round": turn.index, "rounds": turn.of} if turn.of > 1 else {})}
        if not math.isnan(wall_s):
            session |= {"wall_s": round(wall_s, 4), "wall_pictures": self.statuses["ok"]}
        of_environment = [*self._earlier.get(self._environment, []), {**session, "warmup": dict(warmup)}]
        self._run.update_info(session=session, warmup=dict(warmup), sessions={**self._earlier, self._environment: of_environment})
