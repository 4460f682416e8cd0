"""By how much a candidate is worse than a baseline: of a metric of pictures, of a figure of the whole run, of latencies."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import sets, slowdown
from bench.analysis.columns import Cards, score_ends, without_worst
from bench.analysis.comparable import not_comparable_reason
from bench.analysis.limits import REFUSALS, Limit
from bench.analysis.ratios import ratio_parts
from bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bench.store import Run
    from bench.types import Column

NOTHING = stats.Interval(math.nan, math.nan, math.nan)
_NAMED = 3
"""Prompts that are named, at most."""


@dataclass(frozen=True, eq=False)
class GateRun:
    """What the gate reads of a run.

    Attributes:
        name, path: of the run.
        info: run.json.
        images, scores: frames (``bench.analysis.frames``); scores of the metrics that are asked for.
        metrics: every column that the run has scores in.
        cards: of these columns.
    """

    name: str
    path: str
    info: Mapping[str, Any]
    images: pd.DataFrame
    scores: pd.DataFrame
    metrics: frozenset[str]
    cards: Cards = field(default_factory=Cards)

    @classmethod
    def read(cls, run: Run, limits: Sequence[Limit]) -> GateRun:
        """The run with the scores that ``limits`` speak of.

        Raises:
            ConfigError: scores of one metric have unlike fingerprints within the run.
        """
        from bench.analysis.frames import frames  # noqa: PLC0415 - slow import

        metrics = frozenset(run.scores_table()["metric"].to_pylist())
        tables = frames([run], only={limit.column for limit in limits})
        return cls(run.name, str(run.path), run.info(), tables["images"], tables["scores"], metrics, tables.cards)

    def rows(self, metric: str) -> pd.DataFrame:
        """The scores of one metric."""
        return self.scores[self.scores["metric"] == metric]


@dataclass(frozen=True)
class Drop:
    """By how much the candidate is worse; what is not known is NaN.

    Attributes:
        unit: of the metric.
        baseline, candidate: means over the shared prompts, or the figure of the whole run.
        value: the drop with its 95 % interval, in the metric's unit.
        excess: the same less the margin, which is what is judged.
        allowed: the margin in the metric's unit.
        n: how many prompts count.
        units: what the interval was made from: prompts, or sessions of latencies.
        fewest: of which it takes so many.
        sd: standard deviation over prompts of what is judged; NaN where it is not known.
        scale: how far the two pairs that the interval reckons with lie from no difference; 0 where there are none.
        by: see ``GateFinding``.
        covered: the share of the prompts asked of both runs that count, of those the metric applies to.
        gaps: why the others do not count.
        unsettled_by: why it is undecided, whatever the interval.
        identical: both runs have the very same pictures.
        note: what a reader should know of the limit.
    """

    unit: str
    baseline: float = math.nan
    candidate: float = math.nan
    value: stats.Interval = NOTHING
    excess: stats.Interval = NOTHING
    allowed: float = math.nan
    n: int = 0
    units: int = 0
    fewest: int = stats.MIN_PROMPTS
    sd: float = math.nan
    scale: float = 0.0
    by: tuple[str, ...] = ()
    covered: float = math.nan
    gaps: str = ""
    unsettled_by: str | None = None
    identical: bool = False
    note: str | None = None


def of_pictures(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a metric of pictures, prompt by prompt."""
    scores = baseline.rows(limit.column), candidate.rows(limit.column)
    sign, unit = direction(limit, scores[0]), str(scores[0]["unit"].iloc[0])
    shared, applies, covered = _shared(baseline, candidate, limit)
    if not shared:
        return Drop(unit, covered=covered, unsettled_by=_nothing_shared_reason(baseline, candidate, scores))
    (before, own_before), (after, own_after) = (_figures(rows, shared, baseline.cards[limit.column]) for rows in scores)
    mean, n = float(before.mean()), len(before)
    kept, fixed, allowed = _margins(limit, sign, mean)
    beyond = sign * (kept * before - after) - fixed
    ends, same = (
        stats.extremes(own_before, own_after, score_ends(unit, np.append(own_before, own_after))),
        _same_pictures(baseline, candidate, shared),
    )
    excess, scale = stats.mean_interval(beyond), 0.0
    if ends is not None and not same:
        worst, best = sorted((sign * (kept * ends.high) - fixed, sign * -ends.high - fixed))
        excess = stats.mean_interval(beyond, ends=(worst, best)) if ends.added else stats.within(excess, (worst, best))
        scale = (best - worst) / 2 if ends.added else 0.0
    elif not same:
        excess = without_worst(excess, unit)
    return Drop(
        unit, baseline=mean, candidate=float(after.mean()), value=_above(excess, allowed), excess=excess, allowed=allowed, n=n, units=n,
        sd=stats.spread(beyond, float(np.abs([before, after]).max())), scale=scale,
        by=_carriers(shared, sign * (before - after)), covered=covered,
        gaps=_gaps(len(shared), applies, scores), note=_margin_warning(limit, mean, baseline.metrics) if sign > 0 else None,
    )  # fmt: skip


