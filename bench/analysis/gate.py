"""Pass or fail a candidate against a baseline: its change for the worse is within a margin, beyond it, or not to be told.

The unit is the prompt, as everywhere: seeds are averaged within a prompt, and both runs are paired by the prompts they
share. A limit is judged by the 95 % interval of the change, never by the change alone.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import slowdown
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
    """

    name: str
    path: str
    info: Mapping[str, Any]
    images: pd.DataFrame
    scores: pd.DataFrame
    metrics: frozenset[str]

    @classmethod
    def read(cls, run: Run, limits: Sequence[Limit]) -> GateRun:
        """The run with the scores that ``limits`` speak of.

        Raises:
            ConfigError: scores of one metric have unlike fingerprints within the run.
        """
        from bench.analysis.frames import frames  # noqa: PLC0415 - slow import

        wanted = {limit.column for limit in limits}
        held = frozenset(run.scores_table()["metric"].to_pylist())
        tables = frames([run], without=sorted(held - wanted - {column.partition(".")[0] for column in wanted}))
        return cls(run.name, str(run.path), run.info(), tables["images"], tables["scores"], held)

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


def _judge(a: GateRun, b: GateRun, limit: Limit, coverage: float) -> GateFinding:
    one, other = a.rows(limit.column), b.rows(limit.column)
    if one.empty and other.empty:
        raise unknown("metric", limit.metric, a.metrics | b.metrics)
    for side, rows in ((a, one), (b, other)):
        if rows.empty:
            again = f"python -m bench score {side.path} metric=[{limit.column.partition('.')[0]}]"
            return GateFinding(limit, "cannot tell", reason=f"{side.name} has no {limit.column}; score it with: {again}")
    _refuse_unlike(a, b, one, other)
    if limit.metric in slowdown.LATENCY_STATISTICS:
        return _judge_latency(a, b, limit, coverage)
    if one["request_id"].isna().all():
        return _judge_set_metric(a, b, limit)
    return _judge_paired(a, b, limit, coverage)


def _judge_paired(a: GateRun, b: GateRun, limit: Limit, least: float) -> GateFinding:
    """A metric of pictures, prompt by prompt."""
    one, other = a.rows(limit.column), b.rows(limit.column)
    sign, unit = _direction(limit, one), str(one["unit"].iloc[0])
    shared, applies, covered = _shared(a, b, limit)
    if not shared:
        asked = set(a.images["prompt_id"]) & set(b.images["prompt_id"])
        why = "no prompt was asked of both runs" if not asked else _missing(one, other) or "it applies to no prompt that both runs have"
        return GateFinding(limit, "cannot tell", unit, coverage=covered, reason=why)
    x, y = (rows[rows["status"] == "ok"].groupby("prompt_id")["value"].mean()[shared].to_numpy(float) for rows in (one, other))
    allowed = limit.margin * abs(float(x.mean())) if limit.relative else limit.margin
    kept = 1 - sign * limit.margin * np.sign(x.mean()) if limit.relative else 1.0
    fixed, n = 0.0 if limit.relative else limit.margin, len(x)
    beyond = sign * (kept * x - y) - fixed
    flat = np.ptp(x - y) == 0
    answers = (flat and unit in _BOUNDED) or (unit == "share" and bool(np.isin([x, y], [0.0, 1.0]).all()))
    answers = answers and not _same_pictures(a, b, shared)
    excess = stats.paired_share_interval(beyond, sign * kept - fixed, -sign - fixed) if answers else stats.mean_interval(beyond)
    wanted = stats.needed(excess.value, float(beyond.std(ddof=1))) if n > 1 else math.inf
    if answers and flat and excess.value:
        wanted = _UNSEEN / abs(excess.value)
    verdict, more, reason = _decide(excess, n, wanted)
    if verdict == "pass" and covered < least:
        verdict, reason = "cannot tell", _uncovered(len(shared), applies, one, other)
    note = _margin_warning(limit, float(x.mean()), a.metrics) if sign > 0 else None
    return GateFinding(
        limit, verdict, unit, float(x.mean()), float(y.mean()), _above(excess, allowed), allowed, n, covered, more, reason, note
    )


