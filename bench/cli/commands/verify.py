"""``verify``: the known-answer suite; exit code 1 if any answer is wrong."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from bench import verify
from bench.cli import options
from bench.core.progress import Progress
from bench.core.terminal import console

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 150
_STYLE = {"ok": "green", "wrong": "bold red", "skipped": "dim"}


def main(argv: Sequence[str]) -> int:
    """Make the checks of the metrics named (all without a name) and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench verify", description="Check every metric against known answers.")
    parser.add_argument("metrics", nargs="*", metavar="METRIC")
    options.add_results(parser, "where runs for published numbers are looked for")
    args = parser.parse_args(argv)
    checks = verify.choose(verify.collect(args.results), args.metrics)
    progress, outcomes = Progress(), []
    with progress.track("verify", len(checks)) as advance:
        for outcome in verify.run_checks(checks):
            outcomes.append(outcome)
            advance(1)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("metric", "kind", "", "check"):
        table.add_column(column, no_wrap=column != "check", overflow="fold")
    table.add_column("seen", overflow="fold")
    for outcome in outcomes:
        check = outcome.check
        verdict = f"[{_STYLE[outcome.verdict]}]{outcome.verdict}[/]"
        table.add_row(check.metric, check.kind, verdict, escape(check.name), escape(outcome.seen))
    shown = console(width=_WIDTH)
    shown.print(table)
    count = Counter(outcome.verdict for outcome in outcomes)
    shown.print(f"{count['ok']} right, {count['wrong']} wrong, {count['skipped']} skipped (not counted)")
    return 1 if count["wrong"] else 0
