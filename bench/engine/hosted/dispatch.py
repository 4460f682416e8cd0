"""Many requests at once, each job ending in a final status, whatever the server does.

A worker takes the retry that is due, or the next job, and has the client prepare it; when its turn comes
(``bench.engine.hosted.policy``) the attempt is written down and leaves. Its answer is written down as it came, which frees
the slot, and is then checked and stored: a kill costs at most the attempts in flight. There are more workers than slots,
so that every slot is in use while requests are built and pictures stored, in bursts too. Whatever ends the run (key
refused, budget, disk full, server broken) lets the attempts in flight finish and be stored.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from bench.engine.hosted.policy import Policy
from bench.errors import BenchError, ProviderError, StoreError
from bench.images import decoding
from bench.store.schema import rendered_to_json
from bench.types import Rendered, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.pricing.tariff import Tariff
    from bench.providers import Client, HostedProvider
    from bench.store.attempts import Attempt, Ledger
    from bench.types import Job

_SPARE_WORKERS = 8
"""Workers beyond the slots in flight."""


@dataclass(eq=False)
class _PendingJob:
    """A job that has no final record yet.

    Attributes:
        tries: one entry an attempt, as kept in the record.
        first_sent, last_sent: when its first and its latest attempt left, by the event loop's clock.
        error: of the latest attempt.
    """

    job: Job
    tries: list[dict[str, Any]] = field(default_factory=list)
    first_sent: float = 0.0
    last_sent: float = 0.0
    error: ProviderError | None = None

    def add_try(self, status: str, seconds: float, **more: str) -> None:
        """Note what became of an attempt."""
        self.tries.append({"status": status, "seconds": round(seconds, 4), **more})


class _Call:
    """An attempt as its client sees it (``bench.providers.hosted.base.Task``), from its preparation to its answer."""

    def __init__(self, pending: _PendingJob, attempt: Attempt, policy: Policy, *, usd: float, timeout_s: float) -> None:
        self._pending, self._attempt, self._policy, self._usd, self._timeout_s = pending, attempt, policy, usd, timeout_s
        self._deadline = asyncio.timeout(None)

    @property
    def submission(self) -> Mapping[str, Any] | None:
        """See ``bench.providers.hosted.base.Task``."""
        return self._attempt.submission

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        """See ``bench.providers.hosted.base.Task``."""
        assert self._attempt.state == "sent", "turn() comes first"
        self._attempt.submitted(facts)

    async def turn(self) -> None:
        """See ``bench.providers.hosted.base.Task``. Time counts from here."""
        await self._policy.acquire_slot(None if self._attempt.paid else self._usd)
        now = asyncio.get_running_loop().time()
        try:
            self._attempt.send(self._usd)
        except BaseException:
            self._policy.release_slot()
            raise
        if not self._pending.tries:
            self._pending.first_sent = now
        self._pending.last_sent = now
        self._deadline.reschedule(now + self._timeout_s)

    async def make(self, client: Client) -> Rendered:
        """The client's answer. Raises TimeoutError where it takes longer than ``timeout_s`` from its turn."""
        try:
            async with self._deadline:
                return await client.make(self._pending.job.request, self)
        finally:
            if self._attempt.state == "sent":
                self._attempt.seconds = asyncio.get_running_loop().time() - self._pending.last_sent


