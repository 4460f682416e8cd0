"""Distances between two sets of features through kernels: KID and CMMD. Pure functions, computed in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

_BLOCK = 1024
_NORMAL_95 = 1.959963984540054
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


class KernelEstimate(NamedTuple):
    """Mean and standard deviation over subsets, and how large each was; ``std`` is 0 where all subsets are the whole."""

    value: float
    std: float
    subset_size: int


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """KID's kernel (x.y / D + 1)^3: (N, D) and (M, D) to (N, M)."""
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def mmd2(x: np.ndarray, y: np.ndarray, kernel: Kernel = cubic) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy, which can be below zero (Gretton et al., 2012).

    mean of k(x, x') over pairs x != x' + the same of y - 2 mean of k(x, y).

    Args:
        x: (N, D), N >= 2.
        y: (M, D), M >= 2.
        kernel: (N, D), (M, D) to (N, M).
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel(a, a), kernel(b, b)))
    return float(within - 2 * kernel(a, b).mean())


def kid(x: np.ndarray, y: np.ndarray, *, subsets: int = 100, subset_size: int = 1000, seed: int = 2020) -> KernelEstimate:
    """Kernel Inception Distance: ``mmd2`` averaged over random subsets (Bińkowski et al., ICLR 2018).

    Drawn as torch-fidelity draws them (its default seed too), so that the same features in the same order give its number.
    A subset is never larger than the smaller set; where it is as large as both, all subsets are the same.

    Args:
        x: the pictures' features (N, D), N >= 2.
        y: the reference's (M, D), M >= 2.
        subsets: how many.
        subset_size: pictures of each set in one.
        seed: of the subsets.
    """
    size = min(subset_size, len(x), len(y))
    if size == len(x) == len(y):
        return KernelEstimate(mmd2(x, y), 0.0, size)
    rng = np.random.RandomState(seed)
    values = [mmd2(x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)]) for _ in range(subsets)]
    return KernelEstimate(float(np.mean(values)), float(np.std(values)), size)


def _row_sums(x: np.ndarray, y: np.ndarray, kernel: Kernel) -> tuple[np.ndarray, np.ndarray]:
    """Sums of k(x, y) over y for each x, and over x for each y, a block at a time."""
    over_y, over_x = np.empty(len(x)), np.zeros(len(y))
    for start in range(0, len(x), _BLOCK):
        block = kernel(x[start : start + _BLOCK], y)
        over_y[start : start + _BLOCK] = block.sum(1)
        over_x += block.sum(0)
    return over_y, over_x


def mmd2_error(x: np.ndarray, y: np.ndarray, kernel: Kernel = cubic) -> float:
    """Standard error of the complete ``mmd2`` by leaving out one picture at a time, of either set.

    Args:
        x: (N, D), N >= 3.
        y: (M, D), M >= 3.
        kernel: as in ``mmd2``.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    across = _row_sums(a, b, kernel)
    variance = 0.0
    for own, n, m, mixed in ((a, len(a), len(b), across[0]), (b, len(b), len(a), across[1])):
        diagonal = np.concatenate([np.einsum("ii->i", kernel(block, block)) for block in np.array_split(own, math.ceil(n / 64))])
        rows = _row_sums(own, own, kernel)[0] - diagonal
        without = (rows.sum() - 2 * rows) / ((n - 1) * (n - 2)) - 2 * (mixed.sum() - mixed) / ((n - 1) * m)
        variance += (n - 1) / n * float(np.square(without - without.mean()).sum())
    return math.sqrt(variance)


def interval(value: float, error: float) -> tuple[float, float]:
    """95 % normal interval of a value with this standard error."""
    return value - _NORMAL_95 * error, value + _NORMAL_95 * error


def cmmd(x: np.ndarray, y: np.ndarray, *, sigma: float = 10.0, scale: float = 1000.0) -> float:
    """CMMD: ``scale`` x the biased squared discrepancy of unit-length features (Jayasumana et al., CVPR 2024); 0 or more.

    Kernel exp(-|x - y|^2 / (2 sigma^2)); means over all pairs, a picture with itself included. In a sum over both sets the
    constant 1 of the kernel cancels, so exp(.) - 1 is summed: nothing is lost to rounding at a wide sigma.

    Args:
        x: (N, D), any lengths above zero.
        y: (M, D).
        sigma: width of the kernel.
        scale: factor that makes the number readable.
    """
    a, b = (unit(np.asarray(z, dtype=np.float64)) for z in (x, y))
    kernel = partial(gaussian_less_one, sigma=sigma)
    inside = sum(_row_sums(z, z, kernel)[0].sum() / len(z) ** 2 for z in (a, b))
    return max(0.0, float(scale * (inside - 2 * _row_sums(a, b, kernel)[0].sum() / (len(a) * len(b)))))


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of (N, D), none of length zero, at length 1."""
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def gaussian_less_one(x: np.ndarray, y: np.ndarray, *, sigma: float) -> np.ndarray:
    """exp(-|x - y|^2 / (2 sigma^2)) - 1 of rows of length 1: (N, D) and (M, D) to (N, M)."""
    return np.asarray(np.expm1((np.minimum(x @ y.T, 1.0) - 1) / sigma**2))
