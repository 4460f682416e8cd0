"""The prompt format ``outline``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import prompts
from bench.errors import PromptError

if TYPE_CHECKING:
    from pathlib import Path


def test_an_outline_is_read(tmp_path: Path) -> None:
    file = tmp_path / "wishes.md"
    file.write_text("notes\n# Street scenes\n- a tram in the rain\n- a market\n# Food\n- two eggs\n", encoding="utf-8")
    chosen = prompts.load(f"outline:{file}")
    assert [(p.text, p.category) for p in chosen.prompts] == [
        ("a tram in the rain", "street-scenes"), ("a market", "street-scenes"), ("two eggs", "food"),
    ]  # fmt: skip


def test_what_is_no_outline_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wishes.md"
    file.write_text("- a tram in the rain\n", encoding="utf-8")
    with pytest.raises(PromptError, match=":1: "):
        prompts.load(f"outline:{file}")
