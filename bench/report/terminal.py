"""The final table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from bench.report import wording

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


def print_table(tables: dict[str, pd.DataFrame], console: Console) -> None:
    """Models by headline metrics: mean, best in bold."""
    summary = tables["summary"]
    metrics = wording.headline(summary)
    table = Table(show_lines=False)
    table.add_column("model", no_wrap=True)
    for metric in metrics:
        up = bool(summary.loc[summary["metric"] == metric, "higher_is_better"].iloc[0])
        heading = metric.replace(".", ".\n")
        table.add_column(f"{heading} {wording.arrow(higher=up)}", justify="right", overflow="fold")
    for run in dict.fromkeys(tables["images"]["run"]):
        cells = [Text(str(run))]
        for metric in metrics:
            mine = summary[(summary["run"] == run) & (summary["metric"] == metric)]
            text = wording.number(mine["mean"].iloc[0], mine["unit"].iloc[0]) if len(mine) else "–"
            cells.append(Text(text, style="bold green" if len(mine) and mine["best"].iloc[0] else ""))
        table.add_row(*cells)
    console.print(table)
