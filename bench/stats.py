"""Statistics of scores: pure functions of numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_RESAMPLES = 2000


class Interval(NamedTuple):
    """A mean with its 95 % interval; both ends are NaN below two clusters."""

    mean: float
    low: float
    high: float


def cluster_mean(values: np.ndarray, clusters: np.ndarray, *, seed: int = 0) -> Interval:
    """Mean of cluster means with a percentile-bootstrap interval over clusters.

    The unit is the prompt: the seeds of a prompt are averaged first, then prompts are resampled with replacement.

    Args:
        values: float (N,), no NaN, N >= 1.
        clusters: (N,), the prompt each value belongs to.
        seed: of the resampling.
    """
    _, index = np.unique(clusters, return_inverse=True)
    means = np.bincount(index, weights=values) / np.bincount(index)
    if len(means) < 2:
        return Interval(float(means.mean()), float("nan"), float("nan"))
    picks = np.random.default_rng(seed).integers(len(means), size=(_RESAMPLES, len(means)))
    low, high = np.percentile(means[picks].mean(1), [2.5, 97.5])
    return Interval(float(means.mean()), float(low), float(high))
