"""The summary as a LaTeX table for a paper (package booktabs)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.report import wording

if TYPE_CHECKING:
    import pandas as pd

_MARKS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **{mark: f"\\{mark}" for mark in "&%$#_{}"}}
_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "": ""}


def summary_latex(tables: dict[str, pd.DataFrame]) -> str:
    """Models by headline metrics: mean with half the width of its 95 % interval; bold where shown better than every rival."""
    summary = tables["summary"]
    metrics, runs = wording.headline(summary), list(dict.fromkeys(tables["images"]["run"]))
    cells = {(row["run"], row["metric"]): row for row in summary.to_dict("records")}
    heads = []
    for metric in metrics:
        first = summary[summary["metric"] == metric].iloc[0]
        unit = f" ({_escaped(first['unit'])})" if first["unit"] else ""
        heads.append(f"{_escaped(metric)}{unit} {_ARROWS[wording.arrow(higher=first['higher_is_better'])]}".strip())
    lines = [
        "% mean ± half of the 95 % interval over prompts; bold: better than every rival at a false discovery rate of 5 %",
        rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}", r"\toprule", " & ".join(["model", *heads]) + r" \\", r"\midrule",
    ]  # fmt: skip
    for run in runs:
        row = [_escaped(run)]
        for metric in metrics:
            one = cells.get((run, metric), {"mean": math.nan})
            row.append("--" if math.isnan(one["mean"]) else _number(one["mean"], one["low"], one["high"], one["unit"], best=one["best"]))
        lines.append(" & ".join(row) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _number(mean: float, low: float, high: float, unit: str, *, best: bool) -> str:
    text = wording.number(mean, unit)
    text = rf"\textbf{{{text}}}" if best else text
    return text if math.isnan(low) else rf"{text} $\pm$ {wording.number((high - low) / 2, unit)}"


def _escaped(text: str) -> str:
    r"""Text that LaTeX sets as it is.

    >>> print(_escaped("tiny_pro & 5 %"))
    tiny\_pro \& 5 \%
    """
    return "".join(_MARKS.get(letter, letter) for letter in str(text))
