"""Quality against speed and price: which models are shown to be beaten on both, and which nobody beats by the means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis import costs
from bench.analysis.pairwise import BETTER, SESSIONS, TURNED, UNLIKE
from bench.report import cells, figures, wording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from bench.analysis.frames import Frames

TITLE, ORDER = "Trade-offs", 20

_Rows = Mapping[str, Mapping[str, Any]]
_PLOTS = 6
"""Quality metrics that have their plots."""
_SIZE = (5.4, 3.9)


@dataclass(frozen=True)
class Point:
    """A model in a plot.

    Attributes:
        run: its label.
        x, y: what it takes, lower better; and its quality.
        xs, ys: the ends of their intervals, NaN where there is none.
        colour, shape: as everywhere on the page.
    """

    run: str
    x: float
    y: float
    xs: tuple[float, float]
    ys: tuple[float, float]
    colour: str
    shape: str


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:
    """The plots as ``panels``, one a quality metric; None without any."""
    panels = tradeoffs(tables, labels)
    return {"panels": panels} if panels else None


def tradeoffs(tables: Frames, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Plots of each quality metric that there is, ``latency`` and ``cost`` each None or with ``svg``, ``note`` and four lists of models.

    ``beaten``: another is shown better, and shown faster or known to be cheaper; ``front``: none is better in one and no worse in
    the other, by the means; ``open``: the rest, which the front is ahead of by the means and not told apart from; ``apart``: of these
    the ones whose speed was compared with none of the front.
    """
    summary, pairs = tables["summary"], tables["pairwise"]
    timed = pairs[pairs["metric"] == "latency"]
    untold = {frozenset({str(r["a"]), str(r["b"])}) for r in cells.records(timed) if r["verdict"] in {UNLIKE, SESSIONS}}
    unlike = [str(reason) for reason in timed.loc[timed["verdict"] == UNLIKE, "reason"].dropna().unique()]
    by_metric: dict[str, dict[str, dict[str, Any]]] = {}
    for row in cells.records(summary):
        by_metric.setdefault(row["metric"], {})[row["run"]] = row
    pace = by_metric.get("latency.p50", {})
    price = {row["run"]: {"mean": row["per_success"], "low": math.nan, "high": math.nan} for row in cells.records(tables["cost"])}
    panels = []
    for metric in tables.cards.weighed(by_metric):
        quality = by_metric[metric]
        higher = bool(next(iter(quality.values()))["higher_is_better"])
        ceilings = {run: row["mean"] for run, row in quality.items() if row["ceiling"]}
        rivals = [run for run in labels if run in quality and run not in ceilings]
        axis = f"{metric}, {'higher' if higher else 'lower'} is better"
        speed, money = (_points(quality, rivals, effort, labels) for effort in (pace, price))
        better, faster = _shown(pairs, metric), _shown(pairs, "latency")
        cheaper, unpriced = costs.cheaper(tables["cost"], pairs)
        plots = {
            "latency": _plot(
                speed,
                ("median seconds a picture", axis),
                figures.seconds_text,
                ceilings,
                (better & faster, untold),
                higher=higher,
                unlike=unlike,
            ),
            "cost": _plot(
                money,
                ("US dollars a successful picture", axis),
                wording.usd,
                ceilings,
                (better & cheaper, unpriced),
                higher=higher,
                unlike=(),
            ),
        }
        if any(plots.values()):
            lacking = [run for run in rivals if run not in {p.run for p in money}] if plots["cost"] else []
            panels.append({"metric": metric, "about": tables.cards[metric].about, **plots, "unpriced": lacking, "ceilings": list(ceilings)})
        if len(panels) == _PLOTS:
            break
    return panels


def front(points: Sequence[Point], *, higher: bool) -> list[Point]:
    """The models that by the means no other beats in one and equals or beats in the other, from the fastest or cheapest on."""
    sign = 1 if higher else -1

    def beaten(p: Point) -> bool:
        return any(o.x <= p.x and sign * o.y >= sign * p.y and (o.x < p.x or o.y != p.y) for o in points)

    return sorted((p for p in points if not beaten(p)), key=lambda p: (p.x, p.y))


