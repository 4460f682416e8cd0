"""Options that several commands have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser


def path(text: str) -> Path:
    """A path as typed, but "~/" is home: shells leave it alone behind an equals sign (``--out=~/report``)."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - "~name" of nobody stays as it is


def add_results(parser: ArgumentParser, says: str = "where runs are kept") -> None:
    """Give ``parser`` the option ``--results``."""
    parser.add_argument("--results", type=path, default=Path("results"), help=says)
