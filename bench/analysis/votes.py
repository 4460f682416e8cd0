"""Votes as frames: the metric ``human_preference``, a ranking, and who agrees with whom. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.core.fingerprint import fingerprint
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bench.store import Run, Vote

METRIC = "human_preference"
CARD = Column(METRIC, "share", about="people prefer it", order=50)
VOTES = ("session", "rater", "prompt_id", "category", "a", "b", "choice", "left", "seconds", "created", "ballot", "a_request_id",
         "b_request_id", "a_seed", "b_seed", "status")  # fmt: skip
AGREEMENT = ("kind", "metric", "share", "low", "high", "n", "prompts", "ties", "missing", "alpha", "reason")
RANKING = ("metric", "run", "group", "strength", "low", "high", "rank", "rank_low", "rank_high", "wins", "ties", "losses", "n")
DUELS = ("a", "b", "prompt_id", "rater", "points", "weight")
SCORES = ("run", "metric", "fingerprint", "value", "status", "unit", "higher_is_better", "worst", "request_id", "prompt_id", "seed",
          "reason", "detail", "cause")  # fmt: skip
COUNTED, CHANGED = "counted", "picture changed"
_POINTS = {"a": 1.0, "b": 0.0, "tie": 0.5, "bad": 0.5}
"""What the picture of a gets; that of b gets the rest of 1."""


def vote_frames(
    votes: Sequence[Vote], labels: Mapping[str, Run], images: pd.DataFrame, scores: pd.DataFrame, timed: Collection[str]
) -> dict[str, pd.DataFrame]:
    """Everything that votes say of the runs in ``labels``; votes on other runs are passed over.

    Args:
        votes: those that stand (``Store.votes``).
        labels: the runs by the name the frames have for them.
        images: frame ``images``: run, prompt_id, category, request_id, seed and sha256 are read.
        scores: frame ``scores``: run, metric, value, status, unit, higher_is_better, prompt_id and request_id are read.
        timed: columns that depend on the machine; they do not speak of the picture.

    Returns:
        ``votes``: a row a vote, see ``votes_frame``. ``scores``: rows to append to frame ``scores``, a row a picture that was
        voted on: the mean of its votes, a win 1, a tie or "both bad" ½, a loss 0; ``detail`` counts them. ``ranking``: rows
        to append, see ``ranking``. ``agreement``: see ``agreement``. ``duels``: see ``duels``.
    """
    table = votes_frame(votes, labels, images)
    counted = table[table["status"] == COUNTED]
    return {
        "votes": table,
        "scores": _scores(counted, labels),
        "ranking": ranking(counted, list(labels)),
        "agreement": agreement(counted, scores, timed),
        "duels": duels(counted, list(labels)),
    }


def votes_frame(votes: Sequence[Vote], labels: Mapping[str, Run], images: pd.DataFrame) -> pd.DataFrame:
    """The frame ``votes``: a row a vote on two of the runs, oldest first.

    ``a`` and ``b`` are labels, ``choice`` is a, b, tie or bad, ``left`` the one that was shown on the left. ``status`` is
    "counted", or "picture changed" where a picture voted on is no longer the run's; such votes enter no number.
    """
    names = {run.name: label for label, run in labels.items()}
    columns = ["run", "prompt_id", "request_id"]
    shown = {
        (row.run, row.prompt_id, row.request_id): row
        for row in images[[*columns, "sha256", "seed", "category"]].itertuples(index=False)
    }  # fmt: skip
    rows = []
    for vote in votes:
        if vote.a not in names or vote.b not in names:
            continue
        a, b = names[vote.a], names[vote.b]
        picture_a, picture_b = shown.get((a, vote.prompt_id, vote.a_request)), shown.get((b, vote.prompt_id, vote.b_request))
        same = picture_a is not None and picture_b is not None and (picture_a.sha256, picture_b.sha256) == (vote.a_sha256, vote.b_sha256)
        rows.append({
            **asdict(vote), "a": a, "b": b, "a_request_id": vote.a_request, "b_request_id": vote.b_request,
            "category": picture_a.category if picture_a else None, "a_seed": picture_a.seed if picture_a else None,
            "b_seed": picture_b.seed if picture_b else None,
            "status": COUNTED if same else CHANGED,
        })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(VOTES))
    numbers = ["seconds", "a_seed", "b_seed"]
    table[numbers] = table[numbers].astype(float)
    return table


def ranking(counted: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The rows of frame ``ranking`` for ``human_preference``, the best first: Bradley-Terry strengths of the votes.

    Intervals and ranges of ranks come from resampled prompts, with the differences of people where there are three or more:
    votes on one prompt, or of one person, are not independent. Runs of one ``group`` met, directly or through others; each
    group has an order of its own. ``wins``, ``ties`` and ``losses`` count votes, ``n`` the prompts. Runs without a vote are left out;
    empty with fewer than two.
    """
    voted = {*counted["a"], *counted["b"]}
    runs = [run for run in order if run in voted]
    if len(runs) < 2:
        return pd.DataFrame(columns=list(RANKING))
    place = {run: i for i, run in enumerate(runs)}
    cells, judged = counted.groupby(["prompt_id", "rater"], sort=False).ngroup(), counted.drop_duplicates(["prompt_id", "rater"])
    prompts, people = (pd.factorize(judged[name])[0] for name in ("prompt_id", "rater"))
    a, b = (counted[side].map(place).to_numpy() for side in ("a", "b"))
    points = counted["choice"].map(_POINTS).to_numpy(float)
    wins = np.zeros((len(judged), len(runs), len(runs)))
    np.add.at(wins, (cells, a, b), points)
    np.add.at(wins, (cells, b, a), 1 - points)
    records = [_record(points, a == i, b == i) for i in range(len(runs))]
    return pd.DataFrame(ranking_rows(METRIC, runs, wins, records, prompts=prompts, people=people), columns=list(RANKING))


