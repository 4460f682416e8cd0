"""Figures as SVG text that takes the page's own text colour; colours of Okabe and Ito, safe for the colour-blind."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#7F7F7F")
_TEXT = "#010203"
"""Stands for the page's text colour until the SVG is written."""


def quality_latency(summary: pd.DataFrame, metric: str) -> str | None:
    """Mean of ``metric`` with its interval against the median latency of each run; None with fewer than two points."""
    quality = summary[(summary["metric"] == metric) & summary["mean"].notna()].set_index("run")
    pace = summary[(summary["metric"] == "latency.p50") & summary["mean"].notna()].set_index("run")["mean"]
    runs = [r for r in quality.index if r in pace.index]
    if len(runs) < 2:
        return None
    plt, figure, axes = _axes(4.2)
    colours = dict(zip(dict.fromkeys(summary["run"]), PALETTE * 9, strict=False))
    for i, run in enumerate(runs):
        q = quality.loc[run]
        bars = np.nan_to_num([[q["mean"] - q["low"]], [q["high"] - q["mean"]]])
        axes.errorbar(pace[run], q["mean"], yerr=bars, fmt="osD^vP*X"[i % 8], ms=9, lw=1.8, capsize=4, color=colours[run], label=run)
    axes.set_xscale("log")
    _seconds(axes)
    axes.set_xlabel("median seconds a picture (log scale)")
    axes.set_ylabel(f"{metric}, {'higher' if quality['higher_is_better'].iloc[0] else 'lower'} is better")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=min(4, len(runs)), columnspacing=1.2)
    return _svg(plt, figure)


def latency_distribution(images: pd.DataFrame) -> str | None:
    """Every picture's latency as a point, with the quartiles as a box, a row a run; None without timings."""
    timed = images[images["latency_s"].notna()]
    runs = list(dict.fromkeys(timed["run"]))
    if not runs:
        return None
    plt, figure, axes = _axes(1.0 + 0.55 * len(runs))
    colours = dict(zip(dict.fromkeys(images["run"]), PALETTE * 9, strict=False))
    for y, run in enumerate(reversed(runs)):
        seconds = timed.loc[timed["run"] == run, "latency_s"].to_numpy()
        scatter = np.random.default_rng(0).uniform(-0.16, 0.16, len(seconds))
        axes.scatter(seconds, y + scatter, s=9, alpha=0.45, color=colours[run], linewidths=0)
        low, middle, high = np.percentile(seconds, [25, 50, 75])
        axes.plot([low, high], [y, y], lw=7, alpha=0.35, color=colours[run], solid_capstyle="butt")
        axes.plot([middle, middle], [y - 0.28, y + 0.28], lw=2, color=colours[run])
    axes.set_yticks(range(len(runs)), list(reversed(runs)))
    axes.set_ylim(-0.6, len(runs) - 0.4)
    axes.set_xscale("log")
    _seconds(axes)
    axes.set_xlabel("seconds a picture (log scale): every picture, quartiles, median")
    return _svg(plt, figure)


def _axes(height: float) -> tuple[Any, Any, Any]:
    import matplotlib as mpl  # noqa: PLC0415 - slow import

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - slow import

    quiet: dict[Any, Any] = {
        "text.color": _TEXT,
        "axes.labelcolor": _TEXT,
        "xtick.color": _TEXT,
        "ytick.color": _TEXT,
        "axes.edgecolor": _TEXT,
    }
    plt.rcParams.update({**quiet, "svg.fonttype": "none", "svg.hashsalt": "fluxbench", "font.size": 11, "font.family": "sans-serif"})
    figure, axes = plt.subplots(figsize=(7.6, height))
    axes.spines[["top", "right"]].set_visible(b=False)
    axes.grid(visible=True, alpha=0.18, lw=0.8, color=_TEXT)
    axes.set_axisbelow(b=True)
    return plt, figure, axes


def _seconds(axes: Any) -> None:  # noqa: ANN401 - matplotlib
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter  # noqa: PLC0415 - slow import

    low, high = axes.get_xlim()
    near = MaxNLocator(5, steps=[1, 2, 5, 10]) if high / low < 4 else None
    axes.xaxis.set_major_locator(near or LogLocator(subs=(1, 2, 5) if high / low < 30 else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s" if value >= 1 else f"{1000 * value:g} ms")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _svg(plt: Any, figure: Any) -> str:  # noqa: ANN401 - matplotlib
    data = io.StringIO()
    figure.savefig(data, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = data.getvalue()
    text = text[text.index("<svg") :].replace(_TEXT, "currentColor")
    return text.replace("font: 11px 'sans-serif'", "font: 11px system-ui, sans-serif").replace(
        "font-family: sans-serif", "font-family: inherit"
    )