def _figures(rows: pd.DataFrame, prompts: Sequence[str], column: Column) -> tuple[np.ndarray, np.ndarray]:
    """What each prompt adds to the figure of the run, whose mean is that figure, and its own score: float (prompts,) each.

    Of a micro average long prompts add more, so that only their own scores say how near they are to the ends.
    """
    ok = rows[rows["status"] == "ok"]
    if column.aggregate != "ratio":
        means = ok.groupby("prompt_id")["value"].mean()[list(prompts)].to_numpy(float)
        return means, means
    hits, asked = (
        pd.Series(part).groupby(ok["prompt_id"].to_numpy()).mean()[list(prompts)].to_numpy(float) for part in ratio_parts(ok["detail"])
    )
    return hits / asked.mean(), hits / np.maximum(asked, 1e-300)


def _carriers(prompts: Sequence[str], worse: np.ndarray) -> tuple[str, ...]:
    """The worst prompts that together make half of all that was lost, at most three; () where more of them do."""
    order, lost = np.argsort(-worse, kind="stable"), np.clip(worse, 0, None)
    enough = int(np.searchsorted(np.cumsum(lost[order]), lost.sum() / 2)) + 1
    return tuple(prompts[i] for i in order[:enough]) if lost.sum() > 0 and enough <= _NAMED else ()