def _judge_set_metric(a: GateRun, b: GateRun, limit: Limit) -> GateFinding:
    """A figure of the whole run, by halves of its prompts where both runs drew the same ones."""
    rows = [side.rows(limit.column).iloc[0] for side in (a, b)]
    unit, sign = str(rows[0]["unit"]), _direction(limit, a.rows(limit.column))
    for side, row in zip((a, b), rows, strict=True):
        if row["status"] != "ok":
            return GateFinding(limit, "cannot tell", unit, reason=f"{side.name}: {row['reason'] or row['status']}")
    x, y = (float(row["value"]) for row in rows)
    details = [json.loads(row["detail"]) for row in rows]
    told = GateFinding(limit, "cannot tell", unit, x, y, allowed=limit.margin * abs(x) if limit.relative else limit.margin)
    if x == y and _same_pictures(a, b, a.images["prompt_id"].tolist()):
        return replace(told, verdict="pass", drop=stats.Interval(0.0, 0.0, 0.0), prompts=int(a.images["prompt_id"].nunique()))
    if any(detail.get("drawn") is None for detail in details):
        undrawn = next((str(detail["undrawn"]) for detail in details if "undrawn" in detail), None)
        why = undrawn or f"{limit.column} is one figure of the whole run, and how much chance is in it is not known"
        return replace(told, drop=stats.Interval(sign * (x - y), _NAN, _NAN), reason=why)
    if details[0]["drawn"] != details[1]["drawn"]:
        return replace(told, reason="the two runs were not resampled by the same prompts")
    n, draws = min(int(d.get("prompts", d.get("n", 0))) for d in details), [np.asarray(d["draws"], dtype=float) for d in details]
    keep = 1 - sign * limit.margin * np.sign(x) if limit.relative else 1.0
    gap, _p = stats.resampled_difference(keep * x, y, keep * draws[0], draws[1], n)
    fixed = 0.0 if limit.relative else limit.margin
    ends = sorted(sign * end - fixed for end in (gap.low, gap.high))
    excess = stats.Interval(sign * gap.value - fixed, *ends)
    spread = float(np.std(keep * draws[0] - draws[1], ddof=1)) * math.sqrt(n)
    verdict, more, reason = _decide(excess, n, stats.needed(excess.value, spread))
    return replace(told, verdict=verdict, drop=_above(excess, told.allowed), prompts=n, more=more, reason=reason)


def _judge_latency(a: GateRun, b: GateRun, limit: Limit, least: float) -> GateFinding:
    """A figure of latencies."""
    one, other = slowdown.timed(a.images), slowdown.timed(b.images)
    told = GateFinding(limit, "cannot tell", "s")
    for side, pictures in ((a, one), (b, other)):
        if pictures.empty:
            return replace(told, reason=f"{side.name}: no picture was timed")
    why = not_comparable_reason("latency", "a", "b", {"a": a.info, "b": b.info}, {"a": one, "b": other}) or slowdown.too_few_images_reason(
        one, other, limit.metric
    )
    both = sorted(set(one["prompt_id"]) & set(other["prompt_id"]))
    if why or not both:
        return replace(told, reason=why or "no prompt was timed in both runs")
    found = slowdown.compare(one, other, both, limit.metric, relative=limit.relative)
    excess = stats.Interval(*(value - limit.margin for value in found.change))
    count = len(both) if found.groups >= stats.MIN_PROMPTS else found.groups
    verdict, more, reason = _decide(excess, count, stats.needed(excess.value, found.spread * math.sqrt(len(both))))
    shared, applies, covered = _shared(a, b, limit)
    if verdict == "pass" and covered < least:
        verdict, reason = "cannot tell", _uncovered(len(shared), applies, a.rows("latency"), b.rows("latency"))
    scale = found.baseline if limit.relative else 1.0
    drop = stats.Interval(*(scale * value for value in found.change))
    return replace(
        told, verdict=verdict, baseline=found.baseline, candidate=found.candidate, drop=drop, allowed=scale * limit.margin,
        prompts=len(both), coverage=covered, more=more, reason=reason,
    )  # fmt: skip


