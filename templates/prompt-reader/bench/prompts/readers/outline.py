"""Outline: a Markdown list under headings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.core.lines import numbered
from bench.errors import PromptError
from bench.prompts.readers.common import slug

if TYPE_CHECKING:
    from pathlib import Path

    from bench.prompts.files import Rows


LICENCE = "unknown"
"""Of the prompts in this format; a public set's own licence where it has one."""


def read(text: str, path: Path) -> Rows:
    """``# Category`` lines, and below each ``- prompt`` lines; other lines are left out.

    Yields:
        The line's number and a row; its keys are fields of ``bench.types.Prompt``, ``text`` at the least.
    """
    category = None
    for number, line in numbered(text):
        if line.startswith("#"):
            category = slug(line.strip("# "))
        elif line.startswith("- "):
            if category is None:
                raise PromptError(f"{path}:{number}: a prompt before the first heading: this is not an outline")
            yield number, {"text": line.removeprefix("- ").strip(), "category": category}
