"""Many tests at once, and planning: adjusted p values, detectable differences, needed prompts."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, nctdtrinc, ndtri, stdtrit

from bench.stats.paired import MIN_PROMPTS, sign_test

if TYPE_CHECKING:
    from collections.abc import Callable

_Z = 1.959963984540054
_LARGE = 1e6
"""Number of prompts above which Student's t is taken as normal."""
_EXACT = 2000
"""Number of prompts up to which the sign test's power is summed over all that could come out."""


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


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p by Holm (1979): of tests with an adjusted p <= 0.05, one or more is chance in at most 5 % of tables.

    Args:
        p: float (n,), 0 to 1; NaN stays NaN and does not count as a test.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted, tested = np.full(values.shape, math.nan), np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return adjusted


def fewest_differing(alpha: float, *, even: bool = False) -> int:
    """How many prompts must differ before a test of signs can reach the level ``alpha``: k with 2^(1 - k) <= alpha.

    With mid-p, where differences have one size (``even``), 2^-k.

    >>> fewest_differing(0.05), fewest_differing(0.05 / 24), fewest_differing(0.05, even=True)
    (6, 10, 5)
    """
    return math.ceil(round(math.log2(1 / alpha), 9)) + (0 if even else 1)


def detectable(sd: float, n: float, *, alpha: float = 0.05, power: float = 0.8, scale: float = 0.0) -> float:
    """The mean difference that a paired t test of ``n`` prompts shows with probability ``power``, in the unit of ``sd``.

    It is the d for which the noncentral t of n - 1 degrees of freedom and noncentrality d sqrt(n) / sd exceeds
    t(1 - alpha / 2, n - 1) with probability ``power``.

    Args:
        sd: standard deviation of the differences over prompts.
        n: number of prompts.
        alpha: two-sided level of the test.
        power: probability of showing the difference.
        scale: how far the two pairs that the interval reckons with lie from 0, for that has to leave out 0 as well; 0 where
            there are none.

    Returns:
        The difference, above 0; NaN where ``sd`` is NaN or 0, and for fewer prompts than ``fewest_prompts``.
    """
    if not sd > 0 or n < fewest_prompts(alpha):
        return math.nan
    return max(sd * _standardised(float(n), alpha, power), beyond_pairs(sd, n, scale, power) if scale > 0 else 0.0)


