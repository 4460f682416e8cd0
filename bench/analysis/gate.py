"""Pass or fail a candidate against a baseline: its change for the worse is within a margin, beyond it, or not to be told.

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
from bench.analysis import slowdown
from bench.analysis.advice import score_command
from bench.analysis.columns import Cards
from bench.analysis.comparable import not_comparable_reason, refuse_other_prompts
from bench.analysis.limits import _NAN, _REFUSALS, Limit
from bench.core.fingerprint import difference
from bench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bench.store import Run

GateVerdict = Literal["pass", "regression", "cannot tell"]
EXIT_CODES: Mapping[GateVerdict, int] = {"pass": 0, "regression": 1, "cannot tell": 3}
COVERAGE = 0.9
"""The share of the prompts asked of both runs that a pass needs scores of."""
_BOUNDED = frozenset({"share", "similarity", "edits/char"})
"""Units of scores between 0 and 1, where prompts that never differ leave room for some that do."""
_UNSEEN = 2.8
"""Of n yes-or-no pairs without a difference, about this share / n may still differ: 1.96 sqrt(2) of Bonett and Price."""
_NOTHING = stats.Interval(_NAN, _NAN, _NAN)


@dataclass(frozen=True)
class GateFinding:
    """What became of a limit; a number that is not known is NaN.

    Attributes:
        baseline, candidate: means over the shared prompts, or the figure of the whole run.
        drop: by how much the candidate is worse, with its 95 % interval; negative where it is better. In the metric's unit.
        allowed: the margin in the metric's unit.
        prompts: that count.
        coverage: their share of the prompts asked of both runs to which the metric applies.
        more: about how many more prompts would settle it.
        reason: why it cannot be told, where that is not the width of the interval.
        note: what a reader should know of the limit itself.
    """

    limit: Limit
    verdict: GateVerdict
    unit: str = ""
    baseline: float = _NAN
    candidate: float = _NAN
    drop: stats.Interval = _NOTHING
    allowed: float = _NAN
    prompts: int = 0
    coverage: float = _NAN
    more: float = _NAN
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
    mean over seeds, with its BCa interval over prompts, or Bonett and Price's where every prompt's answer is yes or no;
    that of a relative margin m is judged by (1 - m) a - b, so that the baseline's uncertainty counts. Regression where the
    interval lies wholly above the margin, pass where it lies wholly within, else it cannot be told. Figures of latencies:
    see ``bench.analysis.slowdown``; set metrics: the difference of resampled halves (``bench.stats.half_sampling.resampled_difference``).

    Raises:
        ConfigError: a metric neither run has, unlike fingerprints, or one prompt's name with two texts.
    """
    refuse_other_prompts([baseline.images, candidate.images])
    return [_judge(baseline, candidate, limit, coverage) for limit in limits]


def overall(findings: Sequence[GateFinding]) -> GateVerdict:
    """Regression if any limit is passed, else cannot tell if any cannot be told, else pass."""
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
        n: prompts that count.
        units: what the interval was made from: prompts, or groups of them that share the time of a batch.
        needed: about how many prompts would settle it.
        covered: the share of the prompts asked of both runs that count, of those the metric applies to.
        gaps: why the others do not count.
        unsettled_by: why nothing can be told, whatever the interval.
        identical: both runs have the very same pictures.
        note: what a reader should know of the limit.
    """

    unit: str
    baseline: float = _NAN
    candidate: float = _NAN
    value: stats.Interval = _NOTHING
    excess: stats.Interval = _NOTHING
    allowed: float = _NAN
    n: int = 0
    units: int = 0
    needed: float = math.inf
    covered: float = _NAN
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
    verdict, more, reason = ("cannot tell", _NAN, drop.unsettled_by) if drop.unsettled_by else _decide(drop)
    if verdict == "pass" and drop.covered < coverage:
        verdict, reason = "cannot tell", drop.gaps
    return GateFinding(
        limit, verdict, drop.unit, drop.baseline, drop.candidate, drop.value, drop.allowed, prompts=drop.n, coverage=drop.covered,
        more=more, reason=reason, note=drop.note,
    )  # fmt: skip


def _decide(drop: Drop) -> tuple[GateVerdict, float, str | None]:
    """Verdict, prompts that are missing and the reason, from how far the drop lies above the margin."""
    if drop.identical:
        return "pass", _NAN, None
    if drop.units < stats.MIN_PROMPTS:
        enough = float(stats.MIN_PROMPTS)
        return "cannot tell", max(drop.needed if math.isfinite(drop.needed) else enough, enough) - drop.units, "too few prompts"
    if math.isnan(drop.excess.low):
        return "cannot tell", _NAN, "how much chance is in it is not known"
    if drop.excess.low > 0:
        return "regression", _NAN, None
    if drop.excess.high <= 0:
        return "pass", _NAN, None
    return "cannot tell", max(1.0, drop.needed - drop.units) if math.isfinite(drop.needed) else _NAN, None


def _paired_drop(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a metric of pictures, prompt by prompt."""
    scores = baseline.rows(limit.column), candidate.rows(limit.column)
    sign, unit = _direction(limit, scores[0]), str(scores[0]["unit"].iloc[0])
    shared, applies, covered = _shared(baseline, candidate, limit)
    if not shared:
        return Drop(unit, covered=covered, unsettled_by=_nothing_shared_reason(baseline, candidate, scores))
    before, after = (rows[rows["status"] == "ok"].groupby("prompt_id")["value"].mean()[shared].to_numpy(float) for rows in scores)
    mean, n = float(before.mean()), len(before)
    kept, fixed, allowed = _margins(limit, sign, mean)
    beyond = sign * (kept * before - after) - fixed
    flat = np.ptp(before - after) == 0
    answers = (flat and unit in _BOUNDED) or (unit == "share" and bool(np.isin([before, after], [0.0, 1.0]).all()))
    answers = answers and not _same_pictures(baseline, candidate, shared)
    excess = stats.paired_share_interval(beyond, sign * kept - fixed, -sign - fixed) if answers else stats.mean_interval(beyond)
    needed = stats.needed(excess.value, float(beyond.std(ddof=1))) if n > 1 else math.inf
    if answers and flat and excess.value:
        needed = _UNSEEN / abs(excess.value)
    return Drop(
        unit, mean, float(after.mean()), _above(excess, allowed), excess, allowed, n, n, needed, covered,
        gaps=_gaps(len(shared), applies, scores), note=_margin_warning(limit, mean, baseline.metrics) if sign > 0 else None,
    )  # fmt: skip


