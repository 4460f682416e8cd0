"""Two runs on the same prompts: how large their difference is, and whether chance alone could explain it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from bench.stats.intervals import Ends, Interval, mean_interval, mean_intervals, near_ends, within
from bench.stats.resampling import all_signs, coins

MIN_PROMPTS = 6
"""Fewest prompts with which a sign-flip test can reach 5 %: with five the smallest p is 2 / 2^5."""
_MAX_EXACT = 13
"""Nonzero differences up to which all choices of signs are tried."""
_FLIPS = 10_000
_MORE_FLIPS = 100_000
"""Flips where fewer than ``_RARE`` of the first 10,000 are as extreme, so that p can be small enough for a long table."""
_RARE = 10
_NOISE = 1e-6
"""Relative difference up to which two values count as equal: a picture scored in another batch differs by 1e-7."""
_SMALL = 0.1
"""Differences that vary by a smaller share of the scale are small."""
_ROUNDED = 1e-9
"""A standard deviation of so small a share of the values is an error of rounding."""
_BATCH = 256
"""Pairs of runs that are resampled at once, so that memory does not grow with their number."""


class Extremes(NamedTuple):
    """Between which values the difference of a pair lies.

    Attributes:
        low, high: the ends.
        added: whether the interval reckons with two more pairs, one at each end.
    """

    low: float
    high: float
    added: bool


class Paired(NamedTuple):
    """The comparison of two runs, a and b, prompt by prompt.

    Attributes:
        n: number of prompts.
        difference: mean of a - b with its 95 % interval (``bench.stats.intervals.mean_interval``).
        sd: standard deviation of a - b over prompts (``spread``); NaN for one prompt.
        p: two-sided, of the sign-flip test, or of the sign test with mid-p where all differences have one size.
        wins: share of prompts with a > b.
        ties: share with a = b up to a millionth of the larger, the noise of single precision.
        losses: share with a < b.
        cliff: wins - losses, -1 to 1: Cliff's (1993) dominance within pairs.
        effect: difference / sd; 0 where all differences are 0, NaN where they are equal and not 0.
        even: whether all differences that are not 0 have one size, as those of yes or no have.
        carrier: which prompt makes half of the difference or more, by its place; None where no single one does.
    """

    n: int
    difference: Interval
    sd: float
    p: float
    wins: float
    ties: float
    losses: float
    cliff: float
    effect: float
    even: bool
    carrier: int | None

    @property
    def differing(self) -> int:
        """How many prompts are no tie: what a test of signs goes by."""
        return round(self.n * (self.wins + self.losses))


def paired(a: np.ndarray, b: np.ndarray, *, seed: int = 0, ends: Ends | None = None) -> Paired:
    """Compare two runs prompt by prompt.

    If only chance told the two apart, each difference a - b could as well have the other sign. ``p`` is the share of choices
    of signs whose mean is at least as far from 0 as the observed one. With up to 13 nonzero differences all choices are
    tried; with more, B random ones, and p = (k + 1) / (B + 1), where k of them are as extreme (Efron and Tibshirani 1993,
    ch. 15). B is 10,000, or 100,000 where k is below 10. Where all nonzero differences have one size the test is the sign
    test, whose p counts half of what is exactly as extreme (mid-p: Fagerland, Lydersen and Laake 2013).

    Args:
        a: float (n,), no NaN: for each prompt the mean over its seeds.
        b: float (n,), the same prompts in the same order.
        seed: of the bootstrap and of the flips.
        ends: the lowest and highest value that a score can have. Where a pair not met yet may decide (``extremes``), the
            interval reckons with a pair that differs fully, one each way.

    Raises:
        ValueError: different lengths, or no prompt.
    """
    return paired_many([(a, b)], seed=seed, extremes=[extremes(a, b, ends)])[0]


def extremes(a: np.ndarray, b: np.ndarray, ends: Ends | None) -> Extremes | None:
    """Where each difference a - b lies; None without known ``ends``.

    Two pairs are added where one not met yet may decide: the scores are near their ends (``near_ends``), or the differences
    are small (``_small``).
    """
    if ends is None:
        return None
    scale, gap = ends[1] - ends[0], np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    return Extremes(-scale, scale, near_ends(np.concatenate([a, b]), ends) or _small(gap / scale))


def _small(gap: np.ndarray) -> bool:
    """Whether differences, as shares of the scale, are so small or so alike that a pair not met yet may decide their mean.

    More than half of them lie within a tenth of one another, however far the rest is, or their standard deviation is below a
    tenth and below 1 / sqrt(n), which a single full difference makes.
    """
    n = len(gap)
    if n < 2:
        return True
    ordered, half = np.sort(gap), n // 2
    together = float((ordered[half:] - ordered[: n - half]).min()) <= _SMALL
    return together or float(gap.std(ddof=1)) < min(_SMALL, 1 / math.sqrt(n))


def spread(values: np.ndarray, beside: float = 0.0) -> float:
    """Standard deviation (denominator n - 1), 0 where it is an error of rounding beside the values, NaN for one value.

    Args:
        values: float (n,).
        beside: the size of what they were taken from, where that is larger.
    """
    if len(values) < 2:
        return math.nan
    sd = float(values.std(ddof=1))
    return sd if sd > _ROUNDED * max(beside, float(np.abs(values).max())) else 0.0


def paired_many(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int = 0, extremes: Sequence[Extremes | None] | None = None
) -> list[Paired]:
    """``paired`` of each pair: the same numbers, in less time. ``extremes``: one a pair; None for no known ends.

    Raises:
        ValueError: as ``paired``.
    """
    gaps = [_gap(a, b) for a, b in pairs]
    known = extremes or [None] * len(gaps)
    results: list[Paired] = []
    for start in range(0, len(gaps), _BATCH):
        part = slice(start, start + _BATCH)
        results += map(_paired, gaps[part], _intervals(gaps[part], known[part], seed), flip_tests(gaps[part], seed))
    return results


def ties(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which values count as equal: those within a millionth of the larger, the noise of single precision.

    Args:
        a: float, any shape; NaN ties with nothing.
        b: float, of that shape.
    """
    return np.asarray(np.abs(a - b) <= _NOISE * np.maximum(np.abs(a), np.abs(b)))


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ValueError(f"two arrays with one value for each prompt are needed, not shapes {x.shape} and {y.shape}")
    return np.where(ties(x, y), 0.0, x - y)


