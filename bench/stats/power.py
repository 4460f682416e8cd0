"""Many tests at once, and planning: adjusted p values, detectable differences, needed prompts."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import bdtr, nctdtrinc, ndtr, ndtri, stdtrit

from bench.stats.paired import MIN_PROMPTS, sign_test

_Z = 1.959963984540054
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
        The difference, 0 or more; NaN where ``sd`` is, and for fewer prompts than ``fewest_prompts``.
    """
    if math.isnan(sd) or n < fewest_prompts(alpha):
        return math.nan
    return sd * _standardised(float(n), alpha, power)


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
    reach = float(ndtri(1 - alpha / 2)) * math.sqrt(discordant) + float(ndtri(power)) * math.sqrt(max(0.0, discordant - gap * gap))
    normal = math.ceil((reach / gap) ** 2)
    if normal > 2000:
        return float(normal)
    too_few, enough = max(MIN_PROMPTS, fewest_differing(alpha, even=True)) - 1, 2 * normal + 100
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        shown = _sign_test_power(middle, discordant, (discordant + gap) / (2 * discordant), alpha)
        too_few, enough = (too_few, middle) if shown >= power else (middle, enough)
    return float(enough)


def _sign_test_power(n: int, discordant: float, wins: float, alpha: float) -> float:
    """The probability that the sign test of ``n`` prompts reaches ``alpha``."""
    differing = np.arange(n + 1)
    chance = np.diff(bdtr(differing, n, discordant), prepend=0.0)
    rarer = np.array([_rarest(int(k), alpha) for k in differing])
    able = rarer >= 0
    lost, won = bdtr(rarer[able], differing[able], 1 - wins), bdtr(rarer[able], differing[able], wins)
    return float(chance[able] @ np.minimum(1.0, lost + won))


@lru_cache(maxsize=65536)
def _rarest(differing: int, alpha: float) -> int:
    """The most losses of ``differing`` pairs with which the sign test reaches ``alpha``; -1 where none does."""
    fewer = -1
    while 2 * (fewer + 1) <= differing and sign_test(fewer + 1, differing) <= alpha:
        fewer += 1
    return fewer


def needed_within(sd: float, margin: float, *, power: float = 0.8) -> float:
    """Prompts with which two runs that do not differ are shown to be within ``margin``: ((1.96 + z) sd / margin)^2.

    Args:
        sd: standard deviation of the differences over prompts, in the margin's unit.
        margin: above 0.
        power: probability of showing it.
    """
    return math.ceil(max(float(MIN_PROMPTS), ((_Z + float(ndtri(power))) * sd / margin) ** 2))


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


def assurance(n: int, distance: float, reach: float, *, power: float = 0.8) -> float:
    """Prompts in all that settle it with probability ``power``, however far the change seen is from the true one.

    The smallest N with Phi((e - c) / s) + Phi((-e - c) / s) >= power, s = se sqrt(1 - n / N), c = 1.96 se sqrt(n / N),
    se = reach / 1.96 (O'Hagan, Stevens and Campbell 2005). Arguments as in ``needed_if_true``.
    """
    error, found = reach / _Z, float(n)
    while found < _LARGE:
        found = math.ceil(found * 1.05) + 1.0
        s, c = error * math.sqrt(1 - n / found), _Z * error * math.sqrt(n / found)
        if float(ndtr((distance - c) / s) + ndtr((-distance - c) / s)) >= power:
            return found
    return math.inf


@lru_cache(maxsize=4096)
def _standardised(n: float, alpha: float, power: float) -> float:
    """``detectable`` for a standard deviation of 1."""
    if n > _LARGE:
        return float(ndtri(1 - alpha / 2) + ndtri(power)) / math.sqrt(n)
    return float(nctdtrinc(n - 1, 1 - power, stdtrit(n - 1, 1 - alpha / 2))) / math.sqrt(n)
