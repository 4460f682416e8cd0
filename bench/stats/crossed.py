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
        error: standard error of the mean.
        degrees: of freedom of Student's t.
    """

    error: float
    degrees: int

    def interval(self, value: float, ends: Ends) -> Interval:
        """95 % around ``value``, cut at ``ends``."""
        reach = float(stdtrit(self.degrees, 0.975)) * self.error
        return Interval(value, max(ends[0], value - reach), min(ends[1], value + reach))

    def p(self, distance: float) -> float:
        """Two-sided, of a mean that lies ``distance`` from the one it would have if nothing were there."""
        if self.error == 0:
            return 1.0 if distance == 0 else 0.0
        return float(2 * stdtr(self.degrees, -abs(distance) / self.error))


def crossed(values: np.ndarray, weights: np.ndarray, prompts: np.ndarray, people: np.ndarray) -> Crossed | None:
    """The two-way clustered error of sum(w v) / sum(w) (Cameron, Gelbach and Miller 2011).

    With e = w (v - mean) / sum(w) it is V = V_prompt + V_person - V_cell, each G / (G - 1) times the sum of squares of the sums of e
    over the G prompts, people, or judgements of one person on one prompt; never less than V_prompt, as of these people alone.
    Student's t has min(prompts, people) - 1 degrees of freedom.

    Args:
        values: float (N,), of each judgement.
        weights: float (N,), above 0.
        prompts: (N,), what was judged.
        people: (N,), by whom.

    Returns:
        None for fewer than 3 people or 2 prompts: then nothing is known of other people.
    """
    (prompt, p), (person, r) = (_codes(of) for of in (prompts, people))
    if r < MIN_PEOPLE or p < 2:
        return None
    mean = np.average(values, weights=weights)
    parts = (weights * (values - mean) / weights.sum())[:, None]
    variance = float(crossed_covariance(parts, prompt, person)[0, 0]) + float(clustered(parts, prompt)[0, 0])
    return Crossed(math.sqrt(variance), min(p, r) - 1)


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
