"""Two runs on the same prompts: how large their difference is, and whether chance alone could explain it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.stats.intervals import Interval, mean_intervals, paired_share_interval
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
_BATCH = 256
"""Pairs of runs that are resampled at once, so that memory does not grow with their number."""


class Paired(NamedTuple):
    """The comparison of two runs, a and b, prompt by prompt.

    Attributes:
        n: number of prompts.
        difference: mean of a - b with its 95 % interval: BCa, or Bonett and Price's where every value is yes or no.
        sd: standard deviation of a - b over prompts (denominator n - 1); NaN for one prompt.
        p: two-sided, of the sign-flip test.
        wins: share of prompts with a > b.
        ties: share with a = b up to a millionth of the larger, the noise of single precision.
        losses: share with a < b.
        cliff: wins - losses, -1 to 1: Cliff's (1993) dominance within pairs.
        effect: difference / sd; 0 where all differences are 0, NaN where they are equal and not 0.
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


def paired(a: np.ndarray, b: np.ndarray, *, seed: int = 0, proportion: bool = True) -> Paired:
    """Compare two runs prompt by prompt.

    If only chance told the two apart, each difference a - b could as well have the other sign. ``p`` is the share of choices
    of signs whose mean is at least as far from 0 as the observed one. With up to 13 nonzero differences all choices are
    tried; with more, B random ones, and p = (k + 1) / (B + 1), where k of them are as extreme (Efron and Tibshirani 1993,
    ch. 15). B is 10,000, or 100,000 where k is below 10.

    Args:
        a: float (n,), no NaN: for each prompt the mean over its seeds.
        b: float (n,), the same prompts in the same order.
        seed: of the bootstrap and of the flips.
        proportion: whether 0 and 1 mean no and yes; false for seconds and counts.

    Raises:
        ValueError: different lengths, or no prompt.
    """
    return paired_many([(a, b)], seed=seed, proportions=[proportion])[0]


def paired_many(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int = 0, proportions: Sequence[bool] | None = None
) -> list[Paired]:
    """``paired`` of each pair: the same numbers, in less time. ``proportions``: one a pair, None for all true.

    Raises:
        ValueError: as ``paired``.
    """
    gaps = [_gap(a, b) for a, b in pairs]
    shares = proportions or [True] * len(gaps)
    binary = [share and all(np.isin(side, (0.0, 1.0)).all() for side in pair) for share, pair in zip(shares, pairs, strict=True)]
    results: list[Paired] = []
    for start in range(0, len(gaps), _BATCH):
        part = slice(start, start + _BATCH)
        intervals = _intervals(gaps[part], binary[part], seed)
        results += map(_paired, gaps[part], intervals, flip_tests(gaps[part], seed))
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


def _intervals(gaps: Sequence[np.ndarray], binary: Sequence[bool], seed: int) -> list[Interval]:
    """The interval of each mean difference; arrays of one length share their resamples."""
    intervals = {i: paired_share_interval(gap) for i, gap in enumerate(gaps) if binary[i] and len(gap) > 1}
    for n in {len(gap) for i, gap in enumerate(gaps) if i not in intervals}:
        places = [i for i, gap in enumerate(gaps) if len(gap) == n and i not in intervals]
        intervals |= dict(zip(places, mean_intervals(np.stack([gaps[i] for i in places], axis=1), seed=seed), strict=True))
    return [intervals[i] for i in range(len(gaps))]


def _paired(gap: np.ndarray, difference: Interval, p: float) -> Paired:
    sd = float(gap.std(ddof=1)) if len(gap) > 1 else math.nan
    won, lost = float((gap > 0).mean()), float((gap < 0).mean())
    effect = 0.0 if won + lost == 0 else difference.value / sd if sd > 1e-12 * abs(difference.value) else math.nan
    return Paired(len(gap), difference, sd, p, won, max(0.0, 1 - won - lost), lost, won - lost, effect)


def flip_tests(gaps: Sequence[np.ndarray], seed: int) -> list[float]:
    """Two-sided p of the sign-flip test of each array of differences; see ``paired``.

    All arrays get the same random signs; shorter ones are padded with zeros, whose sign does not matter.
    """
    scaled = np.zeros((max(map(len, gaps)), len(gaps)))
    for i, gap in enumerate(gaps):
        scaled[: len(gap), i] = gap / (np.abs(gap).max() or 1.0)
    nonzero = np.count_nonzero(scaled, axis=0)
    p = np.ones(len(gaps))
    for few in np.flatnonzero((nonzero > 0) & (nonzero <= _MAX_EXACT)):
        some = scaled[scaled[:, few] != 0, few]
        p[few] = (np.abs(all_signs(len(some)) @ some) >= abs(some.sum()) * (1 - 1e-12) - 1e-12).mean()
    many = np.flatnonzero(nonzero > _MAX_EXACT)
    if len(many):
        extreme = _count(scaled[:, many], seed, 0, _FLIPS)
        p[many] = (extreme + 1) / (_FLIPS + 1)
        rare = many[extreme < _RARE]
        if len(rare):
            more = extreme[extreme < _RARE] + _count(scaled[:, rare], seed, _FLIPS, _MORE_FLIPS - _FLIPS)
            p[rare] = (more + 1) / (_MORE_FLIPS + 1)
    return [float(value) for value in p]


def _count(scaled: np.ndarray, seed: int, start: int, total: int) -> np.ndarray:
    """How many of ``total`` random flips give a sum as extreme as the observed one: int (k,) of (n, k)."""
    sums = scaled.sum(0)[:, None]
    threshold = np.abs(sums) - 1e-5 * np.sqrt(np.square(scaled).sum(0))[:, None]
    values = scaled.T.astype(np.float32)
    extreme = np.zeros(len(values), dtype=np.int64)
    for block in coins(len(scaled), total, seed, start):
        extreme += np.count_nonzero(np.abs(2 * (values @ block) - sums) >= threshold, axis=1)
    return extreme
