"""Student's and Welch's tests of a mean, with their intervals: for few observations of which none can be resampled."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.stats.intervals import Interval

_LEAST_SD = 1e-9
"""Observations that vary less than that, beside 1, are alike to the precision that they are stored with."""


def student(values: np.ndarray, others: np.ndarray | None = None) -> tuple[Interval, float]:
    """The mean of ``values``, or how far it lies above that of ``others``, with its 95 % interval, and the two-sided p of 0.

    Of one sample Student's with n - 1 degrees of freedom; of two Welch's (1947), whose degrees are
    (va + vb)² / (va² / (na - 1) + vb² / (nb - 1)) with v = variance / n.

    Args:
        values: float (n,), n >= 1.
        others: float (m,), m >= 1, of a second sample; None for one.

    Returns:
        The interval and p; ends and p are NaN where a sample has fewer than two values.

    >>> interval, p = student(np.array([1.0, 2.0, 3.0]))
    >>> [round(float(number), 3) for number in (*interval, p)]
    [2.0, -0.484, 4.484, 0.074]
    """
    samples = [np.asarray(sample, dtype=float) for sample in (values, others) if sample is not None]
    value = float(samples[0].mean() - (samples[1].mean() if len(samples) > 1 else 0.0))
    if min(map(len, samples)) < 2:
        return Interval(value, math.nan, math.nan), math.nan
    parts = [max(float(sample.var(ddof=1)), _LEAST_SD**2) / len(sample) for sample in samples]
    degrees = sum(parts) ** 2 / sum(part**2 / (len(sample) - 1) for part, sample in zip(parts, samples, strict=True))
    error = math.sqrt(sum(parts))
    reach = float(stdtrit(degrees, 0.975)) * error
    return Interval(value, value - reach, value + reach), float(2 * stdtr(degrees, -abs(value) / error))
