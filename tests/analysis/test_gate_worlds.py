"""The gate where the truth is known: a few worlds of ``benchmarks/statistics/gate.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.worlds import simulated

GATE = simulated("gate")


@pytest.mark.parametrize("world", GATE["WORLDS"][1:], ids=lambda world: world.name)
def test_few_prompts_that_are_all_right_do_not_pass_although_none_of_them_differs(world: Any) -> None:
    """Of 12 prompts one in ten could be worse by all it has, and none of them shows it; micro averages of unlike lengths too."""
    before, _ = world.draw(np.random.default_rng(0), 12, 0.0)
    perfect = np.ones_like(before) if world.column.aggregate != "ratio" else np.stack([before[:, 1], before[:, 1]], axis=1)
    finding = GATE["_judged"](world, perfect, perfect)
    assert (finding.drop.value, finding.verdict) == (0.0, "cannot tell")
    assert finding.drop.high > 0.1
