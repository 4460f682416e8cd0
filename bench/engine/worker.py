"""The body of a worker: render batches with an open session. Touches no store."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from bench.errors import BenchError, ProviderError
from bench.types import Job, Rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bench.core.progress import Progress
    from bench.providers import LocalProvider, Session

    Save = Callable[[Job, Rendered], None]


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
