"""``compare``: the comparison report of several runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.cli import options
from bench.core.progress import Progress
from bench.errors import ConfigError
from bench.store import Store
from bench.types import digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.store import Run

_LONGEST = 80


def main(argv: Sequence[str]) -> int:
    """Compare the runs named."""
    parser = argparse.ArgumentParser(prog="python -m bench compare", description="Write the comparison report of several runs.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder, name or label")
    options.add_results(parser)
    parser.add_argument("--out", type=options.path, help="folder of the report (default: results/comparisons/<names>)")
    parser.add_argument("--without", nargs="+", default=(), metavar="METRIC", help="leave these metrics out")
    parser.add_argument("--embed", action="store_true", help="one file to mail: the pictures are inside the page")
    args = parser.parse_args(argv)
    store = Store(args.results)
    runs = store.find_all(args.runs)
    empty = next((run.name for run in runs if not run.records()), None)
    if empty:
        raise ConfigError(f"{empty} has no picture and no refusal to compare; render it first, or leave it out")
    without = [name for word in args.without for name in word.split(",") if name]
    write(store, runs, args.out, without, embed=args.embed)
    return 0


def write(store: Store, runs: Sequence[Run], out: Path | None = None, without: Sequence[str] = (), *, embed: bool = False) -> Path:
    """Write the report, print its table, its answer and its path."""
    from bench import report  # noqa: PLC0415 - slow import

    progress = Progress()
    folder = out or store.comparison_folder(folder_name([r.name for r in runs]))
    page = report.write_comparison(
        runs, folder, without=without, votes=store.votes(), embed=embed, console=progress.console, progress=progress
    )
    progress.say(f"comparison: {page}")
    return page


def folder_name(names: Sequence[str]) -> str:
    """The runs' labels joined, with a short hash of their full names."""
    joined = "-vs-".join(name.split(".")[0] for name in names)[:_LONGEST]
    return f"{joined}.{digest(list(names))[:6]}"
