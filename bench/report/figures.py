"""Figures as SVG text that takes the page's own text colour; colours of Okabe and Ito, safe for the colour-blind."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#7F7F7F")
SHAPES = "osD^vP*X"
POINTS = 400
"""Points drawn of a run's latencies; of more, so many quantiles stand for them."""
_TEXT = "#010203"
"""Stands for the page's text colour until the SVG is written."""
_LONGEST = 24
_SETTINGS: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _TEXT),
    "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif", "path.simplify": False,
}  # fmt: skip


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Decorates what draws a figure: it is drawn with Matplotlib's defaults and the page's settings.

    Neither a matplotlibrc, MPLBACKEND nor what a notebook has set shows in it, and the notebook's own figures stay as they were.
    """
    with _matplotlib().style.context(["default", _SETTINGS]):
        yield


def _matplotlib() -> ModuleType:
    """Matplotlib with its styles; MPLBACKEND is read after it is imported, for a back end that is missing ends the import."""
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    import matplotlib as mpl  # noqa: PLC0415 - slow import
    import matplotlib.style  # noqa: PLC0415 - slow import

    if backend is not None:
        os.environ["MPLBACKEND"] = backend
        with contextlib.suppress(ValueError):
            mpl.rcParams["backend"] = backend
    return mpl


@own_settings()
def latency_distribution(images: pd.DataFrame, runs: Sequence[str]) -> str | None:
    """Each run's latencies as points, with the quartiles as a box and the median as a line; None without timings.

    Args:
        images: frame ``images``: run and latency_s are read.
        runs: all runs of the page, which decide the colours.
    """
    timed = images[images["latency_s"].notna()]
    shown = [run for run in runs if (timed["run"] == run).any()]
    if not shown:
        return None
    figure, axes = blank((8.4, 0.9 + 0.5 * len(shown)), "latency")
    colours = dict(zip(runs, PALETTE * (len(runs) // len(PALETTE) + 1), strict=False))
    for y, run in enumerate(reversed(shown)):
        seconds = timed.loc[timed["run"] == run, "latency_s"].to_numpy(float)
        low, middle, high = np.percentile(seconds, [25, 50, 75])
        if len(seconds) > POINTS:
            seconds = np.quantile(seconds, np.linspace(0, 1, POINTS))
        _dots(axes, seconds, y + np.random.default_rng(0).uniform(-0.22, 0.22, len(seconds)), colours[run])
        axes.plot([low, high], [y, y], lw=9, alpha=0.4, color=colours[run], solid_capstyle="butt")
        axes.plot([middle, middle], [y - 0.32, y + 0.32], lw=2.2, color=colours[run])
    axes.set_yticks(range(len(shown)), [short(run) for run in reversed(shown)])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xscale("log")
    log_ticks(axes, seconds_text)
    axes.set_xlabel("seconds a picture, log scale")
    return svg(figure)


def _dots(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    """Round dots as one path of strokes without length: a tenth of the text that markers take."""
    gap = np.full_like(x, np.nan)
    (line,) = axes.plot(np.column_stack([x, x, gap]).ravel(), np.column_stack([y, y, gap]).ravel(), lw=2.6, alpha=0.55, color=colour)
    line.set_solid_capstyle("round")


def short(name: str) -> str:
    """A run's name, cut to the length that figures have room for.

    >>> short("a-model-with-a-very-long-name"), short("tiny-pro")
    ('a-model-with-a-very-lon…', 'tiny-pro')
    """
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def blank(size: tuple[float, float], salt: str) -> tuple[Figure, Axes]:
    """An empty plot of ``size`` inches, inside ``own_settings``; ``salt`` tells its inner names from those of other figures of the page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow import
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow import

    _matplotlib().rcParams["svg.hashsalt"] = f"fluxbench {salt}"
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)  # which measures text
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(b=False)
    axes.grid(visible=True, alpha=0.16, lw=0.8, color=_TEXT)
    axes.set_axisbelow(b=True)
    return figure, axes


def seconds_text(value: float) -> str:
    """Seconds, small ones as milliseconds."""
    return f"{value:g} s" if value >= 1 else f"{1000 * value:g} ms"


def log_ticks(axes: Axes, text: Any) -> None:  # noqa: ANN401 - matplotlib takes any function of a value
    """Few round numbers along a logarithmic x axis, each as ``text(value)``."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator  # noqa: PLC0415 - slow import

    low, high = axes.get_xlim()
    near = MaxNLocator(4, steps=[1, 2, 5, 10]) if high / low < 5 else None
    axes.xaxis.set_major_locator(near or LogLocator(subs=(1, 2, 5) if high / low < 40 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: text(float(f"{value:.10g}")))
    axes.xaxis.set_minor_formatter(NullFormatter())


def svg(figure: Figure) -> str:
    """The figure as SVG text in the page's colour, without names that nothing in it refers to."""
    data = io.StringIO()
    figure.savefig(data, format="svg", transparent=True, bbox_inches="tight", pad_inches=0.03, metadata={"Date": None, "Creator": None})
    text = data.getvalue()
    text = text[text.index("<svg") :].replace(_TEXT, "currentColor")
    used = {*re.findall(r'href="#([^"]+)"', text), *re.findall(r"url\(#([^)]+)\)", text)}
    text = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\n\s*", "\n", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    text = re.sub(r"font: ([\d.]+px) 'sans-serif'", r"font: \1 system-ui, sans-serif", text)
    return text.replace("font-family: sans-serif", "font-family: inherit")
