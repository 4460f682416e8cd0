"""Two runs on the same prompts: how large the difference is, and whether chance alone would have made it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.stats.intervals import Interval, mean_intervals, paired_share_interval
from bench.stats.resampling import all_signs, coins

MIN_PROMPTS = 6
"""Prompts below which no sign-flip test can reach 5 %: with five the least p is 2 / 2^5."""
_EXACT = 13
"""Differences other than 0 up to which all signs are tried."""
_FLIPS = 10_000
_MORE = 100_000
"""Flips where the first 10,000 leave hardly any as extreme, so that p can be small enough for a long table."""
_RARE = 10
_NOISE = 1e-6
"""Share of the larger value up to which two count as equal: the same picture scored in another batch differs by 1e-7."""
_TOGETHER = 256
"""Pairs that are resampled at once, so that memory does not grow with the table."""


class Paired(NamedTuple):
    """What ``paired`` finds.

    Attributes:
        n: prompts.
        difference: mean of a - b with its 95 % interval: BCa, or Bonett and Price's where every value is yes or no.
        sd: standard deviation of a - b over prompts (n - 1 below the line); NaN for one prompt.
        p: two-sided, of the sign-flip test.
        wins: share of prompts with a > b.
        ties: share with a = b, but for a millionth of the larger, which is the noise of single precision.
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

    If the two were alike in all but chance, each difference a - b could as well have had the other sign. ``p`` is the share
    of choices of signs whose mean is as far from 0 as the observed one: of all choices where up to 13 differences are not
    0, else of random ones, the observed one counted: (k + 1) / (B + 1) (Efron and Tibshirani 1993, ch. 15). B is 10,000;
    where k is below 10, 100,000.

    Args:
        a: float (n,), no NaN; a mean over seeds for each prompt, higher or lower better.
        b: float (n,), the same prompts in the same order.
        seed: of the bootstrap and of the flips.
        proportion: false for what is no share (seconds, counts), so that zeros and ones are mere numbers.

    Raises:
        ValueError: unlike lengths, or no prompt.
    """
    return paired_many([(a, b)], seed=seed, proportions=[proportion])[0]


def paired_many(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int = 0, proportions: Sequence[bool] | None = None
) -> list[Paired]:
    """``paired`` of each pair: the same numbers, quicker together. ``proportions``: all are shares where it is None.

    Raises:
        ValueError: as ``paired``.
    """
    gaps = [_gap(a, b) for a, b in pairs]
    shares = proportions or [True] * len(gaps)
    answers = [share and all(np.isin(side, (0.0, 1.0)).all() for side in pair) for share, pair in zip(shares, pairs, strict=True)]
    found: list[Paired] = []
    for start in range(0, len(gaps), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        intervals = _intervals(gaps[part], answers[part], seed)
        found += [_paired(*told) for told in zip(gaps[part], intervals, flip_tests(gaps[part], seed), strict=True)]
    return found


def ties(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which values count as equal: those within a millionth of the larger, which is the noise of single precision.

    Args:
        a: float, any shape; NaN ties with nothing.
        b: float, of that shape.
    """
    return np.asarray(np.abs(a - b) <= _NOISE * np.maximum(np.abs(a), np.abs(b)))


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise ValueError(f"two arrays of one value a prompt are compared, not {one.shape} and {other.shape}")
    return np.where(ties(one, other), 0.0, one - other)


def _intervals(gaps: Sequence[np.ndarray], answers: Sequence[bool], seed: int) -> list[Interval]:
    """The interval of each mean; those of one length share their resamples."""
    found = {i: paired_share_interval(gap) for i, gap in enumerate(gaps) if answers[i] and len(gap) > 1}
    for n in {len(gap) for i, gap in enumerate(gaps) if i not in found}:
        places = [i for i, gap in enumerate(gaps) if len(gap) == n and i not in found]
        found |= dict(zip(places, mean_intervals(np.stack([gaps[i] for i in places], axis=1), seed=seed), strict=True))
    return [found[i] for i in range(len(gaps))]


def _paired(gap: np.ndarray, difference: Interval, p: float) -> Paired:
    sd = float(gap.std(ddof=1)) if len(gap) > 1 else math.nan
    won, lost = float((gap > 0).mean()), float((gap < 0).mean())
    effect = 0.0 if won + lost == 0 else difference.value / sd if sd > 1e-12 * abs(difference.value) else math.nan
    return Paired(len(gap), difference, sd, p, won, max(0.0, 1 - won - lost), lost, won - lost, effect)


def flip_tests(gaps: Sequence[np.ndarray], seed: int) -> list[float]:
    """Two-sided p of the sign-flip test of each array of differences; see ``paired``.

    All are flipped by the same signs: a shorter array is filled up with zeros, whose sign does not matter.
    """
    scaled = np.zeros((max(map(len, gaps)), len(gaps)))
    for i, gap in enumerate(gaps):
        scaled[: len(gap), i] = gap / (np.abs(gap).max() or 1.0)
    kept = np.count_nonzero(scaled, axis=0)
    found = np.ones(len(gaps))
    for few in np.flatnonzero((kept > 0) & (kept <= _EXACT)):
        some = scaled[scaled[:, few] != 0, few]
        found[few] = (np.abs(all_signs(len(some)) @ some) >= abs(some.sum()) * (1 - 1e-12) - 1e-12).mean()
    many = np.flatnonzero(kept > _EXACT)
    if len(many):
        extreme = _count(scaled[:, many], seed, 0, _FLIPS)
        found[many] = (extreme + 1) / (_FLIPS + 1)
        rare = many[extreme < _RARE]
        if len(rare):
            more = extreme[extreme < _RARE] + _count(scaled[:, rare], seed, _FLIPS, _MORE - _FLIPS)
            found[rare] = (more + 1) / (_MORE + 1)
    return [float(p) for p in found]


def _count(scaled: np.ndarray, seed: int, start: int, total: int) -> np.ndarray:
    """How many of ``total`` random flips are as extreme as the observed signs; (k,)."""
    sums = scaled.sum(0)[:, None]
    least = np.abs(sums) - 1e-5 * np.sqrt(np.square(scaled).sum(0))[:, None]
    values = scaled.T.astype(np.float32)
    extreme = np.zeros(len(values), dtype=np.int64)
    for block in coins(len(scaled), total, seed, start):
        extreme += np.count_nonzero(np.abs(2 * (values @ block) - sums) >= least, axis=1)
    return extreme
