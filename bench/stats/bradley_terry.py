"""A ranking of many models from pairwise wins: Bradley and Terry's model."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_MAX_STEPS = 100
_MAX_MOVE = 2.0
"""Of a strength in one step."""
_TOLERANCE = 1e-9


class Strength(NamedTuple):
    """A model's place in a ranking.

    Attributes:
        value, low, high: log strength with its 95 % interval.
        rank: 1 is best.
        rank_low, rank_high: the range of ranks in 95 % of the resamples.
    """

    value: float
    low: float
    high: float
    rank: int
    rank_low: int
    rank_high: int


def bradley_terry(wins: np.ndarray, *, seed: int = 0, resamples: int = 1000) -> list[Strength]:
    """Strengths s for which a beats b with probability 1 / (1 + exp(s_b - s_a)) (Bradley and Terry 1952).

    Maximum likelihood (Hunter 2004) by Newton's method, mean 0 over models. A small prior keeps the strength of a model that
    never lost finite: each model gets half a win and half a loss more, spread evenly over the others; for two models that
    is Jeffreys' prior.

    Intervals are those of the Bayesian bootstrap over clusters (Rubin 1981): each cluster has an exponential random weight of
    mean 1, each half win of the prior a gamma one of shape 1 / 2. For two models without ties that is exactly Jeffreys'
    interval of a share, so 20 wins of 20 have an interval too. Ends and ranges of ranks are the 2.5 and 97.5 % points.

    Args:
        wins: float (n, k, k), k >= 2: wins[i, a, b] is how often a beat b in cluster i (a prompt), a tie is half a win for
            each; the diagonal is ignored.
        seed: of the resampling.
        resamples: draws.

    Returns:
        One for each model, in order; without clusters strengths are NaN and every rank is possible.
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
    """1 + number of stronger models: int (R, k) of strengths (R, k)."""
    ranks: np.ndarray = 1 + (strengths[:, None, :] > strengths[:, :, None] + 1e-7).sum(2)
    return ranks


def _fit(wins: np.ndarray) -> np.ndarray:
    """Maximum-likelihood log strengths (R, k), mean 0, of wins (R, k, k) with a zero diagonal."""
    total, k = wins + wins.swapaxes(1, 2), wins.shape[1]
    won, strengths = wins.sum(2), np.zeros(wins.shape[:2])
    diagonal, all_ones = np.arange(k), np.full((k, k), 1.0 / k)
    open_ = np.arange(len(wins))
    for _ in range(_MAX_STEPS):
        here, games = strengths[open_], total[open_]
        share = 1 / (1 + np.exp(np.clip(here[:, None, :] - here[:, :, None], -500, 500)))
        gradient = won[open_] - (games * share).sum(2)
        curvature = games * share * (1 - share)
        matrix = -curvature
        matrix[:, diagonal, diagonal] = curvature.sum(2) + 1e-12 * games.sum((1, 2))[:, None]
        matrix += all_ones * np.trace(matrix, axis1=1, axis2=2)[:, None, None] / k
        step = np.linalg.solve(matrix, gradient[:, :, None])[:, :, 0]
        step -= step.mean(1, keepdims=True)
        largest = np.abs(step).max(1)
        strengths[open_] = here + step * np.minimum(1, _MAX_MOVE / np.maximum(largest, 1e-300))[:, None]
        open_ = open_[largest > _TOLERANCE]
        if not len(open_):
            break
    return strengths
