"""Percentiles with intervals made of order statistics."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betainc

from bench.stats.intervals import Interval

_TAIL = 0.025


def percentile_interval(values: np.ndarray, clusters: np.ndarray, q: float) -> Interval:
    """The ``q``-th percentile with its 95 % interval between two of the values; an end that no value can bear is open.

    Of n independent values, B lie at or below the true percentile, B binomial (n, q). The lower end is the largest value
    with P(B < its rank) <= 2.5 %, the upper the smallest with P(B >= its rank) <= 2.5 % (Hahn and Meeker 1991, ch. 5). The
    upper end is closed from 36, 72 and 368 values on for q = 90, 95 and 99. Values of a cluster may be alike, so n is the
    number of clusters, and a rank among n stands for its share of all values.

    Args:
        values: float (N,), no NaN, N >= 1.
        clusters: (N,), the prompt (or the batch) each value belongs to.
        q: 0 to 100, not the ends.

    Returns:
        The percentile, interpolated linearly as numpy's; ends are -inf or inf where they are open, NaN below two clusters.

    >>> percentile_interval(np.arange(20.0), np.arange(20), 90)
    Interval(value=17.1, low=14.0, high=inf)
    """
    values, share = np.asarray(values, dtype=np.float64), q / 100
    point = float(np.percentile(values, q))
    _, index = np.unique(clusters, return_inverse=True)
    total, n, ordered = len(values), int(index.max()) + 1, np.sort(values)
    if n < 2:
        return Interval(point, math.nan, math.nan)
    ranks = np.arange(n)
    at_most = betainc(n - ranks, ranks + 1, 1 - share)
    below, above = np.flatnonzero(at_most <= _TAIL), np.flatnonzero(at_most >= 1 - _TAIL)
    low, high = -math.inf, math.inf
    if len(below):
        low = float(ordered[max(0, int(below[-1] + 1) * total // n - 1)])
    if len(above):
        high = float(ordered[-(-int(above[0] + 1) * total // n) - 1])
    return Interval(point, min(low, point), max(high, point))


def enough_values(q: float) -> int:
    """The number of independent values of which one lies beyond the ``q``-th percentile with 95 % probability.

    >>> [enough_values(q) for q in (50, 90, 95, 99)]
    [5, 29, 59, 299]
    """
    return math.ceil(math.log(0.05) / math.log(q / 100))
