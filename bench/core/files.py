"""Writing files so that a killed process leaves none half written."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def writing(path: Path, kept: str = "rendered") -> Iterator[None]:
    """Turn what the system says against writing to ``path`` into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write to {path}: {error.strerror or error}; free some space or fix the permissions, then run the "
            f"same command again: nothing already {kept} is lost"
        ) from error


def add_line(file: io.FileIO, row: Mapping[str, Any], *, flush: bool) -> None:
    """A line of JSON at the end of ``file``, wholly or not at all."""
    line = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode()
    start = file.seek(0, os.SEEK_END)
    try:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - an unbuffered file takes less where the disk is full
        if flush:
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(start)
        raise
