"""What is made once and kept outside the runs: converted weights, features of reference sets."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def folder() -> Path:
    """FLUXBENCH_CACHE, or XDG_CACHE_HOME/fluxbench, or ~/.cache/fluxbench; deleting it only costs time."""
    own = os.environ.get("FLUXBENCH_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluxbench"


def keep(file: Path, data: bytes) -> None:
    """Write ``data`` whole or not at all; a folder that cannot be written is no error, the work is then done again."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
