"""Prompt sets by name, by file or by public format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.core import resources
from bench.errors import ConfigError, unknown
from bench.prompts import formats
from bench.prompts.files import KINDS, read
from bench.types import Prompt, PromptSet

if TYPE_CHECKING:
    from collections.abc import Sequence


def shipped() -> dict[str, Path]:
    """Names and files of the sets that come with the project."""
    return {p.stem: p for p in sorted(resources.folder("prompts").glob("*.jsonl"))}


def load(source: str) -> PromptSet:
    """Read and check a prompt set.

    Args:
        source: a shipped set's name, a path to .jsonl, .txt or .csv, or "FORMAT:PATH" (see ``bench.prompts.formats``).

    Raises:
        ConfigError: no such set, file or format.
        PromptError: the file breaks a rule; the message names file and line.
    """
    if not isinstance(source, str):
        raise ConfigError(f"{source!r} is no prompt set; name one, or the path of a file")
    bare = source.strip("'\"")
    if bare != source and Path(bare).expanduser().is_file() and not Path(source).is_file():
        raise ConfigError(f"no prompt file {source!r}; the name is taken as typed: leave the inner quotes out")
    path = Path(source).expanduser()
    head, colon, rest = source.partition(":")
    if colon and rest and len(head) > 1 and "/" not in head and "\\" not in head and not path.is_file():
        return formats.load(head, Path(rest).expanduser())
    if path.suffix.lower().removeprefix(".") in KINDS:
        if not path.is_file():
            raise ConfigError(f"no prompt file {source!r}")
        return read(path)
    if source not in shipped():
        raise unknown("prompt set", source, shipped())
    return read(shipped()[source])


def select(prompts: PromptSet, *, limit: int | None = None, categories: Sequence[str] = ()) -> tuple[Prompt, ...]:
    """The first ``limit`` prompts of these categories, of all of them by default.

    Raises:
        ConfigError: an unknown category, or a limit below 1.
    """
    available = {p.category for p in prompts.prompts}
    categories = [str(name) for name in categories]
    for name in categories:
        if name not in available:
            raise unknown("category", name, available)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ConfigError(f"limit={limit!r} must be a whole number of at least 1")
    return tuple(p for p in prompts.prompts if not categories or p.category in categories)[:limit]
