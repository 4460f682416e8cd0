"""Numbers and names as people read them, the same in terminal, Markdown and HTML."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

HEADLINE = ("clip", "clip_b32", "clip_tiny", "siglip2", "pickscore", "vqa", "scene", "ocr.exact", "ocr.recall", "ocr.ned", "fid", "kid",
            "fd_clip_tiny", "refusals", "latency.p50", "latency.p90", "images_per_s")  # fmt: skip
"""Metrics of the first table; the others follow in the full one."""
_TOLD = ("clip", "clip_b32", "clip_tiny", "siglip2", "pickscore", "vqa", "scene", "ocr.exact", "fid", "fd_clip_tiny", "latency.p50")
"""Metrics whose best run is named in words."""


def number(value: float, unit: str = "") -> str:
    """Three significant digits, a dash for what is missing.

    >>> number(0.70512), number(12.345, "s"), number(float("nan"))
    ('0.705', '12.3', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if unit in {"share", "cosine", "similarity", "edits/char"}:
        return f"{value:.3f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{min(digits, 4)}f}"


def cell(row: pd.Series[Any]) -> str:
    """A mean with its interval."""
    text = number(row["mean"], row["unit"])
    if math.isnan(row["low"]):
        return text
    return f"{text} [{number(row['low'], row['unit'])}, {number(row['high'], row['unit'])}]"


def headline(summary: pd.DataFrame) -> list[str]:
    """The metrics of the first table that this report has, in order."""
    there = list(dict.fromkeys(summary["metric"]))
    return [m for m in HEADLINE if m in there] or there[:6]


def arrow(*, higher: bool | None) -> str:
    """Which way is better; "" where neither is."""
    return "" if higher is None else "↑" if higher else "↓"


def coverage(row: pd.Series[Any]) -> str:
    """The share scored of what the metric applies to, "" when it is all of it."""
    return f"{100 * row['coverage']:.0f} % scored" if row["coverage"] < 1 else ""


def with_refused(row: pd.Series[Any]) -> str:
    """How many pictures were refused and, where the metric has a worst value, the mean that counts them at it."""
    if not row["refused"]:
        return ""
    counted = "" if math.isnan(row["mean_all"]) else f"; {number(row['mean_all'], row['unit'])} with them at worst"
    return f"{row['refused']} refused{counted}"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentences(tables: dict[str, pd.DataFrame]) -> list[str]:
    """The findings in words: scope first, then the marked best of each headline metric."""
    images, summary = tables["images"], tables["summary"]
    runs, prompts = images["run"].nunique(), images["prompt_id"].nunique()
    status = images["status"].value_counts()
    said = [
        f"{runs} model{'s' if runs != 1 else ''}, {prompts} prompts, {int(status.get('ok', 0))} pictures"
        + "".join(f", {int(status[s])} {s}" for s in ("refused", "failed") if s in status)
        + "."
    ]
    for metric in [m for m in headline(summary) if m in _TOLD]:
        rows = summary[(summary["metric"] == metric) & summary["mean"].notna()]
        for _, row in rows[rows["best"]].iterrows():
            unit = f" {row['unit']}" if row["unit"] in {"s", "1/s"} else ""
            said.append(f"Best {metric}: {row['run']}, {cell(row)}{unit}.")
        level = rows[~rows["behind"] & ~rows["ceiling"]]
        if rows["behind"].any() and not rows["best"].any():
            said.append(f"{metric}: {_listed(level['run'].tolist())} lead, with no difference shown between them.")
        elif len(level) > 1 and not rows["best"].any() and rows["low"].notna().all():
            said.append(f"{metric}: no difference shown.")
    return said
