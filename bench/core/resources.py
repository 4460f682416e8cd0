"""The files that ship with the project, in a checkout or inside an installed wheel."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from bench.errors import ConfigError, MissingPackageError

_PACKAGE = Path(__file__).resolve().parents[1]


def folder(name: str) -> Path:
    """The folder ``name`` ("conf", "prompts", "weights").

    Raises:
        ConfigError: the installation is incomplete.
    """
    for place in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise ConfigError(f"the folder {name!r} is missing from this installation; install fluxbench again")


def latin_font() -> Path:
    """The font DejaVu Sans, which comes with matplotlib: it draws test pictures of words."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise MissingPackageError("drawing words needs the package matplotlib; install it with: pip install matplotlib")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
