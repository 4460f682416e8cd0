"""The answer's sentences on speed and price: what is shown, then for whom it is open and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.analysis import costs
from bench.analysis.pairwise import BETTER, LEVEL, SESSIONS, TURNED, UNLIKE, WORSE
from bench.report import wording
from bench.report.wording import listed

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from bench.analysis.frames import Frames

_NEARLY = 1.095
"""A ratio below has two decimals: 1.0 would be no more and no less."""
_CENT = 0.01
"""Below so many dollars a picture, the price is that of a thousand."""


class _Rival(NamedTuple):
    """What is known of another run's speed beside one.

    Attributes:
        run: its label.
        verdict: on the one.
        times: how many times as long it takes; NaN where that is not known.
        reason: why there is no verdict; None where there is one.
    """

    run: str
    verdict: str
    times: float
    reason: str | None


def speed_words(pairs: pd.DataFrame, rivals: Sequence[str]) -> str:
    """Which model is shown to be faster, by the figure that is judged: the geometric mean of the sessions' means.

    Args:
        pairs: the frame ``pairwise``.
        rivals: the runs that compete, in order.
    """
    rows: Sequence[Mapping[Hashable, Any]] = pairs[pairs["metric"] == "latency"].to_dict("records")
    if not rows:
        return ""
    pace = _paces(rows)
    if not pace:
        return f"Speeds are not all comparable ({rows[0]['reason']})."
    beside = {run: _beside(rows, run) for run in pace}
    judged = {run: [rival for rival in of if rival.verdict not in {UNLIKE, SESSIONS}] for run, of in beside.items()}
    able = [run for run in pace if judged[run]] or list(pace)
    first = min(able, key=lambda run: (any(rival.verdict == WORSE for rival in judged[run]), pace[run]))
    met = {run for row in rows for run in (row["a"], row["b"])}
    untimed = [run for run in rivals if run not in met]
    rest = [*_open_words(beside[first]), *([f"{listed(untimed)} {'was' if len(untimed) == 1 else 'were'} not timed"] if untimed else [])]
    average = f"{wording.number(pace[first], 's')} s a picture"
    if not judged[first]:
        return "; ".join([f"{first} took on average {average}", *rest]) + "."
    return "; ".join([*_shown_words(first, average, beside[first]), *_shown_besides(judged, first), *rest]) + "."


def price_words(tables: Frames, rivals: Sequence[str]) -> str:
    """Which model is the cheapest; prices by the hour are seconds times a constant, and are told apart only where speeds are."""
    table = tables["cost"].set_index("run").reindex(list(rivals))
    cost = table["per_success"].dropna().sort_values()
    if len(cost) < 2:
        return ""
    unknown = [run for run in rivals if run not in cost.index]
    tail = f"; the price of {listed(unknown)} is not known" if unknown else ""
    cheap, dear = cost.iloc[0], cost.iloc[-1]
    if dear == cheap:
        return f"Each costs {wording.usd(cheap)} USD a successful picture{tail}."
    many = 1000 if dear < _CENT else 1
    opening = "A thousand successful pictures cost" if many > 1 else "A successful picture costs"
    low, high = wording.usd(many * cheap), wording.usd(many * dear)
    first, last = str(cost.index[0]), str(cost.index[-1])
    cheaper, _ = costs.cheaper(tables["cost"], tables["pairwise"])
    if all((run, last) in cheaper for run in cost.index[:-1]):
        return f"{opening} {low} USD with {first} and {high} USD with {last}, the dearest{tail}."
    why = "by prices reckoned from seconds a picture, and that the speeds differ is not shown"
    return f"{opening} {low} USD with {first} and {high} USD with {last}, {why}{tail}."


def _paces(rows: Sequence[Mapping[Hashable, Any]]) -> dict[str, float]:
    """Seconds a picture of each run whose sessions were compared: the geometric mean over the pairs it is in, the fastest first."""
    logs: dict[str, list[float]] = {}
    for row in rows:
        if not math.isnan(row["mean_a"] + row["mean_b"]):
            logs.setdefault(row["a"], []).append(math.log(row["mean_a"]))
            logs.setdefault(row["b"], []).append(math.log(row["mean_b"]))
    pace = {run: math.exp(math.fsum(values) / len(values)) for run, values in logs.items()}
    return dict(sorted(pace.items(), key=lambda item: item[1]))


def _beside(rows: Sequence[Mapping[Hashable, Any]], run: str) -> list[_Rival]:
    """Every run that ``run`` was paired with, the fastest first."""
    ahead = [_Rival(row["b"], row["verdict"], row["mean_b"] / row["mean_a"], row["reason"]) for row in rows if row["a"] == run]
    turned = [
        _Rival(row["a"], TURNED.get(row["verdict"], row["verdict"]), row["mean_a"] / row["mean_b"], row["reason"])
        for row in rows
        if row["b"] == run
    ]
    return sorted([*ahead, *turned], key=lambda rival: (math.isnan(rival.times), rival.times))


def _shown_words(first: str, average: str, rivals: Sequence[_Rival]) -> list[str]:
    """What is shown of ``first`` and its rivals."""
    slower, level, faster = ([rival for rival in rivals if rival.verdict == verdict] for verdict in (BETTER, LEVEL, WORSE))
    if not slower and not faster:
        return ["No model is shown to be the fastest"]
    if len(slower) == len(rivals):
        return [f"{first} is the fastest, on average {average}: {listed([f'{r.run} takes {_ratio(r)} times as long' for r in slower])}"]
    ways = [f"{r.run} is shown slower, {_ratio(r)} times as long" for r in slower]
    ways += [f"{r.run} is shown faster, {_ratio(r)} times as long" for r in faster]
    level_runs = [rival.run for rival in level]
    tail = [f"{listed(level_runs)} {_is(level_runs)} not shown slower"] if level else []
    return [f"{first} takes on average {average}: {listed(ways)}", *tail]


def _shown_besides(judged: Mapping[str, Sequence[_Rival]], first: str) -> list[str]:
    """What is shown of others, less those that are both shown slower than ``first``."""
    slower = {rival.run for rival in judged[first] if rival.verdict == BETTER}
    ahead = {
        run: [r.run for r in of if r.verdict == BETTER and r.run != first and not {run, r.run} <= slower] for run, of in judged.items()
    }
    return [f"{listed(behind)} {_is(behind)} shown slower than {run}" for run, behind in ahead.items() if behind and run != first]


def _open_words(rivals: Sequence[_Rival]) -> list[str]:
    """For each reason why there is no verdict: on whom, and what would give one."""
    by_reason: dict[str, list[_Rival]] = {}
    for rival in rivals:
        if rival.verdict in {UNLIKE, SESSIONS}:
            by_reason.setdefault(str(rival.reason), []).append(rival)
    return [_open_sentence(reason, of) for reason, of in by_reason.items()]


def _open_sentence(reason: str, rivals: Sequence[_Rival]) -> str:
    count, alike, hint = reason.partition(" each; ")
    if alike and all(not math.isnan(rival.times) for rival in rivals):
        took = listed([f"{rival.run} took {_ratio(rival)}" for rival in rivals])
        why = f"each was timed in {count} only, which does not tell a faster model from a busier machine"
        return f"{took} times as long, but {why}: {hint} which is faster"
    ways = [rival.run if math.isnan(rival.times) else f"{rival.run}, at {_ratio(rival)} times as long," for rival in rivals]
    return f"how {listed(ways)} {'compares' if len(rivals) == 1 else 'compare'} is open ({reason})"


def _ratio(rival: _Rival) -> str:
    return f"{rival.times:.2f}" if rival.times < _NEARLY else f"{rival.times:.1f}"


def _is(runs: Sequence[str]) -> str:
    return "is" if len(runs) == 1 else "are"
