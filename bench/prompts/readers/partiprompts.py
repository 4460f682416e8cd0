"""PartiPrompts: a tab-separated file with Prompt, Category and Challenge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.core.lines import csv_rows
from bench.prompts.readers.common import need, slug

if TYPE_CHECKING:
    from pathlib import Path

    from bench.prompts.files import Rows


LICENCE = "Apache-2.0"


def read(text: str, path: Path) -> Rows:
    """Tab-separated: Prompt, Category, Challenge, Note."""
    columns, rows = csv_rows(text, path, delimiter="\t", quotes=False)
    need("Prompt", columns, path, "a PartiPrompts TSV")
    for number, row in rows:
        tags = [slug(row["Challenge"])] if row.get("Challenge") else []
        yield number, {"text": row.get("Prompt", ""), "category": slug(row.get("Category") or "other"), "tags": tags}
