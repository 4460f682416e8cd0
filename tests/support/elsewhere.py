"""Pictures from elsewhere, named after prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import prompts
from bench.tiny import scenes

if TYPE_CHECKING:
    from pathlib import Path


def elsewhere(path: Path) -> Path:
    """A folder with ten pictures named after prompt ids, and one stranger."""
    path.mkdir()
    for prompt in prompts.load("tiny").prompts[:10]:
        scenes.draw(scenes.parse(prompt.text), 3).save(path / f"{prompt.id}.png")
    scenes.draw(scenes.parse("a red circle on the left, on white"), 3).save(path / "holiday.jpg")
    return path
