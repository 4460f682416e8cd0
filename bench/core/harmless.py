"""Texts of users and servers where they could act: in a spreadsheet, which runs formulas, and in a terminal, which obeys escape codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
_ONE_WIDE = {code: chr(0x2400 + code) if code < 0x20 else "\ufffd" for code in _CONTROL}
_FORMULA = re.compile(r"[=+\-@\t\n＝＋－＠]|\\x0d")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")


def of_spreadsheet(value: object) -> object:
    r"""A cell of a CSV file: a text that a spreadsheet would run begins with "'", control characters are written like ``\x1b``.

    Numbers, texts that are numbers, line breaks and tabs inside stay. Parquet files have every text as it is.

    >>> of_spreadsheet("=1+1"), of_spreadsheet("-0.5"), of_spreadsheet("- a list"), of_spreadsheet("a\x1b[31m"), of_spreadsheet(-0.5)
    ("'=1+1", '-0.5', "'- a list", 'a\\x1b[31m', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = value.translate(_CONTROL)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_text(table: pd.DataFrame) -> str:
    """A table as the text of a CSV file whose cells no spreadsheet runs."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{str(name): table[name].map(of_spreadsheet) for name in texts}).to_csv(index=False)


def of_terminal(text: str) -> str:
    r"""A text for a terminal: control characters, which could move the cursor or change colours, are shown as signs.

    >>> of_terminal("a\x1b[31m\tb")
    'a␛[31m\tb'
    """
    return text.translate(_ONE_WIDE)


class Console(RichConsole):
    """A console that shows control characters in what it is given instead of sending them to the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of ``renderable``; those that are codes of rich itself stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=of_terminal(segment.text))
