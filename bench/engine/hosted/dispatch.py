"""Many requests at once, each job ending in a final status, whatever the server does.

A worker takes the retry that is due, or the next job, and has the client prepare it; when its turn comes (a place in
flight, breaker, token, budget) the attempt is written down and leaves. Its answer is written down as it came, which frees
the place, and is then checked and stored: a kill costs at most the attempts in flight. There are more workers than
places, so that every place is in use while requests are built and pictures stored, in bursts too. Whatever ends the run
(key refused, budget, disk full, server broken) lets the attempts in flight finish and be stored.
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

from bench.engine.hosted.pacing import Breaker, RetryBudget, TokenBucket, backoff
from bench.errors import BenchError, BudgetError, ProviderError, StoreError
from bench.images import decoding
from bench.store.schema import rendered_to_json
from bench.types import Rendered, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.pricing.tariff import Tariff
    from bench.providers import Client, HostedProvider
    from bench.store.attempts import Attempt, Ledger
    from bench.types import Job

_LEAST_FAILURES = 10
"""Failed attempts in a row that open the breaker, or twice the places in flight if that is more."""
_ROUNDING_USD = 1e-9
_SPARE = 8
"""Workers beyond the places in flight."""


class _EndedError(Exception):
    """The run is ending and this attempt's turn never comes."""


@dataclass(eq=False)
class _PendingJob:
    """A job on its way; ``tries`` is one entry an attempt, as kept in the record."""

    job: Job
    begun: float = math.nan
    tries: list[dict[str, Any]] = field(default_factory=list)
    error: ProviderError | None = None


class _Attempt:
    """A ``bench.providers.hosted.base.Task``: one attempt, from its preparation to its account."""

    def __init__(self, dispatch: Dispatch, ticket: _PendingJob) -> None:
        self._dispatch, self._ticket = dispatch, ticket
        self._deadline = asyncio.timeout(None)
        self._earlier = dispatch.ledger.task(ticket.job)
        self.attempt: Attempt | None = None
        self.began = self.seconds = 0.0

    @property
    def submission(self) -> Mapping[str, Any] | None:
        """See ``bench.providers.hosted.base.Task``."""
        attempt = self.attempt or self._earlier
        return attempt.submission if attempt else None

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        """See ``bench.providers.hosted.base.Task``."""
        assert self.attempt is not None, "turn() comes first"
        self.attempt.submitted(facts)

    async def turn(self) -> None:
        """See ``bench.providers.hosted.base.Task``. Time counts from here."""
        self.attempt = await self._dispatch.acquire_slot(self._ticket, self._earlier)
        self.began = asyncio.get_running_loop().time()
        self._deadline.reschedule(self.began + self._dispatch.limits.timeout_s)

    def recalled(self) -> Rendered | None:
        """The answer that an earlier process had and did not store."""
        attempt = self._dispatch.ledger.answer(self._ticket.job)
        rendered = attempt.recall() if attempt else None
        if attempt and attempt.answer and rendered:
            self.attempt, self.seconds = attempt, attempt.answer["seconds"]
        return rendered

    async def make(self, client: Client) -> Rendered:
        """The client's attempt, ended where it takes too long; its place is free again when this returns."""
        try:
            async with self._deadline:
                rendered = await client.make(self._ticket.job.request, self)
            self.seconds = asyncio.get_running_loop().time() - self.began
            return self._dispatch.answered(self, self._ticket.job, rendered)
        finally:
            if self.attempt is not None:
                self.seconds = self.seconds or asyncio.get_running_loop().time() - self.began
                self._dispatch.leave()

    def settle(self, status: str, usd: float, *, keep: bool = False) -> None:
        """Account for an attempt that was sent."""
        if self.attempt is not None:
            self.attempt.settle(status, self.seconds, usd, keep=keep)