def _shown(pairs: pd.DataFrame, metric: str) -> set[tuple[str, str]]:
    """Pairs of runs of which the first is shown better than the second."""
    rows = cells.records(pairs[pairs["metric"] == metric])
    return {(r["a"], r["b"]) for r in rows if r["verdict"] == BETTER} | {
        (r["b"], r["a"]) for r in rows if TURNED.get(r["verdict"]) == BETTER
    }


def _points(quality: _Rows, runs: Sequence[str], effort: _Rows, labels: Sequence[str]) -> list[Point]:
    points = []
    for i, run in enumerate(labels):
        x, y = effort.get(run, {"mean": math.nan}), quality.get(run, {"mean": math.nan})
        if run in runs and not math.isnan(x["mean"] + y["mean"]):
            colour, shape = (marks[i % len(marks)] for marks in (figures.PALETTE, figures.SHAPES))
            points.append(Point(run, x["mean"], y["mean"], _closed(x), _closed(y), colour, shape))
    return points


def _closed(row: Mapping[str, Any]) -> tuple[float, float]:
    """The ends of an interval; an end that is open is not drawn."""
    return tuple(row[end] if math.isfinite(row[end]) else math.nan for end in ("low", "high"))  # type: ignore[return-value]


def _plot(
    points: list[Point],
    names: tuple[str, str],
    text: Callable[[float], str],
    ceilings: dict[str, float],
    settled: tuple[set[tuple[str, str]], set[frozenset[str]]],
    *,
    higher: bool,
    unlike: Sequence[str],
) -> dict[str, Any] | None:
    """One plot, None with fewer than two points; where efforts are not comparable it has no front.

    ``settled``: who beats whom in both, and the pairs whose efforts were not compared. What the plot's own order contradicts is not drawn.
    """
    if len(points) < 2:
        return None
    runs, at = {p.run for p in points}, {p.run: p.x for p in points}
    ahead = {(winner, loser) for winner, loser in settled[0] if {winner, loser} <= runs and at[winner] < at[loser]}
    beaten = [] if unlike else [p for p in points if any(p.run == loser for _, loser in ahead)]
    best = [] if unlike else [p for p in front(points, higher=higher) if p not in beaten]
    rest = [] if unlike else [p for p in points if p not in best and p not in beaten]
    apart = [p for p in rest if all(frozenset({p.run, o.run}) in settled[1] for o in best)]
    rest = [p for p in rest if p not in apart]
    lists = {name: [p.run for p in some] for name, some in (("front", best), ("beaten", beaten), ("open", rest), ("apart", apart))}
    alone = len(best) == 1 and all((best[0].run, p.run) in ahead for p in points if p != best[0])
    note = "The times are not all comparable: " + "; ".join(unlike) + "." if unlike else ""
    drawn = draw(points, best, names, text, ceilings, higher=higher, beaten=beaten)
    label = f"{names[1]}, against {names[0]}: {_spoken(points, best, beaten)}"
    return {"svg": drawn, **lists, "alone": alone, "note": note, "label": label}


def _spoken(points: Sequence[Point], best: Sequence[Point], beaten: Sequence[Point]) -> str:
    """The plot for those who do not see it."""
    said = {p.run: " (on the front)" for p in best} | {p.run: " (beaten)" for p in beaten}
    return "; ".join(f"{p.run} {p.y:.3g} at {p.x:.3g}{said.get(p.run, '')}" for p in points)


