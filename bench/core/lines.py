r"""Text files as rows: lines end with \n, \r\n or \r and nothing else, and every mistake is told with its line."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from bench.core.files import printable
from bench.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Row = tuple[int, dict[str, Any]]

_DELIMITERS = ",;\t"
_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path) -> str:
    r"""A file's text, UTF-8 with or without a byte-order mark or UTF-16 with one; \r\n and \r have become \n.

    Raises:
        PromptError: it is neither.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith(_MARKS) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise PromptError(f"{printable(path)}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Numbers, from 1, and lines; blank lines are left out."""
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def json_value(text: str, path: Path, line: int = 1) -> Any:  # noqa: ANN401 - any JSON
    """The value of a JSON text that begins at this line of a file.

    Raises:
        PromptError: it is none, names a field of an object twice, or holds half an emoji.
    """
    where = f"{printable(path)}:{line}"
    try:
        value = json.loads(text, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise PromptError(f"{printable(path)}:{line + error.lineno - 1}: not JSON: {error.msg} at column {error.colno}") from error
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise PromptError(f"{where}: {_field(value, half)} holds {half}, half an emoji: a text was cut inside it; write it anew") from error
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{where}: {error}") from error
    return value


def json_lines(text: str, path: Path) -> list[Row]:
    """(line, object) pairs of a JSON Lines text. Raises PromptError for a line that is no JSON object, see ``json_value``."""
    rows = []
    for number, line in numbered(text):
        row = json_value(line, path, number)
        if not isinstance(row, dict):
            raise PromptError(f"{printable(path)}:{number}: a line must be a JSON object, not {type(row).__name__}")
        rows.append((number, row))
    return rows


def csv_rows(text: str, path: Path, *, delimiter: str | None = None, quotes: bool = True) -> tuple[list[str], list[Row]]:
    """The columns that the first row of a CSV text names, and (line, cells by column) of the others, stripped, without empty cells.

    Blank rows are left out, and columns without a name where nothing is in them, as spreadsheets write them.

    Args:
        text: of the file.
        path: for messages.
        delimiter: between cells; None takes the comma, semicolon or tab that the first line has most of.
        quotes: whether a cell may stand in double quotes; they are ordinary characters otherwise.

    Raises:
        PromptError: a quote that is not closed, a column named twice, or a cell without a column.
    """
    rows = _cells(text, path, delimiter or max(_DELIMITERS, key=text.lstrip().partition("\n")[0].count), quotes=quotes)
    first, names = next(rows, (1, []))
    found: list[Row] = []
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice:
        raise PromptError(f"{printable(path)}:{first}: the column {twice!r} is there {names.count(twice)} times; keep one")
    for line, cells in rows:
        if any(cell and not name for cell, name in zip(cells, names + [""] * len(cells), strict=False)):
            raise PromptError(f"{printable(path)}:{line}: more cells than columns; put a text with commas in double quotes")
        found.append((line, {name: cell for name, cell in zip(names, cells, strict=False) if cell}))
    return [name for name in names if name], found


def _cells(text: str, path: Path, delimiter: str, *, quotes: bool) -> Iterator[tuple[int, list[str]]]:
    """The line where each row begins, and its stripped cells; blank rows are left out."""
    kind: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, quoting=kind, strict=True)
    begins = 1
    with _cells_of_any_length():
        rows = []
        try:
            for row in reader:
                rows.append((begins, [cell.strip() for cell in row]))
                begins = reader.line_num + 1
        except csv.Error as error:
            raise PromptError(
                f"{printable(path)}:{begins}: a double quote opens a cell of this row and is not closed, or the cell goes on behind the "
                'closing one; a cell that holds double quotes stands in double quotes, with "" for each of them'
            ) from error
    return ((line, cells) for line, cells in rows if any(cells))


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Lift the module's limit of 131072 characters a cell for a while."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = next((name for name, count in Counter(name for name, _ in pairs).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"the field {twice!r} is there twice; keep one")
    return dict(pairs)


def _field(value: Any, half: str) -> str:  # noqa: ANN401 - any JSON
    """The field of an object that holds ``half`` of an emoji; "the text" where there is none."""
    fields = value.items() if isinstance(value, dict) else ()
    return next((repr(name) for name, content in fields if half in json.dumps(content)), "the text")
