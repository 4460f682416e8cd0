"""Pass or fail a candidate against a baseline: its change for the worse is within a margin, beyond it, or undecided.

The unit is the prompt, as everywhere: seeds are averaged within a prompt, and both runs are paired by the prompts they
share. A limit is judged by the 95 % interval of the change, never by the change alone.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import sets, slowdown
from bench.analysis.advice import score_command
from bench.analysis.columns import Cards, score_ends
from bench.analysis.comparable import not_comparable_reason, refuse_other_prompts
from bench.analysis.limits import REFUSALS, Limit
from bench.analysis.ratios import ratio_parts
from bench.core.fingerprint import difference
from bench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bench.store import Run
    from bench.types import Column

GateVerdict = Literal["pass", "regression", "cannot tell"]
EXIT_CODES: Mapping[GateVerdict, int] = {"pass": 0, "regression": 1, "cannot tell": 3}
COVERAGE = 0.9
"""The share of the prompts asked of both runs that a pass needs scores of."""
_HOPELESS = 20
"""Nobody gathers more prompts than so many times those there are: the change lies at the margin itself."""
_NAMED = 3
"""Prompts that are named, at most."""
_FEW = "too few prompts"
_NOTHING = stats.Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class GateFinding:
    """What became of a limit; a number that is not known is NaN.

    Attributes:
        baseline, candidate: means over the shared prompts, or the figure of the whole run.
        drop: by how much the candidate is worse, with its 95 % interval; negative where it is better. In the metric's unit.
        allowed: the margin in the metric's unit.
        prompts: how many count.
        coverage: their share of the prompts asked of both runs to which the metric applies.
        unchanged: prompts with which a candidate that is no worse passes four times in five; NaN where that is not known.
        more: how many more prompts would settle it, if the drop seen is the true one; infinite where it lies at the margin.
        by: the prompts that make most of the drop, the worst first.
        reason: why it is undecided, where that is not the width of the interval.
        note: what a reader should know of the limit itself.
    """

    limit: Limit
    verdict: GateVerdict
    unit: str = ""
    baseline: float = math.nan
    candidate: float = math.nan
    drop: stats.Interval = _NOTHING
    allowed: float = math.nan
    prompts: int = 0
    coverage: float = math.nan
    unchanged: float = math.nan
    more: float = math.nan
    by: tuple[str, ...] = ()
    reason: str | None = None
    note: str | None = None


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


def judge(baseline: GateRun, candidate: GateRun, limits: Sequence[Limit], *, coverage: float = COVERAGE) -> list[GateFinding]:
    """What becomes of each limit.

    A drop is mean(a - b) over the prompts both have (b - a where lower is better), a the baseline's and b the candidate's
    mean over seeds, with its interval over prompts (``bench.stats.mean_interval``); of a micro average, the difference of the
    averages. That of a relative margin m is judged by (1 - m) a - b, so that the baseline's uncertainty counts. Regression where the
    interval lies wholly above the margin, pass where it lies wholly within, else it is undecided. Figures of latencies:
    see ``bench.analysis.slowdown``; set metrics: the difference of resampled halves (``bench.stats.half_sampling.resampled_difference``).

    Raises:
        ConfigError: a metric neither run has, unlike fingerprints, or one prompt's name with two texts.
    """
    refuse_other_prompts([baseline.images, candidate.images])
    return [_judge(baseline, candidate, limit, coverage) for limit in limits]


def overall(findings: Sequence[GateFinding]) -> GateVerdict:
    """Regression if any limit is passed, else "cannot tell" if any is undecided, else pass."""
    verdicts = {finding.verdict for finding in findings}
    return "regression" if "regression" in verdicts else "cannot tell" if "cannot tell" in verdicts else "pass"


@dataclass(frozen=True)
class Drop:
    """By how much the candidate is worse; what is not known is NaN.

    Attributes:
        unit: of the metric.
        baseline, candidate: means over the shared prompts, or the figure of the whole run.
        value: the drop with its 95 % interval, in the metric's unit.
        excess: the same less the margin, which is what is judged; of latencies with a relative margin, as a share.
        allowed: the margin in the metric's unit.
        n: how many prompts count.
        units: what the interval was made from: prompts, or groups of them that share the time of a batch.
        sd: standard deviation over prompts of what is judged; NaN where it is not known.
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
    value: stats.Interval = _NOTHING
    excess: stats.Interval = _NOTHING
    allowed: float = math.nan
    n: int = 0
    units: int = 0
    sd: float = math.nan
    by: tuple[str, ...] = ()
    covered: float = math.nan
    gaps: str = ""
    unsettled_by: str | None = None
    identical: bool = False
    note: str | None = None


