"""How much slower a run is than another. One observation is a session, not a picture: what slows a machine lasts longer than a picture."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from bench.stats import Interval, enough_values, student

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENCY_STATISTICS = {"latency.p50": 50, "latency.p90": 90, "latency.p95": 95, "latency.p99": 99, "latency.mean": None, "latency": None}
"""The percentile of each figure; None is the mean of the prompts' means."""
MIN_SESSIONS = 5
"""In fewer of either run, or where these took no turns, there is no word about speed."""
ROUNDS = f"rounds={MIN_SESSIONS}"
_WHOLE = 0.5
"""A session with fewer pictures than this share of what is usual in its run, such as one that tried failures again, does not count."""


class Change(NamedTuple):
    """A figure in both runs.

    Attributes:
        baseline, candidate: seconds, the geometric means of the figure of each session, over the shared prompts.
        ratio: candidate / baseline, with its 95 % interval; ends are NaN where there are too few sessions or no turns.
        p: of no change, two-sided; NaN where there are too few sessions or no turns.
        sessions: of each.
        in_turns: whether the runs took turns, so that sessions were paired.
    """

    baseline: float
    candidate: float
    ratio: Interval
    p: float
    sessions: tuple[int, int]
    in_turns: bool

    def unsettled_by(self, baseline: str, candidate: str) -> str | None:
        """Why the sessions of the two runs, by their names, tell nothing of their speed; None where they do.

        >>> once = Change(1, 2, Interval(2, math.nan, math.nan), math.nan, (5, 1), False)
        >>> once.unsettled_by("a", "b"), once._replace(sessions=(5, 5)).unsettled_by("a", "b")
        ('5 sessions of a, 1 of b', 'not in turns')
        """
        first, second = self.sessions
        if min(first, second) >= MIN_SESSIONS:
            return None if self.in_turns else "not in turns"
        if first == second:
            return "one session each" if first == 1 else f"{first} sessions each"
        return f"{first} session{'s' * (first > 1)} of {baseline}, {second} of {candidate}"


def seconds(images: pd.DataFrame) -> pd.Series[float]:
    """Time to each picture, retries and the waits between them included."""
    return images["latency_s"] + images["retry_s"].fillna(0.0)


def timed(images: pd.DataFrame) -> pd.DataFrame:
    """The pictures whose times may be pooled: of one environment and one batch size, the most frequent, as the metric ``latency`` does.

    Of environments as frequent the first counts, of batch sizes the largest. None where no batch size made half of them.
    """
    with_time: pd.DataFrame = images[(images["status"] == "ok") & images["latency_s"].notna()]
    if with_time.empty:
        return with_time
    with_time = with_time[with_time["environment"] == with_time.groupby("environment", sort=False).size().idxmax()]
    size = int(with_time["batch_size"].mode().max())
    of_size = with_time.loc[with_time["batch_size"] == size]
    return of_size if 2 * len(of_size) >= len(with_time) else of_size.iloc[:0]


def environment(pictures: pd.DataFrame) -> str:
    """The key of the environment that all of ``pictures`` were made in."""
    return str(pictures["environment"].iloc[0])


def batch(pictures: pd.DataFrame) -> int:
    """How many of ``pictures`` were made at a time."""
    return int(pictures["batch_size"].iloc[0])


def too_few_images_reason(baseline: pd.DataFrame, candidate: pd.DataFrame, figure: str) -> str | None:
    """Why sessions have too few pictures for a percentile of each; None where they have enough (``bench.stats.enough_values``)."""
    q = LATENCY_STATISTICS[figure]
    if q is None:
        return None
    fewest, needed = min(int(_whole(side)["session"].value_counts().min()) for side in (baseline, candidate)), enough_values(q)
    pictures = f"{fewest} picture{'s' * (fewest > 1)}"
    return f"p{q} of a session of {pictures} is probably too low; it takes {needed} a session" if fewest < needed else None


def compare(baseline: pd.DataFrame, candidate: pd.DataFrame, prompts: Sequence[str], figure: str = "latency") -> Change:
    """The change of ``figure`` from the pictures ``baseline`` to ``candidate``.

    Each session has its own figure. The test is Student's on the differences of the figures' logarithms, round by round. Where
    the runs took no turns (``paired_sessions``) there is none: what the machine did between the two runs is in every session.

    Args:
        baseline: the baseline's pictures, as ``timed`` gives them.
        candidate: the candidate's.
        prompts: those that count, each in both.
        figure: a key of ``LATENCY_STATISTICS``. Percentiles interpolate linearly.
    """
    sides = [_whole(pictures[pictures["prompt_id"].isin(prompts)]) for pictures in (baseline, candidate)]
    pairs = paired_sessions(*sides)
    in_turns = len(pairs) >= MIN_SESSIONS
    figures = [_figures(side, figure) for side in sides]
    a, b = (np.array([*of.values()]) for of in figures)
    change, p = Interval(float(b.mean() - a.mean()), math.nan, math.nan), math.nan
    if in_turns:
        change, p = student(np.array([figures[1][other] - figures[0][one] for one, other in pairs]))
    ratio = Interval(*(math.exp(end) for end in change))
    return Change(math.exp(a.mean()), math.exp(b.mean()), ratio, p, (len(a), len(b)), in_turns)


def paired_sessions(baseline: pd.DataFrame, candidate: pd.DataFrame) -> list[tuple[int, int]]:
    """The sessions of two runs that rendered the same prompts in one round, in their order; [] where the runs took no turns.

    They did where every session has one of the other run with prompts in common, and only one, and no round began before
    the round before it had ended in both.
    """
    met = baseline[["prompt_id", "session"]].merge(candidate[["prompt_id", "session"]], on="prompt_id")
    pairs = list(dict.fromkeys(zip(met["session_x"].astype(int), met["session_y"].astype(int), strict=True)))
    sides = (baseline, candidate)
    if any(len(pairs) != len({pair[i] for pair in pairs}) or len(pairs) != side["session"].nunique() for i, side in enumerate(sides)):
        return []
    spans: dict[tuple[int, int], tuple[str, str]] = {}
    for pair in pairs:  # times are stored alike, in UTC, so that their texts sort
        made = [str(at) for side, session in zip(sides, pair, strict=True) for at in side.loc[side["session"] == session, "created"]]
        spans[pair] = min(made), max(made)
    order = sorted(pairs, key=lambda pair: spans[pair])
    in_turns = all(spans[one][1] <= spans[next_one][0] for one, next_one in pairwise(order))
    return order if in_turns else []


def _whole(pictures: pd.DataFrame) -> pd.DataFrame:
    """The pictures of sessions that made about as many as the session of the run's median picture."""
    counts = pictures["session"].map(pictures["session"].value_counts())
    return pictures[counts >= _WHOLE * counts.median()]


def _figures(pictures: pd.DataFrame, figure: str) -> dict[int, float]:
    """The logarithm of the figure of each session."""
    q, table = LATENCY_STATISTICS[figure], pictures.assign(seconds=seconds(pictures))
    if q is None:
        means = table.groupby(["session", "prompt_id"], sort=True)["seconds"].mean().groupby(level=0).mean()
    else:
        means = table.groupby("session", sort=True)["seconds"].quantile(q / 100)
    return {int(session): math.log(value) for session, value in means.items()}  # type: ignore[call-overload]
