"""How measurements went on in time: whether neighbours are alike, and whether they rise or fall."""

from __future__ import annotations

import math

import numpy as np


def lag1(values: np.ndarray, session: np.ndarray) -> float:
    """Correlation of each value with the next of its session, about the session's mean; NaN below three values or without variance.

    >>> lag1(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4))
    0.25
    """
    _, index = np.unique(session, return_inverse=True)
    off = values - (np.bincount(index, weights=values) / np.bincount(index))[index]
    total = float(off @ off)
    if len(values) < 3 or total <= 1e-18 * float(values @ values):
        return math.nan
    return float((off[:-1] * off[1:])[session[:-1] == session[1:]].sum()) / total


def drift(values: np.ndarray) -> float:
    """Change from the first to the last value on the line of least squares, as a share of their mean; NaN below three values.

    >>> round(drift(np.array([9.0, 10.0, 11.0])), 3)
    0.2
    """
    if len(values) < 3:
        return math.nan
    return float(np.polyfit(np.arange(len(values)), values, 1)[0] * (len(values) - 1) / values.mean())
