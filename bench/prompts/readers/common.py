"""What the readers of public formats share."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from bench.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def need(key: str, row: Iterable[str], path: Path, what: str, line: int = 1) -> None:
    """Raise PromptError unless ``row`` has ``key``; ``what`` is what the file should be ("a GenEval metadata file")."""
    if key not in row:
        raise PromptError(f"{path}:{line}: no {key!r}: this is not {what}")


def slug(text: str) -> str:
    """``text`` as a category or a tag: lower case, words of any script joined by hyphens.

    >>> slug("Two objects, 提示"), slug("?")
    ('two-objects-提示', 'other')
    """
    kept = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else "-" for c in unicodedata.normalize("NFC", text.lower()))
    return re.sub("-+", "-", kept).strip("-") or "other"
