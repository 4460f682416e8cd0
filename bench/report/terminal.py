"""The final table in the terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from bench.report import wording
from bench.report.answer import verdict

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


_WIDTH = 9
_NAME, _LEAST = 40, 7
"""Columns: of a model's name at most, of a number at least."""
_LEFT_OUT = ("ocr.recall", "latency.p90", "kid", "kid_clip_tiny")
"""Headline metrics that the page shows and the terminal has no room for."""
_COSTS = {"per_picture": "USD a\npicture", "per_success": "USD a\nsuccess"}


def print_table(tables: dict[str, pd.DataFrame], console: Console) -> None:
    """Models by headline metrics: mean, best in bold; and what pictures cost where that is known of any."""
    summary, money = tables["summary"], wording.money(tables)
    priced = [column for column in wording.COSTS if tables["cost"][column].notna().any()]
    metrics = [m for m in wording.headline(summary) if m not in _LEFT_OUT]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold", max_width=_NAME)
    for metric in metrics:
        up = summary.loc[summary["metric"] == metric, "higher_is_better"].iloc[0]
        table.add_column(f"{_folded(metric)} {wording.arrow(higher=up)}", justify="right", min_width=_LEAST)
    for column in priced:
        table.add_column(_COSTS[column], justify="right", no_wrap=True)
    for run in dict.fromkeys(tables["images"]["run"]):
        cells = [Text(str(run))]
        for metric in metrics:
            mine = summary[(summary["run"] == run) & (summary["metric"] == metric)]
            text = wording.number(mine["mean"].iloc[0], mine["unit"].iloc[0]) if len(mine) else "–"
            cells.append(Text(text, style="bold green" if len(mine) and mine["best"].iloc[0] else ""))
        cells += [Text(wording.usd(money[run][column])) for column in priced]
        table.add_row(*cells)
    console.print(table)
    if summary["run"].nunique() > 1:
        console.print(verdict(tables).answer, markup=False, highlight=False)


def _folded(name: str) -> str:
    """A metric's name over lines of at most nine letters, broken after its own marks."""
    lines = [""]
    for piece in re.findall(r"[^._]+[._]?", name):
        if lines[-1] and len(lines[-1] + piece) > _WIDTH:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