class Dispatch:
    """One session of a hosted run.

    Args:
        provider: the model.
        client: a connection of it.
        ledger: where attempts are written.
        tariff: what a picture costs.
        max_usd: ``budget.max``, for all sessions of the run; None for no limit.
        save: stores the outcome of a job; called in one thread, one call at a time.
        seed: of the jitter.
    """

    def __init__(
        self,
        provider: HostedProvider,
        client: Client,
        ledger: Ledger,
        tariff: Tariff,
        *,
        max_usd: float | None,
        save: Callable[[Job, Rendered], None],
        seed: int | None = None,
    ) -> None:
        self._provider, self._client, self._ledger, self._tariff = provider, client, ledger, tariff
        self._max_usd, self._save = max_usd, save
        self._draw = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._fresh: Iterator[Job] = iter(())
        self._retries: list[tuple[float, int, _PendingJob]] = []
        self._unsent: list[_PendingJob] = []
        self._order = count()
        self._busy = 0
        self._changed = asyncio.Event()

    async def run(self, jobs: Sequence[Job]) -> None:
        """Bring every job to a final status.

        Raises:
            BudgetError: the next request could pass ``max_usd``.
            BenchError: the key is refused, the disk is full, or the server keeps failing. Unfinished jobs stay pending.
        """
        self._ledger.reconcile({job.key for job in jobs})
        self._fresh = iter(jobs)
        limits, ledger = self._provider.limits, self._ledger
        self._policy = Policy(
            self._provider.name, limits, jobs=len(jobs), committed_usd=lambda: ledger.committed_usd, max_usd=self._max_usd, draw=self._draw
        )
        with ThreadPoolExecutor(1, thread_name_prefix="store") as self._disk:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(limits.in_flight + _SPARE_WORKERS, len(jobs))):
                    group.create_task(self._work())
            if self._policy.stopped:
                for pending in [*self._unsent, *(entry[-1] for entry in self._retries)]:
                    if pending.error:
                        await self._in_thread(self._record, pending, _without_picture(pending.error))
                raise self._policy.stopped

    async def _work(self) -> None:
        while (pending := await self._next()) is not None:
            self._busy += 1
            try:
                await self._attempt(pending)
            except BenchError as error:
                self._policy.stop(error)
            except asyncio.CancelledError:
                self._unsent.append(pending)
                raise
            finally:
                self._busy -= 1
                self._changed.set()

    async def _next(self) -> _PendingJob | None:
        """The retry that is due, else the next job, else wait; None when all is done or the run ends."""
        loop = asyncio.get_running_loop()
        while self._policy.stopped is None:
            if self._retries and self._retries[0][0] <= loop.time():
                return heapq.heappop(self._retries)[-1]
            job = next(self._fresh, None)
            if job is not None:
                return _PendingJob(job)
            if not self._retries and not self._busy:
                return None
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._retries[0][0] if self._retries else None):
                    await self._changed.wait()
        return None

    async def _attempt(self, pending: _PendingJob) -> None:
        """One attempt at a job, stored where it gives a picture or a refusal, else lined up again or recorded as failed."""
        attempt = self._ledger.attempt(pending.job)
        try:
            rendered = attempt.recall() or await self._ask(pending, attempt)
            await self._in_thread(self._keep, pending, attempt, rendered)
        except Exception as error:  # noqa: BLE001 - one broken picture must not end a long run
            if attempt.state == "planned" and self._policy.stopped:
                self._unsent.append(pending)
                return
            await self._failed(pending, attempt, self._classify_error(error, attempt))
        else:
            self._policy.answered()
            attempt.settle(rendered.status, rendered.cost_usd)

    async def _ask(self, pending: _PendingJob, attempt: Attempt) -> Rendered:
        """The answer of the server with its price, written down so that it is neither lost nor paid again; its slot is free then."""
        request = pending.job.request
        call = _Call(pending, attempt, self._policy, usd=self._tariff.estimate(request), timeout_s=self._provider.limits.timeout_s)
        try:
            rendered = await call.make(self._client)
            priced = replace(rendered, cost_usd=self._tariff.cost(request, rendered))
            attempt.answered(self._provider.redact(rendered_to_json(priced)), priced.image)
            return priced
        finally:
            if attempt.state != "planned":
                self._policy.release_slot()

    def _classify_error(self, error: Exception, attempt: Attempt) -> ProviderError:
        """What an exception says about its picture. Raises BenchErrors that end the run."""
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, StoreError):
            raise error
        if isinstance(error, BenchError):
            paid = attempt.submission is not None
            attempt.settle("stopped", math.nan if paid else 0.0, keep=paid)
            raise error
        if isinstance(error, TimeoutError):
            seconds = self._provider.limits.timeout_s
            return ProviderError(f"no answer within {seconds:g} s", status="timeout", transient=True, keep_task=True)
        return ProviderError(f"{type(error).__name__}: {self._provider.clean(error)}", status="provider_error")

    async def _in_thread(self, work: Callable[..., None], *args: object) -> None:
        """Disk and decoder have a thread of their own, which does one thing at a time."""
        await asyncio.get_running_loop().run_in_executor(self._disk, work, *args)

    def _keep(self, pending: _PendingJob, attempt: Attempt, rendered: Rendered) -> None:
        """Store a picture or a refusal. Raises ProviderError for bytes that are no picture."""
        try:
            checked = self._checked(rendered)
        except ProviderError:
            attempt.delete_pending_image()
            raise
        pending.add_try(checked.status, attempt.seconds)
        self._record(pending, replace(checked, timing=replace(checked.timing, retry_s=pending.last_sent - pending.first_sent)))
        attempt.delete_pending_image()

    def _checked(self, rendered: Rendered) -> Rendered:
        """``rendered`` with the size and metadata of its file."""
        if rendered.image is None:
            return rendered
        try:
            picture = decoding.inspect(rendered.image)
        except ValueError as error:
            reason = self._provider.clean(error)
            raise ProviderError(reason, status="invalid_image", transient=True, usd=rendered.cost_usd) from None
        facts: dict[str, Any] = {"size": [picture.width, picture.height]}
        if picture.metadata:
            facts["metadata"] = dict(picture.metadata)
        return replace(rendered, detail={**rendered.detail, **facts})

    async def _failed(self, pending: _PendingJob, attempt: Attempt, error: ProviderError) -> None:
        """Settle a failed attempt, and either line the job up again or record why there is no picture."""
        attempt.settle(error.status, error.usd, keep=error.keep_task and attempt.submission is not None)
        pending.add_try(error.status, attempt.seconds, error=str(error))
        pending.error = error
        wait = self._policy.failed(error, len(pending.tries))
        if wait is None:
            await self._in_thread(self._record, pending, _without_picture(error))
            return
        pending.tries[-1]["waited"] = round(wait, 4)
        heapq.heappush(self._retries, (asyncio.get_running_loop().time() + wait, next(self._order), pending))

    def _record(self, pending: _PendingJob, rendered: Rendered) -> None:
        """Store the outcome, free of the key."""
        redact = self._provider.redact
        outcome = replace(
            rendered,
            error=redact(rendered.error),
            revised_prompt=redact(rendered.revised_prompt),
            detail=redact({**rendered.detail, "tries": pending.tries}),
            timing=replace(rendered.timing, attempts=len(pending.tries)),
        )
        self._save(pending.job, outcome)
        self._policy.saved += outcome.image is not None


def _without_picture(error: ProviderError) -> Rendered:
    detail = {"code": error.code} if error.code else {}
    return Rendered(error.status, timing=Timing(), error=str(error), cost_usd=error.usd, detail=detail)
