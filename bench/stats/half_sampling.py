"""Uncertainty of values of a whole set of pictures (FID and the like), by random halves of its prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.stats.intervals import Interval


class Halves(NamedTuple):
    """Random halves of a set's prompts.

    Attributes:
        members: bool (R, N), which pictures are in each half: all pictures of a prompt or none.
        prompts: number of distinct prompts.
        kept: number of prompts in a half: ``prompts`` // 2.
    """

    members: np.ndarray
    prompts: int
    kept: int


def halves(prompts: Sequence[str], resamples: int, seed: int = 0) -> Halves:
    """Random halves of the distinct ``prompts``, without replacement: the same halves for the same set of prompts.

    Args:
        prompts: (N,), the prompt of each picture; order and repetition do not change which prompts are in a half.
        resamples: R, the number of halves.
        seed: of the random numbers.
    """
    names, index = np.unique(np.asarray(prompts), return_inverse=True)
    n = len(names)
    order = np.argsort(np.random.default_rng((seed, n)).random((resamples, n)), axis=1)
    chosen = np.zeros((resamples, n), dtype=bool)
    np.put_along_axis(chosen, order[:, : n // 2], values=True, axis=1)
    return Halves(chosen[:, index], n, n // 2)


def half_interval(
    value: float, draws: np.ndarray, prompts: int, *, minimum: float = -math.inf, maximum: float = math.inf, besides: float = 0.0
) -> Interval:
    """``value`` -+ t sqrt(sd(draws)^2 + besides^2), the 95 % interval, cut at ``minimum`` and ``maximum``.

    As each draw leaves half of the prompts out, the variance of the draws estimates the value's own (delete-half jackknife,
    Shao and Wu 1989). t is Student's with 1 / (1 / (R - 1) + 1 / (prompts - 1)) degrees of freedom, because the standard
    deviation is estimated from R draws and so many prompts.

    Args:
        value: of the whole set.
        draws: float (R,), R >= 2, the value on each half.
        prompts: number of prompts that were halved.
        minimum: the smallest possible value.
        maximum: the largest possible value.
        besides: standard error of what is chance besides the prompts.
    """
    error = math.hypot(float(np.std(draws, ddof=1)), besides)
    reach = float(stdtrit(_degrees_of_freedom(len(draws), prompts), 0.975)) * error
    return Interval(value, max(minimum, value - reach), min(maximum, value + reach))


def resampled_difference(
    value_a: float, value_b: float, draws_a: np.ndarray, draws_b: np.ndarray, prompts: float = math.inf
) -> tuple[Interval, float]:
    """value_a - value_b with its 95 % interval and two-sided p, from draws on the same halves.

    The standard error is the standard deviation of draws_a - draws_b; ends and p are Student's, with the degrees of freedom
    of ``half_interval``.

    Args:
        value_a: run a's value on all prompts.
        value_b: run b's.
        draws_a: float (R,), R >= 2, run a's value on each half of the prompts.
        draws_b: float (R,), run b's on the same halves.
        prompts: number of prompts that were halved.

    Returns:
        The difference, and p: 1 where the runs are the same, NaN (ends too) where the draws do not vary but the values differ.
    """
    gap = float(value_a) - float(value_b)
    draws = np.asarray(draws_a, dtype=np.float64) - np.asarray(draws_b, dtype=np.float64)
    error, size = float(np.std(draws, ddof=1)), max(abs(value_a), abs(value_b))
    if error <= 1e-12 * size:
        return (Interval(gap, gap, gap), 1.0) if abs(gap) <= 1e-9 * size else (Interval(gap, math.nan, math.nan), math.nan)
    freedom = _degrees_of_freedom(len(draws), prompts)
    reach = float(stdtrit(freedom, 0.975)) * error
    return Interval(gap, gap - reach, gap + reach), float(2 * stdtr(freedom, -abs(gap) / error))


def _degrees_of_freedom(resamples: int, prompts: float) -> float:
    return 1 / (1 / (resamples - 1) + 1 / (prompts - 1))
