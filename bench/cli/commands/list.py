"""``list``: what there is, and what is missing to use it. Loads no model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.cli import availability, options
from bench.cli.tables import table
from bench.config import presets
from bench.core.terminal import WHOLE, console
from bench.errors import BenchError
from bench.prompts import shipped
from bench.prompts.files import read
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table

WHAT = ("models", "prompts", "metrics", "runs")


def main(argv: Sequence[str]) -> int:
    """Print the table named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m bench list", description="Show what there is, and what is missing to use it.")
    parser.add_argument("what", nargs="?", choices=WHAT)
    parser.add_argument("--long", action="store_true", help="show every text in full, however many lines it takes")
    options.add_results(parser)
    args = parser.parse_args(argv)
    shown = console(width=WHOLE)
    width = shown.width
    tables: dict[str, Callable[[], Table]] = {
        "models": lambda: models(width, long=args.long),
        "prompts": lambda: prompt_sets(width, long=args.long),
        "metrics": lambda: metrics(width, long=args.long),
        "runs": lambda: runs(Store(args.results), width, long=args.long),
    }
    for what in [args.what] if args.what else WHAT:
        found = tables[what]()
        title, found.title = found.title, None  # which Rich would wrap to the width of the columns
        shown.print(title, soft_wrap=True)
        shown.print(found)
    return 0


def models(width: int, *, long: bool = False) -> Table:
    """Presets with description, licence, size, memory or price of a picture, and what is missing."""
    rows = []
    for name in presets.names("model"):
        data = presets.read("model", name)
        card = data["card"]
        billions, memory = card.get("parameters_b"), card.get("memory_gb")
        size = "hosted" if billions is None else "-" if not billions else f"{billions:g} B" if billions >= 0.1 else f"{1000 * billions:g} M"
        needs = availability.price(name) if billions is None else f"{memory:g} GB" if memory else "-"
        rows.append((name, card["description"], card["licence"], size, needs, availability.missing_for_model(data)))
    columns = ("model", "description", "licence", "size", "needs", "missing to use it")
    return table("models", columns, rows, width, cut="description", optional="size", long=long)


def prompt_sets(width: int, *, long: bool = False) -> Table:
    """Shipped sets with size, languages and licence."""
    rows = []
    for name, path in shipped().items():
        prompts = read(path)
        with_text = sum(bool(p.expected_text) for p in prompts.prompts)
        categories = ", ".join(dict.fromkeys(p.category for p in prompts.prompts))
        rows.append((name, prompts.version, str(len(prompts.prompts)), str(with_text), prompts.language, prompts.licence, categories))
    columns = ("set", "version", "prompts", "with text", "languages", "licence", "categories")
    return table("prompts", columns, rows, width, cut="categories", long=long)


def metrics(width: int, *, long: bool = False) -> Table:
    """Metrics with their source and what is missing."""
    rows = []
    for name in presets.names("metric"):
        parts = list(availability.parts(presets.read("metric", name)))
        repos = [str(part["repo"]) for part in parts if part.get("repo")]
        classes = [str(part["_target_"]).rpartition(".")[2] for part in parts]
        missing = dict.fromkeys(reason for part in parts for reason in availability.missing_for_part(part))
        rows.append((name, ", ".join(repos) or classes[-1], "; ".join(missing)))
    return table("metrics", ("metric", "source", "missing to use it"), rows, width, long=long)


def runs(store: Store, width: int, *, long: bool = False) -> Table:
    """Runs with their pictures and metrics."""
    rows = []
    for name in store.runs():
        try:
            run = store.run(name)
            records = run.current()
            scored = ", ".join(dict.fromkeys(s.metric.partition(".")[0] for s in run.scores() if s.request_id))
            failed = sum(record.status != "ok" for record in records)
            rows.append((name, str(run.info().get("model", "")), str(len(records)), str(failed), scored))
        except BenchError as error:
            rows.append((name, "", "", "", f"unreadable: {error}"))
    columns = ("run", "model", "pictures", "not ok", "scored")
    return table(f"runs in {store.root}", columns, rows, width, cut="scored", optional="model", long=long)
