"""The HTML page: style and script inside, pictures beside it or inside too; opened from a file, without any network."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.resources import files
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from bench.core.files import write_atomically
from bench.report import figures, sections
from bench.report.answer import verdict
from bench.report.gallery import DATA, gallery, script_json

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
    environment, about = _environment(), content(tables)
    parts = [
        {**part, "html": Markup(environment.get_template(part["template"]).render(**about, section=part["section"]))}  # noqa: S704 - a template of ours, which escapes
        for part in parts_of(tables, about["labels"])
    ]
    page = environment.get_template("report.html.j2").render(
        **about,
        parts=parts,
        title=title,
        embed=embed,
        style=style(),
        script=script(),
        gallery_file=DATA,
        gallery_data=Markup(script_json(shown)) if embed else "",  # noqa: S704 - every "<" is written as an escape
    )  # fmt: skip
    path = folder / "index.html"
    write_atomically(path, page, flush=False)
    return path


def parts_of(tables: Frames, labels: Sequence[str]) -> list[dict[str, Any]]:
    """The sections that these runs have, in order: ``title``, ``anchor``, ``template`` and ``section``, what the template lays out.

    Every module of ``bench.report.sections`` is one.
    """
    modules = [import_module(f"{sections.__name__}.{module.name}") for module in iter_modules(sections.__path__)]
    parts = []
    for module in sorted(modules, key=lambda module: int(module.ORDER)):
        name = module.__name__.rpartition(".")[2]
        laid_out = module.section(tables, labels)
        if laid_out is not None:
            anchor = getattr(module, "ANCHOR", name)
            parts.append({"title": module.TITLE, "anchor": anchor, "template": f"sections/{name}.html.j2", "section": laid_out})
    return parts


def content(tables: Frames) -> dict[str, Any]:
    """What every template may use: the runs with their colours, the ceilings among them, the answer."""
    labels = [str(run) for run in tables["cost"]["run"]]
    summary = tables["summary"]
    return {
        "labels": labels,
        "verdict": verdict(tables),
        "ceilings": set(summary.loc[summary["ceiling"].astype(bool), "run"]),
        "colours": dict(zip(labels, figures.PALETTE * (len(labels) // len(figures.PALETTE) + 1), strict=False)),
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_TEMPLATE)), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["broken"] = broken
    environment.filters["drawn"] = Markup  # of figures only: matplotlib escapes text
    return environment


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
