"""The summary as a LaTeX table for a paper (package booktabs)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.report import wording

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from bench.analysis.frames import Frames

_MARKS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "": ""}


def summary_latex(tables: Frames) -> str:
    """Models by headline metrics: mean [low, high], the ends of its 95 % interval; bold where shown better than every rival."""
    summary = tables["summary"]
    metrics, runs = tables.cards.first_table(summary["metric"]), list(dict.fromkeys(tables["images"]["run"]))
    cells = {(row["run"], row["metric"]): row for row in summary.to_dict("records")}
    heads = []
    for metric in metrics:
        first = summary[summary["metric"] == metric].iloc[0]
        unit = f" ({_escaped(first['unit'])})" if first["unit"] else ""
        heads.append(f"{_escaped(metric)}{unit} {_ARROWS[wording.arrow(higher=first['higher_is_better'])]}".strip())
    lines = [
        "% mean [low, high]: ends of the 95 % interval over prompts; bold: better than every rival, one such word in twenty by chance",
        rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}", r"\toprule", " & ".join(["model", *heads]) + r" \\", r"\midrule",
    ]  # fmt: skip
    for run in runs:
        row = [_escaped(run)]
        for metric in metrics:
            cell = cells.get((run, metric), {"mean": math.nan})
            row.append("--" if math.isnan(cell["mean"]) else _cell(cell))
        lines.append(" & ".join(row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _cell(row: Mapping[Hashable, Any]) -> str:
    mean = _number(row["mean"], row["unit"])
    mean = rf"\textbf{{{mean}}}" if row["best"] else mean
    if math.isnan(row["low"]):
        return mean
    ends = [r"$\infty$" if math.isinf(row[key]) else _number(row[key], row["unit"]) for key in ("low", "high")]
    return f"{mean} [{ends[0]}, {ends[1]}{')' if math.isinf(row['high']) else ']'}"


def _number(value: float, unit: str) -> str:
    """A number with a minus sign that is as long as a plus sign."""
    text = wording.number(value, unit)
    return f"$-${text[1:]}" if text.startswith("-") else text


def _escaped(text: str) -> str:
    r"""Text that LaTeX sets as it is.

    >>> print(_escaped("tiny_pro & 5 %"))
    tiny\_pro \& 5 \%
    """
    return "".join(_MARKS.get(letter, letter) for letter in str(text))
