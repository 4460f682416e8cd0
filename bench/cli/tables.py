"""Tables for a terminal of any width: words stay whole where they fit, and what is cut says so."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
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
    """A table of plain text that is no wider than the terminal.

    Words stay whole where they fit; where they do not, the widest columns give way first, and what is cut ends in "…".

    Args:
        title: above it.
        columns: their names.
        rows: a text a column.
        width: of the terminal, in characters.
        cut: the column whose texts take two lines at most and end in "…" where there is more.
        optional: the column that is left out where the words of the others fill the terminal.
        long: cut and leave out nothing: words that do not fit go on in the next line.
    """
    cells = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
    if optional and not long and _total(_words(cells, cut)) > width:
        del cells[optional]
    widths = _widths(cells, width, cut="" if long else cut)
    shown = Table(
        title=Text(title),
        title_justify="left",
        width=_total(widths),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name, room in widths.items():
        shown.add_column(name if long else _shortened(name, room), width=room, overflow="fold")
        if not long:
            cells[name] = [_cut(text, room) if name == cut else _shortened(text, room) for text in cells[name]]
    for row in zip(*cells.values(), strict=True):
        shown.add_row(*map(Text, row))
    return shown


def _words(cells: dict[str, list[str]], cut: str) -> dict[str, int]:
    """The longest word of each column; of the one that is cut a width that is enough."""
    widths = {name: max(cell_len(word) for text in (name, *texts) for word in (text.split() or [""])) for name, texts in cells.items()}
    return {**widths, cut: min(max(cell_len(cut), _CUT_WIDTH), max(map(cell_len, [cut, *cells[cut]])))} if cut else widths


def _widths(cells: dict[str, list[str]], width: int, *, cut: str) -> dict[str, int]:
    """A width a column: its longest word and what else the terminal has room for, some of it first for the column that is cut."""
    longest = {name: max(map(cell_len, [name, *texts])) for name, texts in cells.items()}
    widths = _words(cells, cut)
    while _total(widths) > width and (widest := max(widths, key=widths.__getitem__)) and widths[widest] > 1:
        widths[widest] -= 1
    comfort = longest if not cut else {**longest, cut: min(longest[cut], _CUT_COMFORT)}
    for name, enough in [(cut, comfort), *((name, longest) for name in cells if name != cut), (cut, longest)]:
        if name:
            widths[name] = max(widths[name], min(enough[name], widths[name] + width - _total(widths)))
    return widths


def _shortened(text: str, width: int) -> str:
    """``text`` with every word that is longer than ``width`` cut, ending in "…"."""
    words = [Text(word) for word in text.split()]
    for word in words:
        word.truncate(width, overflow="ellipsis")
    return " ".join(word.plain for word in words)


def _cut(text: str, width: int) -> str:
    """``text`` in two lines at most, with "…" in place of the rest or of the first word that is too long."""
    words = text.split()
    fitting = next((i for i, word in enumerate(words) if len(word) > width), len(words))
    text = " ".join([*words[:fitting], *["…"] * (fitting < len(words))])
    return "\n".join(textwrap.wrap(text, width, max_lines=_CUT_LINES, placeholder=" …", break_on_hyphens=False, break_long_words=False))


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)