def of_whole_run(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a figure of the whole run, by halves of its prompts where both runs drew the same ones."""
    before, after = (side.rows(limit.column).iloc[0] for side in (baseline, candidate))
    unit, sign = str(before["unit"]), direction(limit, baseline.rows(limit.column))
    for side, row in ((baseline, before), (candidate, after)):
        if row["status"] != "ok":
            return Drop(unit, unsettled_by=f"{side.name}: {row['reason'] or row['status']}")
    values = float(before["value"]), float(after["value"])
    drop = Drop(unit, baseline=values[0], candidate=values[1], allowed=_margins(limit, sign, values[0])[2])
    if values[0] == values[1] and _same_pictures(baseline, candidate, baseline.images["prompt_id"].tolist()):
        return replace(drop, value=stats.Interval(0.0, 0.0, 0.0), n=int(baseline.images["prompt_id"].nunique()), identical=True)
    details = json.loads(before["detail"]), json.loads(after["detail"])
    why = sets.not_comparable_reason(limit.column, details)
    if why:
        return replace(drop, value=stats.Interval(sign * (values[0] - values[1]), math.nan, math.nan), unsettled_by=why)
    return _resampled(drop, limit, sign, details)


def _resampled(drop: Drop, limit: Limit, sign: float, details: Sequence[Mapping[str, Any]]) -> Drop:
    """``drop`` with its interval, from the figures of the same halves of both runs (``details``)."""
    n = min(int(detail.get("prompts", detail.get("n", 0))) for detail in details)
    before, after = (np.asarray(detail["draws"], dtype=float) for detail in details)
    kept, fixed, allowed = _margins(limit, sign, drop.baseline)
    gap, _p = stats.resampled_difference(kept * drop.baseline, drop.candidate, kept * before, after, n)
    excess = stats.Interval(sign * gap.value - fixed, *sorted(sign * end - fixed for end in (gap.low, gap.high)))
    spread = float(np.std(kept * before - after, ddof=1)) * math.sqrt(n)
    return replace(drop, value=_above(excess, allowed), excess=excess, n=n, units=n, sd=spread)


def of_latency(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a figure of latencies."""
    sides = (baseline, candidate)
    before, after = (slowdown.timed(side.images) for side in sides)
    for side, pictures in zip(sides, (before, after), strict=True):
        if pictures.empty:
            return Drop("s", unsettled_by=f"{side.name}: no picture was timed, or no batch size made half of them")
    infos, timed = {"a": baseline.info, "b": candidate.info}, {"a": before, "b": after}
    why = not_comparable_reason(baseline.cards["latency"], "a", "b", infos, timed)
    why = why or slowdown.too_few_images_reason(before, after, limit.metric)
    both = sorted(set(before["prompt_id"]) & set(after["prompt_id"]))
    if why or not both:
        return Drop("s", unsettled_by=why or "no prompt was timed in both runs")
    change = slowdown.compare(before, after, both, limit.metric)
    why = change.unsettled_by(baseline.name, candidate.name)
    shared, applies, covered = _shared(baseline, candidate, limit)
    allowed = limit.margin * (change.baseline if limit.relative else 1.0)
    value = stats.Interval(*(change.baseline * (end - 1) for end in change.ratio))
    return Drop(
        "s", baseline=change.baseline, candidate=change.candidate, value=value, excess=stats.Interval(*(end - allowed for end in value)),
        allowed=allowed, n=len(both), units=min(change.sessions), fewest=slowdown.MIN_SESSIONS, covered=covered,
        gaps=_gaps(len(shared), applies, (baseline.rows("latency"), candidate.rows("latency"))),
        unsettled_by=why and f"{why}; render both in one sweep with {slowdown.ROUNDS}",
    )  # fmt: skip


def _margins(limit: Limit, sign: float, mean: float) -> tuple[float, float, float]:
    """The share of the baseline that must be kept, what is taken off besides, and the margin in the metric's unit."""
    if not limit.relative:
        return 1.0, limit.margin, limit.margin
    return float(1 - sign * limit.margin * np.sign(mean)), 0.0, limit.margin * abs(mean)


def _shared(baseline: GateRun, candidate: GateRun, limit: Limit) -> tuple[list[str], int, float]:
    """The prompts with a score in both runs, how many asked of both the metric applies to, and the first's share of the second."""
    scores = baseline.rows(limit.column), candidate.rows(limit.column)
    applies = set(baseline.images["prompt_id"]) & set(candidate.images["prompt_id"])
    applies = applies.difference(*map(_inapplicable, scores))
    shared = sorted(applies.intersection(*(rows.loc[rows["status"] == "ok", "prompt_id"] for rows in scores)))
    return shared, len(applies), len(shared) / len(applies) if applies else math.nan


def _nothing_shared_reason(baseline: GateRun, candidate: GateRun, scores: Sequence[pd.DataFrame]) -> str:
    if not set(baseline.images["prompt_id"]) & set(candidate.images["prompt_id"]):
        return "no prompt was asked of both runs"
    return _missing(scores) or "it applies to no prompt that both runs have"


def _gaps(scored: int, applies: int, scores: Sequence[pd.DataFrame]) -> str:
    return f"only {scored} of {applies} prompts have a score in both runs: {_missing(scores)}"


def _above(excess: stats.Interval, margin: float) -> stats.Interval:
    """The drop from how far it lies above the margin, without the rounding errors of taking the margin off and adding it."""
    return stats.Interval(*(round(value + margin, 12) + 0.0 for value in excess))


def direction(limit: Limit, rows: pd.DataFrame) -> float:
    """1.0 where a fall is for the worse, -1.0 where a rise is."""
    if limit.metric in REFUSALS:
        return -1.0
    better = rows["higher_is_better"].iloc[0]
    if pd.isna(better):
        raise ConfigError(f"{limit.metric} has no better direction, so it cannot be a limit; choose another metric")
    return 1.0 if better else -1.0


def _inapplicable(rows: pd.DataFrame) -> set[str]:
    """Prompts to none of whose pictures the metric applies; a refused picture is one that it applies to."""
    out = (rows["status"] == "not_applicable") & (rows["cause"] != "refused")
    return set(rows["prompt_id"]) - set(rows.loc[~out, "prompt_id"])


def _missing(scores: Sequence[pd.DataFrame]) -> str:
    """The first reason of a missing score, the candidate's before the baseline's."""
    reasons = pd.concat([rows.loc[rows["status"] != "ok", "reason"].dropna() for rows in reversed(scores)])
    return str(reasons.iloc[0]) if len(reasons) else "not scored"


def _same_pictures(baseline: GateRun, candidate: GateRun, prompts: Sequence[str]) -> bool:
    """Whether both runs have the very same files for these prompts."""
    files = [
        images[images["prompt_id"].isin(prompts)].groupby("prompt_id")["sha256"].agg(lambda hashes: sorted(hashes.dropna())).to_dict()
        for images in (baseline.images, candidate.images)
    ]
    return bool(files[0] == files[1])


def _margin_warning(limit: Limit, mean: float, metrics: frozenset[str]) -> str | None:
    """A warning where the margin is half or more of all that the baseline has to lose."""
    if 2 * limit.margin < (1 if limit.relative else abs(mean)):
        return None
    if mean == 0:
        return "the baseline is at 0: it has nothing to lose, and no candidate can fail"
    if limit.relative:
        return f"a margin of {limit.margin:.0%} is half or more of all that the baseline has"
    scaled = f"{limit.metric}.score100"
    instead = f"{scaled} has the scale from 0 to 100" if scaled in metrics else "give a smaller one"
    return f"a margin of {limit.margin:g} is {limit.margin / abs(mean):.0%} of the baseline's {mean:.3g}; {instead}, or give it in %"
