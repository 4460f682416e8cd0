"""Votes of few people with tastes of their own, through the frames: how often equal models are told apart and ranked."""

from __future__ import annotations

import sys
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from table import Row, row

from bench import stats
from bench.analysis import pairwise
from bench.analysis import votes as tally
from bench.analysis.pairwise import BETTER, WORSE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROMPTS = 40


def ballots(rng: np.random.Generator, names: Sequence[str], taste: np.ndarray, varied: float, prompts: int = PROMPTS) -> pd.DataFrame:
    """Votes of every person on every pair of models and prompt, as the frame ``votes`` has them.

    Args:
        rng: draws what each prompt does for each model, and the votes.
        names: of k models.
        taste: float (people, k), how much each person likes each model: differences are log odds.
        varied: standard deviation of the log odds that prompts add.
        prompts: how many.
    """
    own = rng.normal(size=(prompts, len(names))) * varied / np.sqrt(2)
    parts = []
    for i, j in combinations(range(len(names)), 2):
        odds = (taste[:, i] - taste[:, j])[None] + (own[:, i] - own[:, j])[:, None]
        won = rng.random(odds.shape) < 1 / (1 + np.exp(-odds))
        prompt, person = (index.ravel() for index in np.indices(odds.shape))
        shown = np.array([[f"p{p:03d}", f"p{p:03d} {i}{j}"] for p in range(prompts)], dtype=object)[prompt]
        parts.append(
            pd.DataFrame({
                "a": names[i], "b": names[j], "prompt_id": shown[:, 0], "ballot": shown[:, 1], "rater": person.astype(str),
                "choice": np.where(won.ravel(), "a", "b"),
            })
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def verdict(counted: pd.DataFrame) -> str:
    """What the table of pairs says of models a and b."""
    scores = pd.DataFrame({
        "run": ["a", "b"], "metric": tally.METRIC, "value": 0.5, "status": "ok", "unit": "share", "higher_is_better": True,
        "request_id": "r", "prompt_id": "p000", "detail": "{}", "fingerprint": "f",
    })  # fmt: skip
    table = pairwise.table(scores, {"a": {}, "b": {}}, {}, tally.duels(counted, "ab"))
    return str(table["verdict"].iloc[0])


def tastes(rng: np.random.Generator, people: int, models: int, sd: float) -> np.ndarray:
    """How much each person likes each model; for every two models the log odds have the deviation ``sd``."""
    return np.asarray(rng.normal(size=(people, models)) * sd / np.sqrt(2))


def equal_models(replicates: int) -> Iterator[Row]:
    """Two models that are equal over all people; one or two people are asked of themselves, who see no difference."""
    for sd, varied in ((0.4, 0.8), (0.8, 0.0), (0.8, 0.8)):
        for people in (3, 10, 20):
            rng = np.random.default_rng((people, round(10 * sd)))
            said = sum(verdict(ballots(rng, "ab", tastes(rng, people, 2, sd), varied)) in {BETTER, WORSE} for _ in range(replicates))
            what = f"told apart by {people} people, tastes of sd {sd:g}, prompts of {varied:g}"
            yield row(f"2 equal models, {PROMPTS} prompts", what, said, replicates, high=0.05)
    for sd in (2.0, 6.0):
        for people in (3, 6, 10):
            rng = np.random.default_rng((people, round(10 * sd)))
            said = sum(verdict(ballots(rng, "ab", tastes(rng, people, 2, sd), 0.8)) in {BETTER, WORSE} for _ in range(replicates))
            what = f"told apart by {people} people of firm tastes, sd {sd:g}"
            yield row(f"2 equal models, {PROMPTS} prompts", what, said, replicates, high=0.05)
    for people in (1, 2):
        rng = np.random.default_rng(people)
        said = sum(verdict(ballots(rng, "ab", np.zeros((people, 2)), 0.8)) in {BETTER, WORSE} for _ in range(replicates))
        yield row(f"2 models that are equal to these {people}", "told apart", said, replicates, high=0.05)


def shares(replicates: int) -> Iterator[Row]:
    """The share of points: of all people where three or more voted, else of these people alone."""
    for people in (1, 2, 3, 10):
        rng, held = np.random.default_rng(70 + people), 0
        for _ in range(replicates):
            taste = tastes(rng, people, 2, 0.8)
            found = tally.share(tally.duels(ballots(rng, "ab", taste, 0.0), "ab"))
            truth = 0.5 if people >= stats.MIN_PEOPLE else float((1 / (1 + np.exp(taste[:, 1] - taste[:, 0]))).mean())
            held += found.low <= truth <= found.high
        whose = "all people" if people >= stats.MIN_PEOPLE else f"these {people}"
        yield row(f"Votes of {people}, tastes of sd 0.8", f"share of points of {whose} covered", held, replicates, low=0.93)


def rankings(replicates: int) -> Iterator[Row]:
    """Three models that are equal over all people: every strength is 0, and every rank possible."""
    for people in (3, 10, 20):
        rng, held, sure = np.random.default_rng(80 + people), 0, 0
        for _ in range(replicates):
            found = tally.ranking(ballots(rng, "abc", tastes(rng, people, 3, 0.8), 0.8, 20), "abc")
            held += int(((found["low"] <= 0) & (found["high"] >= 0)).sum())
            sure += int((found["rank_low"] == found["rank_high"]).any())
        world = f"3 equal models, 20 prompts, {people} people, tastes of sd 0.8"
        yield row(world, "strength covered", held, 3 * replicates, low=0.93)
        yield row(world, "a rank without a range", sure, replicates, high=0.05)


def worlds(*, quick: bool) -> Iterator[Row]:
    """Every row of this module."""
    yield from equal_models(50 if quick else 200)
    yield from shares(60 if quick else 300)
    yield from rankings(40 if quick else 200)


if __name__ == "__main__":
    sys.exit("run: python benchmarks/statistics")
