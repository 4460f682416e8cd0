"""Micro averages: what was right of all that was asked, summed over pictures before it is divided."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable


def ratio_parts(details: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hits and what was asked, by the ``detail`` of pictures of a micro average, float (N,) each; a refused one hit nothing."""
    parts = [json.loads(detail) for detail in details]
    asked = np.array([part.get("asked", math.nan) for part in parts], dtype=float)
    asked = np.where(np.isnan(asked), np.nanmean(asked) if not np.isnan(asked).all() else 1.0, asked)
    return np.array([part.get("hits", 0.0) for part in parts], dtype=float), asked
