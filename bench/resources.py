"""Where the files that ship with the project are: in a checkout or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

from bench.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``name`` ("conf", "prompts", "weights").

    Raises:
        ConfigError: the installation is incomplete.
    """
    for place in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise ConfigError(f"the folder {name!r} is missing from this installation; install fluxbench again")
