"""Multiple testing and statistical power: adjusted p values, detectable differences, needed prompts."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import nctdtrinc, ndtri, stdtrit

from bench.stats.paired import MIN_PROMPTS

_LARGE = 1e6
"""Number of prompts above which Student's t is taken as normal."""


def adjust(p: np.ndarray) -> np.ndarray:
    """The q value of each p by Benjamini and Hochberg (1995): of tests with q <= 0.05, at most 5 % are expected to be chance.

    Args:
        p: float (n,), 0 to 1; NaN stays NaN and does not count as a test.
    """
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - slow import

    values = np.asarray(p, dtype=np.float64)
    adjusted, tested = np.full(values.shape, math.nan), ~np.isnan(values)
    if tested.any():
        adjusted[tested] = false_discovery_control(values[tested])
    return adjusted


def detectable(sd: float, n: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The mean difference that a paired t test of ``n`` prompts shows with probability ``power``, in the unit of ``sd``.

    It is the d for which the noncentral t of n - 1 degrees of freedom and noncentrality d sqrt(n) / sd exceeds
    t(1 - alpha / 2, n - 1) with probability ``power``.

    Args:
        sd: standard deviation of the differences over prompts.
        n: number of prompts.
        alpha: two-sided level of the test.
        power: probability of showing the difference.

    Returns:
        The difference, 0 or more; NaN below two prompts or where ``sd`` is NaN.
    """
    if math.isnan(sd) or not n >= 2:
        return math.nan
    return sd * _standardised(float(n), alpha, power)


def needed(difference: float, sd: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The number of prompts with which a paired t test shows ``difference`` with probability ``power`` (see ``detectable``).

    Args:
        difference: mean difference, of either sign.
        sd: standard deviation of the differences over prompts, in the same unit.
        alpha: two-sided level of the test.
        power: probability of showing the difference.

    Returns:
        A whole number, ``MIN_PROMPTS`` or more; infinite for a difference of 0, NaN where difference or sd is NaN.
    """
    if math.isnan(difference) or math.isnan(sd):
        return math.nan
    if difference == 0:
        return math.inf
    effect = abs(difference) / sd if sd > 0 else math.inf
    if effect >= _standardised(float(MIN_PROMPTS), alpha, power):
        return float(MIN_PROMPTS)
    normal = ((float(ndtri(1 - alpha / 2)) + float(ndtri(power))) / effect) ** 2
    if normal > _LARGE:
        return float(math.ceil(normal))
    too_few, enough = MIN_PROMPTS, math.ceil(normal) + 200
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if _standardised(float(middle), alpha, power) <= effect else (middle, enough)
    return float(enough)


@lru_cache(maxsize=4096)
def _standardised(n: float, alpha: float, power: float) -> float:
    """``detectable`` for a standard deviation of 1."""
    if n > _LARGE:
        return float(ndtri(1 - alpha / 2) + ndtri(power)) / math.sqrt(n)
    return float(nctdtrinc(n - 1, 1 - power, stdtrit(n - 1, 1 - alpha / 2))) / math.sqrt(n)
