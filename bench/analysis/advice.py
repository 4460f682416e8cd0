"""What to type where scores are missing or unlike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.config import presets
from bench.core.advice import command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.analysis.columns import Cards


def score_command(columns: Iterable[str], cards: Cards, runs: Iterable[str]) -> str:
    """The command that fills some columns of ``runs`` (their folders): by their metrics, which is what it takes.

    A metric that is no preset, such as one of another project, needs its YAML first, and the advice says so.
    """
    metrics = sorted({cards.metric(column) for column in columns})
    score = command("score", *runs, f"metric=[{','.join(metrics)}]")
    foreign = [metric for metric in metrics if metric not in presets.names("metric")]
    if not foreign:
        return score
    return f"{score} (no preset yet: first write {' and '.join(f'conf/metric/{metric}.yaml' for metric in foreign)})"
