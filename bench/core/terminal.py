"""Consoles: in colour and as wide as the window where a terminal reads, plain lines everywhere else."""

from __future__ import annotations

import sys

from bench.core.harmless import Console

LOG_WIDTH = 120
WHOLE = 100_000
"""The width of a list that no terminal shows: every row is one line, and nothing is cut."""


def console(*, stderr: bool = False, width: int = LOG_WIDTH) -> Console:
    """A console of standard output, or of standard error.

    Files, pipes and the logs of a CI get no escape codes, whatever FORCE_COLOR says, and lines of ``width`` characters.
    """
    stream = sys.stderr if stderr else sys.stdout
    terminal = bool(stream and stream.isatty())
    return Console(stderr=stderr, width=None if terminal else width, force_terminal=terminal)
