"""Carry out a plan: render, put scenarios on the model, score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from bench.engine.render import Counts, render
from bench.store import Run
from bench.types import ScoreRow

if TYPE_CHECKING:
    from bench.core.progress import Progress
    from bench.engine.plan import Plan
    from bench.providers import LocalProvider


@dataclass(frozen=True)
class Result:
    """What became of a plan.

    Attributes:
        run: the folder with pictures, records and scores.
        counts: pictures rendered, kept, refused and failed.
        scores: the score rows that are new.
        unscored: what could not be scored and why, a line a reason; pictures that were not rendered are left out.
        scoring_failures: those of ``unscored`` that more pictures would not change: a metric that could not score a picture that is
            there, or lacks weights, a package or a reference.
    """

    run: Run
    counts: Counts
    scores: Sequence[ScoreRow] = ()
    unscored: Sequence[str] = ()
    scoring_failures: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Every picture is there or refused, and every metric could score what it was asked to."""
        return not self.counts.failed and not self.scoring_failures


def run(plan: Plan, progress: Progress) -> Result:
    """Render what is left of ``plan``, run its scenarios, score with its metrics. Asks nobody; ``budget.max`` is kept.

    Of a plan in rounds only the prompts of its round are rendered, and only the last round runs scenarios and scores.

    The run is locked during each of the three, and what is left to render is read again if another process has stored
    records since the plan was made: no picture is rendered twice.

    Raises:
        BenchError: see ``bench.engine.render.render``; what was stored before is kept, and the same plan continues.
    """
    counts = render(plan, progress)
    if not plan.turn.last:
        return Result(plan.run, counts)
    from bench.engine import scenarios  # noqa: PLC0415 - slow imports
    from bench.engine import score as scoring  # noqa: PLC0415 - slow imports

    for scenario in plan.scenarios:
        provider = cast("LocalProvider", plan.provider)
        scenarios.run_scenario(scenario, plan.jobs, provider, plan.run, progress=progress, fresh=plan.fresh)
    with plan.run.lock():
        scores = scoring.score(plan.run, plan.metrics, progress)
    return Result(plan.run, counts, scores, scoring.unscored_reasons(scores), scoring.scoring_failures(scores))
