"""Readers of public prompt sets, from the user's own copy: ``prompts=FORMAT:PATH``.

The sets themselves are never shipped; each reader follows the schema its authors published.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

from bench import prompts
from bench.errors import ConfigError, PromptError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from bench.types import PromptSet

    Rows = Iterable[tuple[int, dict[str, Any]]]


def load(name: str, path: Path) -> PromptSet:
    """Read ``path`` in the format called ``name``.

    Raises:
        ConfigError: an unknown format or no such file.
        PromptError: the file is not of that format.
    """
    if name not in FORMATS and name not in prompts.KINDS:
        raise unknown("prompt format", name, [*FORMATS, *prompts.KINDS])
    if not path.is_file():
        raise ConfigError(f"no prompt file {str(path)!r}")
    if name in prompts.KINDS:
        return prompts.read(path, name)
    reader, licence = FORMATS[name]
    text = path.read_text(encoding="utf-8-sig")
    return prompts.assemble(path, reader(text, path), name=f"{name}-{_slug(path.stem)}", source=f"{name}: {path.name}", licence=licence)


def _partiprompts(text: str, path: Path) -> Rows:
    """Tab-separated: Prompt, Category, Challenge, Note."""
    reader = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    _need("Prompt", reader.fieldnames or (), path, "a PartiPrompts TSV")
    for number, row in enumerate(reader, 2):
        tags = [_slug(row["Challenge"])] if row.get("Challenge") else []
        yield number, {"text": row["Prompt"], "category": _slug(row.get("Category") or "other"), "tags": tags}


def _geneval(text: str, path: Path) -> Rows:
    """One object a line: tag, include, prompt."""
    for number, row in prompts.json_lines(text, path):
        _need("prompt", row, path, "a GenEval metadata file", number)
        yield number, {"text": row["prompt"], "category": _slug(str(row.get("tag", "other")))}


def _longtext(text: str, path: Path) -> Rows:
    """One object a line: prompt, text (what must be drawn), category, length, prompt_id."""
    for number, row in prompts.json_lines(text, path):
        _need("prompt", row, path, "a LongText-Bench file", number)
        _need("text", row, path, "a LongText-Bench file", number)
        expected = row["text"] if isinstance(row["text"], list) else [row["text"]]
        made = {"text": row["prompt"], "category": _slug(str(row.get("category", "text"))), "expected_text": expected}
        if row.get("length"):
            made["tags"] = [_slug(str(row["length"]))]
        if "prompt_id" in row:
            made["id"] = f"longtext-{row['prompt_id']}"
        yield number, made


def _coco(text: str, path: Path) -> Rows:
    """One object with "annotations": image_id, id, caption; the first caption of each picture."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise PromptError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    _need("annotations", data if isinstance(data, dict) else {}, path, "a COCO captions file")
    seen: set[object] = set()
    for number, row in enumerate(data["annotations"], 1):
        _need("caption", row, path, "a COCO captions file", number)
        if row.get("image_id", number) not in seen:
            seen.add(row.get("image_id", number))
            yield number, {"id": f"coco-{row.get('image_id', number)}", "text": row["caption"].strip(), "category": "coco"}


FORMATS: dict[str, tuple[Callable[[str, Path], Rows], str]] = {
    "partiprompts": (_partiprompts, "Apache-2.0"),
    "geneval": (_geneval, "MIT"),
    "longtext": (_longtext, "Apache-2.0"),
    "coco": (_coco, "CC-BY-4.0"),
}
"""Format name to reader and licence of the published set."""


def _need(key: str, row: Iterable[str], path: Path, what: str, line: int = 1) -> None:
    if key not in row:
        raise PromptError(f"{path}:{line}: no {key!r}: this is not {what}")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "other"
