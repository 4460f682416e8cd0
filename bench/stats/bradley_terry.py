"""Many models in one order, from who beats whom."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_STEPS = 100
_LONGEST = 2.0
"""How far a strength moves in one step at most."""
_EXACT = 1e-9


class Strength(NamedTuple):
    """A model's log strength with its 95 % interval, its rank (1 is best) and the ranks that 95 % of resamples span."""

    value: float
    low: float
    high: float
    rank: int
    rank_low: int
    rank_high: int


def bradley_terry(wins: np.ndarray, *, seed: int = 0, resamples: int = 1000) -> list[Strength]:
    """Strengths s for which a beats b with probability 1 / (1 + exp(s_b - s_a)) (Bradley and Terry 1952).

    The most likely ones (Hunter 2004), mean 0 over models, found by Newton's method. A small prior keeps a model that
    never lost finite: each model has half a win and half a loss more, spread evenly over the others; for two models that is
    Jeffreys' prior.

    Intervals come from the Bayesian bootstrap over clusters (Rubin 1981): each cluster weighs an exponential random number
    of mean 1, each half win of the prior a gamma one of shape 1 / 2. For two models without ties that is exactly Jeffreys'
    interval of a share, so that 20 wins of 20 have one too. Ends and ranks are the 2.5 and 97.5 % points of the draws.

    Args:
        wins: float (n, k, k), k >= 2: wins[i, a, b] is how often a beat b in cluster i, a tie half a win to each; the
            diagonal does not count.
        seed: of the resampling.
        resamples: draws.

    Returns:
        One for each model, in order. Without a cluster strengths are NaN and a rank may be any.
    """
    games = np.asarray(wins, dtype=np.float64)
    n, k = games.shape[0], games.shape[1]
    if n == 0:
        return [Strength(math.nan, math.nan, math.nan, 1, 1, k)] * k
    rng, off = np.random.default_rng(seed), ~np.eye(k, dtype=bool)
    prior = off * (0.5 / (k - 1))
    weights, extra = rng.standard_exponential((resamples, n)), rng.standard_gamma(np.where(off, prior, 1.0), (resamples, k, k))
    drawn = ((weights @ games.reshape(n, k * k)).reshape(-1, k, k) + extra) * off
    point = _fit((games.sum(0) * off + prior)[None])[0]
    draws = _fit(drawn)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    ranks = _ranks(draws)
    best, worst = np.quantile(ranks, 0.025, axis=0, method="lower"), np.quantile(ranks, 0.975, axis=0, method="higher")
    return [
        Strength(float(point[i]), float(low[i]), float(high[i]), int(rank), int(best[i]), int(worst[i]))
        for i, rank in enumerate(_ranks(point[None])[0])
    ]


def _ranks(strengths: np.ndarray) -> np.ndarray:
    """1 + how many are stronger: int (R, k) of (R, k)."""
    ranks: np.ndarray = 1 + (strengths[:, None, :] > strengths[:, :, None] + 1e-7).sum(2)
    return ranks


def _fit(wins: np.ndarray) -> np.ndarray:
    """The most likely log strengths (R, k), mean 0, of wins (R, k, k) with a zero diagonal."""
    total, k = wins + wins.swapaxes(1, 2), wins.shape[1]
    won, found = wins.sum(2), np.zeros(wins.shape[:2])
    diagonal, all_ones = np.arange(k), np.full((k, k), 1.0 / k)
    open_ = np.arange(len(wins))
    for _ in range(_STEPS):
        here, games = found[open_], total[open_]
        share = 1 / (1 + np.exp(np.clip(here[:, None, :] - here[:, :, None], -500, 500)))
        slope = won[open_] - (games * share).sum(2)
        bend = games * share * (1 - share)
        matrix = -bend
        matrix[:, diagonal, diagonal] = bend.sum(2) + 1e-12 * games.sum((1, 2))[:, None]
        matrix += all_ones * np.trace(matrix, axis1=1, axis2=2)[:, None, None] / k
        step = np.linalg.solve(matrix, slope[:, :, None])[:, :, 0]
        step -= step.mean(1, keepdims=True)
        longest = np.abs(step).max(1)
        found[open_] = here + step * np.minimum(1, _LONGEST / np.maximum(longest, 1e-300))[:, None]
        open_ = open_[longest > _EXACT]
        if not len(open_):
            break
    return found
