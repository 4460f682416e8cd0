"""The pace of requests to a server: token bucket, back-off with jitter, retry budget, circuit breaker.

Time is the event loop's, so that tests use a loop with a clock of its own and wait for nothing.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

WINDOW_S = 61.0
"""Seconds over which ``per_minute`` is kept: one more than a minute, for requests do not all travel equally fast."""
_FIRST_WAIT_S, _LONGEST_BACKOFF_S = 1.0, 60.0


def backoff(tries: int, draw: random.Random) -> float:
    """Seconds to wait after ``tries`` failed attempts: 1, 2, 4, … at most 60, of which a random half to whole.

    >>> import random
    >>> 2.0 <= backoff(3, random.Random(0)) <= 4.0
    True
    """
    whole = min(_LONGEST_BACKOFF_S, _FIRST_WAIT_S * 2.0 ** (tries - 1))
    return whole * draw.uniform(0.5, 1.0)


class TokenBucket:
    """Lets at most ``per_minute`` requests through in any 60 s.

    Tokens come evenly, ``per_minute`` in ``WINDOW_S``, and are not saved up: a bucket of b tokens that gains r a second lets
    b + 60 r through in a minute, so only b = 1 keeps the limit at nearly full rate. ``hold`` stops everybody for a while.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._gap = WINDOW_S / per_minute if per_minute else 0.0
        self._next = self._blocked_until = -math.inf
        self._turns = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a token; callers are served in order."""
        loop = asyncio.get_running_loop()
        async with self._turns:
            while (wait := max(self._next, self._blocked_until) - loop.time()) > 0:  # noqa: ASYNC110 - time passes, nothing happens
                await asyncio.sleep(wait)
            self._next = loop.time() + self._gap

    def hold(self, seconds: float) -> None:
        """Let nobody through for ``seconds``, those included who wait already."""
        self._blocked_until = max(self._blocked_until, asyncio.get_running_loop().time() + seconds)


@dataclass
class RetryBudget:
    """How many retries a run has left, so that a failing server does not get many times the requests of a healthy one."""

    left: int

    @classmethod
    def of(cls, pictures: int, share: float) -> RetryBudget:
        """20 retries and ``share`` more for each picture."""
        return cls(20 + math.ceil(share * pictures))

    def take(self) -> bool:
        """Use one up; False when there is none."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Breaker:
    """Stops requests to a server that keeps failing.

    Closed until ``limit`` attempts in a row have failed; then open for ``cool_s``; then a single attempt goes through: if it
    is answered the breaker closes, if it fails ``broken`` is True and the run should end.
    """

    def __init__(self, limit: int, cool_s: float = 30.0) -> None:
        self.broken = False
        self._limit, self._cool_s = limit, cool_s
        self._failures, self._open_until, self._probing = 0, -math.inf, False
        self._changed = asyncio.Event()

    async def enter(self) -> None:
        """Wait until an attempt may be made."""
        loop = asyncio.get_running_loop()
        while self._failures >= self._limit and not self.broken:
            wait = self._open_until - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            elif not self._probing:
                self._probing = True
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def answered(self) -> None:
        """The server works: it rendered or refused a picture, or asked to wait."""
        self._failures, self._probing = 0, False
        self._changed.set()

    def failed(self) -> None:
        """The server failed."""
        self._failures += 1
        if self._probing:
            self.broken = True
        elif self._failures == self._limit:
            self._open_until = asyncio.get_running_loop().time() + self._cool_s
        self._changed.set()
