"""Resampling as a matrix product: random counts and signs, drawn once for all arrays of one length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

_ENTRIES = 20_000_000
"""Maximum size of a table of counts, unless that would be fewer than 2,000 resamples."""
_BLOCK = 2_000_000
"""Numbers that are converted to floats at a time."""
_DRAWN = 100_000
"""Numbers that are drawn at a time, few enough for a processor's cache."""
_COLUMNS = 1_000
"""Choices of signs that are drawn at a time."""
_MAX_CACHED_UNITS = 10_000
"""Up to so many units, tables of counts stay in memory: 20 MB each."""


def resamples(n: int) -> int:
    """The number of resamples of ``n`` units: 10,000 up to 2,000 units, then fewer, 2,000 from 10,000 units on."""
    return min(10_000, max(2_000, _ENTRIES // n))


def drawn_sums(columns: np.ndarray, seed: int) -> np.ndarray:
    """Sums over resampled units: float64 (resamples(n), k) of float (n, k).

    Computed in single precision, so values should be of the order of 1.
    """
    n = len(columns)
    counts = _cached_counts(n, seed) if n <= _MAX_CACHED_UNITS else _counts(n, seed)
    values = np.asarray(columns, dtype=np.float32)
    sums = np.empty((len(counts), columns.shape[1]))
    step = max(1, _BLOCK // n)
    for start in range(0, len(counts), step):
        sums[start : start + step] = counts[start : start + step].astype(np.float32) @ values
    return sums


def _counts(n: int, seed: int) -> np.ndarray:
    """How often each unit is in each resample: uint8 (resamples(n), n); rows sum to n."""
    rng, total = np.random.default_rng((seed, n)), resamples(n)
    counts = np.empty((total, n), dtype=np.uint8)
    step = max(1, _DRAWN // n)
    for start in range(0, total, step):
        rows = min(step, total - start)
        picks = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts[start : start + rows] = np.bincount(picks.ravel(), minlength=rows * n).reshape(rows, n)
    return counts


_cached_counts = lru_cache(maxsize=16)(_counts)


@lru_cache(maxsize=16)
def all_signs(n: int) -> np.ndarray:
    """Every choice of signs of n numbers, up to a common sign: float64 (2^(n - 1), n), the first all +1."""
    codes = np.arange(2 ** (n - 1))[:, None]
    return 1.0 - 2.0 * (codes >> np.arange(n) & 1)


def coins(n: int, total: int, seed: int, start: int = 0) -> Iterator[np.ndarray]:
    """Blocks of random zeros and ones, float32 (n, 1000), ``total`` columns in all, after skipping ``start`` columns.

    ``start`` and ``total`` are multiples of 1,000. Blocks for a larger n begin with the rows of those for a smaller one.
    """
    for column in range(start, start + total, _COLUMNS):
        packed = np.random.default_rng((seed, column)).integers(256, size=(-(-n // 8), _COLUMNS), dtype=np.uint8)
        yield np.unpackbits(packed, axis=0, count=n).astype(np.float32)
