"""Pass or fail a candidate against a baseline: its change for the worse is within a margin, beyond it, or undecided.

The unit is the prompt, as everywhere: seeds are averaged within a prompt, and both runs are paired by the prompts they
share. A limit is judged by the 95 % interval of the change, never by the change alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from bench import stats
from bench.analysis import drops, slowdown
from bench.analysis.advice import score_command
from bench.analysis.comparable import refuse_other_prompts
from bench.analysis.drops import GateRun
from bench.analysis.limits import Limit
from bench.core.fingerprint import difference
from bench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


GateVerdict = Literal["pass", "regression", "cannot tell"]
EXIT_CODES: Mapping[GateVerdict, int] = {"pass": 0, "regression": 1, "cannot tell": 3}
COVERAGE = 0.9
"""The share of the prompts asked of both runs that a pass needs scores of."""
_HOPELESS = 20
"""Nobody gathers more prompts than so many times those there are."""
_FEW = "too few prompts"


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
        more: how many more prompts would settle it, if the drop seen is the true one; infinite where it lies within its standard
            error of the margin and it takes more than 20 times the prompts.
        by: the prompts that make most of the drop, the worst first.
        reason: why it is undecided, where that is not the width of the interval.
        note: what a reader should know of the limit itself.
    """

    limit: Limit
    verdict: GateVerdict
    unit: str = ""
    baseline: float = math.nan
    candidate: float = math.nan
    drop: stats.Interval = drops.NOTHING
    allowed: float = math.nan
    prompts: int = 0
    coverage: float = math.nan
    unchanged: float = math.nan
    more: float = math.nan
    by: tuple[str, ...] = ()
    reason: str | None = None
    note: str | None = None

    @property
    def hopeless(self) -> bool:
        """Whether prompts would settle it, but more than 20 times those there are."""
        return math.isfinite(self.more) and _hopeless(self.more, self.prompts)


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
        drop = drops.of_latency(baseline, candidate, limit)
    elif baseline.rows(limit.column)["request_id"].isna().all():
        drop = drops.of_whole_run(baseline, candidate, limit)
    else:
        drop = drops.of_pictures(baseline, candidate, limit)
    return _finding(drop, limit, coverage)


def _finding(drop: drops.Drop, limit: Limit, coverage: float) -> GateFinding:
    """The verdict on a drop."""
    verdict, reason = ("cannot tell", drop.unsettled_by) if drop.unsettled_by else _decide(drop)
    by_prompts = limit.metric not in slowdown.LATENCY_STATISTICS  # more prompts make no more sessions
    more = _more(drop) if verdict == "cannot tell" and by_prompts and (reason is None or reason == _FEW) else math.nan
    if verdict == "cannot tell" and reason is None and not by_prompts:
        reason = f"the interval reaches across the margin with {drop.units} sessions"
    if verdict == "pass" and drop.covered < coverage:
        verdict, reason = "cannot tell", drop.gaps
    return GateFinding(
        limit, verdict, drop.unit, baseline=drop.baseline, candidate=drop.candidate, drop=drop.value, allowed=drop.allowed, prompts=drop.n,
        coverage=drop.covered, unchanged=_unchanged(drop), more=more, by=drop.by if verdict != "pass" else (), reason=reason,
        note=drop.note,
    )  # fmt: skip


def _decide(drop: drops.Drop) -> tuple[GateVerdict, str | None]:
    """Verdict and reason, from how far the drop lies above the margin."""
    if drop.identical:
        return "pass", None
    if drop.units < drop.fewest:
        return "cannot tell", _FEW
    if math.isnan(drop.excess.low):
        return "cannot tell", "how much chance is in it is not known"
    if drop.excess.low > 0:
        return "regression", None
    if drop.excess.high <= 0:
        return "pass", None
    return "cannot tell", None


def _unchanged(drop: drops.Drop) -> float:
    """Prompts with which a candidate that is no worse passes four times in five."""
    known = drop.sd > 0 or (drop.sd == 0 and drop.scale > 0)
    needed = stats.needed_within(drop.sd, drop.allowed, scale=drop.scale) if known and drop.allowed > 0 else math.nan
    return needed if math.isfinite(needed) else math.nan


def _more(drop: drops.Drop) -> float:
    """Prompts that settle it if the drop seen is the true one, less those there are; infinite at the margin itself."""
    value, low, high = drop.excess
    if math.isnan(low):
        return max(0.0, stats.MIN_PROMPTS - drop.units) or math.nan
    reach = high - value if value < 0 else value - low
    if value == 0:
        return math.inf
    if drop.scale > 0:
        needed = stats.needed_within(drop.sd, abs(value), scale=drop.scale)
    else:
        needed = stats.needed_if_true(drop.units, abs(value), reach)
    needed = max(math.ceil(needed) + 2 if math.isfinite(needed) else needed, stats.MIN_PROMPTS)
    at_the_margin = not abs(value) > drop.sd / math.sqrt(drop.units)
    return math.inf if at_the_margin and _hopeless(needed - drop.units, drop.units) else needed - drop.units


def _hopeless(more: float, prompts: int) -> bool:
    """Whether ``more`` than ``prompts`` are so many that nobody gathers them."""
    return prompts + more > _HOPELESS * max(prompts, stats.MIN_PROMPTS)


def _refuse_unlike(baseline: GateRun, candidate: GateRun, column: str) -> None:
    scores = pd.concat([side.rows(column) for side in (baseline, candidate)])
    unlike = difference(scores.loc[scores["status"] == "ok", "fingerprint"].unique())
    if unlike:
        differing = "; ".join(f"{field}: {' against '.join(values)}" for field, values in unlike.items())
        raise ConfigError(
            f"scores computed with different settings cannot be compared: {column} differs in {differing}. "
            f"Score both alike with: {score_command([column], baseline.cards, [baseline.path, candidate.path])}"
        )
