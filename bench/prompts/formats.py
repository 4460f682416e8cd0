"""Public prompt formats, each called after its file in ``bench/prompts/readers``, whose function ``read`` reads it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from bench.core.lines import read_text
from bench.errors import ConfigError, unknown
from bench.prompts import files, readers
from bench.prompts.readers.common import slug

if TYPE_CHECKING:
    from pathlib import Path

    from bench.types import PromptSet

_SHARED = {"common"}


def names() -> list[str]:
    """Names of the formats, sorted."""
    return sorted(module.name for module in iter_modules(readers.__path__) if module.name not in _SHARED)


def load(name: str, path: Path) -> PromptSet:
    """Read ``path`` in the format called ``name``.

    Raises:
        ConfigError: an unknown format or no such file.
        PromptError: the file is not of that format.
    """
    if name not in names() and name not in files.KINDS:
        raise unknown("prompt format", name, [*names(), *files.KINDS])
    if not path.is_file():
        raise ConfigError(f"no prompt file {str(path)!r}")
    if name in files.KINDS:
        return files.read(path, name)
    reader = import_module(f"{readers.__name__}.{name}")
    rows = reader.read(read_text(path), path)
    return files.assemble(path, rows, name=f"{name}-{slug(path.stem)}", source=f"{name}: {path.name}", licence=reader.LICENCE)
