"""Standard input, output and error of a process, made such that none of them can end a command.

A reader that stops (``| head``), a disk that fills up under a log, a stream that is closed, a terminal without the letters:
the work goes on, what cannot be shown is left out, and the exit code stays that of the work.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO


class _Steady(io.FileIO):
    """A file descriptor to write to, without an end: after an error what is written goes nowhere, and ``failed`` says why."""

    failed: OSError | None = None

    def write(self, data: Any) -> int:  # noqa: ANN401 - anything with bytes
        try:
            return super().write(data) or 0
        except OSError as error:
            self.failed = error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def settle() -> None:
    """Put steady streams into ``sys``, in the encodings that Python chose; letters that these lack become "?"."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file that is opened, a run's perhaps, would be taken for the stream
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process
    sys.stdout, sys.stderr = _steady(1, sys.stdout), _steady(2, sys.stderr)


def _steady(descriptor: int, stream: TextIO | None) -> TextIO:
    encoding = stream.encoding if stream else "utf-8"
    lines = descriptor == 2 or bool(stream and stream.isatty())  # as Python has them
    through = bool(getattr(stream, "write_through", False))
    raw = _Steady(descriptor, "wb", closefd=False)
    buffer: Any = raw if through else io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding, "replace", line_buffering=lines, write_through=through)


def lost() -> OSError | None:
    """Why some of the standard output is lost; None where it is not, and where its reader wanted no more."""
    sys.stdout.flush()
    buffer = sys.stdout.buffer
    failed = getattr(getattr(buffer, "raw", buffer), "failed", None)
    return None if failed is None or failed.errno == errno.EPIPE else failed
