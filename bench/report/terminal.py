"""The final table in the terminal."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from bench.analysis.columns import one_a_metric
from bench.report import wording
from bench.report.answer import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from bench.analysis.columns import Cards
    from bench.analysis.frames import Frames


_LINE = 9
"""Letters of a metric's name on a line."""
_MAX_NAME, _MIN_NUMBER, _GAP = 40, 7, 3
"""Letters of a model's name at most, of a number at least, and between columns."""
_COSTS = {"per_picture": "USD a\npicture", "per_success": "USD a\nsuccess"}


def print_table(tables: Frames, console: Console) -> None:
    """Models by the headline metrics that there is room for: mean, best in bold; and what pictures cost where any price is known."""
    summary, money = tables["summary"], wording.money(tables)
    runs = [str(run) for run in dict.fromkeys(tables["images"]["run"])]
    priced = [column for column in wording.COSTS if tables["cost"][column].notna().any()]
    columns = {metric: _column(tables, metric, runs) for metric in tables.cards.first_table(summary["metric"])}
    costs = {column: [Text(wording.usd(money[run][column])) for run in runs] for column in priced}
    used = [_width(_COSTS[column], cells) for column, cells in costs.items()]
    name = min(_MAX_NAME, max(map(len, runs), default=0), console.width // 4)
    shown = _fitting(tables.cards, {metric: _width(*column) for metric, column in columns.items()}, console.width - name - sum(used))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold", max_width=max(name, len("model")))
    for metric in shown:
        table.add_column(columns[metric][0], justify="right", min_width=_MIN_NUMBER)
    for column in priced:
        table.add_column(_COSTS[column], justify="right", no_wrap=True)
    for i, run in enumerate(runs):
        table.add_row(Text(run), *(columns[metric][1][i] for metric in shown), *(cells[i] for cells in costs.values()))
    console.print(table)
    if summary["run"].nunique() > 1:
        console.print(verdict(tables).alone, markup=False, highlight=False)


def _column(tables: Frames, metric: str, runs: Sequence[str]) -> tuple[str, list[Text]]:
    """The head of a metric's column, and a cell a run."""
    rows = tables["summary"][tables["summary"]["metric"] == metric]
    by_run: dict[str, dict[str, Any]] = {row["run"]: {str(k): v for k, v in row.items()} for row in rows.to_dict("records")}
    blank: dict[str, Any] = {"mean": math.nan, "unit": "", "best": False}
    cells = [by_run.get(run, blank) for run in runs]
    return (
        f"{_folded(metric)} {wording.arrow(higher=rows['higher_is_better'].iloc[0])}",
        [Text(wording.number(cell["mean"], cell["unit"]), style="bold green" if cell["best"] else "") for cell in cells],
    )


def _width(head: str, cells: Sequence[Text]) -> int:
    return _GAP + max(_MIN_NUMBER, *map(len, head.splitlines()), *map(len, cells))


def _fitting(cards: Cards, widths: Mapping[str, int], room: int) -> list[str]:
    """The metrics that ``room`` letters hold, in order: what the answer weighs first, then one column a metric, then the others."""
    leading = one_a_metric(widths)
    important = sorted(widths, key=lambda metric: (not cards[metric].weighed, metric not in leading))
    chosen: set[str] = set()
    for metric in important:
        if widths[metric] > room and chosen:
            break
        chosen.add(metric)
        room -= widths[metric]
    return [metric for metric in widths if metric in chosen]


def _folded(name: str) -> str:
    """A metric's name over lines of at most nine letters, broken after its own marks."""
    lines = [""]
    for piece in re.findall(r"[^._]+[._]?", name):
        if lines[-1] and len(lines[-1] + piece) > _LINE:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
