"""``list``: what there is, and what is missing to use it. Loads no model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.cli.availability import lacking, missing, parts_of, price
from bench.config import presets
from bench.errors import BenchError
from bench.prompts import shipped
from bench.prompts.files import read
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WHAT = ("models", "prompts", "metrics", "runs")


def main(argv: Sequence[str]) -> int:
    """Print the table(s) asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench list", description="Show what there is, and what is missing to use it.")
    parser.add_argument("what", nargs="?", choices=WHAT)
    parser.add_argument("--results", type=Path, default=Path("results"), help="where runs are kept")
    args = parser.parse_args(argv)
    console = Console()
    makers: dict[str, Callable[[], Table]] = {
        "models": models,
        "prompts": prompt_sets,
        "metrics": metrics,
        "runs": lambda: runs(Store(args.results)),
    }
    for what in [args.what] if args.what else WHAT:
        console.print(makers[what]())
    return 0


def models() -> Table:
    """Presets with licence, size, memory or price, and what is missing."""
    table = _table("models", "model", "licence", "size", "needs", "missing to use it")
    for name in presets.names("model"):
        data = presets.read("model", name)
        card = data["card"]
        size = card.get("parameters_b")
        shown = "hosted" if size is None else "-" if not size else f"{size:g} B" if size >= 0.1 else f"{1000 * size:g} M"
        memory = card.get("memory_gb")
        needs = price(name) if size is None else f"{memory:g} GB" if memory else "-"
        about = f"{escape(card['licence'])}\n[dim]{escape(card['description'])}[/]"
        table.add_row(name, about, shown, needs, missing(data))
    return table


def prompt_sets() -> Table:
    """Shipped sets with size, languages and licence."""
    table = _table("prompts", "set", "version", "prompts", "with text", "languages", "licence", "categories")
    for name, path in shipped().items():
        held = read(path)
        written = sum(bool(p.expected_text) for p in held.prompts)
        kinds = ", ".join(dict.fromkeys(p.category for p in held.prompts))
        table.add_row(name, held.version, str(len(held.prompts)), str(written), held.language, escape(held.licence), escape(kinds))
    return table


def metrics() -> Table:
    """Metrics with their source and what is missing."""
    table = _table("metrics", "metric", "source", "missing")
    for name in presets.names("metric"):
        data = presets.read("metric", name)
        parts = list(parts_of(data))
        repos = [str(part["repo"]) for part in parts if part.get("repo")]
        kinds = [str(part["_target_"]).rpartition(".")[2] for part in parts]
        table.add_row(name, ", ".join(repos) or kinds[-1], "; ".join(dict.fromkeys(lack for part in parts for lack in lacking(part))))
    return table


def runs(store: Store) -> Table:
    """Runs with their pictures and metrics."""
    table = _table(f"runs in {store.root}", "run", "model", "pictures", "not ok", "scored")
    for name in store.runs():
        try:
            run = store.run(name)
            records = run.current()
            scored = ", ".join(dict.fromkeys(s.metric for s in run.scores() if s.request_id))
            table.add_row(name, str(run.info().get("model", "")), str(len(records)), str(sum(r.status != "ok" for r in records)), scored)
        except BenchError as error:
            table.add_row(name, "", "", "", escape(f"unreadable: {error}"))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=i == 0)
    return table
