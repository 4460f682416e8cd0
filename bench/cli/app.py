"""The command line: starts the command named, and turns errors into one message and an exit code."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from bench import __version__
from bench.cli import streams
from bench.cli.console import print_error
from bench.core import cache
from bench.errors import BenchError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": "render prompts with a model, score them, write a report",
    "score": "score finished runs again, without rendering",
    "compare": "write the comparison report of several runs",
    "vote": "let people choose between the pictures of runs, blind",
    "gate": "pass or fail a candidate against a baseline",
    "report": "write one run's report again",
    "list": "show models, prompts, metrics or runs",
    "verify": "check every metric against known answers",
    "doctor": "check what this machine has for the job",
    "import": "make a run of pictures from elsewhere",
    "rm": "delete a run",
}
_HELP = """usage: python -m bench COMMAND …

{commands}

python -m bench COMMAND --help says more. Exit codes: 0 done; 1 it ran and something failed; 2 the request cannot be
carried out as given; 3 the gate cannot tell; 4 stopped by the budget; 130 interrupted.
"""


def start() -> int:
    """The program: ``main`` with the words of this process, on streams that cannot end it.

    A reader of the output that stops changes nothing; output that a full disk lost is exit code 2.
    """
    streams.settle()
    cache.hold_libraries()
    try:
        return main(sys.argv[1:])
    finally:
        if error := streams.lost():
            print_error(f"the output cannot be written: {error.strerror}")
            raise SystemExit(2)


def main(words: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    if not words or words[0] in {"-h", "--help"}:
        sys.stdout.write(_HELP.format(commands="\n".join(f"  {name:8} {text}" for name, text in COMMANDS.items())))
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"fluxbench {__version__}\n")
        return 0
    try:
        if words[0] not in COMMANDS:
            raise unknown("command", words[0], COMMANDS)
        module = importlib.import_module(f"bench.cli.commands.{words[0].replace('import', 'import_')}")
        return int(module.main(words[1:]))
    except BenchError as error:
        print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print_error("stopped; what was rendered is kept, the same command continues")
        return 130
    except OSError as error:
        print_error(f"{error.filename or 'the output'} cannot be read or written: {error.strerror or error}")
        return 2
