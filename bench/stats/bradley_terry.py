"""A ranking of many models from pairwise wins: Bradley and Terry's model."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from bench.stats.crossed import MIN_PEOPLE, crossed_covariance

_MAX_STEPS = 100
_MAX_MOVE = 2.0
"""Of a strength in one step."""
_TOLERANCE = 1e-9
_Z = 1.959963984540054


class Strength(NamedTuple):
    """A model's place in a ranking.

    Attributes:
        value, low, high: log strength with its 95 % interval; NaN for a model that met none.
        rank: 1 is best of its group.
        rank_low, rank_high: the range of ranks in 95 % of the resamples.
        group: models that met, one another or through others, have the same, from 1 on; strengths and ranks of unlike
            groups say nothing of each other.
    """

    value: float
    low: float
    high: float
    rank: int
    rank_low: int
    rank_high: int
    group: int


def bradley_terry(
    wins: np.ndarray, *, prompts: np.ndarray | None = None, people: np.ndarray | None = None, seed: int = 0, resamples: int = 1000
) -> list[Strength]:
    """Strengths s for which a beats b with probability 1 / (1 + exp(s_b - s_a)) (Bradley and Terry 1952).

    Maximum likelihood (Hunter 2004) by Newton's method, mean 0 over the models of a group (``Strength.group``; Ford 1957). A small
    prior keeps the strength of a model that never lost finite: each gets half a win and half a loss more, spread evenly
    over the others of its group; for two models that is Jeffreys' prior. Ties, half a win for each, draw strengths together: what
    is ranked is who gets more points.

    Intervals are those of the Bayesian bootstrap over prompts (Rubin 1981): each has an exponential random weight of
    mean 1, each half win of the prior a gamma one of shape 1 / 2. For two models without ties that is exactly Jeffreys'
    interval of a share, so 20 wins of 20 have an interval too. Ends and ranges of ranks are the 2.5 and 97.5 % points.

    With three people or more every draw is moved by what other people would change, normal with the covariance that they add
    to that of the prompts (``bench.stats.crossed``), and all draws are stretched by t(0.975, min(prompts, people) - 1) / 1.96.

    Args:
        wins: float (n, k, k), k >= 2: wins[i, a, b] is how often a beat b in unit i, a tie is half a win for each; the diagonal
            is ignored.
        prompts: int (n,), 0 to P - 1, the prompt of each unit; None where each is one of its own.
        people: int (n,), from 0 on, who judged each unit; None where nobody did.
        seed: of the resampling.
        resamples: draws.

    Returns:
        One for each model, in order.
    """
    games = np.asarray(wins, dtype=np.float64)
    n, k = games.shape[0], games.shape[1]
    games = games * ~np.eye(k, dtype=bool)
    prompts = np.arange(n) if prompts is None else prompts
    found: list[Strength] = [Strength(math.nan, math.nan, math.nan, 1, 1, 1, group) for group in range(1, k + 1)]
    for group, members in enumerate(_groups(games.sum(0)), 1):
        if len(members) == 1:
            found[members[0]] = found[members[0]]._replace(group=group)
            continue
        inside = games[:, members][:, :, members]
        met = inside.any(axis=(1, 2))
        who = None if people is None else people[met]
        for model, strength in zip(members, _strengths(inside[met], prompts[met], who, seed, resamples), strict=True):
            found[model] = Strength(*strength, group)
    return found


def _groups(games: np.ndarray) -> list[list[int]]:
    """The models that met, directly or through others, of games (k, k): the largest group first."""
    reached = (games + games.T + np.eye(len(games))) > 0
    for _ in range(len(games)):
        reached = (reached.astype(int) @ reached.astype(int)) > 0
    groups = {tuple(np.flatnonzero(row).tolist()) for row in reached}
    return [list(group) for group in sorted(groups, key=lambda members: (-len(members), members))]


def _strengths(
    games: np.ndarray, prompts: np.ndarray, people: np.ndarray | None, seed: int, resamples: int
) -> list[tuple[float, float, float, int, int, int]]:
    """Value, ends, rank and its range of each of k models that all met, of games (n, k, k)."""
    k = games.shape[1]
    _, prompts = np.unique(prompts, return_inverse=True)
    by_prompt = np.zeros((int(prompts.max()) + 1, k, k))
    np.add.at(by_prompt, prompts, games)
    n = len(by_prompt)
    rng, off = np.random.default_rng(seed), ~np.eye(k, dtype=bool)
    prior = off * (0.5 / (k - 1))
    weights, extra = rng.standard_exponential((resamples, n)), rng.standard_gamma(np.where(off, prior, 1.0), (resamples, k, k))
    drawn = ((weights @ by_prompt.reshape(n, k * k)).reshape(-1, k, k) + extra) * off
    point = _fit((by_prompt.sum(0) + prior)[None])[0]
    draws = _fit(drawn)
    if people is not None:
        _, people = np.unique(people, return_inverse=True)
        count = int(people.max()) + 1
        if count >= MIN_PEOPLE:
            added = crossed_covariance(_influence(games, prior, point), prompts, people)
            moved = draws + rng.multivariate_normal(np.zeros(k), added, size=resamples, method="eigh")
            draws = point + float(stdtrit(max(1, min(n, count) - 1), 0.975)) / _Z * (moved - point)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    ranks = _ranks(draws)
    best, worst = np.quantile(ranks, 0.025, axis=0, method="lower"), np.quantile(ranks, 0.975, axis=0, method="higher")
    return [
        (float(point[i]), float(low[i]), float(high[i]), int(rank), int(best[i]), int(worst[i]))
        for i, rank in enumerate(_ranks(point[None])[0])
    ]


def _influence(games: np.ndarray, prior: np.ndarray, point: np.ndarray) -> np.ndarray:
    """By how much each unit moves the strengths, to first order: float (n, k)."""
    share = 1 / (1 + np.exp(np.clip(point[None, :] - point[:, None], -500, 500)))
    met = games + games.swapaxes(1, 2)
    gradients = games.sum(2) - (met * share).sum(2)
    total = met.sum(0) + prior + prior.T
    curvature = total * share * (1 - share)
    return np.asarray(gradients @ np.linalg.pinv(np.diag(curvature.sum(1)) - curvature))


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
