"""The long simulation: 4,000 replicates of everything that claims a rate. ``docs/statistics.md`` has the table."""

from __future__ import annotations

import re

import numpy as np
import pytest
from support import simulation
from support.paths import ROOT
from support.simulation import KINDS, SIZES

pytestmark = pytest.mark.slow(seconds=10)

SMALL, LARGE = (0.91, 0.97), (0.93, 0.97)
"""Bounds of coverage at 20 prompts and at more."""
_FEWER = 1200
"""Replicates of what takes long."""


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover(kind: str, n: int) -> None:
    low, high = SMALL if n == 20 else LARGE
    assert low <= simulation.coverage(KINDS[kind], n) <= high


@pytest.mark.parametrize("n", SIZES)
def test_intervals_over_prompts_cover_and_over_pictures_they_do_not(n: int) -> None:
    right, naive = simulation.nested(n)
    assert 0.93 <= right <= 0.97
    assert naive < 0.90


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_alike_runs_are_told_apart_as_rarely_as_claimed(kind: str, n: int) -> None:
    rate, covered = simulation.false_positives(KINDS[kind], n)
    assert rate <= 0.06
    assert rate >= 0.04 or not KINDS[kind].continuous
    low, high = SMALL if n == 20 else LARGE
    assert low <= covered <= (high if KINDS[kind].continuous else 0.99)


@pytest.mark.parametrize(("one", "other"), simulation.UNEQUAL)
def test_intervals_of_unequal_shares_cover_and_are_careful_where_wrong_answers_are_few(one: float, other: float) -> None:
    found = [simulation.unequal(one, other, n) for n in SIZES]
    assert min(found) >= 0.94
    assert found[-1] <= 0.97


@pytest.mark.parametrize(("right", "margin"), simulation.MARGINS)
@pytest.mark.parametrize(("seeds", "most"), [(1, 0.035), (2, 0.06)])
def test_limits_of_yes_or_no_seldom_err_at_the_margin(right: float, margin: float, seeds: int, most: float) -> None:
    assert max(max(simulation.margin_errors(right, margin, n, seeds=seeds)) for n in SIZES) <= most


def test_the_table_of_the_gate_is_of_this_gate() -> None:
    """``docs/gate.md``, two seeds near the ceiling, where an earlier interval erred twice as often as allowed."""
    rows = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8").partition("the same with two seeds")[2].splitlines()[:2]
    for n, row in zip(SIZES, rows, strict=False):
        written = [float(share) / 100 for share in re.findall(r"([0-9.]+) %", row)[-2:]]
        seen = simulation.margin_errors(0.95, 0.05, n, seeds=2, replicates=_FEWER)
        assert np.allclose(written, seen, atol=0.012), (n, written, seen)


@pytest.mark.parametrize(("true", "null"), [(0, 20), (5, 15), (10, 10)])
def test_false_discoveries_keep_to_their_rate(true: int, null: int) -> None:
    rate, power = simulation.discoveries(true, null, replicates=_FEWER)
    noise = 3 * np.sqrt(0.05 * 0.95 / _FEWER)
    assert rate <= 0.05 * null / (true + null) + noise
    assert power > 0.9 or not true


def test_false_discoveries_keep_to_their_rate_where_questions_share_runs() -> None:
    assert simulation.discoveries_of_a_table() <= 0.05


@pytest.mark.parametrize("n", SIZES)
def test_bradley_terry_recovers_strengths_and_its_intervals_cover(n: int) -> None:
    mean, inside, ranked = simulation.strengths(n, _FEWER)
    assert mean == pytest.approx(simulation.STRENGTHS, abs=0.03)
    low, high = SMALL if n == 20 else LARGE
    assert low <= inside <= high
    assert ranked >= 0.95
