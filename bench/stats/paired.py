"""Two runs on the same prompts: how large the difference is, and whether chance alone would have made it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.stats.intervals import Interval, mean_intervals
from bench.stats.resampling import all_signs, coins

LEAST = 6
"""Prompts below which no sign-flip test can reach 5 %: with five the least p is 2 / 2^5."""
_EXACT = 13
"""Differences other than 0 up to which all signs are tried."""
_FLIPS = 10_000
_MORE = 100_000
"""Flips where the first 10,000 leave hardly any as extreme, so that p can be small enough for a long table."""
_RARE = 10


class Paired(NamedTuple):
    """What ``paired`` finds.

    Attributes:
        n: prompts.
        difference: mean of a - b with its 95 % interval.
        sd: standard deviation of a - b over prompts (n - 1 below the line); NaN for one prompt.
        p: two-sided, of the sign-flip test.
        wins: share of prompts with a > b.
        ties: share with a = b.
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


def paired(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> Paired:
    """Compare two runs prompt by prompt.

    If the two were alike in all but chance, each difference a - b could as well have had the other sign. ``p`` is the share
    of choices of signs whose mean is as far from 0 as the observed one: of all choices where up to 13 differences are not
    0, else of random ones, the observed one counted: (k + 1) / (B + 1) (Efron and Tibshirani 1993, ch. 15). B is 10,000;
    where k is below 10, 100,000.

    Args:
        a: float (n,), no NaN; a mean over seeds for each prompt, higher or lower better.
        b: float (n,), the same prompts in the same order.
        seed: of the bootstrap and of the flips.

    Raises:
        ValueError: unlike lengths, or no prompt.
    """
    return paired_many([(a, b)], seed=seed)[0]


def paired_many(pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, seed: int = 0) -> list[Paired]:
    """``paired`` of each pair: the same numbers, quicker together where many have the same length.

    Raises:
        ValueError: as ``paired``.
    """
    gaps = [_gap(a, b) for a, b in pairs]
    found: list[Paired | None] = [None] * len(gaps)
    for n in {len(gap) for gap in gaps}:
        places = [i for i, gap in enumerate(gaps) if len(gap) == n]
        columns = np.stack([gaps[i] for i in places], axis=1)
        for i, one in zip(places, _of_columns(columns, seed), strict=True):
            found[i] = one
    return [one for one in found if one is not None]


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise ValueError(f"two arrays of one value a prompt are compared, not {one.shape} and {other.shape}")
    return one - other


def _of_columns(columns: np.ndarray, seed: int) -> list[Paired]:
    n = len(columns)
    sds = columns.std(0, ddof=1) if n > 1 else np.full(columns.shape[1], math.nan)
    wins, losses = (columns > 0).mean(0), (columns < 0).mean(0)
    found = []
    for i, (difference, p) in enumerate(zip(mean_intervals(columns, seed=seed), flip_tests(columns, seed), strict=True)):
        sd, won, lost = float(sds[i]), float(wins[i]), float(losses[i])
        effect = 0.0 if won + lost == 0 else difference.value / sd if sd > 1e-12 * abs(difference.value) else math.nan
        found.append(Paired(n, difference, sd, float(p), won, max(0.0, 1 - won - lost), lost, won - lost, effect))
    return found


def flip_tests(columns: np.ndarray, seed: int) -> np.ndarray:
    """Two-sided p of the sign-flip test of each column of differences (n, k); see ``paired``."""
    largest = np.abs(columns).max(0)
    scaled = np.divide(columns, largest, out=np.zeros_like(columns), where=largest > 0)
    kept = np.count_nonzero(scaled, axis=0)
    found = np.ones(columns.shape[1])
    for i in np.flatnonzero((kept > 0) & (kept <= _EXACT)):
        some = scaled[scaled[:, i] != 0, i]
        found[i] = (np.abs(all_signs(len(some)) @ some) >= abs(some.sum()) * (1 - 1e-12) - 1e-12).mean()
    many = np.flatnonzero(kept > _EXACT)
    if not len(many):
        return found
    extreme = _count(scaled[:, many], seed, 0, _FLIPS)
    found[many] = (extreme + 1) / (_FLIPS + 1)
    rare = np.flatnonzero(extreme < _RARE)
    if len(rare):
        extreme = extreme[rare] + _count(scaled[:, many[rare]], seed, _FLIPS, _MORE - _FLIPS)
        found[many[rare]] = (extreme + 1) / (_MORE + 1)
    return found


def _count(scaled: np.ndarray, seed: int, start: int, total: int) -> np.ndarray:
    """How many of ``total`` random flips are as extreme as the observed signs; (k,)."""
    sums = scaled.sum(0)
    least = np.abs(sums) - 1e-5 * np.sqrt(np.square(scaled).sum(0))
    values = scaled.astype(np.float32)
    extreme = np.zeros(scaled.shape[1], dtype=np.int64)
    for block in coins(len(scaled), total, seed, start):
        extreme += np.count_nonzero(np.abs(2 * (block @ values) - sums) >= least, axis=0)
    return extreme
