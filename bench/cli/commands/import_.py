"""``import``: pictures made elsewhere become a run."""

from __future__ import annotations

import argparse
import math
import unicodedata
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from bench import prompts
from bench.cli import options
from bench.core.files import printable
from bench.core.progress import Progress
from bench.engine.importing import run_of, write
from bench.errors import ConfigError
from bench.images.importing import ImportPlan, listed, opened, plan_import
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LONGEST_NAME = 100
_SHOWN = 20


def main(argv: Sequence[str]) -> int:
    """Show the plan, ask, store, score and report."""
    parser = argparse.ArgumentParser(prog="python -m bench import", description="Make a run of pictures from elsewhere.")
    parser.add_argument("source", type=options.path, metavar="FOLDER|ZIP|MANIFEST")
    parser.add_argument("--name", required=True, help="name of the model, like midjourney-v6")
    parser.add_argument("--prompts", required=True, metavar="SET", help="the prompt set the pictures were made from")
    parser.add_argument("--source", dest="origin", default="", help="where the pictures come from, for the record")
    parser.add_argument("--model-version", default="", help="version of the model, for the record")
    parser.add_argument("--date", default="", help="when they were made, for the record")
    parser.add_argument("--price", type=float, default=None, help="USD a picture, for the record")
    parser.add_argument("--match", default="name", help="name (default), words (similar ones in the file name) or order")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options.add_results(parser)
    args = parser.parse_args(argv)
    args.name = unicodedata.normalize("NFC", args.name)
    if not args.name.strip(" .") or {*"/\\"} & {*args.name} or len(args.name) > _LONGEST_NAME:
        raise ConfigError(f"--name {args.name[:40]!r} must be a text of 1 to {_LONGEST_NAME} characters without slashes")
    if args.price is not None and not 0 <= args.price < math.inf:
        raise ConfigError(f"--price {args.price} must be a number of US dollars of at least 0")
    with opened(args.source) as source:
        return _import(args, source)


def _import(args: argparse.Namespace, source: Path) -> int:
    prompt_set = prompts.load(args.prompts)
    progress = Progress()
    plan = plan_import(source, prompt_set, args.match, progress)
    show(plan, len(prompt_set.prompts), progress)
    if args.dry_run:
        return 0
    if not args.yes and progress.ask("write this run?") is False:
        return 0
    run = run_of(Store(args.results), args.name, prompt_set)
    provenance = {"source": args.origin, "model_version": args.model_version, "date": args.date}
    count = write(plan, prompt_set, run, name=args.name, provenance=provenance, price=math.nan if args.price is None else args.price)
    from bench import report  # noqa: PLC0415 - slow imports
    from bench.config import presets  # noqa: PLC0415 - slow imports
    from bench.engine import score  # noqa: PLC0415 - slow imports

    with run.lock():
        score.score(run, presets.metrics(presets.usual_metrics(prompt_set.name)), progress)
    page = report.write_run(run, console=progress.console, progress=progress)
    progress.say(f"{run.name}: {_of_all(count, len(plan.matched), len(run.current()))}\nreport: {page}")
    return 0


def _of_all(count: int, matched: int, whole: int) -> str:
    """How many pictures are new, how many were there, and how many the run has from earlier imports."""
    words = f"{count} picture{'s' * (count != 1)} imported"
    if matched > count:
        words += f", {matched - count} already there"
    if whole > matched:
        words += f"; the run has {whole - matched} from earlier imports besides, and the report is of all {whole}"
    return words


def show(plan: ImportPlan, total: int, progress: Progress) -> None:
    """Print the matches, the coverage, and the files that match no prompt or cannot be read."""
    table = Table(title="import")
    for column in ("file", "prompt", "seed", "matched by"):
        table.add_column(column, overflow="fold")
    for match in plan.matched:
        table.add_row(escape(printable(match.file.name)), match.prompt.id, str(match.seed), match.how)
    progress.console.print(table)
    covered = total - len(plan.uncovered)
    progress.say(f"{len(plan.matched)} pictures for {covered} of {total} prompts ({100 * covered / total:.0f} % coverage)")
    for file, reason in list(plan.left_out.items())[:_SHOWN]:
        progress.say(f"left out: {printable(file.name)}: {reason}")
    if len(plan.left_out) > _SHOWN:
        progress.say(f"left out: {len(plan.left_out) - _SHOWN} more")
    for words, files in (("no prompt for", plan.unmatched), ("not read, of unknown kind", plan.unknown)):
        if files:
            progress.say(f"{words}: {listed([printable(f.name) for f in files], _SHOWN)}")