def _set_drop(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a figure of the whole run, by halves of its prompts where both runs drew the same ones."""
    sides = (baseline, candidate)
    rows = [side.rows(limit.column).iloc[0] for side in sides]
    unit, sign = str(rows[0]["unit"]), _direction(limit, baseline.rows(limit.column))
    missing = next(
        (f"{side.name}: {row['reason'] or row['status']}" for side, row in zip(sides, rows, strict=True) if row["status"] != "ok"), None
    )
    if missing:
        return Drop(unit, unsettled_by=missing)
    before, after = (float(row["value"]) for row in rows)
    details = [json.loads(row["detail"]) for row in rows]
    kept, fixed, allowed = _margins(limit, sign, before)
    drop = Drop(unit, before, after, allowed=allowed)
    if before == after and _same_pictures(baseline, candidate, baseline.images["prompt_id"].tolist()):
        return replace(drop, value=stats.Interval(0.0, 0.0, 0.0), n=int(baseline.images["prompt_id"].nunique()), identical=True)
    if any(detail.get("drawn") is None for detail in details):
        undrawn = next((str(detail["undrawn"]) for detail in details if "undrawn" in detail), None)
        why = undrawn or f"{limit.column} is one figure of the whole run, and how much chance is in it is not known"
        return replace(drop, value=stats.Interval(sign * (before - after), _NAN, _NAN), unsettled_by=why)
    if details[0]["drawn"] != details[1]["drawn"]:
        return replace(drop, unsettled_by="the two runs were not resampled by the same prompts")
    n, draws = min(int(d.get("prompts", d.get("n", 0))) for d in details), [np.asarray(d["draws"], dtype=float) for d in details]
    gap, _p = stats.resampled_difference(kept * before, after, kept * draws[0], draws[1], n)
    excess = stats.Interval(sign * gap.value - fixed, *sorted(sign * end - fixed for end in (gap.low, gap.high)))
    spread = float(np.std(kept * draws[0] - draws[1], ddof=1)) * math.sqrt(n)
    return replace(drop, value=_above(excess, allowed), excess=excess, n=n, units=n, needed=stats.needed(excess.value, spread))


def _latency_drop(baseline: GateRun, candidate: GateRun, limit: Limit) -> Drop:
    """Of a figure of latencies."""
    sides = (baseline, candidate)
    before, after = (slowdown.timed(side.images) for side in sides)
    for side, pictures in zip(sides, (before, after), strict=True):
        if pictures.empty:
            return Drop("s", unsettled_by=f"{side.name}: no picture was timed")
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
        "s", change.baseline, change.candidate, stats.Interval(*(scale * value for value in change.change)), excess, scale * limit.margin,
        n=len(both), units=len(both) if change.groups >= stats.MIN_PROMPTS else change.groups,
        needed=stats.needed(excess.value, change.spread * math.sqrt(len(both))), covered=covered,
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
    return shared, len(applies), len(shared) / len(applies) if applies else _NAN


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
    if limit.metric in _REFUSALS:
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
