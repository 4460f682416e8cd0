"""Progress for people: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from bench.core.harmless import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINES = 10
_LOG_WIDTH = 120
_MIN_SECONDS = 2.0


class Progress:
    """Shows stages of long work on ``console`` (standard error by default)."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, width=None if sys.stderr.isatty() else _LOG_WIDTH)

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def ask(self, question: str) -> bool | None:
        """Ask a question: True for y or yes, False for any other answer, None where there is no terminal to answer on."""
        if not (sys.stdin and sys.stdin.isatty()):
            return None
        return self.console.input(f"{question} [y/N] ", markup=False).strip().lower() in {"y", "yes"}

    @contextmanager
    def track(self, stage: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show ``stage`` with count, rate and time left; yields a function that adds to the count."""
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
            )  # fmt: skip
            with Bars(*columns, console=self.console, transient=True) as bars:
                task = bars.add_task(stage, total=total, rate="")
                begun = time.monotonic()

                def advance(count: int = 1) -> None:
                    bars.advance(task, count)
                    done = bars.tasks[0].completed
                    bars.update(task, rate=f"{done / max(time.monotonic() - begun, 1e-9):.2f}/s")

                yield advance
        else:
            yield _Lines(self, stage, total).advance


class _Lines:
    """Progress in a log: about ten lines a stage."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        self._progress, self._stage, self._total = progress, stage, total
        self._done, self._tenths, self._begun = 0, 0, time.monotonic()
        self._last = self._begun

    def advance(self, count: int = 1) -> None:
        self._done += count
        tenth, now = self._done * _LINES // max(self._total, 1), time.monotonic()
        if self._done < self._total and (tenth == self._tenths or now - self._last < _MIN_SECONDS):
            return
        self._tenths, self._last = tenth, now
        rate = self._done / max(time.monotonic() - self._begun, 1e-9)
        left = (self._total - self._done) / rate
        self._progress.say(f"{self._stage}: {self._done}/{self._total}, {rate:.2f}/s, {left:.0f} s left")
