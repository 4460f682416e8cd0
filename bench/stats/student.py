"""Student's test of a mean, with its interval: for few observations of which none can be resampled."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.stats.intervals import Interval

_LEAST_SD = 1e-9
"""Observations that vary less than that, beside 1, are alike to the precision that they are stored with."""


def student(values: np.ndarray) -> tuple[Interval, float]:
    """The mean of ``values``, float (n,), n >= 1, with its 95 % interval, and the two-sided p of 0, with n - 1 degrees of freedom.

    Returns:
        The interval and p; ends and p are NaN below two values.

    >>> interval, p = student(np.array([1.0, 2.0, 3.0]))
    >>> [round(float(number), 3) for number in (*interval, p)]
    [2.0, -0.484, 4.484, 0.074]
    """
    sample = np.asarray(values, dtype=float)
    value, degrees = float(sample.mean()), len(sample) - 1
    if degrees < 1:
        return Interval(value, math.nan, math.nan), math.nan
    error = max(float(sample.std(ddof=1)), _LEAST_SD) / math.sqrt(len(sample))
    reach = float(stdtrit(degrees, 0.975)) * error
    return Interval(value, value - reach, value + reach), float(2 * stdtr(degrees, -abs(value) / error))
