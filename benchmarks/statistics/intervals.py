"""Intervals of means, micro averages and percentiles: how often they hold the truth, where good models live and elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import scipy.stats
from table import Row, row

from bench import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COVERED = 0.93
SCALE = (0.0, 1.0)


def nearly_one(rng: np.random.Generator, n: int) -> np.ndarray:
    """Nearly 1, and 0 for 4 % of prompts."""
    return np.where(rng.random(n) < 0.04, 0.0, 1 - 0.02 * rng.random(n))


def mostly_right(rng: np.random.Generator, n: int) -> np.ndarray:
    """Exactly 1 for 92 % of prompts, else anything."""
    return np.where(rng.random(n) < 0.08, rng.beta(2, 2, n), 1.0)


def three_kinds(rng: np.random.Generator, n: int) -> np.ndarray:
    """1 for 60 % of prompts, 0 for 10 %, else high."""
    kind = rng.random(n)
    return np.where(kind < 0.6, 1.0, np.where(kind < 0.7, 0.0, rng.beta(4, 1, n)))


def below_the_ceiling(rng: np.random.Generator, n: int) -> np.ndarray:
    """0.89, and 0 for 4 % of prompts."""
    return np.where(rng.random(n) < 0.04, 0.0, 0.89)


def middle(rng: np.random.Generator, n: int) -> np.ndarray:
    """Around the middle of the scale."""
    return rng.beta(2, 2, n)


def rare_failures(rng: np.random.Generator, n: int) -> np.ndarray:
    """Around 0.75, and 0 for 3 % of prompts."""
    return np.where(rng.random(n) < 0.03, 0.0, rng.beta(30, 10, n))


def means(replicates: int) -> Iterator[Row]:
    """Bounded scores of one picture a prompt, and of four seeds of yes or no."""
    for draw in (nearly_one, mostly_right, three_kinds, middle, rare_failures):
        truth = float(draw(np.random.default_rng(0), 1_000_000).mean())
        for n in (6, 8, 16, 32, 100):
            rng, prompts = np.random.default_rng(n), np.arange(n)
            held = sum(covers(stats.cluster_mean(draw(rng, n), prompts, ends=SCALE), truth) for _ in range(replicates))
            yield row(str(draw.__doc__).rstrip("."), f"mean covered, n {n}", held, replicates, low=COVERED)
    for share in (0.8, 0.95):
        for n in (8, 20, 100):
            rng, held = np.random.default_rng(n), 0
            for _ in range(replicates):
                own = rng.random(n) < share
                seeds = np.where(rng.random((n, 4)) < 0.8, own[:, None], rng.random((n, 4)) < share).astype(float)
                held += covers(stats.cluster_mean(seeds.ravel(), np.repeat(np.arange(n), 4), ends=SCALE), share)
            yield row(f"Yes or no, {share:.0%} right, 4 seeds alike to 0.8", f"share covered, n {n}", held, replicates, low=COVERED)


def micro_averages(replicates: int) -> Iterator[Row]:
    """Words of prompts of unlike lengths; longer texts are harder, or nearly all is right."""
    for name, draw in (("Words, longer is harder", harder), ("Words, nearly all right", all_right)):
        hits, words = draw(np.random.default_rng(0), 400_000)
        truth = float(hits.sum() / words.sum())
        for n in (6, 10, 20, 50, 160):
            rng, prompts = np.random.default_rng(n), np.arange(n)
            held = sum(covers(stats.cluster_ratio(*draw(rng, n), prompts), truth) for _ in range(replicates))
            yield row(name, f"micro average covered, n {n}", held, replicates, low=COVERED)


def harder(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hits and words."""
    words = np.maximum(1, rng.lognormal(np.log(38), 0.5, n).round())
    share = rng.beta(8, 2 + words / 30)
    return rng.binomial(words.astype(int), share).astype(float), words


def all_right(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Hits and words; all of them in 95 % of prompts."""
    words = np.maximum(1, rng.lognormal(np.log(38), 0.5, n).round())
    return np.where(rng.random(n) < 0.95, words, np.floor(words * rng.beta(2, 2, n))), words


def percentiles(replicates: int) -> Iterator[Row]:
    """Latencies whose logarithms are normal, with a coefficient of variation of 0.15."""
    for q in (50, 90, 95, 99):
        truth = float(np.exp(0.15 * scipy.stats.norm.ppf(q / 100)))
        for n in (20, 50, 100, 200, 400):
            rng, prompts = np.random.default_rng((n, q)), np.arange(n)
            found = [stats.percentile_interval(np.exp(0.15 * rng.normal(size=n)), prompts, q) for _ in range(replicates)]
            yield row("Seconds, lognormal", f"p{q} covered, n {n}", sum(covers(i, truth) for i in found), replicates, low=COVERED)


def differences(replicates: int) -> Iterator[Row]:
    """Two runs: how often alike ones are told apart by test and interval together, and a true difference is shown."""
    for name, one, other in (
        ("Means alike, one run fails rarely", nearly_one, shifted(nearly_one)),
        ("Means alike, mostly right against steady", mostly_right, shifted(mostly_right)),
        ("Means alike, 0.89 that fails rarely against steady", below_the_ceiling, lambda _, n: np.full(n, 0.96 * 0.89)),
        ("Alike, middle of the scale", middle, middle),
    ):
        for n in (8, 12, 20, 50, 100):
            shown = _shown(one, other, n, replicates)
            yield row(name, f"told apart, n {n}", shown, replicates, high=0.05)
    for sd in (0.2, 0.17):
        shown = _shown(lambda rng, n, sd=sd: 0.5 + sd * rng.normal(size=n), lambda _, n, sd=sd: np.full(n, 0.5 - 0.3 * sd), 100, replicates)
        yield row(f"A difference of 0.3 sd, sd {sd} of the scale", "shown, n 100 (t test: 84 %)", shown, replicates, low=0.76)


def shifted(draw: Callable[[np.random.Generator, int], np.ndarray]) -> Callable[[np.random.Generator, int], np.ndarray]:
    """A steady run with the mean of ``draw``."""
    mean = float(draw(np.random.default_rng(0), 1_000_000).mean())
    return lambda _, n: np.full(n, mean)


def _shown(
    one: Callable[[np.random.Generator, int], np.ndarray], other: Callable[[np.random.Generator, int], np.ndarray], n: int, replicates: int
) -> int:
    rng, shown = np.random.default_rng(n), 0
    for _ in range(replicates):
        found = stats.paired(one(rng, n), other(rng, n), ends=SCALE)
        shown += found.p <= 0.05 and (found.difference.low > 0 or found.difference.high < 0)
    return shown


def covers(interval: stats.Interval, truth: float) -> bool:
    """Whether the truth lies between the ends; an open end has no limit."""
    return interval.low <= truth <= interval.high


def worlds(*, quick: bool) -> Iterator[Row]:
    """Every row of this module."""
    replicates = 300 if quick else 2000
    for part in (means, micro_averages, percentiles, differences):
        yield from part(replicates)


if __name__ == "__main__":
    sys.exit("run: python benchmarks/statistics")