def _shared(a: GateRun, b: GateRun, limit: Limit) -> tuple[list[str], int, float]:
    """The prompts with a score in both runs, how many asked of both the metric applies to, and the first's share of the second."""
    one, other = a.rows(limit.column), b.rows(limit.column)
    applies = (set(a.images["prompt_id"]) & set(b.images["prompt_id"])) - _inapplicable(one) - _inapplicable(other)
    shared = sorted(applies.intersection(*(rows.loc[rows["status"] == "ok", "prompt_id"] for rows in (one, other))))
    return shared, len(applies), len(shared) / len(applies) if applies else _NAN


def _uncovered(found: int, wanted: int, one: pd.DataFrame, other: pd.DataFrame) -> str:
    return f"only {found} of {wanted} prompts have a score in both runs: {_missing(one, other)}"


def _decide(excess: stats.Interval, n: int, wanted: float) -> tuple[GateVerdict, float, str | None]:
    """Verdict, prompts that are missing and the reason, from how far the drop lies above the margin."""
    if n < stats.MIN_PROMPTS:
        least = float(stats.MIN_PROMPTS)
        return "cannot tell", max(wanted if math.isfinite(wanted) else least, least) - n, "too few prompts"
    if math.isnan(excess.low):
        return "cannot tell", _NAN, "how much chance is in it is not known"
    if excess.low > 0:
        return "regression", _NAN, None
    if excess.high <= 0:
        return "pass", _NAN, None
    return "cannot tell", max(1.0, wanted - n) if math.isfinite(wanted) else _NAN, None


def _above(excess: stats.Interval, margin: float) -> stats.Interval:
    """The drop from how far it lies above the margin, without the rounding errors of taking the margin off and adding it."""
    return stats.Interval(*(round(value + margin, 12) + 0.0 for value in excess))


def _direction(limit: Limit, rows: pd.DataFrame) -> float:
    """1.0 where a fall is for the worse, -1.0 where a rise is."""
    if limit.metric in _REFUSALS:
        return -1.0
    better = rows["higher_is_better"].iloc[0]
    if pd.isna(better):
        raise ConfigError(f"neither end of {limit.metric} is better, so it has no drop; choose another metric")
    return 1.0 if better else -1.0


def _inapplicable(rows: pd.DataFrame) -> set[str]:
    """Prompts to none of whose pictures the metric applies; a refused picture is one that it applies to."""
    out = (rows["status"] == "not_applicable") & (rows["cause"] != "refused")
    return set(rows["prompt_id"]) - set(rows.loc[~out, "prompt_id"])


def _missing(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """The first reason of a missing score."""
    reasons = pd.concat([rows.loc[rows["status"] != "ok", "reason"].dropna() for rows in (other, one)])
    return str(reasons.iloc[0]) if len(reasons) else "not scored"


def _same_pictures(a: GateRun, b: GateRun, prompts: Sequence[str]) -> bool:
    """Whether both runs have the very same files for these prompts."""
    files = [
        images[images["prompt_id"].isin(prompts)].groupby("prompt_id")["sha256"].agg(lambda held: sorted(held.dropna())).to_dict()
        for images in (a.images, b.images)
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


def _refuse_unlike(a: GateRun, b: GateRun, one: pd.DataFrame, other: pd.DataFrame) -> None:
    held = [fingerprint for rows in (one, other) for fingerprint in rows.loc[rows["status"] == "ok", "fingerprint"].unique()]
    unlike = difference(held)
    if unlike:
        metric = str(one["metric"].iloc[0])
        told = "; ".join(f"{field}: {' against '.join(values)}" for field, values in unlike.items())
        raise ConfigError(
            f"unlike scores cannot be compared: {metric} differs in {told}. "
            f"Score both alike with: python -m bench score {a.path} {b.path} metric=[{metric.partition('.')[0]}]"
        )
