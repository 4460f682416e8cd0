"""Judgements of people on prompts: both are drawn by chance, and a mean's error has a part of each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.stats.intervals import Ends, Interval

MIN_PEOPLE = 3
"""Fewest people whose differences say anything of others; what one or two choose is told of these alone."""


class Crossed(NamedTuple):
    """The chance in a weighted mean of judgements, of other prompts and of other people.

    Attributes:
        centre: the mean with a pseudo-person at each end.
        error: standard error of that mean.
        degrees: of freedom of Student's t.
    """

    centre: float
    error: float
    degrees: int

    def interval(self, value: float, ends: Ends) -> Interval:
        """95 % around the centre, cut at ``ends``, and as wide as to hold ``value``."""
        reach = float(stdtrit(self.degrees, 0.975)) * self.error
        return Interval(value, max(ends[0], min(value, self.centre - reach)), min(ends[1], max(value, self.centre + reach)))

    def p(self, equal: float) -> float:
        """Two-sided, of a mean that is ``equal`` where nothing is there."""
        return float(2 * stdtr(self.degrees, -abs(self.centre - equal) / self.error))


def crossed(values: np.ndarray, weights: np.ndarray, prompts: np.ndarray, people: np.ndarray, ends: Ends) -> Crossed | None:
    """The two-way clustered error of sum(w v) / sum(w) (Cameron, Gelbach and Miller 2011), after two pseudo-people were added.

    A few people who agree have no variance between them, which is not that all people agree. So there is a person who gives every
    prompt the worst value and one who gives it the best, both with a person's mean weight. With e = w (v - mean) / sum(w) the
    variance is V = V_prompt + V_person - V_cell, each G / (G - 1) times the sum of squares of the sums of e over the G prompts,
    people, or judgements of one true person on one prompt; never less than V_prompt, as of these people alone. Student's t has
    min(prompts, people) - 1 degrees of freedom, of true people.

    Args:
        values: float (N,), of each judgement.
        weights: float (N,), above 0.
        prompts: (N,), what was judged.
        people: (N,), by whom.
        ends: the worst and the best value there can be, in either order.

    Returns:
        None for fewer than 3 people or 2 prompts: then nothing is known of other people.
    """
    (prompt, p), (person, r) = (_codes(of) for of in (prompts, people))
    if r < MIN_PEOPLE or p < 2:
        return None
    of_prompt = np.bincount(prompt, weights=weights) / r
    all_weights = np.concatenate([weights, of_prompt, of_prompt])
    all_values = np.concatenate([values, np.repeat(np.asarray(ends, dtype=float), p)])
    centre = float(np.average(all_values, weights=all_weights))
    parts = (all_weights * (all_values - centre) / all_weights.sum())[:, None]
    cells, _ = _codes(prompt * r + person)
    by_prompt, by_person, by_cell = (
        float(clustered(part, of)[0, 0])
        for part, of in (
            (parts, np.concatenate([prompt, np.arange(p), np.arange(p)])),
            (parts, np.concatenate([person, np.repeat([r, r + 1], p)])),
            (parts[: len(values)], cells),
        )
    )
    return Crossed(centre, math.sqrt(by_prompt + max(0.0, by_person - by_cell)), min(p, r) - 1)


def crossed_covariance(parts: np.ndarray, prompts: np.ndarray, people: np.ndarray) -> np.ndarray:
    """What people add to the covariance (k, k) of a sum of ``parts`` (N, k): V_person - V_cell, less what would be negative."""
    cells, _ = _codes(prompts * (people.max() + 1) + people)
    values, vectors = np.linalg.eigh(clustered(parts, people) - clustered(parts, cells))
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def clustered(parts: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """The covariance (k, k) of a sum of ``parts`` (N, k), independent between the G ``clusters`` (int, 0 to G - 1)."""
    count = int(clusters.max()) + 1
    sums = np.zeros((count, parts.shape[1]))
    np.add.at(sums, clusters, parts)
    return np.asarray(count / max(1, count - 1) * sums.T @ sums)


def _codes(names: np.ndarray) -> tuple[np.ndarray, int]:
    found, codes = np.unique(np.asarray(names), return_inverse=True)
    return codes, len(found)
