"""The cache folder outside the runs: converted weights, features of reference sets."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bench.core.files import write_atomically


def folder() -> Path:
    """FLUXBENCH_CACHE, or XDG_CACHE_HOME/fluxbench, or ~/.cache/fluxbench; deleting it only costs time."""
    own = os.environ.get("FLUXBENCH_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluxbench"


def keep(file: Path, data: bytes) -> None:
    """Write ``data`` whole or not at all; a folder that cannot be written is no error, the work is then done again."""
    with contextlib.suppress(OSError):
        write_atomically(file, data, flush=False)
