"""Reads commands (JSON: a list of word lists) and writes what is wrong with each ("" for nothing): a program of its own.

It is started in a copy of the checkout that has the files of the documentation's pages too. Nothing is rendered: ``run``
plans what it would do, the other commands' parsers read their words.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import sys
from pathlib import Path
from typing import NoReturn

from bench import prompts
from bench.analysis import limits
from bench.cli.app import COMMANDS
from bench.config import presets
from bench.errors import BenchError
from bench.images import matching

_SAMPLES = {
    ".tsv": "Prompt\tCategory\tChallenge\tNote\na red ball\tObjects\tBasic\t\n",
    ".txt": "a red circle on the left, on white\n",
    ".csv": "id,text\none,a red ball\n",
}


class _Met(Exception):  # noqa: N818 - carries a parser, is no error
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def wrong(words: list[str]) -> str:
    command, *rest = (word for word in words if "…" not in word)
    if command.startswith("-") or command == "COMMAND":
        return ""
    if command not in COMMANDS:
        return f"no command {command!r}"
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            code = _planned(rest) if command == "run" else _scored(rest) if command == "score" else _parsed(command, rest)
    except (BenchError, ImportError) as error:
        return str(error)
    except SystemExit as error:
        code = error.code
    return "" if not code else output.getvalue()


def _planned(words: list[str]) -> int:
    for word in words:
        if word.startswith("prompts="):
            _at_hand(Path(word.partition("=")[2].rpartition(":")[2]))
    from bench.cli.commands import run

    return run.main(words if "--cfg" in words or "--help" in words else [*(w for w in words if w != "dry_run=true"), "dry_run=true"])


def _at_hand(file: Path) -> None:
    """A prompt file of the reader's own."""
    if file.suffix in _SAMPLES and not file.exists():
        file.write_text(_SAMPLES[file.suffix], encoding="utf-8")


def _scored(words: list[str]) -> int:
    from bench.cli import overrides

    typed = [word for word in words if "=" in word]
    overrides.compose_metrics(overrides.read_words(typed, ["metric", "results"]), None)
    return 0 if len(typed) < len(words) else 1


def _parsed(command: str, words: list[str]) -> int:
    args = _parser(command).parse_args(words)
    if command == "import":
        prompts.load(args.prompts)
        if args.match not in matching.STRATEGIES:
            raise SystemExit(f"no way to match {args.match!r}")
    if command == "gate":
        limits.parse(args.max_drop, args.max_slowdown)
    named: list[str] = [*(getattr(args, "without", None) or ()), *(getattr(args, "metrics", None) or ())]
    for name in named:
        if not name.isupper():
            presets.read("metric", name.partition(".")[0])
    return 0


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser that a command builds, taken at the moment it would read the command line."""
    module = importlib.import_module(f"bench.cli.commands.{command.replace('import', 'import_')}")
    ways = ("parse_args", "parse_known_args", "parse_intermixed_args")
    before = {way: getattr(argparse.ArgumentParser, way) for way in ways}

    def met(parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        raise _Met(parser)

    try:
        for way in ways:
            setattr(argparse.ArgumentParser, way, met)
        module.main([])
    except _Met as found:
        return found.parser
    finally:
        for way, method in before.items():
            setattr(argparse.ArgumentParser, way, method)
    raise AssertionError(f"{command} reads its words without argparse")


if __name__ == "__main__":
    told = [wrong(words) for words in json.load(sys.stdin)]
    json.dump(told, sys.stdout)