def ranking_rows(
    metric: str,
    runs: Sequence[str],
    wins: np.ndarray,
    records: Sequence[Mapping[str, float]],
    *,
    prompts: np.ndarray | None = None,
    people: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Rows of frame ``ranking`` for one metric, group by group, best first.

    Args:
        metric: what was compared.
        runs: k labels.
        wins: float (n, k, k), how often each run beat each other one in each unit; a tie is half a win to both.
        records: ``wins``, ``ties`` and ``losses`` of each run.
        prompts: of each unit; None where each is a prompt of its own.
        people: of each unit; None where nobody judged.
    """
    n = len(wins) if prompts is None else int(prompts.max()) + 1
    strengths = stats.bradley_terry(wins, prompts=prompts, people=people)
    rows = [
        {"metric": metric, "run": run, **strength._asdict(), "strength": strength.value, **record, "n": n}
        for run, strength, record in zip(runs, strengths, records, strict=True)
    ]
    return sorted(rows, key=lambda row: (row["group"], row["rank"]))


def duels(counted: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Who beats whom, from the votes on those two alone: a row a vote; ``a`` comes first in ``order``.

    ``points`` are those of a: a win 1, a tie or "both bad" ½, a loss 0; b has the rest of 1. ``weight`` is the vote's share of its
    prompt, so that a prompt counts as the mean over its ballots (its seeds) of the mean over raters.
    """
    place = {run: i for i, run in enumerate(order)}
    turned = counted["a"].map(place) > counted["b"].map(place)
    a, b = counted["a"].where(~turned, counted["b"]), counted["b"].where(~turned, counted["a"])
    points = counted["choice"].map(_POINTS).astype(float)
    met = counted[["prompt_id", "ballot", "rater"]].assign(a=a, b=b, points=points.where(~turned, 1 - points))
    keys = ["a", "b", "prompt_id"]
    ballots = met.groupby(keys, sort=False)["ballot"].transform("nunique")
    votes = met.groupby([*keys, "ballot"], sort=False)["points"].transform("size")
    return met.assign(weight=1.0 / (ballots * votes))[list(DUELS)]


def share(met: pd.DataFrame) -> stats.Interval:
    """The mean of ``points`` over prompts, ``weight`` by vote (``duels``), with its interval over prompts and, of three or more, people."""
    prompts = met["prompt_id"].to_numpy()
    weighted = met["points"].to_numpy(float) * met["weight"].to_numpy(float)
    _, index = np.unique(prompts, return_inverse=True)
    found = stats.cluster_mean(np.bincount(index, weights=weighted), np.unique(prompts), ends=(0.0, 1.0))
    return widened(found, chance(met), (0.0, 1.0))


def chance(met: pd.DataFrame, ends: stats.Ends = (0.0, 1.0)) -> stats.Crossed | None:
    """The chance in the mean of ``points``, which lie within ``ends``, of prompts and people; None with one or two people."""
    values, weights = (met[name].to_numpy(float) for name in ("points", "weight"))
    return stats.crossed(values, weights, met["prompt_id"].to_numpy(), met["rater"].to_numpy(), ends)


def widened(over_prompts: stats.Interval, people: stats.Crossed | None, ends: stats.Ends) -> stats.Interval:
    """``over_prompts``, an interval over prompts, as wide as prompts and people together make it."""
    if people is None:
        return over_prompts
    both = people.interval(over_prompts.value, ends)
    return stats.Interval(over_prompts.value, float(np.fmin(over_prompts.low, both.low)), float(np.fmax(over_prompts.high, both.high)))


def of_whom(counted: pd.DataFrame) -> str:
    """A sentence on what the intervals of these votes are of; "" without votes."""
    if counted.empty:
        return ""
    pairs = np.sort(counted[["a", "b"]].to_numpy(dtype=object), axis=1)
    people, fewest = int(counted["rater"].nunique()), int(counted["rater"].groupby([pairs[:, 0], pairs[:, 1]]).nunique().min())
    if people < stats.MIN_PEOPLE:
        these = "this one person" if people == 1 else f"these {people} people"
        return f"What is said is of {these}: intervals are of other prompts, not of other people."
    least = "one person" if fewest == 1 else f"{fewest} people"
    some = f"; of pairs that fewer than {stats.MIN_PEOPLE} people judged (one by {least}), of other prompts only"
    return f"Intervals are of other prompts and other people{some if fewest < stats.MIN_PEOPLE else ''}."


def never_met(order: pd.DataFrame) -> str:
    """A sentence on the groups of a ranking of which none met another; "" where all met."""
    groups = [" and ".join(map(str, rows["run"])) for _, rows in order.groupby("group", sort=True)]
    return f"Never met, directly or through others, and so not ranked together: {'; '.join(groups)}." if len(groups) > 1 else ""


def agreement(counted: pd.DataFrame, scores: pd.DataFrame, timed: Collection[str]) -> pd.DataFrame:
    """The frame ``agreement``: which metric predicts people here, and how far people agree among themselves.

    - kind "metric", a row for each metric of pictures with a better end (those of ``timed`` are none: they do not speak
      of the picture): of the votes that decided for one picture, the share where that picture has the better score. ``n`` such
      votes; ``ties``: the metric scores both alike (``bench.stats.paired.ties``); ``missing``: it has not scored both. Chance is 0.5.
      Best first.
    - kind "raters", one row: of the ballots that two or more people judged, the share of equal choices over all pairs of
      people, "both bad" taken as a tie; ``n`` such pairs; ``alpha`` is Krippendorff's for the same table (1: they
      always agree, 0: as by chance).

    Shares are means over prompts with a 95 % interval: of metrics as that of a share of votes (``share``), of the raters over
    prompts, for it is of these people; NaN with a ``reason`` where there is none.
    """
    decided = counted[counted["choice"].isin(["a", "b"])]
    fit = scores[scores["request_id"].notna() & scores["higher_is_better"].notna() & ~scores["metric"].isin([METRIC, *timed])]
    rows = [_metric(str(metric), group, decided) for metric, group in fit.groupby("metric", sort=False)]
    rows.sort(key=lambda row: -row["share"] if row["n"] else math.inf)
    return pd.DataFrame([*rows, *([_raters(counted)] if len(counted) else [])], columns=list(AGREEMENT))


def ranked(votes: Sequence[Vote], labels: Mapping[str, Run]) -> list[dict[str, Any]]:
    """The ranking as plain rows, with ``share``, the points won of all votes, for a page or a terminal; reads the runs anew."""
    rows = ranking(counted(votes, labels), list(labels)).to_dict("records")
    return [{str(k): v for k, v in row.items()} | {"share": _share(row)} for row in rows]


def counted(votes: Sequence[Vote], labels: Mapping[str, Run]) -> pd.DataFrame:
    """The rows of frame ``votes`` that count; reads the runs anew."""
    table = votes_frame(votes, labels, pictures(labels))
    return table[table["status"] == COUNTED]


def pictures(labels: Mapping[str, Run]) -> pd.DataFrame:
    """The columns of frame ``images`` that votes need, read from the runs."""
    rows = [
        (label, record.prompt_id, record.request.id, record.sha256, record.request.seed, record.category)
        for label, run in labels.items()
        for record in run.current()
    ]
    return pd.DataFrame(rows, columns=["run", "prompt_id", "request_id", "sha256", "seed", "category"])


def _share(row: Mapping[Any, Any]) -> float:
    return float((row["wins"] + row["ties"] / 2) / (row["wins"] + row["ties"] + row["losses"]))


def _record(points: np.ndarray, as_a: np.ndarray, as_b: np.ndarray) -> dict[str, int]:
    points_of_run = np.concatenate([points[as_a], 1 - points[as_b]])
    return {"wins": int((points_of_run == 1).sum()), "ties": int((points_of_run == 0.5).sum()), "losses": int((points_of_run == 0).sum())}


def _scores(counted: pd.DataFrame, labels: Mapping[str, Run]) -> pd.DataFrame:
    points = counted["choice"].map(_POINTS).astype(float)
    sides = [
        pd.DataFrame({
            "run": counted[side], "prompt_id": counted["prompt_id"], "request_id": counted[f"{side}_request_id"],
            "seed": counted[f"{side}_seed"], "value": points if side == "a" else 1 - points, "bad": counted["choice"] == "bad",
            "rater": counted["rater"],
        })
        for side in ("a", "b")
    ]  # fmt: skip
    both = pd.concat(sides, ignore_index=True)
    voted = sorted(labels[label].name for label in both["run"].unique())
    fingerprint_of_votes = fingerprint(METRIC, 1, runs=", ".join(voted), tie=0.5, bad=0.5)
    both = both.assign(win=both["value"] == 1, tie=(both["value"] == 0.5) & ~both["bad"], loss=both["value"] == 0)
    rows = both.groupby(["run", "prompt_id", "request_id"], sort=False, as_index=False).agg(
        value=("value", "mean"), seed=("seed", "first"), votes=("value", "size"), wins=("win", "sum"), ties=("tie", "sum"),
        bad=("bad", "sum"), losses=("loss", "sum"), raters=("rater", lambda names: sorted(set(names))),
    )  # fmt: skip
    counts = rows[["votes", "wins", "ties", "bad", "losses"]].astype(int).to_dict("records")
    detail = [
        json.dumps({**count, "raters": raters}, ensure_ascii=False) for count, raters in zip(counts, rows["raters"], strict=True)
    ]  # fmt: skip
    rows = rows.assign(
        metric=METRIC, fingerprint=fingerprint_of_votes, status="ok", unit="share", higher_is_better=True, worst=math.nan, reason=None,
        detail=detail, cause=None,
    )  # fmt: skip
    return rows[list(SCORES)]


def _metric(metric: str, group: pd.DataFrame, decided: pd.DataFrame) -> dict[str, Any]:
    ok = group[group["status"] == "ok"].drop_duplicates(["run", "prompt_id", "request_id"])
    values = pd.Series(ok["value"].to_numpy(float), index=pd.MultiIndex.from_frame(ok[["run", "prompt_id", "request_id"]]))
    a, b = (
        values.reindex(pd.MultiIndex.from_frame(decided[[side, "prompt_id", f"{side}_request_id"]])).to_numpy(float) for side in ("a", "b")
    )
    gap = (a - b) * (1 if group["higher_is_better"].iloc[0] else -1)
    level = stats.ties(a, b)
    decided_by_metric = np.isfinite(gap) & ~level
    right = ((gap > 0) == (decided["choice"] == "a").to_numpy())[decided_by_metric].astype(float)
    row = {"kind": "metric", "metric": metric, "ties": int(level.sum()), "missing": int((~np.isfinite(gap)).sum()), "alpha": math.nan}
    met = decided[decided_by_metric][["prompt_id", "rater"]].assign(points=right)
    return row | _mean(met, "no vote that decides between two pictures it scores apart")


def _raters(counted: pd.DataFrame) -> dict[str, Any]:
    choices = counted.assign(choice=counted["choice"].replace("bad", "tie")).pivot(index="ballot", columns="rater", values="choice")  # noqa: PD010 - it fails on two votes of one rater
    shared = choices[choices.notna().sum(axis=1) >= 2]
    prompt_of = counted.drop_duplicates("ballot").set_index("ballot")["prompt_id"]
    equal: list[float] = []
    prompts: list[str] = []
    for first, second in combinations(shared.columns, 2):
        both = shared[[first, second]].dropna()
        equal += (both[first] == both[second]).astype(float).tolist()
        prompts += prompt_of.loc[both.index].tolist()
    codes = shared.replace({"a": 0.0, "b": 1.0, "tie": 2.0}).to_numpy(float) if len(shared) else None
    alpha = math.nan if codes is None else stats.krippendorff(codes)
    row = {"kind": "raters", "metric": METRIC, "ties": 0, "missing": 0, "alpha": alpha}
    met = pd.DataFrame({"prompt_id": prompts, "rater": "these people", "points": equal})
    return row | _mean(met, "no ballot that two people judged")


def _mean(met: pd.DataFrame, reason: str) -> dict[str, Any]:
    if met.empty:
        return {"share": math.nan, "low": math.nan, "high": math.nan, "n": 0, "prompts": 0, "reason": reason}
    found = share(met.assign(weight=1.0 / met.groupby("prompt_id")["points"].transform("size")))
    return {
        "share": found.value,
        "low": found.low,
        "high": found.high,
        "n": len(met),
        "prompts": met["prompt_id"].nunique(),
        "reason": None,
    }