@lru_cache(maxsize=4096)
def detectable_yes_no(discordant: float, n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The difference of two shares that the sign test (mid-p) of ``n`` prompts shows with probability ``power``.

    Args:
        discordant: the share of prompts that differ.
        n: number of prompts; above 2,000 by McNemar's normal formula, as in ``needed_yes_no``.
        alpha: two-sided level of the test.
        power: probability of showing the difference.

    Returns:
        The difference; NaN where not even ``discordant``, every prompt that differs for one run, is shown.
    """
    discordant = min(1.0, discordant)

    def shown(gap: float) -> bool:
        if n > _EXACT:
            return _normal_prompts(gap, discordant, alpha, power) <= n
        return _sign_test_power(n, discordant, (discordant + gap) / (2 * discordant), alpha) >= power

    if not discordant > 0 or not shown(discordant):
        return math.nan
    low, high = 0.0, discordant
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def fewest_prompts(alpha: float) -> int:
    """The fewest prompts of which the t test's power can be promised of the sign-flip test, whose p come in steps.

    A third more than must differ: at the very fewest a single prompt the other way ends it.
    """
    return math.ceil(1.3 * max(MIN_PROMPTS, fewest_differing(alpha)))


def needed(difference: float, sd: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The number of prompts with which a paired t test shows ``difference`` with probability ``power`` (see ``detectable``).

    Args:
        difference: mean difference, of either sign.
        sd: standard deviation of the differences over prompts, in the same unit.
        alpha: two-sided level of the test.
        power: probability of showing the difference.

    Returns:
        A whole number, ``fewest_prompts`` or more; infinite for a difference of 0, NaN where difference or sd is NaN.
    """
    if math.isnan(difference) or math.isnan(sd):
        return math.nan
    if difference == 0:
        return math.inf
    effect = abs(difference) / sd if sd > 0 else math.inf
    fewest = fewest_prompts(alpha)
    if effect >= _standardised(float(fewest), alpha, power):
        return float(fewest)
    normal = ((float(ndtri(1 - alpha / 2)) + float(ndtri(power))) / effect) ** 2
    if normal > _LARGE:
        return float(math.ceil(normal))
    too_few, enough = fewest, fewest + math.ceil(normal) + 200
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if _standardised(float(middle), alpha, power) <= effect else (middle, enough)
    return float(enough)


def needed_yes_no(difference: float, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The number of prompts with which the sign test (mid-p) shows ``difference`` between two yes-or-no scores.

    D of n prompts differ, D binomial (n, discordant); of these the better run wins with probability
    (discordant + difference) / (2 discordant). Above 2,000 prompts McNemar's normal formula (Connor 1987).

    Args:
        difference: of the two shares, of either sign.
        discordant: the share of prompts that differ, at least the difference.
        alpha: two-sided level of the test.
        power: probability of showing the difference.

    Returns:
        A whole number; infinite for a difference of 0.
    """
    gap = abs(difference)
    if gap == 0:
        return math.inf
    discordant = min(1.0, max(discordant, gap))
    normal = math.ceil(_normal_prompts(gap, discordant, alpha, power))
    if normal > _EXACT:
        return float(normal)
    too_few, enough = max(MIN_PROMPTS, fewest_differing(alpha, even=True)) - 1, 2 * normal + 100
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        shown = _sign_test_power(middle, discordant, (discordant + gap) / (2 * discordant), alpha)
        too_few, enough = (too_few, middle) if shown >= power else (middle, enough)
    return float(enough)


def _normal_prompts(gap: float, discordant: float, alpha: float, power: float) -> float:
    """McNemar's normal formula (Connor 1987)."""
    reach = float(ndtri(1 - alpha / 2)) * math.sqrt(discordant) + float(ndtri(power)) * math.sqrt(max(0.0, discordant - gap * gap))
    return (reach / gap) ** 2


def _sign_test_power(n: int, discordant: float, wins: float, alpha: float) -> float:
    """The probability that the sign test of ``n`` prompts reaches ``alpha``."""
    differing, discordant, wins = np.arange(n + 1), min(1.0, discordant), min(1.0, wins)
    chance = np.diff(bdtr(differing, n, discordant), prepend=0.0)
    rarer = _rarest(n, alpha)
    able = rarer >= 0
    lost, won = bdtr(rarer[able], differing[able], 1 - wins), bdtr(rarer[able], differing[able], wins)
    return float(chance[able] @ np.minimum(1.0, lost + won))


@lru_cache(maxsize=256)
def _rarest(n: int, alpha: float) -> np.ndarray:
    """The most losses of 0 to ``n`` differing pairs with which the sign test reaches ``alpha``, int (n + 1,); -1 where none does."""
    rarer, fewer = np.full(n + 1, -1), -1
    for differing in range(n + 1):  # one more pair allows one more loss or none
        while 2 * (fewer + 1) <= differing and sign_test(fewer + 1, differing) <= alpha:
            fewer += 1
        rarer[differing] = fewer
    return rarer


def needed_within(sd: float, margin: float, *, power: float = 0.8, scale: float = 0.0) -> float:
    """Prompts with which two runs that do not differ are shown to be within ``margin``: ((1.96 + z) sd / margin)^2.

    Args:
        sd: standard deviation of the differences over prompts, in the margin's unit.
        margin: above 0.
        power: probability of showing it.
        scale: how far the two pairs that the interval reckons with lie from 0 (``bench.stats.extremes``); 0 where there are
            none. Then the fewest N with reach + z sd / sqrt(N) <= margin, ``reach`` being half of that interval.
    """
    normal = math.ceil(max(float(MIN_PROMPTS), ((_Z + float(ndtri(power))) * sd / margin) ** 2))
    if scale <= 0:
        return normal
    return _fewest(lambda n: _reach(sd, n, scale) + float(ndtri(power)) * sd / math.sqrt(n) <= margin, normal)


def needed_beyond(difference: float, sd: float, scale: float, *, power: float = 0.8) -> float:
    """Prompts with which an interval that reckons with two pairs, -+ ``scale``, leaves out 0, were ``difference`` the true one.

    Args:
        difference: of either sign.
        sd: standard deviation of the differences over prompts.
        scale: above 0.
        power: probability of leaving it out.
    """
    if difference == 0 or math.isnan(sd):
        return math.inf if difference == 0 else math.nan
    return _fewest(lambda n: beyond_pairs(sd, n, scale, power) <= abs(difference), MIN_PROMPTS)


def _reach(sd: float, n: float, scale: float, difference: float = 0.0) -> float:
    """Half of Student's interval of ``n`` differences and the two added ones (``bench.stats.mean_interval``)."""
    both = n + 2
    variance = ((n - 1) * sd * sd + 2 * scale * scale + 2 * n * difference * difference / both) / (both - 1)
    return float(stdtrit(both - 1, 0.975)) * math.sqrt(variance / both)


def beyond_pairs(sd: float, n: float, scale: float, power: float = 0.8) -> float:
    """The mean difference with which an interval of ``n`` pairs and two more, -+ ``scale``, leaves out 0 with probability ``power``."""
    found = 0.0
    for _ in range(30):
        found = (n + 2) / n * _reach(sd, n, scale, found) + float(ndtri(power)) * sd / math.sqrt(n)
    return found


def _fewest(enough: Callable[[int], bool], start: int) -> float:
    """The fewest prompts, ``start`` or more, that are ``enough``; infinite above ``_LARGE``."""
    low, high = start - 1, start
    while not enough(high):
        low, high = high, 2 * high
        if high > _LARGE:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return float(high)


def needed_if_true(n: int, distance: float, reach: float) -> float:
    """Prompts in all that settle on which side of a margin a change lies, were it exactly the one seen: 2.04 n (reach / distance)^2.

    Args:
        n: prompts so far.
        distance: of the change seen from the margin.
        reach: from the change to the end of its interval that lies beyond the margin, so that skewness counts.

    Returns:
        ``n`` or more; infinite where the change lies at the margin itself.
    """
    return math.inf if distance == 0 else math.ceil(((_Z + float(ndtri(0.8))) / _Z * reach / distance) ** 2 * n)


@lru_cache(maxsize=4096)
def _standardised(n: float, alpha: float, power: float) -> float:
    """``detectable`` for a standard deviation of 1."""
    if n > _LARGE:
        return float(ndtri(1 - alpha / 2) + ndtri(power)) / math.sqrt(n)
    return float(nctdtrinc(n - 1, 1 - power, stdtrit(n - 1, 1 - alpha / 2))) / math.sqrt(n)
