"""Words and intervals of sets where the truth is known, in a short form of ``benchmarks/statistics/sets.py``."""

from __future__ import annotations

import pytest
from support.worlds import simulated

WORLDS = simulated("sets")


def test_few_pictures_and_unequal_seeds_get_no_word_by_a_frechet_distance() -> None:
    (row,) = WORLDS["less_varied"](64, 64, 2, "fd")
    assert row.rate == 0
    assert WORLDS["unequal_seeds"](40, 2).rate == 0


def test_the_closed_form_of_kid_is_what_many_pictures_have() -> None:
    import numpy as np

    from bench.metrics.distribution.formulas import kernel

    rng = np.random.default_rng(0)
    x, y = 0.8 * rng.normal(size=(2000, 4)) + 0.5, rng.normal(size=(2000, 4))
    assert kernel.mmd2(x, y) == pytest.approx(WORLDS["cubic_discrepancy"](1.0, 0.8, 4), rel=0.15)


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize(("prompts", "seeds"), [(50, 4), (12, 4), (50, 1)])
def test_kids_interval_covers_with_several_seeds(prompts: int, seeds: int) -> None:
    assert WORLDS["kid_coverage"](prompts, seeds, 60, shift=1.0).kept


@pytest.mark.slow(seconds=10)
def test_kid_decides_as_rarely_by_chance_as_claimed() -> None:
    (row,) = WORLDS["less_varied"](100, 16, 60, "kid")
    assert row.kept


@pytest.mark.slow(seconds=10)
def test_the_interval_of_refusals_covers_with_several_seeds() -> None:
    assert WORLDS["refusal_coverage"](50, 4, 300).kept
