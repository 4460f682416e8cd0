"""How often a word about speed is wrong, where the machine is busier at one time than at another.

Pictures take turns on a machine whose noise is AR(1) with lag-1 correlation .9 and standard deviation 11 % (as measured of 64
pictures of ``tiny-dev`` on a busy machine), which slows down by 20 % from the first to the last, and on which each process is
faster or slower by 3 % throughout. Beside turns, one run is rendered after the other, each in rounds of its own. Every table
goes through the frame ``pairwise`` and, for the answer's words, its sentence on speed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from table import Row, row

from bench.analysis import gate, pairwise, slowdown
from bench.analysis.columns import EARLIER_CARDS
from bench.analysis.drops import GateRun
from bench.analysis.limits import parse
from bench.engine import Turn
from bench.report import effort

if TYPE_CHECKING:
    from collections.abc import Sequence

_LAG, _SD, _DRIFT, _PROCESS = 0.9, 0.11, 0.2, 0.03
_PROMPTS, _SEEDS = 32, 2


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """AR(1), standard deviation ``_SD``."""
    steps, values = rng.normal(0, _SD * np.sqrt(1 - _LAG**2), n), np.empty(n)
    values[0] = rng.normal(0, _SD)
    for i in range(1, n):
        values[i] = _LAG * values[i - 1] + steps[i]
    return values


def pictures(rng: np.random.Generator, speeds: Sequence[float], rounds: int, *, drift: float = _DRIFT, turns: bool = True) -> pd.DataFrame:
    """The pictures of models of these seconds a picture, as the frame ``images`` has them, in the order of ``rounds``.

    Args:
        rng: draws the noise.
        speeds: of each model.
        rounds: of each run.
        drift: by how much the machine slows down from the first picture to the last, as a logarithm.
        turns: whether a sweep rendered the models in turns; else each has a command of its own, one after the other.
    """
    order = [
        (model, turn, prompt, seed)
        for turn in range(rounds)
        for model in (reversed(range(len(speeds))) if Turn(turn, rounds).backwards else range(len(speeds)))
        for prompt in range(turn, _PROMPTS, rounds)
        for seed in range(_SEEDS)
    ]
    order = order if turns else sorted(order, key=lambda one: one[0])
    process = rng.normal(0, _PROCESS, (len(speeds), rounds))
    work = rng.normal(0, 0.05, _PROMPTS)
    slow = noise(rng, len(order)) + np.linspace(0, drift, len(order))
    seconds = [speeds[model] * np.exp(slow[i] + process[model, turn] + work[prompt]) for i, (model, turn, prompt, _) in enumerate(order)]
    start = pd.Timestamp("2026-01-01", tz="UTC")
    return pd.DataFrame([
        {"run": f"m{model}", "prompt_id": f"p{prompt}", "request_id": f"m{model}-{prompt}-{seed}", "prompt": "t", "session": turn,
         "created": (start + pd.Timedelta(seconds=i)).isoformat(), "latency_s": seconds[i],
         "retry_s": np.nan, "status": "ok", "environment": "here", "batch_size": 1, "sha256": f"{model}-{prompt}-{seed}"}
        for i, (model, turn, prompt, seed) in enumerate(order)
    ])  # fmt: skip


def scores(images: pd.DataFrame) -> pd.DataFrame:
    """The latency of each picture, as the frame ``scores`` has it."""
    return images[["run", "prompt_id", "request_id", "status"]].assign(
        metric="latency", unit="s", higher_is_better=False, value=slowdown.seconds(images), reason=None, cause=None, worst=None,
        detail="{}", fingerprint='{"metric":"latency"}',
    )  # fmt: skip


def verdicts(images: pd.DataFrame) -> pd.DataFrame:
    """The frame ``pairwise`` of the runs."""
    timed = {str(run): of for run, of in images.groupby("run", sort=False)}
    infos = {run: {"environments": {"here": {"cpu": "x"}}} for run in timed}
    return pairwise.table(scores(images), infos, timed)


def _worded(table: pd.DataFrame) -> bool:
    return bool(table["verdict"].isin([pairwise.BETTER, pairwise.WORSE]).any())


def sentence(images: pd.DataFrame, table: pd.DataFrame) -> str:
    """What the answer says of speed."""
    return effort.speed_words(table, list(images["run"].unique()))


def _said(words: str) -> bool:
    """Whether a sentence tells one model from another."""
    return "is the fastest" in words or "shown slower" in words


def gated(images: pd.DataFrame, margin: str) -> str:
    """The gate's verdict on the second run against the first."""
    sides = [
        GateRun(run, run, {"environments": {"here": {"cpu": "x"}}}, of, scores(of), frozenset({"latency"}), EARLIER_CARDS)
        for run, of in images.groupby("run", sort=False)
    ]
    return gate.overall(gate.judge(*sides, parse([], [margin])))


