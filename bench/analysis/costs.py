"""What each run cost in money, a row a run; what is not known is NaN with a reason, never 0."""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis.pairwise import BETTER, LEVEL, TURNED, WORSE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.types import ImageRecord

COLUMNS = ("run", "pictures", "ok", "refused", "failed", "usd", "presumed_usd", "unknown", "per_picture", "low", "high", "per_success",
           "basis", "as_of", "reason")  # fmt: skip
_SAME_USD = 1e-9
_BY_HOUR = "USD an hour"
_UNPRICED = {
    "local": "no price given (budget.per_hour=)",
    "hosted": "no known price (budget.price=)",
    "imported": "no price declared (import --price)",
}


def of_picture(record: ImageRecord, info: Mapping[str, Any]) -> float:
    """USD of one picture: as recorded, or for a model on this machine its seconds at the user's price an hour."""
    if _where(info) != "local":
        return record.cost_usd
    hour = info.get("per_hour")
    return math.nan if hour is None else record.timing.latency_s / record.timing.batch_size * hour / 3600


def table(runs: Mapping[str, tuple[Mapping[str, Any], Sequence[ImageRecord], Sequence[ImageRecord]]]) -> pd.DataFrame:
    """The frame ``cost``: a row for each of ``runs``: by label its run.json, all its records, and the current ones.

    ``usd``: all money known to be spent, on refused, failed and repeated requests too; ``presumed_usd``: what requests
    that nobody accounted for may have cost at most; ``unknown``: requests of which nothing is known, in no sum.
    ``per_picture``: mean of the pictures made, with its 95 % interval over prompts where prices vary. ``per_success``:
    (usd + presumed_usd) / pictures made. ``basis`` and ``as_of``: where prices come from, and their date. ``reason``: why
    a number is missing, or what it leaves out. Money in US dollars.
    """
    return pd.DataFrame([_row(label, *parts) for label, parts in runs.items()], columns=list(COLUMNS))


def _row(label: str, info: Mapping[str, Any], records: Sequence[ImageRecord], current: Sequence[ImageRecord]) -> dict[str, Any]:
    pictures = [r for r in current if r.status == "ok"]
    prices = np.array([of_picture(r, info) for r in pictures])
    priced_pictures = ~np.isnan(prices)
    mean, low, high = math.nan, math.nan, math.nan
    if priced_pictures.any():
        prompts = np.array([r.prompt_id for r in pictures])
        mean, low, high = stats.cluster_mean(prices[priced_pictures], prompts[priced_pictures], limits=(0.0, math.inf))
    if high - low < _SAME_USD:
        low = high = math.nan
    usd, presumed, unknown = _spent(info, records)
    total = usd + presumed if pictures and (priced_pictures.all() or not unknown) else math.nan
    basis, as_of = _basis(info, priced=not math.isnan(usd))
    return {
        "run": label, "pictures": len(current), "ok": len(pictures), "refused": sum(r.status == "refused" for r in current),
        "failed": sum(r.failed for r in current), "usd": usd, "presumed_usd": presumed, "unknown": unknown,
        "per_picture": mean, "low": low, "high": high, "per_success": total / len(pictures) if pictures else math.nan,
        "basis": basis, "as_of": as_of, "reason": _reason(info, prices, unknown, nothing=math.isnan(usd)),
    }  # fmt: skip


def cheaper(cost: pd.DataFrame, pairs: pd.DataFrame) -> tuple[set[tuple[str, str]], set[frozenset[str]]]:
    """Pairs of runs of which the first is known to be cheaper than the second, and the pairs whose prices tell nothing.

    Prices by the hour of a machine are seconds times a constant: those at one price an hour go by the verdicts on latency, and
    at unlike ones there is none. Other prices are compared as they are.

    Args:
        cost: the frame ``cost``.
        pairs: the frame ``pairwise``.
    """
    rows = pairs[pairs["metric"] == "latency"].to_dict("records")
    verdicts = {(r["a"], r["b"]): r["verdict"] for r in rows} | {(r["b"], r["a"]): TURNED.get(r["verdict"], r["verdict"]) for r in rows}
    priced = [(str(r["run"]), r["per_success"], str(r.get("basis"))) for r in cost.to_dict("records") if not math.isnan(r["per_success"])]
    known, unsettled = set(), set()
    for (one, usd, basis), (other, other_usd, other_basis) in permutations(priced, 2):
        if _BY_HOUR in basis and _BY_HOUR in other_basis:
            verdict = verdicts.get((one, other)) if basis == other_basis else None
            if verdict == BETTER and usd < other_usd:
                known.add((one, other))
            elif verdict not in {BETTER, WORSE, LEVEL}:
                unsettled.add(frozenset({one, other}))
        elif usd < other_usd:
            known.add((one, other))
    return known, unsettled


def _where(info: Mapping[str, Any]) -> str:
    return "imported" if info.get("imported") else "hosted" if info.get("hosted") else "local"


def _spent(info: Mapping[str, Any], records: Sequence[ImageRecord]) -> tuple[float, float, int]:
    """Known and presumed USD, and requests of unknown cost; both sums NaN where nothing at all is known."""
    ledger = info.get("spending")
    if ledger:
        usd, presumed, unknown = float(ledger["usd"]), float(ledger["presumed_usd"]), int(ledger["unknown"])
    else:
        costs = [of_picture(r, info) for r in records]
        unknown, presumed = sum(map(math.isnan, costs)), 0.0
        usd = math.fsum(c for c in costs if not math.isnan(c)) if unknown < len(costs) else 0.0
    return (math.nan, math.nan, unknown) if unknown and not usd + presumed else (usd, presumed, unknown)


def _basis(info: Mapping[str, Any], *, priced: bool) -> tuple[str, str | None]:
    where, ledger = _where(info), info.get("spending", {})
    if not priced:
        return _UNPRICED[where], None
    if where == "local":
        return f"{info['per_hour']:g} {_BY_HOUR} of the machine, loading and warm-up left out", None
    if where == "imported":
        return "declared at import", None
    basis = ledger.get("basis", "unknown")
    return ("as the server reported" if basis == "unknown" else basis), ledger.get("as_of")


def _reason(info: Mapping[str, Any], prices: np.ndarray, unknown: int, *, nothing: bool) -> str | None:
    if nothing:
        return _UNPRICED[_where(info)]
    missing = int(np.isnan(prices).sum())
    parts = [
        "no picture was made" if not len(prices) else "",
        f"{missing} of {len(prices)} pictures have no known price" if missing else "",
        f"{unknown} request{'s' * (unknown != 1)} of unknown cost left out" if unknown else "",
        "what else was asked for is not known" if info.get("imported") else "",
    ]
    return "; ".join(t for t in parts if t) or None
