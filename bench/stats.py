"""Statistics of scores: pure functions of numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_RESAMPLES = 2000
_Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


class Interval(NamedTuple):
    """A value (mean, percentile, share) with its 95 % interval; both ends are NaN where there is none."""

    value: float
    low: float
    high: float


def cluster_mean(values: np.ndarray, clusters: np.ndarray, *, seed: int = 0) -> Interval:
    """Mean of cluster means with a percentile-bootstrap interval over clusters.

    The unit is the prompt: the seeds of a prompt are averaged first, then prompts are resampled with replacement.

    Args:
        values: float (N,), no NaN, N >= 1.
        clusters: (N,), the prompt each value belongs to.
        seed: of the resampling.
    """
    _, index = np.unique(clusters, return_inverse=True)
    means = np.bincount(index, weights=values) / np.bincount(index)
    if len(means) < 2:
        return Interval(float(means.mean()), float("nan"), float("nan"))
    picks = np.random.default_rng(seed).integers(len(means), size=(_RESAMPLES, len(means)))
    low, high = np.percentile(means[picks].mean(1), [2.5, 97.5])
    return Interval(float(means.mean()), float(low), float(high))


def cluster_ratio(top: np.ndarray, bottom: np.ndarray, clusters: np.ndarray, *, seed: int = 0) -> Interval:
    """sum(top) / sum(bottom) with a percentile-bootstrap interval over clusters (a micro average).

    Args:
        top: float (N,), no NaN.
        bottom: float (N,), no NaN; its sum is above 0.
        clusters: (N,), the prompt each pair belongs to.
        seed: of the resampling.
    """
    _, index = np.unique(clusters, return_inverse=True)
    tops, bottoms = np.bincount(index, weights=top), np.bincount(index, weights=bottom)
    ratio = float(tops.sum() / bottoms.sum())
    if len(tops) < 2:
        return Interval(ratio, float("nan"), float("nan"))
    picks = np.random.default_rng(seed).integers(len(tops), size=(_RESAMPLES, len(tops)))
    low, high = np.percentile(tops[picks].sum(1) / bottoms[picks].sum(1), [2.5, 97.5])
    return Interval(ratio, float(low), float(high))


def wilson(k: int, n: int) -> Interval:
    """A share k / n with its 95 % score interval, which stays inside [0, 1] and has a width at k = 0 and k = n.

    The ends are the p for which |k/n - p| = z sqrt(p (1 - p) / n), z = 1.95996 (Wilson, 1927).

    Args:
        k: how many of ``n``; 0 <= k <= n.
        n: all NaN where it is 0.

    >>> [round(x, 4) for x in wilson(0, 10)]
    [0.0, 0.0, 0.2775]
    """
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    share, z2 = k / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(share, 0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def percentile_interval(values: np.ndarray, clusters: np.ndarray, q: float, seed: int = 0) -> Interval:
    """The ``q``-th percentile with its 95 % percentile-bootstrap interval over clusters.

    Prompts are resampled with replacement, each with all its values, and the percentile of the pooled values is taken;
    the interval runs from the 2.5th to the 97.5th percentile of 2,000 such draws (Efron and Tibshirani 1993, ch. 13).
    Percentiles interpolate linearly, as numpy's do. No draw exceeds the largest value: the upper end of a high
    percentile of few values is that value.

    Args:
        values: float (N,), no NaN, N >= 1.
        clusters: (N,), the prompt each value belongs to.
        q: 0 to 100.
        seed: of the resampling.

    Returns:
        The percentile and both ends, which are NaN below two clusters.
    """
    point = float(np.percentile(values, q))
    _, index = np.unique(clusters, return_inverse=True)
    total = int(index.max()) + 1
    if total < 2:
        return Interval(point, float("nan"), float("nan"))
    order = np.argsort(values, kind="stable")
    ordered, index = np.asarray(values, dtype=np.float64)[order], index[order]
    draw = np.random.default_rng(seed)
    found = np.empty(_RESAMPLES)
    for i in range(_RESAMPLES):
        counts = np.bincount(draw.integers(total, size=total), minlength=total)
        place = np.cumsum(counts[index])
        exact = q / 100 * (place[-1] - 1)
        below, above = np.searchsorted(place, [np.floor(exact), np.ceil(exact)], side="right")
        found[i] = ordered[below] + (exact % 1) * (ordered[above] - ordered[below])
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(point, float(low), float(high))
