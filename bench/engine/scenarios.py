"""MLPerf-like load on a loaded model: one picture after another, or everything at once in batches.

After MLPerf Inference (Reddi et al. 2020, arXiv:1911.02549; rules and ``loadgen/mlperf.conf`` of mlcommons/inference):

- ``single_stream``: each picture is requested when the one before is there, for at least 600 s. The result is the 90th
  percentile of latency. Up to v1.1 MLPerf required 1,024 queries; since v2.0 early stopping decides, which needs 64 or
  more. Its stricter estimate is given beside the percentile.
- ``offline``: all pictures are requested at once and rendered in batches. The result is pictures a second, over at least
  600 s and 24,576 samples, or the whole set where it is smaller (5,000 captions for SDXL).

MLPerf is a trademark, and only a result that follows all its rules may use the name; ours are similar. Latency is
``Timing.latency_s``; every prompt is encoded again, for MLPerf forbids caches.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from bench import stats
from bench.core import environment
from bench.engine import worker
from bench.errors import ProviderError
from bench.metrics.speed.scenario import MIN_DURATION_S, Scenario
from bench.types import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.core.progress import Progress
    from bench.providers import LocalProvider, Session
    from bench.store import Run
    from bench.types import Job

_SAY_SECONDS = 10.0
_SETTINGS = ("device", "offload", "compile")
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "DIFFUSERS_ATTN_BACKEND")
"""What timings depend on and is known before a model is loaded: of its preset, of the process."""


@runtime_checkable
class CachesEmbeddings(Protocol):
    """A session that caches embeddings from one call to the next."""

    def clear_cache(self) -> None:
        """Empty the cache."""


def measure(
    session: Session,
    jobs: Sequence[Job],
    scenario: Scenario,
    batch_size: int,
    progress: Progress,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Run ``scenario`` on ``session`` until both its lengths are reached, and throw the pictures away.

    The jobs are repeated in order. One untimed batch of each size comes first. A batch that ends with a size is filled up with
    its own jobs: batches of another number of pictures have another speed and, compiled, another program.

    Returns:
        JSON-ready samples, one entry a query: ``seconds``, ``pictures``, ``prompts`` (of its first picture); and
        ``wall_s``, ``warmup``, ``batch_size`` and the lengths required.

    Raises:
        ProviderError: a picture could not be rendered; what was measured until then is no result.
    """
    size = batch_size if scenario.name == "offline" else 1
    ordered = worker.by_size(jobs, size)
    min_queries = scenario.min_queries or scenario.mlperf_min_queries(len(jobs))
    warm = worker.shapes([_filled(batch, size) for batch in worker.batches(ordered, size)])
    warmups = len(warm) * size
    progress.say(
        f"{scenario.name}: warm-up, {warmups} picture{'s' * (warmups != 1)}, not timed; then at least {scenario.min_duration_s:g} s"
    )
    began = clock()
    for batch in warm:
        _seconds(session, batch, clock)
    seconds, pictures, prompts, asked = [], [], [], 0
    warmed = last_message = started = clock()
    for batch in worker.batches(itertools.cycle(ordered), size):
        full = _filled(batch, size)
        seconds.append(_seconds(session, full, clock))
        pictures.append(len(full))
        prompts.append(batch[0].prompt.id)
        asked += len(batch)
        now, count = clock(), sum(pictures)
        over = asked >= min_queries and now - started >= scenario.min_duration_s
        if over or now - last_message >= _SAY_SECONDS:
            last_message, rate = now, count / max(now - started, 1e-9)
            left = 0.0 if over else max(scenario.min_duration_s - (now - started), (min_queries - asked) / rate)
            progress.say(f"{scenario.name}: {count} pictures, {rate:.2f}/s, {left:.0f} s left")
        if over:
            break
    return {
        "scenario": scenario.name, "seconds": seconds, "pictures": pictures, "prompts": prompts, "wall_s": clock() - started,
        "warmup": {"pictures": warmups, "seconds": round(warmed - began, 4)}, "batch_size": size, "jobs": len(jobs),
        "min_duration_s": scenario.min_duration_s, "min_queries": min_queries,
    }  # fmt: skip


def _filled(batch: Sequence[Job], size: int) -> list[Job]:
    """``batch`` with its jobs repeated up to ``size``."""
    return list(itertools.islice(itertools.cycle(batch), size))


def _seconds(session: Session, batch: Sequence[Job], clock: Callable[[], float]) -> float:
    """Latency of a batch as its session measured it, by ``clock`` where it did not."""
    if isinstance(session, CachesEmbeddings):
        session.clear_cache()
    began = clock()
    pictures = worker.render_batch(session, batch)
    took = clock() - began
    for rendered, job in zip(pictures, batch, strict=True):
        if rendered.status != "ok":
            raise ProviderError(f"{job.prompt.id} (seed {job.request.seed}) was {rendered.status}: {rendered.error or 'no reason given'}")
    measured = pictures[0].timing.latency_s
    return took if math.isnan(measured) else measured


