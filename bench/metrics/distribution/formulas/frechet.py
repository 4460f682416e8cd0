"""Distances between two sets of features: Fréchet distance, its limit for infinitely many samples, and pictures in both sets.

Pure functions of features (N, D) and statistics, computed in float64.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_BLOCK = 2048
_SINGULAR = 1e-10
"""Share of a feature's variance that the features before it leave unexplained; below it the covariance counts as singular."""


class Gaussian(NamedTuple):
    """Mean (D,), a factor F (R, D) with covariance F'F, the rank of that covariance, and the number of pictures (0: unknown)."""

    mean: np.ndarray
    factor: np.ndarray
    rank: int
    n: int


class Extrapolation(NamedTuple):
    """A value extrapolated to infinitely many samples, its standard error, the slope in 1/n, and the distances it was fitted to."""

    value: float
    error: float
    slope: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and unbiased covariance (D, D) of features (N, D), float64; needs D x D numbers beside the features.

    Raises:
        ValueError: fewer than two pictures.
    """
    n = len(features)
    if n < 2:
        raise ValueError("a covariance needs at least two pictures")
    mean: np.ndarray = np.asarray(features.mean(0, dtype=np.float64))
    total = np.zeros((features.shape[1], features.shape[1]))
    for start in range(0, n, _BLOCK):
        block = features[start : start + _BLOCK] - mean
        total += block.T @ block
    return mean, total / (n - 1)


def gaussian(features: np.ndarray) -> Gaussian:
    """Fit features (N, D), N >= 2.

    The factor is the Cholesky factor of the covariance where that is safely regular. Otherwise it comes from the centred
    features themselves (N rows, or D after a QR decomposition), which is exact for any rank.

    Raises:
        ValueError: fewer than two pictures.
    """
    n, d = features.shape
    if n > d:
        centre, covariance = moments(features)
        factor = _cholesky(covariance)
        if factor is not None:
            return Gaussian(centre, factor, d, n)
    elif n < 2:
        raise ValueError("a covariance needs at least two pictures")
    mean: np.ndarray = np.asarray(features.mean(0, dtype=np.float64))
    centred = (features - mean) / math.sqrt(n - 1)
    if n > d:
        centred = np.linalg.qr(centred, mode="r")
    return Gaussian(mean, centred, int(np.linalg.matrix_rank(centred)), n)


def from_statistics(mean: np.ndarray, covariance: np.ndarray, n: int) -> Gaussian:
    """From a stored mean (D,) and covariance (D, D); eigenvalues below zero, which rounding leaves, count as zero."""
    where, spread = np.asarray(mean, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    factor = _cholesky(spread)
    if factor is not None:
        return Gaussian(where, factor, len(where), n)
    values, vectors = np.linalg.eigh((spread + spread.T) / 2)
    kept = values > np.finfo(np.float64).eps * len(values) * max(float(values[-1]), 0.0)
    return Gaussian(where, np.sqrt(values[kept])[:, None] * vectors[:, kept].T, int(kept.sum()), n)


def _cholesky(covariance: np.ndarray) -> np.ndarray | None:
    """Upper factor F with F'F = ``covariance``; None where that is singular or close to it."""
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    regular = bool((np.diag(factor) ** 2 > _SINGULAR * np.diag(covariance)).all())
    return np.ascontiguousarray(factor.T) if regular else None


def distance(a: Gaussian, b: Gaussian) -> float:
    """Fréchet distance |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), 0 or more (Heusel et al., NeurIPS 2017).

    With S = F'F the trace of the root is the sum of the singular values of F1 F2'. That is symmetric, real and never below
    zero by construction, needs no inverse, and is N1 x N2 where a set has fewer pictures than features.
    """
    root = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    between = np.square(a.mean - b.mean).sum()
    return max(0.0, float(between + np.square(a.factor).sum() + np.square(b.factor).sum() - 2 * root))


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """``distance`` from means (D,) and covariances (D, D)."""
    return distance(from_statistics(mean1, cov1, 0), from_statistics(mean2, cov2, 0))


def extrapolate_to_infinity(features: np.ndarray, reference: Gaussian, *, smallest: int, points: int = 15, seed: int = 0) -> Extrapolation:
    """The Fréchet distance that infinitely many samples would have (Chong and Forsyth, CVPR 2020).

    Distances of ``points`` random subsets, of sizes evenly spaced from ``smallest`` to N, are fitted by a straight line in
    1/n; its value at 1/n = 0 is the result. The bias of the reference's own finite number stays.

    Args:
        features: (N, D), N above ``smallest``.
        reference: the other side, the same for every subset.
        smallest: pictures in the smallest subset.
        points: subsets, 3 or more.
        seed: of the subsets.

    Raises:
        ValueError: too few pictures or points for a line.
    """
    n = len(features)
    if points < 3 or not 2 <= smallest < n:
        raise ValueError(f"a line through {points} sizes from {smallest} to {n} pictures cannot be fitted")
    rng = np.random.default_rng(seed)
    sizes = [int(size) for size in np.linspace(smallest, n, points)]
    distances = [distance(gaussian(features[rng.permutation(n)[:size]]), reference) for size in sizes]
    inverse, y = 1 / np.array(sizes), np.array(distances)
    offset = inverse - inverse.mean()
    slope = float(offset @ y / (offset @ offset))
    value = float(y.mean() - slope * inverse.mean())
    rest = float(np.square(y - value - slope * inverse).sum()) / (points - 2)
    error = math.sqrt(rest * (1 / points + inverse.mean() ** 2 / float(offset @ offset)))
    return Extrapolation(value, error, slope, tuple(sizes), tuple(distances))


def shared(features: np.ndarray, reference: np.ndarray, tolerance: float = 1e-5) -> np.ndarray:
    """Which rows of ``features`` (N, D) have a row of ``reference`` (M, D) within ``tolerance`` of their length; bool (N,).

    Both sets are projected on one seeded direction. A projection never lengthens a distance, so only the neighbours on that
    line are compared in full.
    """
    random = np.random.default_rng(0).normal(size=features.shape[1])
    direction = np.divide(random, np.linalg.norm(random))
    there, along = _projected(reference, direction), _projected(features, direction)
    order = np.argsort(there)
    reach = tolerance * np.linalg.norm(features, axis=1).astype(np.float64)
    slack = reach * (1 + 1e-6) + 1e-12
    low, high = np.searchsorted(there[order], along - slack, "left"), np.searchsorted(there[order], along + slack, "right")
    is_shared = np.zeros(len(features), dtype=bool)
    for i in np.flatnonzero(high > low):
        apart = reference[order[low[i] : high[i]]].astype(np.float64) - features[i]
        is_shared[i] = bool((np.linalg.norm(apart, axis=1) <= reach[i]).any())
    return is_shared


def _projected(features: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Features (N, D) along ``direction`` (D,), float64, a block at a time."""
    return np.concatenate([features[start : start + _BLOCK] @ direction for start in range(0, len(features), _BLOCK)])