@figures.own_settings()
def draw(
    points: Sequence[Point],
    best: Sequence[Point],
    names: tuple[str, str],
    text: Callable[[float], str],
    ceilings: dict[str, float],
    *,
    higher: bool,
    beaten: Sequence[Point] = (),
) -> str:
    """The plot as SVG: the front as steps, models on it filled, others hollow, beaten ones pale, each named beside its point."""
    figure, axes = figures.blank(_SIZE, " ".join(names))
    logarithmic = all(p.x > 0 for p in points)
    if logarithmic:
        axes.set_xscale("log")
    _limits(axes, points, logarithmic=logarithmic)
    if best:
        _steps(axes, best, higher=higher)
    for p in points:
        across, along = ([[max(0, at - low)], [max(0, high - at)]] for at, (low, high) in ((p.x, p.xs), (p.y, p.ys)))
        axes.errorbar(p.x, p.y, np.nan_to_num(along), np.nan_to_num(across), "none", elinewidth=1.4, capsize=3, ecolor=p.colour, alpha=0.75)
        filled = not best or p in best
        pale = 0.4 if p in beaten else 1.0
        axes.plot(p.x, p.y, p.shape, ms=8.5, mew=1.8, mec=p.colour, mfc=p.colour if filled else "none", alpha=pale, zorder=4)
    (figures.log_ticks if logarithmic else _plain_ticks)(axes, text)
    axes.set_xlabel(f"{names[0]}, log scale" if logarithmic else names[0])
    axes.set_ylabel(names[1], parse_math=False)
    _name(axes, points, best, ceilings, higher=higher)
    return figures.svg(figure)


def _plain_ticks(axes: Axes, text: Callable[[float], str]) -> None:
    axes.xaxis.set_major_formatter(lambda value, _: text(value))


def _limits(axes: Axes, points: Sequence[Point], *, logarithmic: bool) -> None:
    """Room for the intervals, and around them for names."""
    x = np.array([(p.x, *p.xs) for p in points]).ravel()
    y = np.array([(p.y, *p.ys) for p in points]).ravel()
    x = np.log(x[x > 0]) if logarithmic else x
    left, right = _roomy(x, 0.15 if logarithmic else 1e-9)
    axes.set_xlim(*np.exp([left, right]) if logarithmic else (left, right))
    axes.set_ylim(*_roomy(y, max(1e-3 * abs(np.nanmax(y)), 1e-9)))


def _roomy(values: np.ndarray, min_room: float) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = max(0.16 * (high - low), min_room)
    return low - room, high + room


def _steps(axes: Axes, best: Sequence[Point], *, higher: bool) -> None:
    """The front, and behind it what its models beat."""
    right, (bottom, top) = axes.get_xlim()[1], axes.get_ylim()
    worst = bottom if higher else top
    x = [best[0].x, *(p.x for p in best), right]
    y = [worst, *(p.y for p in best), best[-1].y]
    colour = axes.yaxis.label.get_color()
    axes.step(x, y, where="post", lw=1.3, color=colour, alpha=0.5, zorder=1)
    axes.fill_between(x, y, worst, step="post", color=colour, alpha=0.045, lw=0, zorder=0)


def _name(axes: Axes, points: Sequence[Point], best: Sequence[Point], ceilings: dict[str, float], *, higher: bool) -> None:
    """Each point's name where it covers no point, no line, no edge and no other name, as near as may be."""
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    unit, inside = axes.figure.dpi / 72, axes.get_window_extent(renderer)
    marks, lines = _boxes(axes, points, best, unit)
    corner = axes.annotate("↖ better" if higher else "↙ better", (0, 1 if higher else 0), (0, 5) if higher else (7, 7), va="bottom",
                           xycoords="axes fraction", textcoords="offset points", fontsize=8.5, alpha=0.75)  # fmt: skip
    taken = [*marks, corner.get_window_extent(renderer)]

    def settle(text: str, at: tuple[float, float], places: Sequence[tuple[float, float]], **style: Any) -> None:  # noqa: ANN401 - matplotlib
        """Write ``text`` at the best of ``places``, offsets from ``at`` in points."""
        label = axes.annotate(text, at, (0, 0), textcoords="offset points", parse_math=False, **style)
        size = label.get_window_extent(renderer)
        boxes = [_box(axes.transData.transform(at), place, size.width, size.height, unit) for place in places]
        costs = [_cost(box, taken, lines, inside) + 2 * unit * math.hypot(*place) for box, place in zip(boxes, places, strict=True)]
        first = int(np.argmin(costs))
        taken.append(boxes[first])
        label.set(position=places[first], ha=_ACROSS[_side(places[first][0])], va=_ALONG[_side(places[first][1])])
        if label.arrow_patch is not None:
            label.arrow_patch.set_visible(math.hypot(*places[first]) > _NEAR)

    for p in sorted(points, key=lambda p: -p.y):
        line = {"arrowstyle": "-", "lw": 0.7, "alpha": 0.6, "color": p.colour, "shrinkA": 0, "shrinkB": 5}
        settle(figures.short(p.run), (p.x, p.y), _AROUND, fontsize=9.5, zorder=5, arrowprops=line)
    bottom, top = axes.get_ylim()
    for run, y in ceilings.items():
        if bottom <= y <= top:
            axes.axhline(y, lw=1, ls=(0, (2, 3)), color=axes.yaxis.label.get_color(), alpha=0.55)
            wide = inside.width / unit
            places = [(-far, side) for far in (2, wide / 3, wide / 1.8) for side in (3, -3)]
            settle(f"ceiling: {figures.short(run)}", (axes.get_xlim()[1], y), places, fontsize=8.5, alpha=0.8)


