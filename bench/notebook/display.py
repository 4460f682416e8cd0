"""Pictures and runs as HTML for notebooks: styles inline, pictures inside, and every word of a prompt escaped."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from bench.images import decoding
from bench.report import wording

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from bench.analysis.columns import Cards
    from bench.analysis.frames import Frames

_BORDER = "1px solid rgba(127,127,127,.4)"
_CELL = f"border-bottom:{_BORDER};padding:.25em .8em;text-align:right"


@dataclass(frozen=True)
class PictureCell:
    """A picture with what stands above and below it.

    Attributes:
        head: "" has none.
        file: None where there is no picture.
        alt: what the picture should show.
        lines: below it.
    """

    head: str
    file: Path | None
    alt: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Row:
    """Pictures side by side under a text."""

    text: str
    cells: Sequence[PictureCell]


class Shown:
    """Pictures with their scores: a notebook shows the pictures, elsewhere it reads as the table.

    Attributes:
        table: a row a picture, or a prompt.
    """

    def __init__(self, rows: Sequence[Row], table: pd.DataFrame) -> None:
        self.rows = rows
        self.table = table

    def __repr__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        return "".join(_row(row) for row in self.rows) or "<p>nothing to show</p>"


def address(file: Path, edge: int) -> str | None:
    """A picture as a ``data:`` address, at most ``edge`` pixels wide and high, without metadata; None where it cannot be read."""
    try:
        shown = decoding.thumbnail(file.read_bytes(), edge)
    except (OSError, SyntaxError, ValueError):
        return None
    return f"data:{shown.media_type};base64,{base64.b64encode(shown.data).decode()}"


def strip(files: Sequence[tuple[Path, str]], edge: int = 96) -> str:
    """Small pictures in a line; each with what it should show."""
    shown = [(address(file, edge), alt) for file, alt in files]
    images = "".join(_image(src, alt, edge) for src, alt in shown if src)
    return f'<div style="display:flex;flex-wrap:wrap;gap:.4em;margin:.5em 0">{images}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], bold: Sequence[tuple[int, int]] = ()) -> str:
    """A table of texts whose first column names the row; ``bold`` are (row, column) places."""
    tops = "".join(f'<th scope="col" style="{_CELL}">{escape(text)}</th>' for text in head)
    lines = []
    for i, row in enumerate(rows):
        cells = [f'<th scope="row" style="{_CELL};text-align:left">{escape(row[0])}</th>']
        for j, text in enumerate(row[1:], 1):
            cell = f"<strong>{escape(text)}</strong>" if (i, j) in bold else escape(text)
            cells.append(f'<td style="{_CELL}">{cell}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table style="border-collapse:collapse"><thead><tr>{tops}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def scores_below(scores: pd.DataFrame, cards: Cards) -> list[str]:
    """The headline scores of one picture in words, and what was read in it."""
    lines = []
    rows: dict[str, Any] = {str(row.metric): row for row in scores.itertuples()}
    for metric in cards.below_pictures(rows):
        row = rows[metric]
        if row.status == "not_applicable":
            continue
        value = wording.number(row.value, row.unit) + (" s" if row.unit == "s" else "")
        lines.append(f"{metric} {value}" if row.status == "ok" else f"{metric}: {row.reason}")
    if "ocr.exact" in rows:
        regions = json.loads(str(rows["ocr.exact"].detail)).get("regions", ())
        lines += [f"read “{region['read']}”, asked for “{region['expected']}”" for region in regions]
    return lines


def summary(tables: Frames, runs: Sequence[str]) -> str:
    """Headline metrics by run, mean with interval; what is shown to be best is bold."""
    means = tables["summary"]
    rows, bold = [], []
    for i, metric in enumerate(tables.cards.first_table(means["metric"])):
        by_run = {str(row["run"]): row for _, row in means[means["metric"] == metric].iterrows()}
        arrow = wording.arrow(higher=next(iter(by_run.values()))["higher_is_better"])
        rows.append([f"{metric} {arrow}".strip(), *(wording.cell(by_run[run]) if run in by_run else "–" for run in runs)])
        bold += [(i, j) for j, run in enumerate(runs, 1) if run in by_run and by_run[run]["best"]]
    return table(["", *runs], rows, bold)


def _row(row: Row) -> str:
    text = f'<p style="margin:.6em 0 .2em">{escape(row.text)}</p>' if row.text else ""
    return f'{text}<div style="display:flex;flex-wrap:wrap;gap:.8em">{"".join(_cell(cell) for cell in row.cells)}</div>'


def _cell(cell: PictureCell, edge: int = 256) -> str:
    src = address(cell.file, edge) if cell.file else None
    picture = _image(src, cell.alt, edge) if src else f'<div style="border:{_BORDER};padding:2em 1em">no picture</div>'
    lines = "".join(f"<div>{escape(line)}</div>" for line in cell.lines)
    head = f"<strong>{escape(cell.head)}</strong>" if cell.head else ""
    style, small = f"margin:0;max-width:{edge}px;text-align:left", "margin:0;font-size:.85em;font-style:normal;max-width:none"
    return f'<figure style="{style}">{head}{picture}<figcaption style="{small}">{lines}</figcaption></figure>'


def _image(src: str, alt: str, edge: int) -> str:
    return f'<img src="{src}" alt="{escape(alt)}" title="{escape(alt)}" style="display:block;max-width:{edge}px;height:auto">'