def summarise(raw: dict[str, Any]) -> dict[str, Any]:
    """The result of a scenario from its samples: ``value`` with its interval, n, lengths, and a note where they are too short.

    ``single_stream``: 90th percentile of latency in s, interval over prompts. ``offline``: pictures / summed seconds of
    the batches, interval over batches.
    """
    seconds, pictures = np.array(raw["seconds"]), np.array(raw["pictures"])
    more: dict[str, Any] = {}
    if raw["scenario"] == "single_stream":
        value, low, high = stats.percentile_interval(seconds, np.array(raw["prompts"]), 90)
        more = {"early_stopping_p90": early_stopping(raw["seconds"])}
    else:
        value = float(pictures.sum() / seconds.sum())
        _, slow, fast = stats.cluster_mean(seconds / pictures, np.arange(len(seconds)), limits=(0.0, math.inf))
        low, high = 1 / fast, 1 / slow if slow else math.nan
        more |= {} if slow else {"open": True}
    count, took = int(pictures.sum()), float(raw["wall_s"])
    needed = Scenario(raw["scenario"]).mlperf_min_queries(raw["jobs"])
    short = took < MIN_DURATION_S or count < needed
    note = f"{count} pictures in {took:.0f} s: not of an MLPerf-conformant length, which is at least {needed} in {MIN_DURATION_S:.0f} s"
    lengths = {key: raw[key] for key in ("wall_s", "batch_size", "min_duration_s", "min_queries", "warmup")}
    summary = {"value": value, "low": low, "high": high, "n": count, **lengths, **more, "note": note if short else None}
    return {k: v for k, v in summary.items() if v is not None and not (isinstance(v, float) and math.isnan(v))}


def early_stopping(seconds: Iterable[float], share: float = 0.9, confidence: float = 0.99) -> float:
    """MLPerf's early-stopping estimate of a percentile, in s; NaN below 64 values for the 90th.

    The t-th largest of n values, with t the largest number for which P(X <= t) <= 1 - ``confidence``, X being binomial
    with n draws of probability 1 - ``share``: fewer values give a more cautious estimate.
    """
    values = sorted(seconds)
    n, late, t = len(values), 1 - share, 0
    reached = share**n
    while t < n:
        reached += math.exp(
            math.lgamma(n + 1) - math.lgamma(t + 2) - math.lgamma(n - t) + (t + 1) * math.log(late) + (n - t - 1) * math.log(share)
        )
        if reached > 1 - confidence:
            break
        t += 1
    return values[n - t] if t else math.nan


def run_scenario(
    scenario: Scenario, jobs: Sequence[Job], provider: LocalProvider, run: Run, *, progress: Progress, fresh: bool = False
) -> None:
    """Measure ``scenario`` and store it: samples in ``scenario-<name>.json``, the summary in run.json's ``scenarios``.

    Does nothing where the same model, jobs, lengths, machine and conditions were measured before, unless ``fresh``. The model is
    loaded again for it, after the ordinary pictures are stored, so an interrupt loses none of them.
    """
    machine = environment.facts()
    settings = [scenario.name, scenario.min_duration_s, scenario.min_queries, provider.batch_size]
    asked_conditions = [getattr(provider, name, None) for name in _SETTINGS] + [os.environ.get(name) for name in _VARIABLES]
    identity = digest([*settings, asked_conditions, environment.key(machine), sorted(job.request.id for job in jobs)])[:16]
    with run.lock():
        stored = run.info()
        earlier = stored.get("scenarios", {}).get(scenario.name, {})
        if not jobs or (earlier.get("asked") == identity and "value" in earlier and not fresh):
            return
        provider.check()
        with worker.opened(provider, progress.say) as session:
            here = {**machine, **environment.conditions(worker.local_facts(session))}
            where = environment.key(here)
            try:
                raw = measure(session, jobs, scenario, provider.batch_size, progress)
                file = f"scenario-{scenario.name}.json"
                run.save_bytes(run.path / file, json.dumps({**raw, "environment": where, "unit": "s"}).encode())
                summary = {**summarise(raw), "file": file, "device": session.facts.get("device")}
            except ProviderError as error:
                summary = {"reason": f"{scenario.name} was given up: {error}"}
        run.update_info(
            environments={**stored.get("environments", {}), where: here},
            scenarios={**stored.get("scenarios", {}), scenario.name: {**summary, "environment": where, "asked": identity}},
        )
