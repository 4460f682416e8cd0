"""Prompt files: .jsonl, .txt and .csv, checked line by line."""

from __future__ import annotations

import re
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.lines import csv_rows, json_lines, numbered, read_text
from bench.errors import PromptError
from bench.types import Prompt, PromptSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Rows = Iterable[tuple[int, dict[str, Any]]]

KINDS = ("jsonl", "txt", "csv")
"""File endings that need no format name."""
_HEADER = ("name", "version", "language", "licence", "source")
_FIELDS = tuple(f.name for f in fields(Prompt))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ASPECT = re.compile(r"[1-9]\d{0,2}:[1-9]\d{0,2}")


def read(path: Path, kind: str | None = None) -> PromptSet:
    """Read a .jsonl, .txt or .csv file; a byte-order mark and Windows line ends change nothing, nor do blank rows of a table.

    Args:
        path: of the file; any name will do.
        kind: one of ``KINDS``; None reads the file's ending.

    Raises:
        PromptError: the file breaks a rule; the message names file and line.
    """
    text = read_text(path)
    kind = kind or path.suffix.lower().removeprefix(".")
    if kind == "jsonl":
        return _jsonl(text, path)
    rows = _csv(text, path) if kind == "csv" else _txt(text)
    return assemble(path, rows, name=path.stem, source=path.name)


def assemble(path: Path, rows: Rows, *, name: str, source: str, **header: str) -> PromptSet:
    """Make a prompt set of (line, row) pairs; a prompt without an id is called after its place: p0001, p0002, ….

    Raises:
        PromptError: a row breaks a rule, an id comes twice, or there is no row.
    """
    prompts: list[Prompt] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        prompt = _prompt(row, f"{path}:{line}", len(prompts) + 1)
        if prompt.id in lines:
            raise PromptError(f"{path}:{line}: id {prompt.id!r} is taken by line {lines[prompt.id]}")
        lines[prompt.id] = line
        prompts.append(prompt)
    if not prompts:
        raise PromptError(f"{path}: holds no prompts")
    fields = {"version": "1", "language": "und", "licence": "unknown", **header}
    return PromptSet(name, fields["version"], fields["language"], fields["licence"], source, tuple(prompts))


def _jsonl(text: str, path: Path) -> PromptSet:
    rows = json_lines(text, path)
    if not rows or "text" in rows[0][1]:
        raise PromptError(f"{path}:1: the first line must be the header, an object with {', '.join(_HEADER)}")
    line, header = rows[0]
    for key in _HEADER:
        if not isinstance(header.get(key), str) or not header[key].strip():
            raise PromptError(f"{path}:{line}: the header needs {key!r}, a text")
    _check_fields(header, _HEADER, f"{path}:{line}")
    return assemble(path, rows[1:], **header)


def _txt(text: str) -> list[tuple[int, dict[str, Any]]]:
    return [(n, {"text": line.strip()}) for n, line in numbered(text) if not line.lstrip().startswith("#")]


def _csv(text: str, path: Path) -> list[tuple[int, dict[str, Any]]]:
    columns, rows = csv_rows(text, path)
    if "text" not in columns:
        raise PromptError(f"{path}:1: the first line must name the columns, 'text' among them; found {columns}")
    for _, cells in rows:
        for key, separator in (("tags", ";"), ("expected_text", "|")):
            if key in cells:
                cells[key] = [part.strip() for part in cells[key].split(separator) if part.strip()]
    return rows


def _check_fields(row: dict[str, Any], allowed: Sequence[str], where: str) -> None:
    for key in row:
        if key not in allowed:
            near = get_close_matches(str(key), allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise PromptError(f"{where}: unknown field {key!r}{hint} Known: {', '.join(allowed)}")


def _prompt(row: dict[str, Any], where: str, number: int) -> Prompt:
    _check_fields(row, _FIELDS, where)
    for key in ("id", "text", "category", "negative_prompt", "aspect"):
        if key in row and not isinstance(row[key], str) and not (key == "negative_prompt" and row[key] is None):
            raise PromptError(f"{where}: {key!r} must be a text, not {row[key]!r}")
    if not row.get("text", "").strip():
        raise PromptError(f"{where}: the prompt has no text")
    for key in ("tags", "expected_text"):
        value = row.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
            raise PromptError(f"{where}: {key!r} must be a list of texts, not {value!r}")
    name = row.get("id", f"p{number:04d}")
    if not _ID.fullmatch(name):
        raise PromptError(f"{where}: id {name!r} must be 1 to 100 letters, digits, '.', '_' or '-', because pictures are named after it")
    if not _ASPECT.fullmatch(row.get("aspect", "1:1")):
        raise PromptError(f"{where}: aspect {row['aspect']!r} must be WIDTH:HEIGHT, like 16:9")
    lists: dict[str, Any] = {k: tuple(row[k]) for k in ("tags", "expected_text") if k in row}
    return Prompt(**{**row, **lists, "id": name})