def _judge(baseline: GateRun, candidate: GateRun, limit: Limit, coverage: float) -> GateFinding:
    sides = (baseline, candidate)
    if all(side.rows(limit.column).empty for side in sides):
        raise unknown("metric", limit.metric, baseline.metrics | candidate.metrics)
    for side, other_side in (sides, sides[::-1]):
        if side.rows(limit.column).empty:
            again = score_command([limit.column], other_side.cards, [side.path])
            return GateFinding(limit, "cannot tell", reason=f"{side.name} has no {limit.column}; score it with: {again}")
    _refuse_unlike(baseline, candidate, limit.column)
    if limit.metric in slowdown.LATENCY_STATISTICS:
        drop = _latency_drop(baseline, candidate, limit)
    elif baseline.rows(limit.column)["request_id"].isna().all():
        drop = _set_drop(baseline, candidate, limit)
    else:
        drop = _paired_drop(baseline, candidate, limit)
    return _finding(drop, limit, coverage)


def _finding(drop: Drop, limit: Limit, coverage: float) -> GateFinding:
    """The verdict on a drop."""
    verdict, reason = ("cannot tell", drop.unsettled_by) if drop.unsettled_by else _decide(drop)
    more = _more(drop) if verdict == "cannot tell" and (reason is None or reason == _FEW) else math.nan
    if verdict == "pass" and drop.covered < coverage:
        verdict, reason = "cannot tell", drop.gaps
    return GateFinding(
        limit, verdict, drop.unit, baseline=drop.baseline, candidate=drop.candidate, drop=drop.value, allowed=drop.allowed, prompts=drop.n,
        coverage=drop.covered, unchanged=_unchanged(drop), more=more, by=drop.by if verdict != "pass" else (), reason=reason,
        note=drop.note,
    )  # fmt: skip


def _decide(drop: Drop) -> tuple[GateVerdict, str | None]:
    """Verdict and reason, from how far the drop lies above the margin."""
    if drop.identical:
        return "pass", None
    if drop.units < stats.MIN_PROMPTS:
        return "cannot tell", _FEW
    if math.isnan(drop.excess.low):
        return "cannot tell", "how much chance is in it is not known"
    if drop.excess.low > 0:
        return "regression", None
    if drop.excess.high <= 0:
        return "pass", None
    return "cannot tell", None


def _unchanged(drop: Drop) -> float:
    """Prompts with which a candidate that is no worse passes four times in five."""
    return stats.needed_within(drop.sd, drop.allowed) if drop.sd > 0 and drop.allowed > 0 else math.nan


def _more(drop: Drop) -> float:
    """Prompts that settle it if the drop seen is the true one, less those there are; infinite where none would."""
    value, low, high = drop.excess
    if math.isnan(low):
        return max(0.0, stats.MIN_PROMPTS - drop.units) or math.nan
    reach = high - value if value < 0 else value - low
    flat = drop.sd == 0 and value != 0  # an interval without any spread narrows as 1 / n
    needed = drop.units * reach / abs(value) if flat else stats.needed_if_true(drop.units, abs(value), reach)
    needed = max(math.ceil(needed) + 2 if math.isfinite(needed) else needed, stats.MIN_PROMPTS)
    return needed - drop.units if needed <= _HOPELESS * max(drop.units, stats.MIN_PROMPTS) else math.inf


