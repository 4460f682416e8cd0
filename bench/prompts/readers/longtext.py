"""LongText-Bench: text_prompts.jsonl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.core.lines import json_lines
from bench.prompts.readers.common import need, slug

if TYPE_CHECKING:
    from pathlib import Path

    from bench.prompts.files import Rows


LICENCE = "Apache-2.0"


def read(text: str, path: Path) -> Rows:
    """One object a line: prompt, text (what must be drawn), category, length, prompt_id."""
    for number, row in json_lines(text, path):
        need("prompt", row, path, "a LongText-Bench file", number)
        need("text", row, path, "a LongText-Bench file", number)
        expected = row["text"] if isinstance(row["text"], list) else [row["text"]]
        prompt = {"text": row["prompt"], "category": slug(str(row.get("category", "text"))), "expected_text": expected}
        if row.get("length"):
            prompt["tags"] = [slug(str(row["length"]))]
        if "prompt_id" in row:
            prompt["id"] = f"longtext-{row['prompt_id']}"
        yield number, prompt