def worlds(*, quick: bool = False) -> Iterator[Row]:
    """Rows of the table."""
    replicates = 60 if quick else 500
    rng = np.random.default_rng(1)
    alone = "six runs of one model, one session each"
    tables = [(images, verdicts(images)) for images in (pictures(rng, [1.0] * 6, 1) for _ in range(max(10, replicates // 10)))]
    yield row(alone, "a word in the table", sum(_worded(table) for _, table in tables), len(tables), high=0)
    words = sum(_said(sentence(*one)) for one in tables)
    yield row(alone, "a word in the answer", words, len(tables), high=0)
    passed = sum(gated(images[images["run"].isin(["m0", "m1"])], "mean=10%") != "cannot tell" for images, _ in tables)
    yield row(alone, "a verdict of the gate", passed, len(tables), high=0)
    for drift in (0.0, _DRIFT):
        commands = f"two runs of one model, five rounds each, one after the other, drift {100 * drift:.0f} %"
        apart = [
            (images, verdicts(images)) for images in (pictures(rng, [1.0] * 2, 5, drift=drift, turns=False) for _ in range(replicates))
        ]
        yield row(commands, "a word in the table", sum(_worded(table) for _, table in apart), replicates, high=0.05)
        yield row(commands, "a word in the answer", sum(_said(sentence(*one)) for one in apart), replicates, high=0.05)
        passed = sum(gated(images, "mean=10%") != "cannot tell" for images, _ in apart)
        yield row(commands, "a verdict of the gate", passed, replicates, high=0.05)
    for models in (2, 6):
        name = f"{'two' if models == 2 else 'six'} runs of one model, five rounds in turns"
        seen = [verdicts(pictures(rng, [1.0] * models, 5)) for _ in range(replicates)]
        yield row(name, "a word in the table", sum(map(_worded, seen)), replicates, high=0.05)
    inside = [table["low"].iloc[0] <= 0 <= table["high"].iloc[0] for table in seen]
    yield row(name, "interval of a difference covers", sum(inside), replicates, low=0.93)
    for speeds in ([1.0, 1.3], [1.0, 1.3, 1.3, 1.3]):
        seen = [verdicts(pictures(rng, speeds, 5)) for _ in range(replicates)]
        shown = sum(int(table.loc[table["a"].eq("m0"), "verdict"].eq(pairwise.BETTER).sum()) for table in seen)
        world = f"{len(speeds)} models, one 1.3 times as fast, five rounds in turns"
        yield row(world, "a slower one shown slower", shown, replicates * (len(speeds) - 1), low=0.8)
    found = [gated(pictures(rng, [1.0, 1.1], 5), "mean=10%") for _ in range(replicates)]
    for verdict in ("pass", "regression"):
        wrong = found.count(verdict)
        yield row("gate, 10 % slower at a margin of 10 %, five rounds in turns", f"false {verdict}", wrong, replicates, high=0.035)


if __name__ == "__main__":
    sys.exit("run: python benchmarks/statistics speed")
