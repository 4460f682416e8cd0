"""``report``: one run's report again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.cli import options
from bench.core.progress import Progress
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Write the report of the run named."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description="Write one run's report again.")
    parser.add_argument("run", metavar="RUN", help="a run's folder, name or label")
    options.add_results(parser)
    args = parser.parse_args(argv)
    run = Store(args.results).find(args.run)
    from bench import report  # noqa: PLC0415 - slow import

    progress = Progress()
    page = report.write_run(run, console=progress.console, progress=progress)
    progress.say(f"report: {page}")
    return 0
