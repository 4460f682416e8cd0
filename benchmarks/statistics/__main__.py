"""How often the bench's words and intervals are wrong: ``python benchmarks/statistics [--quick] [MODULE …]``.

Every row is simulated through the functions that make reports: frames, pairs, answer, gate. A row is kept where its rate lies
within the bounds, three Monte Carlo standard errors aside. Exit code 1 where one is not. ``docs/statistics.md`` has the table.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = sorted(file.stem for file in HERE.glob("*.py") if file.stem not in {"__main__", "table"})


def main() -> int:
    """Print a Markdown table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=[[], *MODULES], metavar="MODULE", help=f"only these: {', '.join(MODULES)}")
    parser.add_argument("--quick", action="store_true", help="few replicates: the short form of a CI")
    args = parser.parse_args()
    began, short = time.monotonic(), 0
    print("| world | what | rate | ± | has to be | |\n|---|---|---|---|---|---|")
    for name in args.modules or MODULES:
        for row in importlib.import_module(name).worlds(quick=args.quick):
            bounds = (
                f"{row.low:.1%} to {row.high:.1%}" if row.low and row.high < 1 else f"≥ {row.low:.1%}" if row.low else f"≤ {row.high:.1%}"
            )
            print(f"| {row.world} | {row.what} | {row.rate:.1%} | {row.error:.1%} | {bounds} | {'' if row.kept else 'SHORT'} |", flush=True)
            short += not row.kept
    print(f"{short} short, {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
