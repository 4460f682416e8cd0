"""Token bucket, back-off, retry budget and breaker, on a clock that jumps."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support import virtual

from bench.core.http import retry_after
from bench.engine.hosted.pacing import Breaker, RetryBudget, TokenBucket, backoff


def most_in_a_minute(times: list[float]) -> int:
    """The largest number of requests in any 60 s, ends included."""
    return max(sum(start <= t <= start + 60 for t in times) for start in times)


@pytest.mark.parametrize("per_minute", [1, 7, 60, 300])
def test_no_minute_sees_more_than_the_limit_and_nearly_all_of_it_is_used(per_minute: int) -> None:
    times: list[float] = []

    async def main() -> None:
        bucket = TokenBucket(per_minute)

        async def one() -> None:
            await bucket.take()
            times.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(one() for _ in range(3 * per_minute)))

    virtual.run(main())
    assert times == sorted(times)
    assert most_in_a_minute(times) <= per_minute
    assert times[-1] <= 3.1 * 60


def test_without_a_limit_nobody_waits_and_a_hold_stops_everyone() -> None:
    times: list[float] = []

    async def main() -> None:
        bucket, loop = TokenBucket(None), asyncio.get_running_loop()
        await asyncio.gather(*(bucket.take() for _ in range(50)))
        assert loop.time() == 0
        bucket.hold(5)
        bucket.hold(2)
        await bucket.take()
        times.append(loop.time())

    virtual.run(main())
    assert times == [5]


def test_a_hold_reaches_those_who_wait_already_and_keeps_the_spacing() -> None:
    times: list[float] = []

    async def main() -> None:
        bucket, loop = TokenBucket(61), asyncio.get_running_loop()

        async def one() -> None:
            await bucket.take()
            times.append(loop.time())

        loop.call_later(0.5, bucket.hold, 10)
        await asyncio.gather(*(one() for _ in range(4)))

    virtual.run(main())
    assert times == pytest.approx([0, 10.5, 11.5, 12.5])


@pytest.mark.parametrize(
    ("said", "seconds"),
    [({}, None), ({"Retry-After": "3"}, 3), ({"retry-after": "0.5"}, 0.5), ({"Retry-After": "-4"}, 0), ({"Retry-After": "soon"}, None),
     ({"Retry-After": "nan"}, None), ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0)],
)  # fmt: skip
def test_retry_after(said: dict[str, str], seconds: float | None) -> None:
    assert retry_after(said) == seconds


def test_retry_after_as_a_date() -> None:
    found = retry_after({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)})
    assert found == pytest.approx(99, abs=3)


def test_backoff_doubles_with_jitter_up_to_a_minute() -> None:
    draw = random.Random(0)
    for tries, whole in ((1, 1), (2, 2), (3, 4), (7, 60), (50, 60)):
        drawn = [backoff(tries, draw) for _ in range(200)]
        assert whole / 2 <= min(drawn) < 0.6 * whole
        assert 0.9 * whole < max(drawn) <= whole


def test_the_retry_budget_ends() -> None:
    budget = RetryBudget.of(10, 0.5)
    assert [budget.take() for _ in range(30)] == [True] * 25 + [False] * 5


def test_the_breaker_opens_probes_alone_and_closes() -> None:
    entered: list[tuple[str, float]] = []

    async def main() -> None:
        breaker, loop = Breaker(3, cool_s=30), asyncio.get_running_loop()
        for _ in range(3):
            await breaker.enter()
            breaker.failed()

        async def one(name: str) -> None:
            await breaker.enter()
            entered.append((name, loop.time()))

        waiting = [asyncio.create_task(one(name)) for name in "abc"]
        await asyncio.sleep(100)
        assert entered == [("a", 30)]
        breaker.answered()
        await asyncio.gather(*waiting)
        assert not breaker.broken

    virtual.run(main())
    assert entered == [("a", 30), ("b", 100), ("c", 100)]


def test_a_probe_that_fails_breaks_the_breaker() -> None:
    async def main() -> None:
        breaker = Breaker(2)
        for _ in range(2):
            breaker.failed()
        await breaker.enter()
        breaker.failed()
        assert breaker.broken
        await breaker.enter()

    virtual.run(main())
