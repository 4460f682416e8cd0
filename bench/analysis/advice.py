"""What to type where scores are missing or unlike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.config import presets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.analysis.columns import Cards


def score_command(columns: Iterable[str], cards: Cards, runs: str) -> str:
    """The command that fills some columns of ``runs`` (words of the command line); by their metrics, which is what it takes."""
    metrics = sorted({cards.metric(column) for column in columns})
    shipped = [metric for metric in metrics if metric in presets.names("metric")]
    foreign = [metric for metric in metrics if metric not in shipped]
    command = f"python -m bench score {runs}"
    ways = [f"{command} metric=[{','.join(shipped)}]"] if shipped else []
    if foreign:
        verb = "is no preset here" if len(foreign) == 1 else "are no presets here"
        ways.append(f"{command} (each run's own metrics, for {' and '.join(foreign)} {verb})")
    return ", and ".join(ways)
