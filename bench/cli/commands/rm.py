"""``rm``: delete a run, after asking."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.cli import options
from bench.core.advice import command
from bench.core.progress import Progress
from bench.errors import ConfigError
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Delete the run named; 2 when nobody can be asked and --yes is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench rm", description="Delete a run: its pictures, records, scores and report.")
    parser.add_argument("run", metavar="RUN", help="a run's folder, name, or a label that only one run has")
    options.add_results(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    args = parser.parse_args(argv)
    store, progress = Store(args.results), Progress()
    run, *others = store.matching(args.run)
    if others:
        names = "".join(f"\n  {each.name}" for each in (run, *others))
        raise ConfigError(f"{len(others) + 1} runs have the label {args.run!r}; give the full name of the one to delete:{names}")
    folder = run.path.resolve()
    if run.path.is_symlink():
        raise ConfigError(f"{run.path.absolute()} is a link; delete the run it leads to with: {command('rm', str(folder))}")
    if not run.is_one():
        raise ConfigError(f"{folder} is no run: its run.json is not one of a run; nothing is deleted")
    if not args.yes:
        answer = progress.ask(f"delete {folder} with {len(list(run.path.glob('images/*')))} pictures?")
        if answer is None:
            raise ConfigError(f"deleting {folder} needs a yes: add --yes where nobody can be asked")
        if not answer:
            progress.say("kept")
            return 0
    with run.lock():
        left = run.delete()
    progress.say(f"deleted {folder}" if not left else f"deleted the run in {folder}; kept what is not its own: {', '.join(left)}")
    return 0
