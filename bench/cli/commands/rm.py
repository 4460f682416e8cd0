"""``rm``: delete a run, after asking."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.progress import Progress
from bench.errors import ConfigError
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Delete the run named; 2 when nobody can be asked and --yes is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench rm", description="Delete a run: its pictures, records, scores and report.")
    parser.add_argument("run", metavar="RUN", help="a run's folder, name, or a label that only one run has")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where runs are kept")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    args = parser.parse_args(argv)
    store, progress = Store(args.results), Progress()
    run, *others = store.matching(args.run)
    if others:
        names = "".join(f"\n  {each.name}" for each in (run, *others))
        raise ConfigError(f"{len(others) + 1} runs have the label {args.run!r}; give the full name of the one to delete:{names}")
    if not args.yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"deleting {run.name!r} needs a yes: add --yes where nobody can be asked")
        if not progress.ask(f"delete {run.name} with {len(list(run.path.glob('images/*')))} pictures?"):
            progress.say("kept")
            return 0
    with run.lock():
        store.remove(run)
    progress.say(f"deleted {run.name}")
    return 0
