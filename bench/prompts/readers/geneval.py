"""GenEval: evaluation_metadata.jsonl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.core.lines import json_lines
from bench.prompts.readers.common import need, slug

if TYPE_CHECKING:
    from pathlib import Path

    from bench.prompts.files import Rows


LICENCE = "MIT"


def read(text: str, path: Path) -> Rows:
    """One object a line: tag, include, prompt."""
    for number, row in json_lines(text, path):
        need("prompt", row, path, "a GenEval metadata file", number)
        yield number, {"text": row["prompt"], "category": slug(str(row.get("tag", "other")))}
