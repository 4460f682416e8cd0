"""The made-up worlds of ``benchmarks/statistics``, for tests that simulate a few of them."""

from __future__ import annotations

import runpy
import sys
from typing import Any

from support.paths import ROOT


def simulated(module: str) -> dict[str, Any]:
    """What the module of that name defines."""
    folder = ROOT / "benchmarks" / "statistics"
    sys.path.insert(0, str(folder))  # its modules share one, as `python benchmarks/statistics` runs them
    try:
        return runpy.run_path(str(folder / f"{module}.py"))
    finally:
        sys.path.remove(str(folder))
