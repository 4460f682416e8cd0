"""Writing files so that a killed process leaves none half written."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO


@contextlib.contextmanager
def writing(path: Path, kept: str = "rendered") -> Iterator[None]:
    """Raise a StoreError that says what to do when ``path`` cannot be written; ``kept`` says what is safe already."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write to {path}: {error.strerror or error}; free some space or fix the permissions, then run the "
            f"same command again: nothing already {kept} is lost"
        ) from error


def write_atomically(
    file: Path, data: bytes | Callable[[BinaryIO], object], *, flush: bool = True, mode: int = 0o666, replace: bool = True
) -> None:
    """Write ``file`` whole or not at all: under a name of its own beside it, then renamed.

    A killed process leaves ``<random>.<name>.part`` at most. Several processes may write the same file; the last one wins.

    Args:
        file: where to; folders that are missing are made.
        data: the content, or a function that writes it to the open file.
        flush: have it on disk before the rename, so that a power cut cannot leave an empty file.
        mode: permissions, before the umask.
        replace: False keeps a file that is there already, so that the first writer wins.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    part = file.with_name(f"{secrets.token_hex(4)}.{file.name}.part")
    try:
        with _open_new(part, mode) as handle:
            if callable(data):
                data(handle)
            else:
                handle.write(data)
            if flush:
                handle.flush()
                os.fsync(handle.fileno())
        if replace:
            part.replace(file)
            return
        with contextlib.suppress(FileExistsError):
            os.link(part, file)
        part.unlink()
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _open_new(part: Path, mode: int) -> BinaryIO:
    """A new file, open for writing; its folder is made where it is missing."""
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    except FileNotFoundError:
        part.parent.mkdir(parents=True, exist_ok=True)
        return _open_new(part, mode)
    return os.fdopen(descriptor, "wb")


def printable(name: str | Path) -> str:
    r"""A file's name or path as text that can be stored and shown; a byte that is not UTF-8 is written like ``\xe9``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


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
