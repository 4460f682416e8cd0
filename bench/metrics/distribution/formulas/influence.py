"""How much each picture moves a distance: what resampling it by halves of the prompts needs, at the cost of one more value.

A distance T of n pictures is T + mean of h(x) over the pictures of a half, to first order, with h the influence function
(Hampel 1974), centred on the sample. So a half costs a mean instead of another distance, and a half with fewer pictures than
features is no trouble. Pure functions of features (N, D).
"""

from __future__ import annotations

import math

import numpy as np

from bench.metrics.distribution.formulas.frechet import Gaussian, moments
from bench.metrics.distribution.formulas.kernel import Kernel

_BLOCK = 1024
_NEGLIGIBLE = 1e-13
"""Share of the largest eigenvalue below which one counts as zero."""


def frechet(features: np.ndarray, reference: Gaussian) -> np.ndarray:
    """Influence (N,) of each picture on the Fréchet distance to ``reference``.

    h(x) = 2 (x - m).(m - m2) + |x - m|^2 - (x - m)' A (x - m), less its mean, with A the matrix of the optimal map from
    N(m, S) to N(m2, S2), the derivative of the trace of the root (Rippl, Munk and Sturm, J. Multivariate Analysis 2016).
    With S2 = F'F and z = F (x - m), (x - m)' A (x - m) is the sum over the eigenvectors v of the covariance of z, of
    eigenvalue w, of (v.z)^2 / sqrt(w); with fewer pictures than rows of F it is sqrt(N - 1) times the diagonal of
    (Z Z')^(1/2). Needs D x D numbers beside the features.
    """
    n, rank = len(features), len(reference.factor)
    if n > rank:
        centre, covariance = moments(features)
        values, vectors = np.linalg.eigh(reference.factor @ covariance @ reference.factor.T)
        kept = values > _NEGLIGIBLE * max(float(values[-1]), 0.0)
        carry = reference.factor.T @ (vectors[:, kept] / values[kept] ** 0.25)
    else:
        centre = np.asarray(features.mean(0, dtype=np.float64))
        mapped = (features - centre) @ reference.factor.T
        values, vectors = np.linalg.eigh(mapped @ mapped.T)
        carry = None
    moves = np.empty(n)
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        apart = features[part] - centre
        if carry is None:
            carried = math.sqrt(n - 1) * np.square(vectors[part]) @ np.sqrt(np.maximum(values, 0.0))
        else:
            carried = np.square(apart @ carry).sum(1)
        moves[part] = 2 * apart @ (centre - reference.mean) + np.square(apart).sum(1) - carried
    return np.asarray(moves - moves.mean())


def discrepancy(
    features: np.ndarray,
    reference: np.ndarray,
    kernel: Kernel,
    among: np.ndarray,
    *,
    of_features: np.ndarray | None = None,
    of_reference: np.ndarray | None = None,
) -> np.ndarray:
    """Influence (N,) of each picture on the squared maximum mean discrepancy to ``reference`` (M, D).

    h(x) = 2 (mean of k(x, x') over other pictures x' - mean of k(x, y)), less its mean, over pictures of other prompts; where
    pictures differ in how many of these there are, each mean counts by its number. Computed in single precision.

    Args:
        features: (N, D).
        reference: (M, D).
        kernel: (N, D), (M, D) to (N, M).
        among: which pictures x' are taken over: int (K,), K >= 2.
        of_features: int (N,), the prompt of each picture; None where each has its own.
        of_reference: int (M,), the same of the reference, in the same numbers; None where it shares no prompt.
    """
    x, y = (np.asarray(z, dtype=np.float32) for z in (features, reference))
    own = np.arange(len(x)) if of_features is None else of_features
    others, theirs = x[among], own[among]
    within, across = np.empty((2, len(x))), np.empty((2, len(x)))
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        within[:, part] = _sums(kernel(x[part], others), own[part, None] != theirs)
        there = None if of_reference is None else own[part, None] != of_reference
        across[:, part] = _sums(kernel(x[part], y), there)
    moves = _by_count(*within) - _by_count(*across)
    return np.asarray(2 * (moves - moves.mean()))


def _sums(values: np.ndarray, which: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Of each row the sum of ``values`` (N, K) that count, and how many do."""
    if which is None:
        return values.sum(1, dtype=np.float64), np.full(len(values), float(values.shape[1]))
    return values.sum(1, dtype=np.float64, where=which), which.sum(1).astype(float)


def _by_count(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The influence of each row on the ratio of all sums to all counts."""
    total = float(counts.sum())
    return np.asarray((sums - counts * (float(sums.sum()) / total)) * (len(sums) / total))
