"""Numbers and names as people read them, the same in terminal, Markdown and HTML."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

from bench.pricing.amounts import dollars
from bench.types import FINAL, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from bench.analysis.frames import Frames

_STATUS = {
    "rate_limited": "rate limited", "timeout": "timed out", "provider_error": "failed at the server", "invalid_image": "no valid picture",
    "expired_url": "link expired",
}  # fmt: skip
COSTS = {"per_picture": "cost a picture", "per_success": "cost a successful picture"}
"""Columns of the frame ``cost`` that every report shows."""


_LEAST_POWER = -4
"""Of ten, below which numbers are written with an exponent."""


def listed(names: Sequence[str]) -> str:
    """Names as a list in words.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def number(value: float, unit: str = "") -> str:
    """Three significant digits, three decimals of a share or similarity, a dash for what is missing.

    >>> number(0.70512), number(12.345, "s"), number(0.0000312, "MMD2"), number(-0.0001, "share"), number(float("nan"))
    ('0.705', '12.3', '3.12e-5', '0.000', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if unit in {"share", "cosine", "similarity", "edits/char"}:
        return f"{round(value, 3) + 0.0:.3f}"
    if not value:
        return "0"
    power = math.floor(math.log10(abs(value)))
    return f"{value / 10**power:.2f}e{power}" if power < _LEAST_POWER else f"{value:.{max(0, 2 - power)}f}"


def span(low: float, high: float, unit: str = "", *, between: str = " to ") -> str:
    """An interval; an end that is open is not named, "" where there is none.

    >>> span(0.5, 0.75, "share"), span(2.1, float("inf"), "s"), span(-float("inf"), 2.1, "s"), span(float("nan"), float("nan"))
    ('0.500 to 0.750', '≥ 2.10', '≤ 2.10', '')
    """
    if math.isnan(low) or math.isnan(high) or (math.isinf(low) and math.isinf(high)):
        return ""
    if math.isinf(high):
        return f"≥ {number(low, unit)}"
    return f"≤ {number(high, unit)}" if math.isinf(low) else f"{number(low, unit)}{between}{number(high, unit)}"


def cell(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """A mean with its interval."""
    text, ends = number(row["mean"], row["unit"]), span(row["low"], row["high"], row["unit"], between=", ")
    return f"{text} [{ends}]" if ends else text


def arrow(*, higher: bool | None) -> str:
    """Which way is better; "" where neither is."""
    return "" if higher is None else "↑" if higher else "↓"


def coverage(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """The share scored of what the metric applies to, "" when it is all of it."""
    return f"{100 * row['coverage']:.0f} % scored" if row["coverage"] < 1 else ""


def with_refused(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """How many pictures were refused and, where the metric has a worst value, the mean that counts them at it."""
    if not row["refused"]:
        return ""
    ends = span(row["low_all"], row["high_all"], row["unit"], between=", ")
    whole = f"{number(row['mean_all'], row['unit'])}{f' [{ends}]' if ends else ''}"
    counted = "" if math.isnan(row["mean_all"]) else f"; {whole} with them at worst"
    return f"{row['refused']} refused{counted}"


def status(name: str) -> tuple[str, str]:
    """A picture's status in words, and which of ok, refused and failed it is.

    >>> status("timeout"), status("refused")
    (('timed out', 'failed'), ('refused', 'refused'))
    """
    return _STATUS.get(name, name), name if name in FINAL else "failed"


def counted(statuses: Iterable[str]) -> list[tuple[int, str, str]]:
    """How many pictures have each status: count, words, kind; made first, then refused, then failures."""
    names = list(statuses)
    return [(names.count(name), *status(name)) for name in get_args(Status) if name in names]


def usd(amount: float) -> str:
    """An amount of money without its unit; a dash where it is not known."""
    return "–" if math.isnan(amount) else dollars(amount)


def money(tables: Frames) -> dict[str, dict[str, Any]]:
    """The rows of the frame ``cost`` by run."""
    rows = [{str(k): v for k, v in row.items()} for row in tables["cost"].to_dict("records")]
    return {str(row["run"]): row | {"reason": text(row["reason"])} for row in rows}


def text(cell: object) -> str:
    """A cell of a text column, "" for None and for the NaN that pandas makes of it."""
    return cell if isinstance(cell, str) else ""


def device(row: Mapping[str, Any]) -> str:
    """What rendered, from a row of the frame ``environment``, and under which conditions: never a card that was only there.

    >>> device({"device": "cpu", "cpu": "AMD EPYC", "gpu": "NVIDIA H100", "conditions": "2 threads"})
    'AMD EPYC (cpu), 2 threads'
    """
    name, processor = text(row["device"]), text(row["cpu"])
    of = f"{processor} (cpu)" if name == "cpu" and processor else name or text(row["gpu"]) or processor
    return ", ".join(filter(None, [of, text(row["conditions"])]))


def machine(row: Mapping[str, Any]) -> str:
    """The same with the processor beside a card, and its cores."""
    processor = "" if row["device"] == "cpu" else text(row["cpu"])
    return ", ".join(filter(None, [device(row), processor, f"{row['cores']} cores" if row["cores"] else ""]))


def price_range(row: Mapping[str, Any]) -> str:
    """The interval of a run's price a picture, "" where pictures cost the same."""
    return "" if math.isnan(row["low"]) else f"{dollars(row['low'])} to {dollars(row['high'])}"


def spending(row: Mapping[str, Any]) -> str:
    """A run's money in one sentence: what was spent, on what price, what is presumed and what left out."""
    parts = [] if math.isnan(row["usd"]) else [f"{dollars(row['usd'])} USD spent"]
    if row["presumed_usd"] > 0:
        parts.append(f"{dollars(row['presumed_usd'])} USD more presumed for requests of unreported cost")
    parts.append(row["basis"])
    if row["reason"] and row["reason"] != row["basis"]:
        parts.append(row["reason"])
    return f"{row['run']}: {'; '.join(parts)}."


def covered(tables: Frames) -> dict[str, str]:
    """For each run the share of all prompts that it was asked, "" where that is all of them."""
    images = tables["images"]
    total = images["prompt_id"].nunique()
    prompts_of_run = images.groupby("run", sort=False)["prompt_id"].nunique()
    return {str(run): "" if n == total else f"{n} of {total} prompts" for run, n in prompts_of_run.items()}


def rounded(count: float) -> str:
    """A number of things that is only known about: two digits.

    >>> rounded(1234), rounded(7.2)
    ('1,200', '8')
    """
    step = 10 ** max(0, math.floor(math.log10(max(count, 1))) - 1)
    return f"{math.ceil(count / step) * step:,}" if step == 1 else f"{round(count / step) * step:,}"
