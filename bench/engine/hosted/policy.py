"""Whether and when a request may leave: slots in flight, circuit breaker, rate, money; and when a failed one is tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bench.engine.hosted.pacing import Breaker, RetryBudget, TokenBucket, backoff
from bench.errors import BenchError, BudgetError, ProviderError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from bench.providers.hosted.base import Limits

_MIN_FAILURES = 10
"""Failed attempts in a row that open the breaker, or twice the slots if that is more."""
_ROUNDING_USD = 1e-9


class StoppedError(Exception):
    """The run is ending and this request must not be sent."""


class Policy:
    """What all requests of one session of a hosted run have to obey.

    Args:
        name: the model's, for messages.
        limits: of the provider.
        jobs: how many jobs the session has.
        committed_usd: what is spent and in flight.
        max_usd: ``budget.max``; None for no limit.
        draw: jitter.

    Attributes:
        stopped: why the run is ending; None while it goes on.
        saved: pictures of this session that are stored, for messages.
    """

    def __init__(
        self, name: str, limits: Limits, *, jobs: int, committed_usd: Callable[[], float], max_usd: float | None, draw: random.Random
    ) -> None:
        self._name, self._limits, self._committed_usd, self._max_usd, self._draw = name, limits, committed_usd, max_usd, draw
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._breaker = Breaker(max(_MIN_FAILURES, 2 * limits.in_flight))
        self._bucket = TokenBucket(limits.per_minute)
        self._retries = RetryBudget.of(jobs, limits.retries)
        self._waiting: set[asyncio.Task[Any]] = set()
        self.stopped: BenchError | None = None
        self.saved = 0

    async def acquire_slot(self, usd: float | None) -> None:
        """Wait for a slot, the breaker and a token of the rate, in this order; the caller sends at once and then calls ``release_slot``.

        Args:
            usd: what the request may cost; None for one that is paid already, which needs no token either.

        Raises:
            StoppedError: the run ends first, or ``max_usd`` could be passed, which ends it.
        """
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            await self._slots.acquire()
            try:
                await self._clear(usd)
            except BaseException:
                self._slots.release()
                raise
        finally:
            self._waiting.discard(task)

    def release_slot(self) -> None:
        """The request was answered or has failed."""
        self._slots.release()

    def stop(self, error: BenchError) -> None:
        """End the run: nothing more is sent, and what only waits for its slot is cancelled."""
        self.stopped = self.stopped or error
        for task in self._waiting:
            if task is not asyncio.current_task():
                task.cancel()

    def answered(self) -> None:
        """A picture or a refusal has come and is stored."""
        self._breaker.answered()

    def failed(self, error: ProviderError, attempts: int) -> float | None:
        """An attempt at a job has failed, the ``attempts``-th one; how many seconds to wait before the next, None for no other.

        A server that keeps failing ends the run, and so does one whose answers, which may have been paid, never hold a picture.
        """
        if error.status == "rate_limited" or (not error.transient and error.usd == 0):
            self._breaker.answered()
        else:
            self._breaker.failed()
        if self._breaker.broken:
            self.stop(
                ProviderError(
                    f"{self._name}: the server keeps failing (last error: {error}). {self.saved} images are saved; "
                    "run the same command again to continue"
                )
            )
        retry_after = error.retry_after or 0.0
        patient = retry_after <= self._limits.longest_wait_s
        if retry_after and patient:
            self._bucket.hold(retry_after)
        again = error.transient and patient and attempts < self._limits.attempts and not self.stopped
        if not again or not self._retries.take():
            return None
        if error.retry_after is None:
            return backoff(attempts, self._draw)
        return retry_after + self._draw.uniform(0.0, min(1.0, retry_after))

    async def _clear(self, usd: float | None) -> None:
        """Breaker, rate and money, in this order."""
        await self._breaker.enter()
        if usd is not None:
            await self._bucket.take()
            self._check_money(usd)
        if self.stopped:
            raise StoppedError

    def _check_money(self, usd: float) -> None:
        committed = self._committed_usd()
        if self.stopped or self._max_usd is None or committed + usd <= self._max_usd + _ROUNDING_USD:
            return
        self.stop(
            BudgetError(
                f"{self._name}: the next picture could cost {usd:.3g} USD and pass budget.max={self._max_usd:g}: {committed:.4g} USD are "
                f"spent or in flight. {self.saved} images are saved; run the same command with a higher budget.max to continue"
            )
        )