def _intervals(gaps: Sequence[np.ndarray], extremes: Sequence[Extremes | None], seed: int) -> list[Interval]:
    """The interval of each mean difference; arrays of one length share their resamples."""
    added = {i: known[:2] for i, known in enumerate(extremes) if known and known.added}
    intervals = {i: mean_interval(gaps[i], ends=ends) for i, ends in added.items()}
    for n in {len(gap) for i, gap in enumerate(gaps) if i not in intervals}:
        places = [i for i, gap in enumerate(gaps) if len(gap) == n and i not in intervals]
        intervals |= dict(zip(places, mean_intervals(np.stack([gaps[i] for i in places], axis=1), seed=seed), strict=True))
    return [within(intervals[i], known[:2]) if known else intervals[i] for i, known in enumerate(extremes)]


def _paired(gap: np.ndarray, difference: Interval, p: float) -> Paired:
    sd = spread(gap)
    won, lost = float((gap > 0).mean()), float((gap < 0).mean())
    effect = 0.0 if won + lost == 0 else difference.value / sd if sd > 0 else math.nan
    tied = max(0.0, 1 - won - lost)
    return Paired(len(gap), difference, sd, p, won, tied, lost, won - lost, effect, one_size(gap), _carrier(gap))


def one_size(gap: np.ndarray) -> bool:
    """Whether all differences that are not 0 have one size."""
    sizes = np.abs(gap[gap != 0])
    return bool(len(sizes) and np.ptp(sizes) <= _NOISE * sizes[0])


def _carrier(gap: np.ndarray) -> int | None:
    """The prompt without which the mean difference is half as large or less, or turned round."""
    total, n = float(gap.sum()), len(gap)
    if n < 2 or total == 0:
        return None
    most = int(np.argmax(gap * np.sign(total)))
    return most if (total - gap[most]) / total <= (n - 1) / (2 * n) else None


def flip_tests(gaps: Sequence[np.ndarray], seed: int) -> list[float]:
    """Two-sided p of the sign-flip test of each array of differences; see ``paired``.

    All arrays get the same random signs; shorter ones are padded with zeros, whose sign does not matter.
    """
    scaled = np.zeros((max(map(len, gaps)), len(gaps)))
    for i, gap in enumerate(gaps):
        scaled[: len(gap), i] = gap / (np.abs(gap).max() or 1.0)
    nonzero = np.count_nonzero(scaled, axis=0)
    even = np.array([one_size(gap) for gap in gaps])
    p = np.ones(len(gaps))
    for i in np.flatnonzero(even).tolist():
        p[i] = sign_test(int((gaps[i] > 0).sum()), int(nonzero[i]))
    for few in np.flatnonzero(~even & (nonzero > 0) & (nonzero <= _MAX_EXACT)):
        some = scaled[scaled[:, few] != 0, few]
        p[few] = (np.abs(all_signs(len(some)) @ some) >= abs(some.sum()) * (1 - 1e-12) - 1e-12).mean()
    many = np.flatnonzero(~even & (nonzero > _MAX_EXACT))
    if len(many):
        extreme = _count(scaled[:, many], seed, 0, _FLIPS)
        p[many] = (extreme + 1) / (_FLIPS + 1)
        rare = many[extreme < _RARE]
        if len(rare):
            more = extreme[extreme < _RARE] + _count(scaled[:, rare], seed, _FLIPS, _MORE_FLIPS - _FLIPS)
            p[rare] = (more + 1) / (_MORE_FLIPS + 1)
    return [float(value) for value in p]


def sign_test(won: int, differing: int) -> float:
    """Two-sided mid-p of ``won`` of ``differing`` pairs, were each won by chance: 2 P(B < k) + P(B = k), k the rarer side's.

    >>> sign_test(6, 6), sign_test(3, 6)
    (0.015625, 1.0)
    """
    fewer = min(won, differing - won)
    less = float(bdtr(fewer - 1, differing, 0.5)) if fewer else 0.0
    return min(1.0, less + float(bdtr(fewer, differing, 0.5)))


def _count(scaled: np.ndarray, seed: int, start: int, total: int) -> np.ndarray:
    """How many of ``total`` random flips give a sum as extreme as the observed one: int (k,) of (n, k)."""
    sums = scaled.sum(0)[:, None]
    threshold = np.abs(sums) - 1e-5 * np.sqrt(np.square(scaled).sum(0))[:, None]
    values = scaled.T.astype(np.float32)
    extreme = np.zeros(len(values), dtype=np.int64)
    for block in coins(len(scaled), total, seed, start):
        extreme += np.count_nonzero(np.abs(2 * (values @ block) - sums) >= threshold, axis=1)
    return extreme
