"""The body of a worker: render batches with an open session. Writes nothing."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from bench.errors import BenchError, ProviderError
from bench.types import Rendered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.core.progress import Progress
    from bench.providers import LocalProvider, Session
    from bench.types import Job


def batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """Batches of at most ``size`` consecutive jobs of equal width and height."""
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


def render_batch(session: Session, batch: Sequence[Job]) -> list[Rendered]:
    """Render a batch. An error that does not end the whole run makes all its pictures failed, with the reason."""
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
    """Render a batch of each width and height and throw it away, for a model is slow at first with every new size.

    Returns:
        ``pictures``, ``seconds`` and, where it was measured, ``first_s``: the latency of the very first picture.
    """
    cold = sizes(jobs)
    count = max(1, provider.batch_size) * len(cold)
    progress.say(f"{provider.name}: warm-up, {count} picture{'s' * (count != 1)}, not timed")
    began = time.monotonic()
    warm = [render_batch(session, [job] * max(1, provider.batch_size)) for job in cold]
    first = warm[0][0]
    facts = {"pictures": count, "seconds": round(time.monotonic() - began, 4)}
    measured = first.status == "ok" and not math.isnan(first.timing.latency_s)
    return facts | ({"first_s": first.timing.latency_s} if measured else {})
