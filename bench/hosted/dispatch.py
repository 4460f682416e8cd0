"""Many requests at once, each job ending in a final status, whatever the server does.

A worker a place in flight takes the retry that is due, or the next job, waits for breaker and token, checks the
budget, writes the attempt down, makes it, and stores what came of it. Whatever ends the run (key refused, budget, disk
full, server broken) lets the attempts in flight finish and be stored.
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

from bench import decoding
from bench.errors import BenchError, BudgetError, ProviderError
from bench.hosted.pacing import Breaker, RetryBudget, TokenBucket, backoff
from bench.types import Rendered, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.hosted.ledger import Attempt, Ledger
    from bench.hosted.money import Tariff
    from bench.providers import Client, HostedProvider
    from bench.types import Job

_LEAST_FAILURES = 10
"""Failed attempts in a row that open the breaker, or twice the places in flight if that is more."""
_ROUNDING_USD = 1e-9


@dataclass(eq=False)
class _Ticket:
    """A job on its way; ``tries`` is one entry an attempt, as kept in the record."""

    job: Job
    begun: float = math.nan
    tries: list[dict[str, Any]] = field(default_factory=list)
    error: ProviderError | None = None


class Dispatch:
    """One session of a hosted run.

    Args:
        provider: what is asked, and how hard it may be pressed.
        client: a connection of it.
        ledger: where attempts are written.
        tariff: what a picture costs.
        most_usd: ``budget.max``, for all sessions of the run; None for no limit.
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
        most_usd: float | None,
        save: Callable[[Job, Rendered], None],
        seed: int | None = None,
    ) -> None:
        self._provider, self._client, self._ledger, self._tariff = provider, client, ledger, tariff
        self._most_usd, self._save, self._limits = most_usd, save, provider.limits
        self._bucket = TokenBucket(self._limits.per_minute)
        self._breaker = Breaker(max(_LEAST_FAILURES, 2 * self._limits.in_flight))
        self._draw = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._fresh: Iterator[Job] = iter(())
        self._late: list[tuple[float, int, _Ticket]] = []
        self._order = count()
        self._busy = 0
        self._changed = asyncio.Event()
        self._stop: BenchError | None = None
        self._waiting: dict[_Ticket, asyncio.Task[Any]] = {}
        self._stored = 0

    async def run(self, jobs: Sequence[Job]) -> None:
        """Bring every job to a final status.

        Raises:
            BudgetError: the next request could pass ``most_usd``.
            BenchError: the key is refused, the disk is full, or the server only fails. Unfinished jobs stay pending.
        """
        self._fresh = iter(jobs)
        self._retries = RetryBudget.of(len(jobs), self._limits.retries)
        with ThreadPoolExecutor(1, thread_name_prefix="store") as self._disk:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._limits.in_flight, len(jobs))):
                    group.create_task(self._work())
            if self._stop:
                for ticket in [*self._waiting, *(late[-1] for late in self._late)]:
                    if ticket.error:
                        await self._record(ticket, _not_made(ticket.error))
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

    async def _take(self) -> _Ticket | None:
        """The retry that is due, else the next job, else wait; None when all is done or the run ends."""
        loop = asyncio.get_running_loop()
        while self._stop is None:
            if self._late and self._late[0][0] <= loop.time():
                return heapq.heappop(self._late)[-1]
            job = next(self._fresh, None)
            if job is not None:
                return _Ticket(job)
            if not self._late and not self._busy:
                return None
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._late[0][0] if self._late else None):
                    await self._changed.wait()
        return None

    def _halt(self, error: BenchError) -> None:
        """Take nothing more on; whoever only waits for its turn stops waiting."""
        self._stop = self._stop or error
        for task in self._waiting.values():
            if task is not asyncio.current_task():
                task.cancel()

    async def _attempt(self, ticket: _Ticket) -> None:
        attempt = await self._admitted(ticket)
        if attempt is None:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                rendered = await self._client.make(ticket.job.request, attempt)
            rendered = await self._checked(ticket.job, rendered)
        except TimeoutError:
            error = ProviderError(f"no answer within {self._limits.timeout_s:g} s", status="timeout", transient=True, keep_task=True)
            await self._failed(ticket, attempt, error, loop.time() - began)
        except ProviderError as error:
            await self._failed(ticket, attempt, error, loop.time() - began)
        except BenchError:
            paid = attempt.known is not None
            attempt.settle("stopped", loop.time() - began, math.nan if paid else 0.0, keep=paid)
            raise
        except Exception as error:  # noqa: BLE001 - one broken picture must not end a long run
            told = ProviderError(f"{type(error).__name__}: {self._provider.clean(error)}", status="provider_error")
            await self._failed(ticket, attempt, told, loop.time() - began)
        else:
            self._breaker.answered()
            seconds = loop.time() - began
            lost = began - ticket.begun if ticket.tries else 0.0
            self._note(ticket, rendered.status, seconds)
            await self._record(ticket, replace(rendered, timing=replace(rendered.timing, retry_s=lost)))
            attempt.settle(rendered.status, seconds, rendered.cost_usd)

    async def _admitted(self, ticket: _Ticket) -> Attempt | None:
        """Wait for breaker and token, then write the attempt down; None when the run ends first, or the money does."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting[ticket] = task
        known = self._ledger.task(ticket.job)
        await self._breaker.enter()
        if known is None:
            await self._bucket.take()
        if self._stop:
            return None
        if not ticket.tries:
            ticket.begun = asyncio.get_running_loop().time()
        if known is None:
            usd = self._tariff.estimate(ticket.job.request)
            if self._most_usd is not None and not self._ledger.committed_usd + usd <= self._most_usd + _ROUNDING_USD:
                self._halt(self._out_of_money(usd))
                return None
            known = self._ledger.send(ticket.job, usd)
        del self._waiting[ticket]
        return known

    def _out_of_money(self, usd: float) -> BudgetError:
        spent, most = self._ledger.committed_usd, self._most_usd
        return BudgetError(
            f"{self._provider.name}: the next picture could cost {usd:.3g} USD and pass budget.max={most:g}: {spent:.4g} USD are spent or "
            f"under way; {self._stored} pictures of this session are stored. The same command with a higher budget.max continues"
        )

    async def _checked(self, job: Job, rendered: Rendered) -> Rendered:
        """``rendered`` with its price, and what was found in its file. Raises ProviderError for bytes that are no picture."""
        usd = self._tariff.cost(job.request, rendered)
        if rendered.image is None:
            return replace(rendered, cost_usd=usd)
        try:
            picture = await asyncio.get_running_loop().run_in_executor(self._disk, decoding.inspect, rendered.image)
        except ValueError as error:
            raise ProviderError(self._provider.clean(error), status="invalid_image", transient=True, usd=usd) from None
        found: dict[str, Any] = {"size": [picture.width, picture.height]}
        if picture.metadata:
            found["metadata"] = dict(picture.metadata)
        return replace(rendered, cost_usd=usd, detail={**rendered.detail, **found})

    async def _failed(self, ticket: _Ticket, attempt: Attempt, error: ProviderError, seconds: float) -> None:
        """Settle a failed attempt, and either line the job up again or record why there is no picture."""
        attempt.settle(error.status, seconds, error.usd, keep=error.keep_task and attempt.known is not None)
        if error.status == "rate_limited" or not error.transient:
            self._breaker.answered()
        else:
            self._breaker.failed()
        self._note(ticket, error.status, seconds, error=str(error))
        ticket.error = error
        if self._breaker.broken:
            self._halt(
                ProviderError(
                    f"{self._provider.name}: the server only fails, the last time with: {error}; {self._stored} pictures of this session "
                    "are stored, and the same command continues once it is well again"
                )
            )
        asked = error.retry_after or 0.0
        patient = asked <= self._limits.longest_wait_s
        if asked and patient:
            self._bucket.hold(asked)
        if error.transient and patient and len(ticket.tries) < self._limits.attempts and not self._stop and self._retries.take():
            wait = backoff(len(ticket.tries), self._draw)
            if error.retry_after is not None:
                wait = asked + self._draw.uniform(0.0, min(1.0, asked))
            ticket.tries[-1]["waited"] = round(wait, 4)
            heapq.heappush(self._late, (asyncio.get_running_loop().time() + wait, next(self._order), ticket))
        else:
            await self._record(ticket, _not_made(error))

    def _note(self, ticket: _Ticket, status: str, seconds: float, **more: str) -> None:
        ticket.tries.append({"status": status, "seconds": round(seconds, 4), **more})

    async def _record(self, ticket: _Ticket, rendered: Rendered) -> None:
        """Store the outcome, free of the key."""
        free = self._provider.redact
        told = replace(
            rendered,
            error=free(rendered.error),
            revised_prompt=free(rendered.revised_prompt),
            detail=free({**rendered.detail, "tries": ticket.tries}),
            timing=replace(rendered.timing, attempts=len(ticket.tries)),
        )
        await asyncio.get_running_loop().run_in_executor(self._disk, self._save, ticket.job, told)
        self._stored += told.image is not None


def _not_made(error: ProviderError) -> Rendered:
    detail = {"code": error.code} if error.code else {}
    return Rendered(error.status, timing=Timing(), error=str(error), cost_usd=error.usd, detail=detail)