class Dispatch:
    """One session of a hosted run.

    Args:
        provider: what is asked, and how hard it may be pressed.
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
        self._provider, self._client, self.ledger, self._tariff = provider, client, ledger, tariff
        self._most_usd, self._save, self.limits = max_usd, save, provider.limits
        self._bucket = TokenBucket(self.limits.per_minute)
        self._breaker = Breaker(max(_LEAST_FAILURES, 2 * self.limits.in_flight))
        self._draw = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._fresh: Iterator[Job] = iter(())
        self._due_retries: list[tuple[float, int, _PendingJob]] = []
        self._order = count()
        self._busy = 0
        self._changed = asyncio.Event()
        self._stop: BenchError | None = None
        self._slots = asyncio.Semaphore(self.limits.in_flight)
        self._waiting: dict[_PendingJob, asyncio.Task[Any]] = {}
        self._stored = 0

    async def run(self, jobs: Sequence[Job]) -> None:
        """Bring every job to a final status.

        Raises:
            BudgetError: the next request could pass ``max_usd``.
            BenchError: the key is refused, the disk is full, or the server only fails. Unfinished jobs stay pending.
        """
        self.ledger.reconcile({job.key for job in jobs})
        self._fresh = iter(jobs)
        self._retry_budget = RetryBudget.of(len(jobs), self.limits.retries)
        with ThreadPoolExecutor(1, thread_name_prefix="store") as self._disk:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.limits.in_flight + _SPARE, len(jobs))):
                    group.create_task(self._work())
            if self._stop:
                for ticket in [*self._waiting, *(entry[-1] for entry in self._due_retries)]:
                    if ticket.error:
                        await self._in_thread(self._record, ticket, _not_made(ticket.error))
                raise self._stop

    async def _work(self) -> None:
        while (ticket := await self._take()) is not None:
            self._busy += 1
            try:
                await self._attempt(ticket)
            except BenchError as error:
                self._halt(error)
            finally:
                self._busy -= 1
                self._changed.set()

    async def _take(self) -> _PendingJob | None:
        """The retry that is due, else the next job, else wait; None when all is done or the run ends."""
        loop = asyncio.get_running_loop()
        while self._stop is None:
            if self._due_retries and self._due_retries[0][0] <= loop.time():
                return heapq.heappop(self._due_retries)[-1]
            job = next(self._fresh, None)
            if job is not None:
                return _PendingJob(job)
            if not self._due_retries and not self._busy:
                return None
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._due_retries[0][0] if self._due_retries else None):
                    await self._changed.wait()
        return None

    def _halt(self, error: BenchError) -> None:
        """Take nothing more on; whoever only waits for its turn stops waiting."""
        self._stop = self._stop or error
        for task in self._waiting.values():
            if task is not asyncio.current_task():
                task.cancel()

    async def _attempt(self, ticket: _PendingJob) -> None:
        turn = _Attempt(self, ticket)
        try:
            rendered = turn.recalled() or await turn.make(self._client)
            await self._in_thread(self._keep, ticket, turn, rendered)
        except Exception as error:  # noqa: BLE001 - one broken picture must not end a long run
            if turn.attempt is None and self._stop:
                return
            await self._failed(ticket, turn, self._classify_error(error, turn))
        else:
            self._breaker.answered()
            turn.settle(rendered.status, rendered.cost_usd)

    def _classify_error(self, error: Exception, turn: _Attempt) -> ProviderError:
        """What an exception says about its picture. Raises BenchErrors that end the run."""
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, StoreError):
            raise error
        if isinstance(error, BenchError):
            paid = turn.submission is not None
            turn.settle("stopped", math.nan if paid else 0.0, keep=paid)
            raise error
        if isinstance(error, TimeoutError):
            return ProviderError(f"no answer within {self.limits.timeout_s:g} s", status="timeout", transient=True, keep_task=True)
        return ProviderError(f"{type(error).__name__}: {self._provider.clean(error)}", status="provider_error")

    async def acquire_slot(self, ticket: _PendingJob, earlier: Attempt | None) -> Attempt:
        """Wait for a place, the breaker and a token, then write the attempt down.

        Raises:
            _EndedError: the run ends first, or the money does.
        """
        task = asyncio.current_task()
        assert task is not None
        self._waiting[ticket] = task
        await self._slots.acquire()
        try:
            attempt = await self._cleared(ticket, earlier)
        except BaseException:
            self._slots.release()
            raise
        del self._waiting[ticket]
        return attempt

    async def _cleared(self, ticket: _PendingJob, earlier: Attempt | None) -> Attempt:
        """Breaker, token and budget, in this order; a task that was submitted earlier needs no token and no money."""
        await self._breaker.enter()
        if earlier is None:
            await self._bucket.take()
        if self._stop:
            raise _EndedError
        if not ticket.tries:
            ticket.begun = asyncio.get_running_loop().time()
        if earlier is not None:
            return earlier
        usd = self._tariff.estimate(ticket.job.request)
        if self._most_usd is not None and not self.ledger.committed_usd + usd <= self._most_usd + _ROUNDING_USD:
            self._halt(self._out_of_money(usd))
            raise _EndedError
        return self.ledger.send(ticket.job, usd)

    def answered(self, turn: _Attempt, job: Job, rendered: Rendered) -> Rendered:
        """``rendered`` with its price, written down so that it is neither lost nor paid again."""
        assert turn.attempt is not None, "a client awaits its turn"
        priced = replace(rendered, cost_usd=self._tariff.cost(job.request, rendered))
        turn.attempt.answered(self._provider.redact(rendered_to_json(priced)), priced.image, turn.seconds)
        return priced

    def leave(self) -> None:
        """Give a place back."""
        self._slots.release()

    def _out_of_money(self, usd: float) -> BudgetError:
        spent, most = self.ledger.committed_usd, self._most_usd
        return BudgetError(
            f"{self._provider.name}: the next picture could cost {usd:.3g} USD and pass budget.max={most:g}: {spent:.4g} USD are spent or "
            f"under way; {self._stored} pictures of this session are stored. The same command with a higher budget.max continues"
        )

    async def _in_thread(self, work: Callable[..., None], *args: object) -> None:
        """Disk and decoder have a thread of their own, one thing at a time."""
        await asyncio.get_running_loop().run_in_executor(self._disk, work, *args)

    def _keep(self, ticket: _PendingJob, turn: _Attempt, rendered: Rendered) -> None:
        """Store a picture or a refusal. Raises ProviderError for bytes that are no picture."""
        assert turn.attempt is not None, "it was answered"
        try:
            checked = self._checked(rendered)
        except ProviderError:
            turn.attempt.delete_pending_image()
            raise
        lost = turn.began - ticket.begun if ticket.tries else 0.0
        self._note(ticket, checked.status, turn.seconds)
        self._record(ticket, replace(checked, timing=replace(checked.timing, retry_s=lost)))
        turn.attempt.delete_pending_image()

    def _checked(self, rendered: Rendered) -> Rendered:
        """``rendered`` with what was found in its file."""
        if rendered.image is None:
            return rendered
        try:
            picture = decoding.inspect(rendered.image)
        except ValueError as error:
            told = self._provider.clean(error)
            raise ProviderError(told, status="invalid_image", transient=True, usd=rendered.cost_usd) from None
        found: dict[str, Any] = {"size": [picture.width, picture.height]}
        if picture.metadata:
            found["metadata"] = dict(picture.metadata)
        return replace(rendered, detail={**rendered.detail, **found})

    async def _failed(self, ticket: _PendingJob, turn: _Attempt, error: ProviderError) -> None:
        """Settle a failed attempt, and either line the job up again or record why there is no picture."""
        turn.settle(error.status, error.usd, keep=error.keep_task and turn.submission is not None)
        if error.status == "rate_limited" or not error.transient:
            self._breaker.answered()
        else:
            self._breaker.failed()
        self._note(ticket, error.status, turn.seconds, error=str(error))
        ticket.error = error
        if self._breaker.broken:
            self._halt(
                ProviderError(
                    f"{self._provider.name}: the server only fails, the last time with: {error}; {self._stored} pictures of this session "
                    "are stored, and the same command continues once it is well again"
                )
            )
        asked = error.retry_after or 0.0
        patient = asked <= self.limits.longest_wait_s
        if asked and patient:
            self._bucket.hold(asked)
        if error.transient and patient and len(ticket.tries) < self.limits.attempts and not self._stop and self._retry_budget.take():
            wait = backoff(len(ticket.tries), self._draw)
            if error.retry_after is not None:
                wait = asked + self._draw.uniform(0.0, min(1.0, asked))
            ticket.tries[-1]["waited"] = round(wait, 4)
            heapq.heappush(self._due_retries, (asyncio.get_running_loop().time() + wait, next(self._order), ticket))
        else:
            await self._in_thread(self._record, ticket, _not_made(error))

    def _note(self, ticket: _PendingJob, status: str, seconds: float, **more: str) -> None:
        ticket.tries.append({"status": status, "seconds": round(seconds, 4), **more})

    def _record(self, ticket: _PendingJob, rendered: Rendered) -> None:
        """Store the outcome, free of the key."""
        free = self._provider.redact
        told = replace(
            rendered,
            error=free(rendered.error),
            revised_prompt=free(rendered.revised_prompt),
            detail=free({**rendered.detail, "tries": ticket.tries}),
            timing=replace(rendered.timing, attempts=len(ticket.tries)),
        )
        self._save(ticket.job, told)
        self._stored += told.image is not None


def _not_made(error: ProviderError) -> Rendered:
    detail = {"code": error.code} if error.code else {}
    return Rendered(error.status, timing=Timing(), error=str(error), cost_usd=error.usd, detail=detail)
