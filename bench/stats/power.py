"""How many questions were asked, and how many prompts would settle one."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import nctdtrinc, ndtri, stdtrit

from bench.stats.paired import MIN_PROMPTS

_LARGE = 1e6
"""Prompts from which Student's t is taken as normal."""


def adjust(p: np.ndarray) -> np.ndarray:
    """The q of each p after Benjamini and Hochberg (1995): of all with q <= 0.05, at most 5 % are expected to be chance.

    Args:
        p: float (n,), 0 to 1 or NaN, which stays NaN and is not counted as a question.
    """
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - slow import

    given = np.asarray(p, dtype=np.float64)
    found, asked = np.full(given.shape, math.nan), ~np.isnan(given)
    if asked.any():
        found[asked] = false_discovery_control(given[asked])
    return found


def detectable(sd: float, n: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The mean difference that a paired t test of ``n`` prompts would show with probability ``power``, in ``sd``'s unit.

    The d for which the noncentral t of n - 1 degrees and noncentrality d sqrt(n) / sd exceeds t(1 - alpha / 2, n - 1) with
    that probability. NaN below two prompts.
    """
    if math.isnan(sd) or not n >= 2:
        return math.nan
    return sd * _standardised(float(n), alpha, power)


def needed(difference: float, sd: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """How many prompts in all would show ``difference`` with probability ``power``: whole, at least ``LEAST``.

    Infinite for a difference of 0; NaN where either number is.
    """
    if math.isnan(difference) or math.isnan(sd):
        return math.nan
    if difference == 0:
        return math.inf
    wanted = abs(difference) / sd if sd > 0 else math.inf
    if wanted >= _standardised(float(MIN_PROMPTS), alpha, power):
        return float(MIN_PROMPTS)
    high = ((float(ndtri(1 - alpha / 2)) + float(ndtri(power))) / wanted) ** 2
    if high > _LARGE:
        return float(math.ceil(high))
    low, up = MIN_PROMPTS, math.ceil(high) + 200
    while up - low > 1:
        middle = (low + up) // 2
        low, up = (low, middle) if _standardised(float(middle), alpha, power) <= wanted else (middle, up)
    return float(up)


@lru_cache(maxsize=4096)
def _standardised(n: float, alpha: float, power: float) -> float:
    if n > _LARGE:
        return float(ndtri(1 - alpha / 2) + ndtri(power)) / math.sqrt(n)
    return float(nctdtrinc(n - 1, 1 - power, stdtrit(n - 1, 1 - alpha / 2))) / math.sqrt(n)
