"""The summary as Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.analysis import pairwise
from bench.core.harmless import of_terminal
from bench.report import wording
from bench.report.answer import verdict
from bench.report.cells import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.analysis.frames import Frames


def summary_markdown(tables: Frames, title: str) -> str:
    """The answer, the summary table (mean with 95 % interval, n), differences, what was unscored, the money and the machines."""
    summary, answer = tables["summary"], verdict(tables)
    runs = list(dict.fromkeys(tables["images"]["run"]))
    lines = [f"# {_plain(title)}", "", _plain(answer.answer), "", *(f"- {_plain(s)}" for s in answer.points), ""]
    lines += ["| metric | " + " | ".join(map(_plain, runs)) + " |", "|---|" + "---|" * len(runs)]
    rows = {(row["metric"], row["run"]): row for row in records(summary)}
    for metric in dict.fromkeys(summary["metric"]):
        of_runs = [rows.get((metric, run)) for run in runs]
        first = next(row for row in of_runs if row is not None)
        unit = f" ({first['unit']})" if first["unit"] else ""
        lines.append(f"| {metric}{unit} {wording.arrow(higher=first['higher_is_better'])} | {' | '.join(map(_cell, of_runs))} |")
    money = wording.money(tables)
    statuses = [wording.counted(tables["images"].loc[tables["images"]["run"] == run, "status"]) for run in runs]
    shares = wording.covered(tables).values()
    cells = [
        ", ".join([*(f"{n} {words}" for n, words, _ in counts), share]).strip(", ") for counts, share in zip(statuses, shares, strict=True)
    ]
    lines.append(f"| pictures | {' | '.join(cells)} |")
    for column, name in wording.COSTS.items():
        spans = [wording.price_range(money[run]) if column == "per_picture" else "" for run in runs]
        cells = [wording.usd(money[run][column]) + (f" [{span}]" if span else "") for run, span in zip(runs, spans, strict=True)]
        lines.append(f"| {name} (USD) ↓ | " + " | ".join(cells) + " |")
    lines += _differences(tables)
    missing = summary[summary["unscored"] > 0]
    if len(missing):
        lines += ["", "## Unscored", ""]
        lines += [f"- {_plain(r.run)}, {r.metric}: {r.unscored}, {_plain(str(r.reason))}" for r in missing.itertuples()]
    lines += ["", "## Money", "", *(f"- {_plain(wording.spending(row))}" for row in money.values())]
    lines += ["", "## Machines", ""]
    machines = [{str(k): v for k, v in row.items()} for row in tables["environment"].to_dict("records")]
    lines += [f"- {_plain(row['run'])}: {wording.machine(row)}, {row['packages']}" for row in machines]
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any] | None) -> str:
    """A run's mean with its interval and what it counts."""
    if row is None or not row["n"] or math.isnan(row["mean"]):
        return "–"
    counted = ", ".join(filter(None, [f"n={row['n']}", wording.coverage(row), wording.with_refused(row)]))
    text = f"{wording.cell(row)} ({counted})"
    return f"**{text}**" if row["best"] else text


def _differences(tables: Frames) -> list[str]:
    """A line a pair and metric of the first table."""
    pairs = tables["pairwise"]
    if pairs.empty:
        return []
    shown = {*tables.cards.first_table(pairs["metric"]), *tables.cards.below_pictures(pairs["metric"])}
    lines = ["", "## Differences", "", "| metric | model | against | difference | verdict | won / tied / lost | q | about more prompts |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in pairs[pairs["metric"].isin(shown)].to_dict("records"):
        words = f"{row['verdict']}: {row['reason']}" if row["verdict"] in {pairwise.UNLIKE, pairwise.SESSIONS} else row["verdict"]
        gap, low, high = (wording.number(row[key], row["unit"]) for key in ("difference", "low", "high"))
        shares = "–" if math.isnan(row["win"]) else " / ".join(f"{100 * row[key]:.0f} %" for key in ("win", "tie", "loss"))
        cells = [row["metric"], _plain(row["a"]), _plain(row["b"]), f"{gap} [{low}, {high}]", words, shares]
        cells.append(wording.number(row["q"], "share"))
        cells.append("–" if math.isnan(row["more"]) else wording.rounded(row["more"]))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _plain(text: object) -> str:
    """Text that Markdown shows as it is."""
    text = of_terminal(str(text))
    for letter in "\\`*_{}[]<>|#":
        text = text.replace(letter, f"\\{letter}")
    return text.replace("\n", " ")
