"""The cache folder outside the runs: converted weights, features of reference sets, what libraries keep."""

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


def hold_libraries() -> None:
    """Have Matplotlib (its list of fonts) and torch (compiled networks) use ``folder``, where the user names no other."""
    with contextlib.suppress(RuntimeError):  # no home
        for variable, name in (("MPLCONFIGDIR", "matplotlib"), ("TORCHINDUCTOR_CACHE_DIR", "torchinductor")):
            os.environ.setdefault(variable, str(folder() / name))


def keep(file: Path, data: bytes) -> None:
    """Write ``data`` whole or not at all; a folder that cannot be written is no error, the work is then done again."""
    with contextlib.suppress(OSError):
        write_atomically(file, data, flush=False)
