"""How often the bench's words and intervals are wrong: ``python benchmarks/statistics [--quick] [MODULE …]``.

Every row is simulated through the functions that make reports: frames, pairs, answer, gate. A row is kept where its rate lies
within the bounds, three Monte Carlo standard errors aside. Exit code 1 where one is not. ``docs/statistics.md`` has the table.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from table import Row

HERE = Path(__file__).resolve().parent
MODULES = sorted(file.stem for file in HERE.glob("*.py") if file.stem not in {"__main__", "table"})


def rows(name: str, *, quick: bool) -> tuple[list[Row], float]:
    """The rows of a module, and the seconds they took."""
    began = time.monotonic()
    return list(importlib.import_module(name).worlds(quick=quick)), time.monotonic() - began


def main() -> int:
    """Print a Markdown table, module by module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=[[], *MODULES], metavar="MODULE", help=f"only these: {', '.join(MODULES)}")
    parser.add_argument("--quick", action="store_true", help="few replicates: the short form of a CI")
    args = parser.parse_args()
    modules, began, short = args.modules or MODULES, time.monotonic(), 0
    print("| world | what | rate | ± | has to be | |\n|---|---|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(min(len(modules), os.cpu_count() or 1)) as workers:
        for name, (found, seconds) in zip(modules, workers.map(partial(rows, quick=args.quick), modules), strict=True):
            for row in found:
                print(
                    f"| {row.world} | {row.what} | {row.rate:.1%} | {row.error:.1%} | {_bounds(row)} | {'' if row.kept else 'SHORT'} |",
                    flush=True,
                )
                short += not row.kept
            print(f"{name}: {seconds:.0f} s", file=sys.stderr)
    print(f"{short} short, {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 1 if short else 0


def _bounds(row: Row) -> str:
    if row.low and row.high < 1:
        return f"{row.low:.1%} to {row.high:.1%}"
    return f"≥ {row.low:.1%}" if row.low else f"≤ {row.high:.1%}"


if __name__ == "__main__":
    sys.exit(main())
