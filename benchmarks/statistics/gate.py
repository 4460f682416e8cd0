"""The gate at, below and above its margin, and what becomes of those who follow its plans."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from table import Row, row

from bench.analysis.columns import Cards
from bench.analysis.drops import GateRun
from bench.analysis.gate import judge
from bench.analysis.limits import Limit
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.analysis.gate import GateFinding

COLUMN = "quality"
ALLOWED = 0.035
"""Of each side: 2.5 % is what an interval of 95 % leaves out there."""
PILOT = 30
SKEWED_PLAN = (0.65, 0.95)
"""Of a promise of four times in five where a few prompts of the first run decide the spread."""
FINGERPRINT = '{"metric":"quality","version":1}'


class World(NamedTuple):
    """Scores of two runs.

    Attributes:
        name: for the table.
        margin: of the gate.
        draw: from a generator, the number of prompts and the true drop to values (prompts, seeds) of both runs, or of a micro average
            to hits and words (prompts, 2).
        column: of the scores.
    """

    name: str
    margin: float
    draw: Callable[[np.random.Generator, int, float], tuple[np.ndarray, np.ndarray]]
    column: Column


def normal(rng: np.random.Generator, n: int, drop: float) -> tuple[np.ndarray, np.ndarray]:
    """Differences with a standard deviation of 1 beside the difficulty that both share."""
    hard = rng.normal(10, 2, n)
    sides = (hard + rng.normal(0, np.sqrt(0.5), n), hard - drop + rng.normal(0, np.sqrt(0.5), n))
    return sides[0][:, None], sides[1][:, None]


def similarity(rng: np.random.Generator, n: int, drop: float) -> tuple[np.ndarray, np.ndarray]:
    """Texts that are read back: 95 % of prompts perfect and the rest anything; the candidate has more of the rest."""
    return tuple(  # type: ignore[return-value]
        np.where(rng.random(n) < 0.05 + 2 * lost, rng.beta(2, 2, n), 1.0)[:, None] for lost in (0.0, drop)
    )


def below_the_ceiling(rng: np.random.Generator, n: int, drop: float) -> tuple[np.ndarray, np.ndarray]:
    """0.89, and 0 for 5 % of prompts; the candidate fails more often."""
    return tuple(np.where(rng.random(n) < 0.05 + lost / 0.89, 0.0, 0.89)[:, None] for lost in (0.0, drop))  # type: ignore[return-value]


def four_seeds(rng: np.random.Generator, n: int, drop: float) -> tuple[np.ndarray, np.ndarray]:
    """Yes or no, 95 % right, four seeds a prompt of which half are alike; the candidate is less often right."""

    def one(share: float) -> np.ndarray:
        own = rng.random((n, 1)) < share
        return np.where(rng.random((n, 4)) < 0.5, own, rng.random((n, 4)) < share).astype(float)

    return one(0.95), one(0.95 - drop)


def words(rng: np.random.Generator, n: int, drop: float) -> tuple[np.ndarray, np.ndarray]:
    """Hits of texts of unlike lengths, the same in both runs: all words of 90 % of prompts; the candidate misses more."""
    asked = np.maximum(1, rng.lognormal(np.log(38), 0.5, n).round())
    sides = [np.where(rng.random(n) < 0.1 + 2 * lost, np.floor(asked * rng.beta(2, 2, n) + rng.random(n)), asked) for lost in (0.0, drop)]
    return np.stack([sides[0], asked], axis=1), np.stack([sides[1], asked], axis=1)


WORLDS = (
    World("Normal differences, margin 0.3 sd", 0.3, normal, Column(COLUMN, "points")),
    World("Similarity, 95 % perfect, margin 0.03", 0.03, similarity, Column(COLUMN, "similarity")),
    World("Similarity, 0.89 or nothing, margin 0.03", 0.03, below_the_ceiling, Column(COLUMN, "similarity")),
    World("Yes or no, 95 % right, 4 seeds, margin 0.05", 0.05, four_seeds, Column(COLUMN, "share")),
    World("Micro average, 90 % perfect, margin 0.05", 0.05, words, Column(COLUMN, "share", aggregate="ratio")),
)


def side(name: str, values: np.ndarray, column: Column) -> GateRun:
    """The run of ``values`` (prompts, seeds), or of hits and words (prompts, 2), as the gate reads it."""
    details: list[str] = ["{}"] * values.size
    if column.aggregate == "ratio":
        details = [json.dumps({"hits": hits, "asked": asked}) for hits, asked in values.tolist()]
        values = values[:, :1] / values[:, 1:]
    prompts = np.repeat([f"p{i:04d}" for i in range(len(values))], values.shape[1])
    pictures = [f"{name}{i}" for i in range(values.size)]
    images = pd.DataFrame({"prompt_id": prompts, "prompt": prompts, "sha256": pictures, "status": "ok"})
    scores = pd.DataFrame({
        "metric": column.name, "fingerprint": FINGERPRINT, "value": values.ravel(), "status": "ok", "unit": column.unit, "reason": None,
        "higher_is_better": True, "request_id": pictures, "prompt_id": prompts, "detail": details, "cause": None,
    })  # fmt: skip
    cards = Cards([{column.name: {"metric": column.name, "unit": column.unit, "aggregate": column.aggregate}}])
    return GateRun(name, name, {}, images, scores, frozenset({column.name}), cards)


def found(world: World, rng: np.random.Generator, n: int, drop: float) -> GateFinding:
    """What the gate says of two runs drawn anew."""
    before, after = world.draw(rng, n, drop)
    return _judged(world, before, after)


def _judged(world: World, before: np.ndarray, after: np.ndarray) -> GateFinding:
    (finding,) = judge(side("a", before, world.column), side("b", after, world.column), [Limit(COLUMN, world.margin)])
    return finding


def at_the_margin(world: World, replicates: int) -> Iterator[Row]:
    """A word is false on either side where the drop is the margin, a pass where it is twice that, a regression where it is none."""
    for n in (12, 20, 50, 100):
        rng = np.random.default_rng(n)
        said = [found(world, rng, n, world.margin).verdict for _ in range(replicates)]
        yield row(world.name, f"passes at the margin, n {n}", said.count("pass"), replicates, high=ALLOWED)
        yield row(world.name, f"fails at the margin, n {n}", said.count("regression"), replicates, high=ALLOWED)
        for drop, word, what in ((0.0, "regression", "fails unchanged"), (2 * world.margin, "pass", "passes at twice the margin")):
            others = [found(world, rng, n, drop).verdict for _ in range(replicates // 6)]
            yield row(world.name, f"{what}, n {n}", others.count(word), len(others), high=ALLOWED)


def plans(replicates: int) -> Iterator[Row]:
    """Plans are promises of four times in five: for one that is no worse, and for the drop seen where it is the true one."""
    for world in WORLDS:
        rng, passed, times = np.random.default_rng(40), 0, replicates if world is WORLDS[0] else replicates // 3
        low, high = (0.75, 0.9) if world is WORLDS[0] else SKEWED_PLAN
        for _ in range(times):
            first = found(world, rng, PILOT, 0.0)
            passed += found(world, rng, int(first.unchanged), 0.0).verdict == "pass"
        yield row(f"{world.name}, {PILOT} prompts", "unchanged passes with `unchanged_prompts`", passed, times, low=low, high=high)
    world, rng = WORLDS[0], np.random.default_rng(41)
    for share in (0.5, 1.5):
        drop, word, settled, asked = share * world.margin, "pass" if share < 1 else "regression", 0, 0
        for _ in range(replicates):
            before, after = world.draw(rng, PILOT, drop)
            seen = before - after
            gaps = (seen - seen.mean()) / seen.std(ddof=1) + drop
            first = _judged(world, before, before - gaps)
            if first.verdict != "cannot tell" or not np.isfinite(first.more):
                continue
            asked += 1
            settled += found(world, rng, PILOT + int(first.more), drop).verdict == word
        what = f"settled by `more_prompts` where the drop of {share:g} margins is true"
        yield row(f"{world.name}, {PILOT} prompts", what, settled, asked, low=0.75, high=0.9)


def worlds(*, quick: bool) -> Iterator[Row]:
    """Every row of this module."""
    for world in WORLDS:
        yield from at_the_margin(world, 60 if quick else 240)
    yield from plans(60 if quick else 240)


if __name__ == "__main__":
    sys.exit("run: python benchmarks/statistics")
