"""Precision, recall, density and coverage: how far two sets of features lie in one another. Pure functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_BLOCK = 1024


class Manifold(NamedTuple):
    """``precision``, ``recall`` and ``coverage`` are shares; ``density`` is 0 or more, about 1 for equal sets."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(pictures: np.ndarray, reference: np.ndarray, k: int = 5) -> Manifold:
    """How far pictures and reference lie in one another, by balls around each member.

    B(x) is the closed ball around x that reaches the k-th nearest other member of x's own set. Precision: share of pictures
    inside B of any reference. Recall: share of references inside B of any picture (Kynkäänniemi et al., NeurIPS 2019).
    Density: number of references whose B holds a picture, over k, averaged over pictures. Coverage: share of references with
    a picture in their B (Naeem et al., ICML 2020).

    Args:
        pictures: (N, D), N > k.
        reference: (M, D), M > k.
        k: neighbours.

    Raises:
        ValueError: a set has no more than k members.
    """
    x, y = np.asarray(pictures, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if min(len(x), len(y)) <= k:
        raise ValueError(f"{k} nearest neighbours need more than {k} pictures on each side; there are {len(x)} and {len(y)}")
    centre = y.mean(0)
    x, y = x - centre, y - centre
    reach_x, reach_y = _reach(x, k), _reach(y, k)
    balls, covered, recalled = np.empty(len(x)), np.zeros(len(y), dtype=bool), np.zeros(len(y), dtype=bool)
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        square = _squares(x[part], y)
        inside = square <= reach_y
        balls[part] = inside.sum(1)
        covered |= inside.any(0)
        recalled |= (square <= reach_x[part, None]).any(0)
    return Manifold(float((balls > 0).mean()), float(recalled.mean()), float(balls.mean() / k), float(covered.mean()))


def prdc_halves(pictures: np.ndarray, reference: np.ndarray, k: int, members: np.ndarray) -> np.ndarray:
    """``prdc`` of parts of the pictures, float (R, 4): distances are computed once for all parts.

    Args:
        pictures: (N, D).
        reference: (M, D), M > k.
        k: neighbours.
        members: bool (R, N), which pictures are in each part; more than k.

    Raises:
        ValueError: a part or the reference has no more than k members.
    """
    x, y = np.asarray(pictures, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if min(int(members.sum(1).min()), len(y)) <= k:
        raise ValueError(f"{k} nearest neighbours need more than {k} pictures on each side of every part")
    centre = y.mean(0)
    x, y = x - centre, y - centre
    reach_y, balls = _reach(y, k), np.empty(len(x))
    covered, recalled = (np.zeros((len(members), len(y)), dtype=bool) for _ in range(2))
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        across, within = _squares(x[part], y), _squares(x[part], x)
        within[np.arange(len(within)), start + np.arange(len(within))] = np.inf
        inside = across <= reach_y
        balls[part] = inside.sum(1)
        covered |= members[:, part].astype(np.float32) @ inside.astype(np.float32) > 0
        for i, member in enumerate(members):
            own = member[part]
            reach = np.partition(within[own][:, member], k - 1, axis=1)[:, k - 1]
            recalled[i] |= (across[own] <= reach[:, None]).any(0)
    share = members / members.sum(1, keepdims=True)
    return np.stack([share @ (balls > 0), recalled.mean(1), share @ balls / k, covered.mean(1)], axis=1)


def _squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared distances (N, M)."""
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0)  # type: ignore[no-any-return]


def _reach(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance (N,) to the k-th nearest other member."""
    reach = np.empty(len(x))
    for start in range(0, len(x), _BLOCK):
        square = _squares(x[start : start + _BLOCK], x)
        rows = np.arange(len(square))
        square[rows, start + rows] = np.inf
        reach[start : start + _BLOCK] = np.partition(square, k - 1, axis=1)[:, k - 1]
    return reach
