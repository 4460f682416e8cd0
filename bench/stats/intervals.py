"""95 % intervals of means, shares, ratios and percentiles."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from bench.stats.resampling import drawn_sums

_LEVEL = 0.95
_Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""
_SLACK = 1e-4
"""Draws this near to the observed value, in standard errors, count as equal to it; single-precision errors are smaller."""
_PERCENTILE_RESAMPLES = 2000


class Interval(NamedTuple):
    """A value (mean, percentile, share) with its 95 % interval; both ends are NaN where there is no interval."""

    value: float
    low: float
    high: float


def mean_interval(values: np.ndarray, *, seed: int = 0) -> Interval:
    """Mean of independent units with its BCa bootstrap interval, widened for few units.

    Units are resampled with replacement 10,000 times (fewer above 2,000 units, never below 2,000 times). With z0 the normal
    quantile of the share of draws below the mean and a = sum(d^3) / (6 sum(d^2)^1.5), d = x - mean, the ends are the
    quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of the draws, z = -+ sqrt(n / (n - 1)) t(0.975, n - 1) (BCa: Efron and
    Tibshirani 1993, ch. 14; the wider z: Hesterberg 2015, "expanded percentiles", where plain BCa has 1.96). Below about 8
    units the interval is hardly more than the range of the draws.

    Args:
        values: float (n,), no NaN, n >= 1.
        seed: of the resampling.

    Returns:
        The mean and both ends: NaN for one unit, no width where all values are equal.
    """
    return mean_intervals(np.asarray(values, dtype=np.float64)[:, None], seed=seed)[0]


def mean_intervals(columns: np.ndarray, *, seed: int = 0) -> list[Interval]:
    """``mean_interval`` of each column of float ``columns`` (n, k): the same numbers, in less time."""
    columns = np.asarray(columns, dtype=np.float64)
    n, nan = len(columns), math.nan
    means = columns.mean(0)
    deviations = columns - means
    spread = np.sqrt(np.square(deviations).sum(0) / n)
    flat = spread <= 1e-12 * np.abs(means)
    if n < 2:
        return [Interval(float(m), nan, nan) for m in means]
    scaled = np.divide(deviations, spread, out=np.zeros_like(deviations), where=~flat)
    acceleration = np.power(scaled, 3).sum(0) / (6 * n**1.5)
    draws = drawn_sums(scaled, seed) / math.sqrt(n)
    intervals = []
    for i, mean in enumerate(means.tolist()):
        if flat[i]:
            intervals.append(Interval(mean, mean, mean))
            continue
        low, high = _ends(draws[:, i], 0.0, float(acceleration[i]), n, _SLACK)
        unit, smallest, largest = float(spread[i]) / math.sqrt(n), float(columns[:, i].min()), float(columns[:, i].max())
        intervals.append(Interval(mean, max(mean + unit * low, smallest), min(mean + unit * high, largest)))
    return intervals


def cluster_mean(values: np.ndarray, clusters: np.ndarray, *, seed: int = 0, proportion: bool = True) -> Interval:
    """Mean of cluster means: the seeds of a prompt are averaged first, then prompts are the units of ``mean_interval``.

    Where every cluster's mean is 0 or 1 (yes or no, seeds of a prompt alike) the interval is Wilson's, which has a width
    even where all prompts have the same answer.

    Args:
        values: float (N,), no NaN, N >= 1.
        clusters: (N,), the prompt each value belongs to.
        seed: of the resampling.
        proportion: whether 0 and 1 mean no and yes; false for seconds, dollars, counts.

    Returns:
        The mean and both ends, which are NaN below two clusters.
    """
    _, index = np.unique(clusters, return_inverse=True)
    means = np.bincount(index, weights=values) / np.bincount(index)
    if len(means) < 2:
        return Interval(float(means.mean()), math.nan, math.nan)
    if proportion and ((means == 0) | (means == 1)).all():
        return wilson(int(means.sum()), len(means))
    return mean_interval(means, seed=seed)


def cluster_ratio(top: np.ndarray, bottom: np.ndarray, clusters: np.ndarray, *, seed: int = 0) -> Interval:
    """sum(top) / sum(bottom) (a micro average) with its BCa interval over clusters, widened for few as in ``mean_interval``.

    The acceleration is the jackknife's. Draws and jackknife values with a denominator of 0 are left out.

    Args:
        top: float (N,), no NaN.
        bottom: float (N,), no NaN; its sum is above 0.
        clusters: (N,), the prompt each pair belongs to.
        seed: of the resampling.

    Returns:
        The ratio and both ends, which are NaN below two clusters.
    """
    _, index = np.unique(clusters, return_inverse=True)
    both = np.stack([np.bincount(index, weights=top), np.bincount(index, weights=bottom)], axis=1)
    total = both.sum(0)
    ratio, n = float(total[0] / total[1]), len(both)
    if n < 2:
        return Interval(ratio, math.nan, math.nan)
    sums = drawn_sums(both / np.abs(both).max(0).clip(1e-300), seed) * np.abs(both).max(0)
    draws = sums[sums[:, 1] > 0]
    draws = draws[:, 0] / draws[:, 1]
    rest = total - both
    rest = rest[rest[:, 1] > 0]
    without = rest[:, 0] / rest[:, 1]
    influence = without.mean() - without if len(without) else np.zeros(1)
    error = float(np.sqrt(np.square(influence).sum()))
    if error <= 1e-12 * abs(ratio):
        return Interval(ratio, ratio, ratio)
    low, high = _ends(draws, ratio, float(np.power(influence / error, 3).sum() / 6), n, _SLACK * error)
    return Interval(ratio, low, high)


def wilson(k: int, n: int) -> Interval:
    """A share k / n with its 95 % score interval, which stays inside [0, 1] and has a width at k = 0 and k = n.

    The ends are the p for which |k/n - p| = z sqrt(p (1 - p) / n), z = 1.95996 (Wilson, 1927).

    Args:
        k: number of successes, 0 <= k <= n.
        n: number of trials; for 0 all three numbers are NaN.

    >>> [round(x, 4) for x in wilson(0, 10)]
    [0.0, 0.0, 0.2775]
    """
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    share, z2 = k / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(share, 0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def paired_share_interval(values: np.ndarray, worst: float = -1.0, best: float = 1.0) -> Interval:
    """Mean difference of paired yes-or-no answers with Bonett and Price's interval, which has a width even where all pairs agree.

    Two pairs are added, one disagreeing each way: m -+ z s / sqrt(N) with m the mean and s the standard deviation (over N)
    of all N = n + 2 differences, z = 1.95996 (Bonett and Price 2012, "Adjusted Wald confidence interval for a difference
    of binomial proportions based on paired data").

    Args:
        values: float (n,), no NaN, n >= 1: each ``worst``, ``best`` or a value between them.
        worst: the value of a pair that disagrees one way.
        best: the value of a pair that disagrees the other way.

    Returns:
        The mean of ``values`` and both ends.

    >>> [round(x, 4) for x in paired_share_interval(np.zeros(30))]
    [0.0, -0.0866, 0.0866]
    """
    whole = np.append(np.asarray(values, dtype=np.float64), [worst, best])
    centre, half = float(whole.mean()), _Z * float(whole.std()) / math.sqrt(len(whole))
    return Interval(float(np.mean(values)), centre - half, centre + half)


def percentile_interval(values: np.ndarray, clusters: np.ndarray, q: float, seed: int = 0) -> Interval:
    """The ``q``-th percentile with its 95 % percentile-bootstrap interval over clusters.

    Prompts are resampled with replacement, each with all its values, and the percentile of the pooled values is taken;
    the interval runs from the 2.5th to the 97.5th percentile of 2,000 such draws (Efron and Tibshirani 1993, ch. 13).
    Percentiles interpolate linearly, as numpy's do. No draw exceeds the largest value, so the upper end of a high percentile
    of few values is that value.

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
        return Interval(point, math.nan, math.nan)
    order = np.argsort(values, kind="stable")
    ordered, index = np.asarray(values, dtype=np.float64)[order], index[order]
    rng = np.random.default_rng(seed)
    draws = np.empty(_PERCENTILE_RESAMPLES)
    for i in range(_PERCENTILE_RESAMPLES):
        counts = np.bincount(rng.integers(total, size=total), minlength=total)
        place = np.cumsum(counts[index])
        exact = q / 100 * (place[-1] - 1)
        below, above = np.searchsorted(place, [np.floor(exact), np.ceil(exact)], side="right")
        draws[i] = ordered[below] + (exact % 1) * (ordered[above] - ordered[below])
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(point, float(low), float(high))


def _ends(draws: np.ndarray, observed: float, acceleration: float, n: int, slack: float) -> tuple[float, float]:
    """Both BCa ends from ``draws`` (B,); see ``mean_interval``."""
    total = len(draws)
    below, above = np.count_nonzero(draws < observed - slack), np.count_nonzero(draws > observed + slack)
    share = (total + below - above) / (2 * total)
    shift = float(ndtri(min(max(share, 0.5 / total), 1 - 0.5 / total)))
    reach = math.sqrt(n / (n - 1)) * float(stdtrit(n - 1, (1 + _LEVEL) / 2))
    levels = [_level(shift, shift - reach, acceleration), _level(shift, shift + reach, acceleration)]
    places = [level * (total - 1) for level in levels]
    around = sorted({f(p) for p in places for f in (math.floor, math.ceil)})
    ordered = np.partition(draws, around)
    low, high = (float(ordered[math.floor(p)] + (p % 1) * (ordered[math.ceil(p)] - ordered[math.floor(p)])) for p in places)
    return low, high


def _level(shift: float, moved: float, acceleration: float) -> float:
    """Phi(shift + moved / (1 - acceleration moved)); its limit where the line below is no longer positive."""
    under = 1 - acceleration * moved
    return float(ndtr(shift + moved / under)) if under > 0 else float(moved > 0)
