"""Distances between two sets of features through kernels: KID and CMMD. Pure functions, computed in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

_BLOCK = 1024
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


class KernelEstimate(NamedTuple):
    """Mean and standard deviation over subsets, and how large each was; ``std`` is 0 where all subsets are the whole."""

    value: float
    std: float
    subset_size: int


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """KID's kernel (x.y / D + 1)^3: (N, D) and (M, D) to (N, M)."""
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def mmd2(x: np.ndarray, y: np.ndarray, kernel: Kernel = cubic, of_x: np.ndarray | None = None, of_y: np.ndarray | None = None) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy, which can be below zero (Gretton et al., 2012).

    mean of k(x, x') + mean of k(y, y') - 2 mean of k(x, y), each over the pairs of two pictures of different prompts: pictures of
    one prompt are more alike than chance, and would make a set look further away from a reference, or nearer to it where
    both show that prompt.

    Args:
        x: (N, D), N >= 2.
        y: (M, D), M >= 2.
        kernel: (N, D), (M, D) to (N, M).
        of_x: int (N,), the prompt of each picture; None where each has its own.
        of_y: int (M,), the same of y, in the same numbers; None where each has one that no picture of x has.

    Returns:
        The estimate; NaN where a mean has no pair.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    own_a, own_b = np.arange(len(a)) if of_x is None else of_x, np.arange(len(b)) if of_y is None else of_y
    across = None if of_x is None or of_y is None else own_a[:, None] != own_b
    parts = [(kernel(a, a), own_a[:, None] != own_a), (kernel(b, b), own_b[:, None] != own_b), (kernel(a, b), across)]
    within_a, within_b, between = (float(k.mean()) if apart is None else _mean(k, apart) for k, apart in parts)
    return within_a + within_b - 2 * between


def _mean(values: np.ndarray, which: np.ndarray) -> float:
    count = int(which.sum())
    return float(values.sum(where=which)) / count if count else math.nan


def kid(
    x: np.ndarray,
    y: np.ndarray,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
    of_x: np.ndarray | None = None,
    of_y: np.ndarray | None = None,
) -> KernelEstimate:
    """Kernel Inception Distance: ``mmd2`` averaged over random subsets (Bińkowski et al., ICLR 2018).

    Drawn as torch-fidelity draws them (its default seed too), so that the same features in the same order give its number
    where every picture has a prompt of its own. A subset is never larger than the smaller set; where it is as large as both,
    all subsets are the same. A subset without two prompts is left out.

    Args:
        x: the pictures' features (N, D), N >= 2.
        y: the reference's (M, D), M >= 2.
        subsets: how many.
        subset_size: pictures of each set in one.
        seed: of the subsets.
        of_x: as in ``mmd2``.
        of_y: as in ``mmd2``.
    """
    size = min(subset_size, len(x), len(y))
    if size == len(x) == len(y):
        return KernelEstimate(mmd2(x, y, cubic, of_x, of_y), 0.0, size)
    rng = np.random.RandomState(seed)
    chosen = ((rng.choice(len(x), size, replace=False), rng.choice(len(y), size, replace=False)) for _ in range(subsets))
    every = [mmd2(x[i], y[j], cubic, None if of_x is None else of_x[i], None if of_y is None else of_y[j]) for i, j in chosen]
    values = [value for value in every if not math.isnan(value)]
    return KernelEstimate(float(np.mean(values)), float(np.std(values)), size) if values else KernelEstimate(math.nan, 0.0, size)


def _row_sums(x: np.ndarray, y: np.ndarray, kernel: Kernel) -> tuple[np.ndarray, np.ndarray]:
    """Sums of k(x, y) over y for each x, and over x for each y, a block at a time."""
    over_y, over_x = np.empty(len(x)), np.zeros(len(y))
    for start in range(0, len(x), _BLOCK):
        block = kernel(x[start : start + _BLOCK], y)
        over_y[start : start + _BLOCK] = block.sum(1)
        over_x += block.sum(0)
    return over_y, over_x


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
