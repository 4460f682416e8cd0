"""The HTML page: style and script inside, pictures beside it or inside too; opened from a file, without any network."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from bench.report import figures
from bench.report.answer import verdict
from bench.report.cells import not_compared
from bench.report.gallery import DATA, gallery, script_json
from bench.report.sections import categories, speed, texts, tradeoffs
from bench.report.sections.cost import cost
from bench.report.sections.notes import environments, fingerprints, unscored
from bench.report.sections.pairs import versus
from bench.report.sections.sets import sets
from bench.report.sections.summary import first_table
from bench.report.sections.votes import votes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.analysis.frames import Frames
    from bench.core.progress import Progress
    from bench.store import Run

_TEMPLATE = files("bench.report") / "template"
_GALLERY = ("state", "listing", "row", "rows", "zoom", "controls")
"""Scripts of the gallery, in the order they are joined."""


def write_page(
    runs: Sequence[Run], tables: Frames, folder: Path, title: str, *, embed: bool = False, progress: Progress | None = None
) -> Path:
    """Write ``index.html`` into ``folder``, and what its gallery needs beside it.

    Args:
        runs: those of the frames, in their order.
        tables: of ``bench.analysis.frames``.
        folder: of the report; it exists.
        title: above the page.
        embed: put the pictures into the page.
        progress: shows the making of thumbnails.
    """
    shown = gallery(runs, tables, folder, embed=embed, progress=progress)
    page = _environment().get_template("report.html.j2").render(
        **content(tables),
        title=title,
        embed=embed,
        style=style(),
        script=script(),
        gallery_file=DATA,
        gallery_data=Markup(script_json(shown)) if embed else "",  # noqa: S704 - every "<" is written as an escape
    )  # fmt: skip
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def content(tables: Frames) -> dict[str, Any]:
    """What the templates lay out, section by section; None for one that these runs do not have."""
    labels = [str(run) for run in tables["cost"]["run"]]
    summary = tables["summary"]
    found: dict[str, Any] = {
        "table": first_table(tables, labels),
        "tradeoffs": tradeoffs.tradeoffs(tables, labels),
        "heat": categories.heat(tables, labels),
        "versus": versus(tables, labels),
        "votes": votes(tables),
        "speed": speed.speed(tables, labels),
        "distribution": figures.latency_distribution(tables["images"], labels),
        "cost": cost(tables),
        "texts": texts.texts(tables, labels),
        "sets": sets(tables, labels),
        "apart": not_compared(tables),
        "unscored": unscored(tables),
        "environments": environments(tables),
        "fingerprints": fingerprints(tables),
    }
    there = {
        "summary": "Summary", "tradeoffs": "Trade-offs", "heat": "Categories", "versus": "Pairs", "votes": "Votes", "speed": "Speed",
        "cost": "Cost", "texts": "Text", "sets": "Sets", "notes": "Notes", "gallery": "Pictures",
    }  # fmt: skip
    return {
        **found,
        "labels": labels,
        "verdict": verdict(tables),
        "ceilings": set(summary.loc[summary["ceiling"].astype(bool), "run"]),
        "colours": dict(zip(labels, figures.PALETTE * (len(labels) // len(figures.PALETTE) + 1), strict=False)),
        "points": figures.POINTS,
        "parts": {key: name for key, name in there.items() if found.get(key, True)},
        "limit": texts.WORST,
    }


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_TEMPLATE)), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    made.filters["broken"] = broken
    made.filters["drawn"] = Markup  # of figures only: matplotlib escapes text
    return made


def broken(name: str) -> Markup:
    """A name that may be broken after its own marks.

    >>> broken("fd_clip.a<b")
    Markup('fd_<wbr>clip.<wbr>a&lt;b')
    """
    return Markup("<wbr>").join(re.findall(r"[^._/-]*[._/-]|[^._/-]+", name))


def style() -> Markup:
    """The page's style sheet."""
    return _own("report.css", "gallery/gallery.css")


def script() -> Markup:
    """The page's scripts, each part in a scope of its own."""
    parts = (("report.js",), tuple(f"gallery/{name}.js" for name in _GALLERY))
    return Markup("\n").join(Markup('(() => {\n"use strict";\n') + _own(*part) + Markup("})();") for part in parts)


def _own(*names: str) -> Markup:
    return Markup("\n".join((_TEMPLATE / name).read_text(encoding="utf-8") for name in names))  # noqa: S704 - our own files
