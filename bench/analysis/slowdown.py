"""How much slower a run is than another: figures of its pictures' latencies, and their change with an interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

LATENCY_STATISTICS = {"latency.p50": 50, "latency.p90": 90, "latency.p95": 95, "latency.p99": 99, "latency.mean": None, "latency": None}
"""The percentile of each figure; None is the mean."""
_RESAMPLES = 2000
_CELLS = 10_000_000
"""Counts that are held at a time: 80 MB."""


class Change(NamedTuple):
    """A figure in both runs.

    Attributes:
        baseline, candidate: seconds, over the shared prompts.
        change: candidate / baseline - 1, or candidate - baseline in seconds; with its 95 % interval.
        spread: the standard deviation of the resampled changes.
        groups: what was resampled: prompts, or groups of them that share the time of a batch.
    """

    baseline: float
    candidate: float
    change: Interval
    spread: float
    groups: int


def timed(images: pd.DataFrame) -> pd.DataFrame:
    """The pictures whose times may be pooled: of one environment and one batch size, the most frequent, as the metric ``latency`` does.

    Of environments as frequent the first counts, of batch sizes the largest. None where no batch size made half of them.
    """
    with_time: pd.DataFrame = images[(images["status"] == "ok") & images["latency_s"].notna()]
    if with_time.empty:
        return with_time
    with_time = with_time[with_time["environment"] == with_time.groupby("environment", sort=False).size().idxmax()]
    size = int(with_time["batch_size"].mode().max())
    of_size = with_time.loc[with_time["batch_size"] == size]
    return of_size if 2 * len(of_size) >= len(with_time) else of_size.iloc[:0]


def environment(pictures: pd.DataFrame) -> str:
    """The key of the environment that all of ``pictures`` were made in."""
    return str(pictures["environment"].iloc[0])


def batch(pictures: pd.DataFrame) -> int:
    """How many of ``pictures`` were made at a time."""
    return int(pictures["batch_size"].iloc[0])


def too_few_images_reason(baseline: pd.DataFrame, candidate: pd.DataFrame, figure: str) -> str | None:
    """Why there are too few pictures for a percentile; None where there are enough."""
    q, fewest = LATENCY_STATISTICS[figure], min(len(baseline), len(candidate))
    needed = 100 // (100 - q) if q is not None else 1
    return f"p{q} of {fewest} pictures is hardly more than the slowest one; it takes {needed}" if fewest < needed else None


def compare(
    baseline: pd.DataFrame, candidate: pd.DataFrame, prompts: Sequence[str], figure: str, *, relative: bool, seed: int = 0
) -> Change:
    """The change of ``figure`` from the pictures ``baseline`` to ``candidate``.

    2,000 times the prompts are drawn with replacement, the same ones for both runs, each with all its pictures; the
    interval goes from the 2.5th to the 97.5th percentile of the changes seen (Efron and Tibshirani 1993, ch. 13). It
    covers the chance in which prompts were timed, not a machine that was busier during one of the runs.

    Args:
        baseline: the baseline's pictures, as ``timed`` gives them.
        candidate: the candidate's.
        prompts: those that count, each in both.
        figure: a key of ``LATENCY_STATISTICS``. Percentiles interpolate linearly.
        relative: as a share of the baseline's figure, else in seconds.
        seed: of the resampling.
    """
    place = {name: i for i, name in enumerate(prompts)}
    q = LATENCY_STATISTICS[figure]
    sides = []
    for pictures in (baseline, candidate):
        shared = pictures[pictures["prompt_id"].isin(place)].sort_values("latency_s", kind="stable")
        sides.append((shared["latency_s"].to_numpy(float), shared["prompt_id"].map(place).to_numpy(int)))
    groups = resampling_units(baseline, candidate, prompts)
    sides = [(seconds, groups[owner]) for seconds, owner in sides]
    n = int(groups.max()) + 1
    whole = np.ones((1, n), dtype=int)
    a, b = (float(_figure(*side, whole, q)[0]) for side in sides)
    draw = np.random.default_rng(seed)
    rows = max(1, _CELLS // max(len(seconds) for seconds, _ in sides))
    changes = []
    for start in range(0, _RESAMPLES, rows):
        counts = draw.multinomial(n, np.full(n, 1 / n), size=min(rows, _RESAMPLES - start))
        before, after = (_figure(*side, counts, q) for side in sides)
        changes.append(after / before - 1 if relative else after - before)
    seen = np.concatenate(changes)
    low, high = np.percentile(seen, [2.5, 97.5]) if n > 1 else (np.nan, np.nan)
    return Change(a, b, Interval(b / a - 1 if relative else b - a, float(low), float(high)), float(seen.std(ddof=1)), n)


def resampling_units(baseline: pd.DataFrame, candidate: pd.DataFrame, prompts: Sequence[str]) -> np.ndarray:
    """What is resampled together: each prompt, or the prompts that share the time of a batch in either run; int (prompts,)."""
    place = {name: i for i, name in enumerate(prompts)}
    if batch(baseline) == 1:
        return np.arange(len(prompts))
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - slow import

    links = []
    for pictures in (baseline, candidate):
        shared = pictures[pictures["prompt_id"].isin(place)].sort_values("latency_s", kind="stable")
        owner, same = shared["prompt_id"].map(place).to_numpy(int), np.flatnonzero(np.diff(shared["latency_s"].to_numpy(float)) == 0)
        links.append(np.stack([owner[same], owner[same + 1]]))
    ends = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(len(prompts), len(prompts)))
    return np.asarray(connected_components(graph, directed=False)[1])


def _figure(seconds: np.ndarray, owner: np.ndarray, counts: np.ndarray, q: int | None) -> np.ndarray:
    """The figure of each draw, float (draws,).

    Args:
        seconds: float (N,), rising.
        owner: int (N,), the group of each.
        counts: int (draws, groups), how often each group was drawn.
        q: the percentile; None is the mean.
    """
    weights = counts[:, owner]
    if q is None:
        return np.asarray((weights @ seconds) / weights.sum(1))
    place = np.cumsum(weights, axis=1)
    exact = q / 100 * (place[:, -1] - 1)
    below, above = ((place <= end[:, None]).sum(1) for end in (np.floor(exact), np.ceil(exact)))
    return np.asarray(seconds[below] + (exact % 1) * (seconds[above] - seconds[below]))
