"""Tables for a terminal of any width: words stay whole, and one column is cut to the room that is left."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = 2
_CUT_LINES = 2
_CUT_WIDTH, _CUT_COMFORT = 12, 32


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, cut: str = "", optional: str = "", long: bool = False
) -> Table:
    """A table of plain text.

    Args:
        title: above it.
        columns: their names.
        rows: a text a column.
        width: of the terminal, in characters; the table is wider where its words are.
        cut: the column whose texts take two lines at most and end in "…" where there is more.
        optional: the column that is left out where the words of the others fill the terminal.
        long: cut and leave out nothing.
    """
    cells = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
    widths = _widths(cells, width, cut="" if long else cut)
    if optional and not long and _total(widths) > width:
        del cells[optional]
        widths = _widths(cells, width, cut=cut)
    if cut and not long:
        cells[cut] = [_cut(text, widths[cut]) for text in cells[cut]]
    shown = Table(
        title=Text(title),
        title_justify="left",
        width=_total(widths),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in cells:
        shown.add_column(name, width=widths[name], overflow="fold")
    for row in zip(*cells.values(), strict=True):
        shown.add_row(*map(Text, row))
    return shown


def _widths(cells: dict[str, list[str]], width: int, *, cut: str) -> dict[str, int]:
    """A width a column: its longest word and what else the terminal has room for, some of it first for the column that is cut."""
    longest = {name: max(map(len, [name, *texts])) for name, texts in cells.items()}
    widths = {name: max(len(word) for text in (name, *texts) for word in (text.split() or [""])) for name, texts in cells.items()}
    if cut:
        widths[cut] = min(max(len(cut), _CUT_WIDTH), longest[cut])
    comfort = longest if not cut else {**longest, cut: min(longest[cut], _CUT_COMFORT)}
    for name, enough in [(cut, comfort), *((name, longest) for name in cells if name != cut), (cut, longest)]:
        if name:
            widths[name] = max(widths[name], min(enough[name], widths[name] + width - _total(widths)))
    return widths


def _cut(text: str, width: int) -> str:
    """``text`` in two lines at most, with "…" in place of the rest or of the first word that is too long."""
    words = text.split()
    fitting = next((i for i, word in enumerate(words) if len(word) > width), len(words))
    text = " ".join([*words[:fitting], *["…"] * (fitting < len(words))])
    return "\n".join(textwrap.wrap(text, width, max_lines=_CUT_LINES, placeholder=" …", break_on_hyphens=False, break_long_words=False))


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)
