"""The body of a worker: open a session, warm it up, render batches. Writes nothing."""

from __future__ import annotations

import contextlib
import math
import re
import time
from typing import TYPE_CHECKING, Any

from bench.core import environment
from bench.errors import BenchError, ProviderError, RenderingError
from bench.types import Rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bench.core.progress import Progress
    from bench.providers import LocalProvider, Session
    from bench.types import Job

AGAIN = "What is stored is kept: give the same command again, and it continues with the pictures that are missing"
_IN_A_ROW = 3
_LOST = re.compile(r"(CUDA|HIP|XPU) error|device.{0,40}\blost\b|unspecified launch failure", re.IGNORECASE)
_MEMORY = re.compile(r"out of memory", re.IGNORECASE)


def by_size(jobs: Sequence[Job], batch_size: int) -> list[Job]:
    """The jobs in the order in which they are rendered: those of one size together where several share a batch."""
    return sorted(jobs, key=_size) if batch_size > 1 else list(jobs)


def batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """Batches of at most ``size`` consecutive jobs of equal width and height."""
    batch: list[Job] = []
    for job in jobs:
        if batch and (len(batch) >= size or _size(job) != _size(batch[0])):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _size(job: Job) -> tuple[int, int]:
    return job.request.width, job.request.height


@contextlib.contextmanager
def opened(provider: LocalProvider, say: Callable[[str], None]) -> Iterator[Session]:
    """A session of ``provider``, closed at the end.

    Raises:
        BenchError: the model cannot be loaded.
    """
    try:
        session = provider.open(say)
    except BenchError:
        raise
    except Exception as error:
        raise RenderingError(f"{provider.name} cannot be loaded: {_words(error)}") from error
    try:
        yield session
    except BaseException:
        with contextlib.suppress(Exception):  # a lost device cannot be tidied either, and the reason is the first error
            session.close()
        raise
    session.close()


def local_facts(session: Session) -> dict[str, Any]:
    """The facts of a session on this machine, with the process's threads where it says nothing of its own."""
    return {"threads": environment.threads(), **session.facts}


def render_batch(session: Session, batch: Sequence[Job]) -> list[Rendered]:
    """Render a batch. An error that does not end the whole run makes all its pictures failed, with the reason.

    Raises:
        BenchError: what ends the run; a RenderingError where the device is lost.
    """
    try:
        return session.render([job.request for job in batch])
    except ProviderError as error:
        _refuse_lost(error)
        why = str(error)
    except BenchError:
        raise
    except Exception as error:  # noqa: BLE001 - one broken picture must not end a long run
        _refuse_lost(error)
        why = _words(error)
    return [Rendered("failed", error=why)] * len(batch)


def _refuse_lost(error: BaseException) -> None:
    """Raise RenderingError if ``error`` says that the device answers no more: then every later picture would fail too."""
    said = f"{error} {error.__cause__ or ''}"
    kinds = {kind.__name__ for of in (error, error.__cause__) for kind in type(of).__mro__}
    if ("AcceleratorError" in kinds or _LOST.search(said)) and not _MEMORY.search(said):
        raise RenderingError(f"the device is lost ({_words(error)}). {AGAIN}") from error


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def warm_up(session: Session, planned: Sequence[Sequence[Job]], name: str, progress: Progress) -> dict[str, float]:
    """Render a batch of each width, height and count among the batches ``planned`` and throw it away.

    A model is slow at first with every new shape, and a compiled one is compiled for it.

    Returns:
        ``pictures``, ``seconds`` and, where it was measured, ``first_s``: the latency of the very first picture.

    Raises:
        RenderingError: a batch could not be rendered at all; no picture of the run would be.
    """
    cold = shapes(planned)
    count = sum(map(len, cold))
    progress.say(f"{name}: warm-up, {count} picture{'s' * (count != 1)}, not timed")
    began = time.monotonic()
    first: Rendered | None = None
    for batch in cold:
        try:
            rendered = session.render([job.request for job in batch])
        except Exception as error:
            if isinstance(error, BenchError) and not isinstance(error, ProviderError):
                raise
            _refuse_lost(error)
            why = str(error) if isinstance(error, ProviderError) else _words(error)
            width, height = _size(batch[0])
            at = f"{width} x {height}" + (f", {len(batch)} at a time" if len(batch) > 1 else "")
            raise RenderingError(
                f"{name}: the warm-up ({at}) failed: {why}. No picture was tried; mend this and give the same command again"
            ) from error
        first = first or rendered[0]
    facts = {"pictures": count, "seconds": round(time.monotonic() - began, 4)}
    measured = first is not None and first.status == "ok" and not math.isnan(first.timing.latency_s)
    return facts | ({"first_s": first.timing.latency_s} if first and measured else {})


def shapes(planned: Iterable[Sequence[Job]]) -> list[list[Job]]:
    """For each width, height and count among batches one batch of that shape, the first job of the first one repeated."""
    first: dict[tuple[int, int, int], list[Job]] = {}
    for batch in planned:
        first.setdefault((*_size(batch[0]), len(batch)), [batch[0]] * len(batch))
    return list(first.values())


class Strikes:
    """Ends a run in which the same error comes three times in a row: nothing but the error would come of the rest.

    Args:
        name: of the model.
        prompts: how many the run has left; an error of a single prompt with many seeds is that prompt's.
    """

    def __init__(self, name: str, prompts: int) -> None:
        self._name, self._several = name, min(2, prompts)
        self._errors: frozenset[str | None] = frozenset()
        self._prompts: set[str] = set()
        self._count = 0

    def add(self, batch: Sequence[Job], rendered: Sequence[Rendered]) -> None:
        """Count the outcome of a batch that is stored.

        Raises:
            RenderingError: all of it and of the two before failed with one error.
        """
        errors = frozenset(r.error for r in rendered) if all(r.status == "failed" for r in rendered) else frozenset()
        if errors != self._errors or len(errors) != 1:
            self._errors, self._prompts, self._count = errors, set(), 0
        if len(errors) != 1:
            return
        self._count += 1
        self._prompts |= {job.prompt.id for job in batch}
        if self._count >= _IN_A_ROW and len(self._prompts) >= self._several:
            again = f"{self._count} times in a row the same error"
            raise RenderingError(f"{self._name}: {again}: {next(iter(errors))}. The other pictures were not tried. {AGAIN}")