_NEAR = 15.5
"""Points from its mark within which a name needs no line to it."""
_ACROSS = {-1: "right", 0: "center", 1: "left"}
_ALONG = {-1: "top", 0: "center", 1: "bottom"}
_AROUND = tuple(
    (far * math.cos(math.radians(angle)), far * math.sin(math.radians(angle)))
    for far in (8, 15, 26, 40)
    for angle in (0, 180, 90, 270, 35, 145, 215, 325)
)
"""Where a point's name is tried, in points from it, the nearest first."""


def _side(offset: float) -> int:
    return int(offset > 1) - int(offset < -1)


def _box(at: np.ndarray, place: tuple[float, float], width: float, height: float, unit: float) -> Bbox:
    """Where a text of that size stands, ``place`` points from the pixel ``at``."""
    from matplotlib.transforms import Bbox  # noqa: PLC0415 - slow import

    x, y = at[0] + place[0] * unit, at[1] + place[1] * unit
    left = x - width * (0.5 - 0.5 * _side(place[0]))
    low = y - height * (0.5 - 0.5 * _side(place[1]))
    return Bbox.from_extents(left, low, left + width, low + height)


def _cost(box: Bbox, taken: Sequence[Bbox], lines: Sequence[Bbox], inside: Bbox) -> float:
    """How much a name at ``box`` covers, and how far it leaves the plot."""
    out = max(0, inside.x0 - box.x0) + max(0, box.x1 - inside.x1) + max(0, inside.y0 - box.y0) + max(0, box.y1 - inside.y1)
    return float(8 * sum(_overlap(box, area) for area in taken) + 3 * sum(_overlap(box, area) for area in lines) + 60 * out)


def _boxes(axes: Axes, points: Sequence[Point], best: Sequence[Point], unit: float) -> tuple[list[Bbox], list[Bbox]]:
    """Where marks are, and where lines are, in pixels."""
    from matplotlib.transforms import Bbox  # noqa: PLC0415 - slow import

    def box(ends: Sequence[tuple[float, float]], room: float) -> Bbox:
        found = axes.transData.transform(ends)
        (x0, y0), (x1, y1) = found.min(0), found.max(0)
        return Bbox.from_extents(x0 - room * unit, y0 - room * unit, x1 + room * unit, y1 + room * unit)

    marks = [box([(p.x, p.y)] * 2, 6) for p in points]
    bars = [[(p.x, y) for y in p.ys] for p in points] + [[(x, p.y) for x in p.xs] for p in points]
    right = axes.get_xlim()[1]
    steps = [[(p.x, p.y), (x, p.y)] for p, x in zip(best, [*(q.x for q in best[1:]), right], strict=False)]
    steps += [[(q.x, p.y), (q.x, q.y)] for p, q in pairwise(best)]
    return marks, [box(ends, 2) for ends in bars + steps if not np.isnan(ends).any()]


def _overlap(first: Bbox, second: Bbox) -> float:
    """Area in common, in square pixels."""
    wide, tall = min(first.x1, second.x1) - max(first.x0, second.x0), min(first.y1, second.y1) - max(first.y0, second.y0)
    return float(max(0.0, wide) * max(0.0, tall))
