"""Agreement between raters."""

from __future__ import annotations

import math

import numpy as np


def krippendorff(table: np.ndarray) -> float:
    """Krippendorff's alpha of nominal ratings: 1 - observed / expected disagreement; 1: all agree, 0: as by chance.

    With n_uc raters who give unit u the value c, m_u = sum_c n_uc >= 2 of them, n_c = sum_u n_uc and n = sum_c n_c:
    alpha = 1 - (n - 1) sum_u [(m_u^2 - sum_c n_uc^2) / (m_u - 1)] / (n^2 - sum_c n_c^2)
    (Krippendorff, Content Analysis, 2004, ch. 11). Units with one rating or none do not count.

    Args:
        table: (units, raters), any hashable values; None or NaN where a rater did not judge.

    Returns:
        -1 to 1; NaN where no unit has two ratings, or all ratings are the same value (nothing could have differed).
    """
    cells = np.asarray(table, dtype=object)
    flat = [None if c is None or c != c else c for c in cells.ravel().tolist()]  # noqa: PLR0124 - NaN is not itself
    code = {value: i for i, value in enumerate(dict.fromkeys(c for c in flat if c is not None))}
    counts = np.zeros((len(cells), len(code)))
    raters = cells.size // max(1, len(cells))
    for i, cell in enumerate(flat):
        if cell is not None:
            counts[i // raters, code[cell]] += 1
    counts = counts[counts.sum(1) >= 2]
    judged, values = counts.sum(1), counts.sum(0)
    total = judged.sum()
    expected = total**2 - np.square(values).sum()
    if expected == 0:
        return math.nan
    observed = ((judged**2 - np.square(counts).sum(1)) / (judged - 1)).sum()
    return float(1 - (total - 1) * observed / expected)