def _paired_drop(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a metric of pictures, prompt by prompt."""
    scores = baseline.rows(limit.column), candidate.rows(limit.column)
    sign, unit = _direction(limit, scores[0]), str(scores[0]["unit"].iloc[0])
    shared, applies, covered = _shared(baseline, candidate, limit)
    if not shared:
        return Drop(unit, covered=covered, unsettled_by=_nothing_shared_reason(baseline, candidate, scores))
    before, after = (_figures(rows, shared, baseline.cards[limit.column]) for rows in scores)
    mean, n = float(before.mean()), len(before)
    kept, fixed, allowed = _margins(limit, sign, mean)
    beyond = sign * (kept * before - after) - fixed
    ends = stats.extremes(before, after, score_ends(unit, np.append(before, after)))
    if ends is None or _same_pictures(baseline, candidate, shared):
        excess = stats.mean_interval(beyond)
    else:
        worst, best = sign * (kept * ends[1]) - fixed, sign * -ends[1] - fixed
        excess = stats.mean_interval(beyond, ends=(min(worst, best), max(worst, best)))
    return Drop(
        unit, baseline=mean, candidate=float(after.mean()), value=_above(excess, allowed), excess=excess, allowed=allowed, n=n, units=n,
        sd=float(beyond.std(ddof=1)) if n > 1 else math.nan, by=_carriers(shared, sign * (before - after)), covered=covered,
        gaps=_gaps(len(shared), applies, scores), note=_margin_warning(limit, mean, baseline.metrics) if sign > 0 else None,
    )  # fmt: skip


def _figures(rows: pd.DataFrame, prompts: Sequence[str], column: Column) -> np.ndarray:
    """What each prompt adds to the figure of the run, whose mean is that figure: float (prompts,)."""
    ok = rows[rows["status"] == "ok"]
    if column.aggregate != "ratio":
        return ok.groupby("prompt_id")["value"].mean()[list(prompts)].to_numpy(float)
    hits, asked = (pd.Series(part).groupby(ok["prompt_id"].to_numpy()).mean()[list(prompts)].to_numpy(float) for part in ratio_parts(ok))
    return np.asarray(hits / asked.mean())


def _carriers(prompts: Sequence[str], worse: np.ndarray) -> tuple[str, ...]:
    """The worst prompts that together make half of all that was lost, at most three; () where more of them do."""
    order, lost = np.argsort(-worse, kind="stable"), np.clip(worse, 0, None)
    enough = int(np.searchsorted(np.cumsum(lost[order]), lost.sum() / 2)) + 1
    return tuple(prompts[i] for i in order[:enough]) if lost.sum() > 0 and enough <= _NAMED else ()


def _set_drop(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a figure of the whole run, by halves of its prompts where both runs drew the same ones."""
    before, after = (side.rows(limit.column).iloc[0] for side in (baseline, candidate))
    unit, sign = str(before["unit"]), _direction(limit, baseline.rows(limit.column))
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


def _latency_drop(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
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
    change = slowdown.compare(before, after, both, limit.metric, relative=limit.relative)
    excess = stats.Interval(*(value - limit.margin for value in change.change))
    shared, applies, covered = _shared(baseline, candidate, limit)
    scale = change.baseline if limit.relative else 1.0
    return Drop(
        "s", baseline=change.baseline, candidate=change.candidate, value=stats.Interval(*(scale * value for value in change.change)),
        excess=excess, allowed=scale * limit.margin, n=len(both), units=len(both) if change.groups >= stats.MIN_PROMPTS else change.groups,
        sd=scale * change.spread * math.sqrt(len(both)), covered=covered,
        gaps=_gaps(len(shared), applies, (baseline.rows("latency"), candidate.rows("latency"))),
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


def _direction(limit: Limit, rows: pd.DataFrame) -> float:
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


def _refuse_unlike(baseline: GateRun, candidate: GateRun, column: str) -> None:
    scores = pd.concat([side.rows(column) for side in (baseline, candidate)])
    unlike = difference(scores.loc[scores["status"] == "ok", "fingerprint"].unique())
    if unlike:
        differing = "; ".join(f"{field}: {' against '.join(values)}" for field, values in unlike.items())
        raise ConfigError(
            f"scores computed with different settings cannot be compared: {column} differs in {differing}. "
            f"Score both alike with: {score_command([column], baseline.cards, [baseline.path, candidate.path])}"
        )
