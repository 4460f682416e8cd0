"""95 % intervals of means, shares and ratios."""

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
_NEAR = 0.1
"""A value within this share of the scale from an end is near it."""
_FEW = 8
"""Below so many units without known ends the interval is Student's: hardly anything can be resampled."""

Ends = tuple[float, float]
"""The lowest and the highest value that one more unit could have."""


class Interval(NamedTuple):
    """A value (mean, percentile, share) with its 95 % interval; both ends are NaN where there is no interval."""

    value: float
    low: float
    high: float


def mean_interval(values: np.ndarray, *, ends: Ends | None = None, seed: int = 0) -> Interval:
    """Mean of independent units with its 95 % interval.

    With known ends: one unit at each end is added, and the interval is Student's around the mean of all N = n + 2,
    m -+ t(0.975, N - 1) s / sqrt(N), cut at the ends, so that it has a width where all units are alike and looks further
    towards the far end, where the values not yet seen are (as Bonett and Price 2012 do for shares). Without known ends: BCa
    bootstrap, widened for few units; Student's below 8 units.

    BCa: units are resampled with replacement 10,000 times (fewer above 2,000 units, never below 2,000 times). With z0 the
    normal quantile of the share of draws below the mean and a = sum(d^3) / (6 sum(d^2)^1.5), d = x - mean, the ends are the
    quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of the draws, z = -+ sqrt(n / (n - 1)) t(0.975, n - 1) (Efron and
    Tibshirani 1993, ch. 14; the wider z: Hesterberg 2015, "expanded percentiles", where plain BCa has 1.96).

    Args:
        values: float (n,), no NaN, n >= 1.
        ends: the lowest and highest value that a unit can have; None where it has none or they are far from every value.
        seed: of the resampling.

    Returns:
        The mean and both ends: NaN for one unit; no width where all values are equal and no ends are known.
    """
    values = np.asarray(values, dtype=np.float64)
    if ends is None:
        return mean_intervals(values[:, None], seed=seed)[0]
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, math.nan, math.nan)
    return _around(mean, _student(np.append(values, ends)), ends)


def mean_intervals(columns: np.ndarray, *, seed: int = 0) -> list[Interval]:
    """``mean_interval`` of each column of float ``columns`` (n, k), without known ends: the same numbers, in less time."""
    columns = np.asarray(columns, dtype=np.float64)
    n, nan = len(columns), math.nan
    means = columns.mean(0)
    if n < 2:
        return [Interval(float(m), nan, nan) for m in means]
    deviations = columns - means
    spread = np.sqrt(np.square(deviations).sum(0) / n)
    flat = spread <= 1e-12 * np.abs(means)
    if n < _FEW:
        return [Interval(m, m, m) if flat[i] else _student(columns[:, i]) for i, m in enumerate(means.tolist())]
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
        intervals.append(_around(mean, Interval(mean, mean + unit * low, mean + unit * high), (smallest, largest)))
    return intervals


def cluster_mean(
    values: np.ndarray, clusters: np.ndarray, *, ends: Ends | None = None, limits: Ends = (-math.inf, math.inf), seed: int = 0
) -> Interval:
    """Mean of cluster means: the seeds of a prompt are averaged first, then prompts are the units of ``mean_interval``.

    Where every cluster's mean is one of the ``ends`` (yes or no, seeds of a prompt alike) the interval is Wilson's.

    Args:
        values: float (N,), no NaN, N >= 1.
        clusters: (N,), the prompt each value belongs to.
        ends: the lowest and highest value that a picture can have; None for seconds, dollars, counts, cosines.
        limits: beyond which no mean lies, as that of seconds below 0; the interval is cut there. ``ends`` are limits too.
        seed: of the resampling.

    Returns:
        The mean and both ends, which are NaN below two clusters.
    """
    _, index = np.unique(clusters, return_inverse=True)
    means = np.bincount(index, weights=values) / np.bincount(index)
    if ends is not None and len(means) > 1 and np.isin(means, ends).all():
        scale = ends[1] - ends[0]
        return Interval(*(ends[0] + scale * end for end in wilson(int((means == ends[1]).sum()), len(means))))
    return within(mean_interval(means, ends=ends, seed=seed), limits)


def cluster_ratio(top: np.ndarray, bottom: np.ndarray, clusters: np.ndarray) -> Interval:
    """The ratio of what clusters have on average (a micro average between 0 and 1) with its 95 % interval over clusters.

    Seeds of a prompt are averaged first, so that a prompt with more of them weighs no more. Two clusters of mean length are
    added, one all wrong and one all right. The ratio r of all N is linear in the residuals e = top - r bottom: the ends are
    r -+ t(0.975, N - 1) sqrt(N sum(e^2) / (N - 1)) / sum(bottom), cut at 0 and 1.

    Args:
        top: float (N,), no NaN, 0 to ``bottom``.
        bottom: float (N,), no NaN, 0 or more.
        clusters: (N,), the prompt each pair belongs to.

    Returns:
        The ratio and both ends, which are NaN below two clusters; all three are where ``bottom`` is nothing but 0.
    """
    _, index = np.unique(clusters, return_inverse=True)
    parts = np.stack([np.bincount(index, weights=top), np.bincount(index, weights=bottom)], axis=1) / np.bincount(index)[:, None]
    total = parts.sum(0)
    if not total[1] > 0:
        return Interval(math.nan, math.nan, math.nan)
    ratio, length = float(total[0] / total[1]), float(parts[:, 1].mean())
    if len(parts) < 2:
        return Interval(ratio, math.nan, math.nan)
    parts = np.vstack([parts, [[0.0, length], [length, length]]])
    n, (right, asked) = len(parts), parts.sum(0)
    residuals = parts[:, 0] - right / asked * parts[:, 1]
    reach = float(stdtrit(n - 1, (1 + _LEVEL) / 2)) * math.sqrt(n * float(np.square(residuals).sum()) / (n - 1)) / float(asked)
    return _around(ratio, Interval(ratio, float(right / asked) - reach, float(right / asked) + reach), (0.0, 1.0))


def within(interval: Interval, limits: Ends) -> Interval:
    """``interval`` cut at ``limits``; NaN stays NaN."""
    return Interval(interval.value, max(interval.low, limits[0]), min(interval.high, limits[1]))


def near_ends(values: np.ndarray, ends: Ends) -> bool:
    """Whether at least half of ``values`` lie within a tenth of the scale of one of its ``ends``.

    There a few prompts far from the others decide the mean, and they may not have been met yet.
    """
    margin = _NEAR * (ends[1] - ends[0])
    return bool(np.mean((values <= ends[0] + margin) | (values >= ends[1] - margin)) >= 0.5)


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


def _student(values: np.ndarray) -> Interval:
    """Student's 95 % interval of a mean of two values or more."""
    n, mean = len(values), float(values.mean())
    reach = float(stdtrit(n - 1, (1 + _LEVEL) / 2)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - reach, mean + reach)


def _around(value: float, interval: Interval, ends: Ends) -> Interval:
    """``interval`` cut at ``ends``, and wide enough to hold ``value``."""
    return Interval(value, min(value, max(ends[0], interval.low)), max(value, min(ends[1], interval.high)))


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
